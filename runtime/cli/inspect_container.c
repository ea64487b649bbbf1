/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"
#include "runtime/cli/container_net.h"
#include "runtime/cli/health.h"
#include "runtime/cli/inspect_priv.h"
#include "runtime/cli/launch.h"
#include "runtime/cli/status.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/version.h"

#include <errno.h>
#include <fcntl.h>

#define NO_TIME "0001-01-01T00:00:00Z" /* Go's zero time, which everybody's scripts know */

void inspect_object(struct inspect_view *v, const char *key)
{
	json_key(v->w, key);
	json_begin_object(v->w);
}

void inspect_end(struct inspect_view *v)
{
	json_end_object(v->w);
}

void inspect_list(struct inspect_view *v, const char *key, const char *const *words, size_t n)
{
	json_key(v->w, key);
	json_begin_array(v->w);
	for (size_t i = 0; i < n; i++)
		json_string(v->w, words[i]);
	json_end_array(v->w);
}

void inspect_options(struct inspect_view *v, const char *key, const struct option_list *l)
{
	inspect_list(v, key, l->v, l->n);
}

void inspect_pairs(struct inspect_view *v, const char *key, const struct option_list *l, char separator)
{
	inspect_object(v, key);
	for (size_t i = 0; i < l->n; i++) {
		const char *at = strchr(l->v[i], separator);
		AUTO_FREE char *name = at ? xstrndup(l->v[i], (size_t)(at - l->v[i])) : xstrdup(l->v[i]);

		json_kv_string(v->w, name, at ? at + 1 : "");
	}
	inspect_end(v);
}

void inspect_text(struct inspect_view *v, const char *key, const char *value)
{
	json_kv_string(v->w, key, value ? value : "");
}

