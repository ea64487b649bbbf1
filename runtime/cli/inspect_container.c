/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"
#include "runtime/cli/container_net.h"
#include "runtime/cli/health.h"
#include "runtime/cli/inspect.h"
#include "runtime/cli/launch.h"
#include "runtime/cli/status.h"

#include "runtime/base/mem.h"

#include <errno.h>

struct view {
	struct record *r;
	struct run_options o;
	struct store_image image;
	struct image_config config;
	enum record_state state;
	pid_t pid;
	struct json_writer *w;
};

#define NO_TIME "0001-01-01T00:00:00Z" /* Go's zero time, which everybody's scripts know */

static void object(struct view *v, const char *key)
{
	json_key(v->w, key);
	json_begin_object(v->w);
}

static void end(struct view *v)
{
	json_end_object(v->w);
}

static void list(struct view *v, const char *key, const char *const *words, size_t n)
{
	json_key(v->w, key);
	json_begin_array(v->w);
	for (size_t i = 0; i < n; i++)
		json_string(v->w, words[i]);
	json_end_array(v->w);
}

static void options(struct view *v, const char *key, const struct option_list *l)
{
	list(v, key, l->v, l->n);
}

static void text(struct view *v, const char *key, const char *value)
{
	json_kv_string(v->w, key, value ? value : "");
}

static void write_state(struct view *v)
{
	const struct record *r = v->r;
	bool alive = v->state == RECORD_RUNNING || v->state == RECORD_PAUSED;
	AUTO_FREE char *health = NULL;

	object(v, "State");
	text(v, "Status", record_state_name(v->state));
	json_kv_bool(v->w, "Running", alive);
	json_kv_bool(v->w, "Paused", v->state == RECORD_PAUSED);
	json_kv_bool(v->w, "Restarting", false);
	json_kv_bool(v->w, "OOMKilled", r->oom_killed);
	json_kv_bool(v->w, "Dead", false);
	json_kv_i64(v->w, "Pid", v->pid);
	json_kv_i64(v->w, "ExitCode", alive ? 0 : r->exit_code);
	text(v, "Error", r->error);
	text(v, "StartedAt", r->started ? r->started : r->auto_remove && alive ? r->created : NO_TIME);
	text(v, "FinishedAt", r->finished && !alive ? r->finished : NO_TIME);
	health = health_status(r);
	if (health) {
		json_key(v->w, "Health");
		health_json(r, v->w);
	}
	end(v);
}

/* The image's environment and the flags'; a later one of a name wins. */
static void write_env(struct view *v)
{
	const struct string_list *image = &v->config.env;

	json_key(v->w, "Env");
	json_begin_array(v->w);
	for (size_t i = 0; i < image->n; i++) {
		size_t n = strcspn(image->v[i], "=") + 1;
		bool replaced = v->o.unsetenv_all;

		for (size_t k = 0; k < v->o.env.n; k++)
			replaced |= strncmp(v->o.env.v[k], image->v[i], n) == 0;
		if (!replaced)
			json_string(v->w, image->v[i]);
	}
	for (size_t k = 0; k < v->o.env.n; k++)
		json_string(v->w, v->o.env.v[k]);
	json_end_array(v->w);
}

static void write_config(struct view *v)
{
	const struct record *r = v->r;
	const struct string_list *cmd = &v->config.cmd, *entry = &v->config.entrypoint;
	char hostname[RECORD_SHORT_LEN + 1];

	snprintf(hostname, sizeof(hostname), "%s", r->id);
	object(v, "Config");
	text(v, "Hostname", v->o.hostname && *v->o.hostname ? v->o.hostname : hostname);
	text(v, "Domainname", "");
	text(v, "User", v->o.user ? v->o.user : v->config.user);
	json_kv_bool(v->w, "AttachStdin", v->o.interactive && !v->o.detach);
	json_kv_bool(v->w, "AttachStdout", !v->o.detach);
	json_kv_bool(v->w, "AttachStderr", !v->o.detach);
	json_kv_bool(v->w, "Tty", v->o.tty);
	json_kv_bool(v->w, "OpenStdin", v->o.interactive);
	json_kv_bool(v->w, "StdinOnce", false);
	write_env(v);
	if (r->command.n)
		list(v, "Cmd", (const char *const *)r->command.v, r->command.n);
	else
		list(v, "Cmd", cmd->v, v->o.entrypoint ? 0 : cmd->n);
	text(v, "Image", r->image);
	text(v, "WorkingDir", v->o.workdir ? v->o.workdir : *v->config.working_dir ? v->config.working_dir : "/");
	if (v->o.entrypoint)
		list(v, "Entrypoint", &v->o.entrypoint, *v->o.entrypoint != '\0');
	else
		list(v, "Entrypoint", entry->v, entry->n);
	object(v, "Labels");
	for (size_t i = 0; i < r->labels.n; i++)
		json_kv_string(v->w, r->labels.v[i].key, r->labels.v[i].value);
	end(v);
	object(v, "Annotations");
	for (size_t i = 0; i < v->o.annotation.n; i++) {
		AUTO_FREE char *key = xstrdup(v->o.annotation.v[i]);
		char *equals = strchr(key, '=');

		if (equals)
			*equals = '\0';
		json_kv_string(v->w, key, equals ? equals + 1 : "");
	}
	end(v);
	text(v, "StopSignal", r->stop_signal);
	json_kv_i64(v->w, "StopTimeout", r->stop_timeout);
	end(v);
}