static pid_t monitor_pid(const struct inspect_view *v)
{
	AUTO_FREE char *path = xasprintf("%s/conmon.pid", v->r->run_dir);
	AUTO_FREE char *text = NULL;
	int64_t pid;

	if (fd_read_file(AT_FDCWD, path, 32, &text, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_to_i64(text, &pid) < 0 ? 0 : (pid_t)pid;
}

static void write_state(struct inspect_view *v)
{
	const struct record *r = v->r;
	bool alive = v->state == RECORD_RUNNING || v->state == RECORD_PAUSED;
	AUTO_FREE char *health = NULL;

	inspect_object(v, "State");
	inspect_text(v, "OciVersion", BRIG_SPEC_VERSION);
	inspect_text(v, "Status", record_state_name(v->state));
	json_kv_bool(v->w, "Running", alive);
	json_kv_bool(v->w, "Paused", v->state == RECORD_PAUSED);
	json_kv_bool(v->w, "Restarting", false);
	json_kv_bool(v->w, "OOMKilled", r->oom_killed);
	json_kv_bool(v->w, "Dead", false);
	json_kv_i64(v->w, "Pid", v->pid);
	json_kv_i64(v->w, "ConmonPid", alive ? monitor_pid(v) : 0);
	inspect_text(v, "CgroupPath", v->cgroup ? v->cgroup : "");
	json_kv_i64(v->w, "ExitCode", alive ? 0 : r->exit_code);
	inspect_text(v, "Error", r->error);
	inspect_text(v, "StartedAt", r->started ? r->started : r->auto_remove && alive ? r->created : NO_TIME);
	inspect_text(v, "FinishedAt", r->finished && !alive ? r->finished : NO_TIME);
	health = health_status(r);
	json_key(v->w, "Health");
	if (health)
		health_json(r, v->w);
	else
		json_null(v->w);
	inspect_end(v);
}

/* The image's environment and the flags'; a later one of a name wins. */
static void write_env(struct inspect_view *v)
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

/* {"80/tcp": {}, ...}: the image's and the flags'. */
static void write_key_set(struct inspect_view *v, const char *key, const struct string_list *image, const struct option_list *flags)
{
	inspect_object(v, key);
	for (size_t i = 0; i < image->n; i++) {
		inspect_object(v, image->v[i]);
		inspect_end(v);
	}
	for (size_t i = 0; flags && i < flags->n; i++) {
		AUTO_FREE char *port = xasprintf("%s%s", flags->v[i], strchr(flags->v[i], '/') ? "" : "/tcp");

		inspect_object(v, port);
		inspect_end(v);
	}
	inspect_end(v);
}

static void write_health(struct inspect_view *v)
{
	AUTO_HEALTH struct health h = { 0 };
	struct err ignored;

	json_key(v->w, "Healthcheck");
	if (health_config(&v->o, &v->config, &h, &ignored) < 0 || !h.command) {
		json_null(v->w);
		return;
	}
	json_begin_object(v->w);
	json_key(v->w, "Test");
	json_begin_array(v->w);
	json_string(v->w, "CMD");
	for (char **c = h.command; *c; c++)
		json_string(v->w, *c);
	json_end_array(v->w);
	json_kv_i64(v->w, "Interval", h.interval_ms * 1000000);
	json_kv_i64(v->w, "Timeout", h.timeout_ms * 1000000);
	json_kv_i64(v->w, "StartPeriod", h.start_period_ms * 1000000);
	json_kv_i64(v->w, "Retries", h.retries);
	json_end_object(v->w);
	inspect_text(v, "HealthcheckOnFailureAction", health_action_name(&h));
}

/* Which, not what they say. */
static void write_secrets(struct inspect_view *v)
{
	AUTO_SECRETS struct secret_uses l = { 0 };
	struct err ignored; /* the flags were checked when the container was created */

	(void)!secret_uses_parse(&v->o.secret, &l, &ignored);
	json_key(v->w, "Secrets");
	json_begin_array(v->w);
	for (size_t i = 0; i < l.n; i++) {
		json_begin_object(v->w);
		inspect_text(v, "Name", l.v[i].name);
		inspect_text(v, "Type", l.v[i].env ? "env" : "mount");
		inspect_text(v, "Target", l.v[i].target);
		json_kv_u64(v->w, "UID", l.v[i].uid);
		json_kv_u64(v->w, "GID", l.v[i].gid);
		json_kv_u64(v->w, "Mode", l.v[i].mode);
		json_end_object(v->w);
	}
	json_end_array(v->w);
}

static void write_config(struct inspect_view *v)
{
	const struct record *r = v->r;
	const struct string_list *cmd = &v->config.cmd, *entry = &v->config.entrypoint;
	char hostname[RECORD_SHORT_LEN + 1];

	snprintf(hostname, sizeof(hostname), "%s", r->id);
	inspect_object(v, "Config");
	inspect_text(v, "Hostname", v->o.hostname && *v->o.hostname ? v->o.hostname : hostname);
	inspect_text(v, "Domainname", "");
	inspect_text(v, "User", v->o.user ? v->o.user : v->config.user);
	json_kv_bool(v->w, "AttachStdin", v->o.interactive && !v->o.detach);
	json_kv_bool(v->w, "AttachStdout", !v->o.detach);
	json_kv_bool(v->w, "AttachStderr", !v->o.detach);
	json_kv_bool(v->w, "Tty", v->o.tty);
	json_kv_bool(v->w, "OpenStdin", v->o.interactive);
	json_kv_bool(v->w, "StdinOnce", false);
	write_env(v);
	if (r->command.n)
		inspect_list(v, "Cmd", (const char *const *)r->command.v, r->command.n);
	else
		inspect_list(v, "Cmd", cmd->v, v->o.entrypoint ? 0 : cmd->n);
	inspect_text(v, "Image", r->image);
	inspect_text(v, "WorkingDir", v->o.workdir ? v->o.workdir : *v->config.working_dir ? v->config.working_dir : "/");
	if (v->o.entrypoint)
		inspect_list(v, "Entrypoint", &v->o.entrypoint, *v->o.entrypoint != '\0');
	else
		inspect_list(v, "Entrypoint", entry->v, entry->n);
	inspect_object(v, "Labels");
	for (size_t i = 0; i < r->labels.n; i++)
		json_kv_string(v->w, r->labels.v[i].key, r->labels.v[i].value);
	inspect_end(v);
	inspect_pairs(v, "Annotations", &v->o.annotation, '=');
	write_key_set(v, "ExposedPorts", &v->config.exposed_ports, &v->o.expose);
	write_key_set(v, "Volumes", &v->config.volumes, NULL);
	json_key(v->w, "OnBuild");
	json_null(v->w);
	write_health(v);
	write_secrets(v);
	inspect_text(v, "Umask", v->o.umask ? v->o.umask : "0022");
	json_kv_u64(v->w, "Timeout", v->o.timeout);
	inspect_text(v, "StopSignal", r->stop_signal);
	json_kv_i64(v->w, "StopTimeout", r->stop_timeout);
	inspect_end(v);
}

static void write_mount(struct inspect_view *v, const struct volume_mount *m, const char *volume_dir)
{
	static const char *const types[] = { [VOLUME_BIND] = "bind", [VOLUME_VOLUME] = "volume", [VOLUME_TMPFS] = "tmpfs", [VOLUME_RAMFS] = "ramfs",
					     [VOLUME_DEVPTS] = "devpts", [VOLUME_MQUEUE] = "mqueue" };
	AUTO_FREE char *source = NULL;

	if (m->kind == VOLUME_VOLUME)
		source = xasprintf("%s/%s/_data", volume_dir, m->source ? m->source : "");
	json_begin_object(v->w);
	inspect_text(v, "Type", types[m->kind]);
	if (m->kind == VOLUME_VOLUME)
		inspect_text(v, "Name", m->source);
	inspect_text(v, "Source", source ? source : m->source);
	inspect_text(v, "Destination", m->target);
	if (m->kind == VOLUME_VOLUME)
		inspect_text(v, "Driver", "local");
	inspect_text(v, "Mode", "");
	json_key(v->w, "Options");
	json_begin_array(v->w);
	for (char **o = m->options; o && *o; o++)
		json_string(v->w, *o);
	json_end_array(v->w);
	json_kv_bool(v->w, "RW", !m->read_only);
	inspect_text(v, "Propagation", m->kind == VOLUME_TMPFS ? "" : "rprivate");
	json_end_object(v->w);
}

static int write_mounts(struct inspect_view *v, struct err *err)
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

static int write_network(struct inspect_view *v, struct err *err)
{
	AUTO_FREE char *sandbox = v->pid ? xasprintf("/proc/%d/ns/net", (int)v->pid) : xstrdup("");
	struct net_result net = { .ns_fd = -1 };
	int x = container_net_load(v->r, &net, err);

	if (x < 0)
		return x;
	inspect_object(v, "NetworkSettings");
	inspect_text(v, "SandboxKey", sandbox);
	net_result_json(&net, record_network(v->r), v->w);
	inspect_end(v);
	net_result_done(&net);
	return 0;
}

static void write_paths(struct inspect_view *v)
{
	static const struct {
		const char *key, *file;
	} files[] = { { "ResolvConfPath", "resolv.conf" }, { "HostnamePath", "hostname" }, { "HostsPath", "hosts" } };
	AUTO_FREE char *log = xasprintf("%s/ctr.log", v->r->dir), *config = xasprintf("%s/%s/config.json", v->r->cli->oci.root, v->r->id);

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", v->r->run_dir, files[i].file);

		inspect_text(v, files[i].key, v->pid ? path : "");
	}
	inspect_text(v, "OCIConfigPath", v->pid ? config : "");
	inspect_text(v, "LogPath", log);
}

/* What scripts ask for that is the same for every container here, or lies elsewhere. */
static void write_more(struct inspect_view *v)
{
	AUTO_FREE char *upper = xasprintf("%s/upper", v->r->dir);
	AUTO_FREE char *pidfile = xasprintf("%s/pidfile", v->r->run_dir), *conmon = xasprintf("%s/conmon.pid", v->r->run_dir);

	inspect_text(v, "OCIRuntime", run_options_vm(&v->o) ? "brig-vm" : "brig-oci");
	inspect_text(v, "PidFile", v->pid ? pidfile : "");
	inspect_text(v, "ConmonPidFile", v->pid && v->r->detached ? conmon : "");
	inspect_text(v, "StaticDir", v->r->dir);
	inspect_text(v, "MountLabel", "");
	inspect_text(v, "ProcessLabel", "");
	inspect_text(v, "AppArmorProfile", "");
	inspect_text(v, "Namespace", "");
	inspect_text(v, "Pod", "");
	json_kv_bool(v->w, "IsInfra", false);
	inspect_list(v, "ExecIDs", NULL, 0);
	inspect_list(v, "Dependencies", NULL, 0);
	inspect_object(v, "GraphDriver");
	inspect_text(v, "Name", "erofs");
	inspect_object(v, "Data");
	inspect_text(v, "UpperDir", upper);
	inspect_end(v);
	inspect_end(v);
}

static int write_all(struct inspect_view *v, bool size, struct err *err)
{
	const struct record *r = v->r;
	int x;

	json_begin_object(v->w);
	inspect_text(v, "Id", r->id);
	inspect_text(v, "Created", r->created);
	inspect_text(v, "Path", r->args.n ? r->args.v[0] : "");
	inspect_list(v, "Args", (const char *const *)r->args.v + (r->args.n > 0), r->args.n ? r->args.n - 1 : 0);
	write_state(v);
	inspect_text(v, "Image", r->image_id);
	inspect_text(v, "ImageName", r->image);
	inspect_text(v, "ImageDigest", r->manifest);
	inspect_text(v, "Rootfs", "");
	write_paths(v);
	inspect_text(v, "Name", r->name);
	json_kv_i64(v->w, "RestartCount", r->restarts);
	inspect_text(v, "Driver", "erofs");
	inspect_text(v, "Platform", "linux");
	write_more(v);
	if (size) {
		json_kv_u64(v->w, "SizeRw", status_size(r));
		json_kv_u64(v->w, "SizeRootFs", status_size(r) + v->image.size);
	}
	write_config(v);
	inspect_host_config(v);
	x = write_mounts(v, err);
	if (x == 0)
		x = write_network(v, err);
	json_end_object(v->w);
	return x;
}

int inspect_container(struct record *r, bool size, struct json_writer *w, struct err *err)
{
	struct inspect_view v = { .r = r, .w = w };
	struct container *c = NULL;
	int x = run_options_thaw(&r->flags, &v.o, err);

	if (x < 0)
		return x;
	x = launch_image(r, &v.image, &v.config, err);
	v.state = record_state(r, &c);
	v.pid = c && (v.state == RECORD_RUNNING || v.state == RECORD_PAUSED) ? c->pid : 0;
	v.cgroup = v.pid && c->cgroup ? xstrdup(cgroup_path(c->cgroup)) : NULL;
	container_free(c);
	if (x == 0) {
		x = write_all(&v, size, err);
		store_image_done(&v.image);
		image_config_done(&v.config);
	}
	run_options_done(&v.o);
	free(v.cgroup);
	return x;
}