static void write_restart(struct view *v)
{
	const char *policy = v->r->restart_policy ? v->r->restart_policy : "no", *colon = strchr(policy, ':');
	AUTO_FREE char *name = xstrndup(policy, colon ? (size_t)(colon - policy) : strlen(policy));
	uint32_t max = 0;

	if (colon)
		(void)!str_to_u32(colon + 1, &max); /* was checked by the kernel of the matter: a bad one counts as 0 */
	object(v, "RestartPolicy");
	text(v, "Name", name);
	json_kv_u64(v->w, "MaximumRetryCount", max);
	end(v);
}

static void write_limits(struct view *v)
{
	const struct run_options *o = &v->o;
	double cpus = o->cpus ? strtod(o->cpus, NULL) : 0;

	json_kv_i64(v->w, "Memory", o->memory.v);
	json_kv_i64(v->w, "MemorySwap", o->memory_swap.set ? o->memory_swap.v : o->memory.v * 2);
	json_kv_i64(v->w, "MemoryReservation", o->memory_reservation.v);
	json_kv_i64(v->w, "MemorySwappiness", o->memory_swappiness.set ? o->memory_swappiness.v : -1);
	json_kv_i64(v->w, "NanoCpus", (int64_t)(cpus * 1e9 + 0.5));
	json_kv_u64(v->w, "CpuShares", o->cpu_shares.v);
	json_kv_u64(v->w, "CpuPeriod", o->cpu_period.v);
	json_kv_i64(v->w, "CpuQuota", o->cpu_quota.v);
	text(v, "CpusetCpus", o->cpuset_cpus);
	text(v, "CpusetMems", o->cpuset_mems);
	json_kv_i64(v->w, "PidsLimit", o->pids_limit.set ? o->pids_limit.v : 2048);
	json_kv_u64(v->w, "BlkioWeight", o->blkio_weight.v);
	json_kv_bool(v->w, "OomKillDisable", o->oom_kill_disable);
	json_kv_i64(v->w, "OomScoreAdj", o->oom_score_adj.v);
	text(v, "CgroupParent", o->cgroup_parent);
	options(v, "Ulimits", &o->ulimit);
}

static void write_host_config(struct view *v)
{
	const struct run_options *o = &v->o;
	int64_t shm = 64 << 20;

	if (o->shm_size)
		(void)!option_size(o->shm_size, &shm); /* was checked by create */
	object(v, "HostConfig");
	options(v, "Binds", &o->volume);
	text(v, "NetworkMode", v->r->network ? v->r->network : "brig");
	options(v, "PortSpecs", &o->publish);
	json_kv_bool(v->w, "PublishAllPorts", o->publish_all);
	write_restart(v);
	json_kv_bool(v->w, "AutoRemove", o->rm);
	json_kv_bool(v->w, "Privileged", o->privileged);
	json_kv_bool(v->w, "ReadonlyRootfs", o->read_only);
	json_kv_bool(v->w, "Init", o->init);
	options(v, "CapAdd", &o->cap_add);
	options(v, "CapDrop", &o->cap_drop);
	options(v, "SecurityOpt", &o->security_opt);
	options(v, "Dns", &o->dns);
	options(v, "DnsOptions", &o->dns_option);
	options(v, "DnsSearch", &o->dns_search);
	options(v, "ExtraHosts", &o->add_host);
	options(v, "GroupAdd", &o->group_add);
	options(v, "Devices", &o->device);
	options(v, "VolumesFrom", &o->volumes_from);
	text(v, "PidMode", o->pid);
	text(v, "IpcMode", o->ipc);
	text(v, "UTSMode", o->uts);
	text(v, "UsernsMode", o->userns);
	text(v, "CgroupnsMode", o->cgroupns ? o->cgroupns : "private");
	json_kv_i64(v->w, "ShmSize", shm);
	text(v, "Runtime", o->vm ? "brig-vm" : "brig-oci");
	object(v, "LogConfig");
	text(v, "Type", o->log_driver ? o->log_driver : "k8s-file");
	end(v);
	write_limits(v);
	end(v);
}

static void write_mount(struct view *v, const struct volume_mount *m, const char *volume_dir)
{
	static const char *const types[] = { [VOLUME_BIND] = "bind", [VOLUME_VOLUME] = "volume", [VOLUME_TMPFS] = "tmpfs",
					     [VOLUME_DEVPTS] = "devpts", [VOLUME_MQUEUE] = "mqueue" };
	AUTO_FREE char *source = NULL;

	if (m->kind == VOLUME_VOLUME)
		source = xasprintf("%s/%s/_data", volume_dir, m->source ? m->source : "");
	json_begin_object(v->w);
	text(v, "Type", types[m->kind]);
	if (m->kind == VOLUME_VOLUME)
		text(v, "Name", m->source);
	text(v, "Source", source ? source : m->source);
	text(v, "Destination", m->target);
	if (m->kind == VOLUME_VOLUME)
		text(v, "Driver", "local");
	text(v, "Mode", "");
	json_key(v->w, "Options");
	json_begin_array(v->w);
	for (char **o = m->options; o && *o; o++)
		json_string(v->w, *o);
	json_end_array(v->w);
	json_kv_bool(v->w, "RW", !m->read_only);
	text(v, "Propagation", m->kind == VOLUME_TMPFS ? "" : "rprivate");
	json_end_object(v->w);
}

static int write_mounts(struct view *v, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(volume_list_done) struct volume_list l = { 0 };
	AUTO_FREE char *dir = xasprintf("%s/volumes", v->r->cli->store.root);
	struct json *root;
	int x = 0;

	if (v->r->mounts) {
		x = json_parse(&a, "record.json", v->r->mounts, strlen(v->r->mounts), &root, err);
		if (x == 0)
			x = volume_list_load(&l, root, "record.json", err);
	}
	json_key(v->w, "Mounts");
	json_begin_array(v->w);
	for (size_t i = 0; i < l.n && x == 0; i++)
		write_mount(v, &l.v[i], dir);
	json_end_array(v->w);
	return x;
}

static int write_network(struct view *v, struct err *err)
{
	struct net_result net = { .ns_fd = -1 };
	int x = container_net_load(v->r, &net, err);

	if (x < 0)
		return x;
	object(v, "NetworkSettings");
	net_result_json(&net, v->w);
	end(v);
	net_result_done(&net);
	return 0;
}

static void write_paths(struct view *v)
{
	static const struct {
		const char *key, *file;
	} files[] = { { "ResolvConfPath", "resolv.conf" }, { "HostnamePath", "hostname" }, { "HostsPath", "hosts" } };
	AUTO_FREE char *log = xasprintf("%s/ctr.log", v->r->dir), *config = xasprintf("%s/%s/config.json", v->r->cli->oci.root, v->r->id);

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", v->r->run_dir, files[i].file);

		text(v, files[i].key, v->pid ? path : "");
	}
	text(v, "OCIConfigPath", v->pid ? config : "");
	text(v, "LogPath", log);
}

static int write_all(struct view *v, bool size, struct err *err)
{
	const struct record *r = v->r;
	int x;

	json_begin_object(v->w);
	text(v, "Id", r->id);
	text(v, "Created", r->created);
	text(v, "Path", r->args.n ? r->args.v[0] : "");
	list(v, "Args", (const char *const *)r->args.v + (r->args.n > 0), r->args.n ? r->args.n - 1 : 0);
	write_state(v);
	text(v, "Image", r->image_id);
	text(v, "ImageName", r->image);
	text(v, "ImageDigest", r->manifest);
	text(v, "Rootfs", "");
	write_paths(v);
	text(v, "Name", r->name);
	json_kv_i64(v->w, "RestartCount", r->restarts);
	text(v, "Driver", "erofs");
	text(v, "Platform", "linux");
	if (size)
		json_kv_u64(v->w, "SizeRw", status_size(r));
	write_config(v);
	write_host_config(v);
	x = write_mounts(v, err);
	if (x == 0)
		x = write_network(v, err);
	json_end_object(v->w);
	return x;
}

int inspect_container(struct record *r, bool size, struct json_writer *w, struct err *err)
{
	struct view v = { .r = r, .w = w };
	struct container *c = NULL;
	int x = run_options_thaw(&r->flags, &v.o, err);

	if (x < 0)
		return x;
	x = launch_image(r, &v.image, &v.config, err);
	v.state = record_state(r, &c);
	v.pid = c && (v.state == RECORD_RUNNING || v.state == RECORD_PAUSED) ? c->pid : 0;
	container_free(c);
	if (x == 0) {
		x = write_all(&v, size, err);
		store_image_done(&v.image);
		image_config_done(&v.config);
	}
	run_options_done(&v.o);
	return x;
}
