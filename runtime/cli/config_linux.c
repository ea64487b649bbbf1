/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"

#include "runtime/base/mem.h"
#include "runtime/cli/record.h"

#include <errno.h>
#include <strings.h>
#include <unistd.h>

/* ---- namespaces ---- */

static void write_namespace(struct json_writer *w, enum ns_type t, const char *path)
{
	json_begin_object(w);
	json_kv_string(w, "type", ns_names[t]);
	if (path)
		json_kv_string(w, "path", path);
	json_end_object(w);
}

static bool is_host(const char *mode)
{
	return mode && str_eq(mode, "host");
}

static void write_namespaces(const struct config_input *in, struct json_writer *w)
{
	const struct {
		enum ns_type type;
		const char *mode;
	} own[] = {
		{ NS_PID, in->o->pid }, { NS_IPC, in->o->ipc }, { NS_UTS, in->o->uts }, { NS_CGROUP, in->o->cgroupns },
	};

	json_key(w, "namespaces");
	json_begin_array(w);
	write_namespace(w, NS_MNT, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (!is_host(own[i].mode))
			write_namespace(w, own[i].type, in->ns_paths[own[i].type]);
	}
	if (!in->net_host)
		write_namespace(w, NS_NET, in->net_path);
	if (in->uid_maps || in->ns_paths[NS_USER])
		write_namespace(w, NS_USER, in->ns_paths[NS_USER]);
	json_end_array(w);
}

static void write_id_maps(struct json_writer *w, const char *key, const struct spec_id_maps *maps)
{
	if (!maps)
		return;
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < maps->n; i++) {
		json_begin_object(w);
		json_kv_u64(w, "containerID", maps->v[i].container_id);
		json_kv_u64(w, "hostID", maps->v[i].host_id);
		json_kv_u64(w, "size", maps->v[i].size);
		json_end_object(w);
	}
	json_end_array(w);
}

/* ---- sysctl ---- */

static int write_sysctl(const struct config_input *in, struct json_writer *w, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct kvlist list = { 0 };

	/* As elsewhere: low ports and ping need no capability in a network namespace of the container's own. */
	if (!in->net_host && !in->uid_maps && !in->ns_paths[NS_USER] && !in->rootless) {
		kvlist_set(&a, &list, "net.ipv4.ip_unprivileged_port_start", "0");
		kvlist_set(&a, &list, "net.ipv4.ping_group_range", "0 2147483647");
	}
	for (size_t i = 0; i < in->o->sysctl.n; i++) {
		AUTO_FREE char *key = xstrdup(in->o->sysctl.v[i]);
		char *equals = strchr(key, '=');

		if (!equals || equals == key)
			return err_set(err, EINVAL, "--sysctl '%s': must be KEY=VALUE", in->o->sysctl.v[i]);
		*equals = '\0';
		if (in->net_host && str_starts(key, "net."))
			return err_set(err, EINVAL, "--sysctl '%s': not with the host's network", key);
		kvlist_set(&a, &list, key, equals + 1);
	}
	json_key(w, "sysctl");
	json_begin_object(w);
	for (size_t i = 0; i < list.n; i++)
		json_kv_string(w, list.v[i].key, list.v[i].value);
	json_end_object(w);
	return 0;
}

/* ---- hidden and read-only paths ---- */

static const char *const masked[] = {
	"/proc/acpi",	     "/proc/asound",   "/proc/interrupts", "/proc/kcore",	"/proc/keys",	 "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi",     "/proc/timer_list", "/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap",
};
static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

static bool listed(const char *list, const char *path)
{
	AUTO_FREE char *copy = xstrdup(list);
	char *rest = copy, *one;

	while ((one = strsep(&rest, ":"))) {
		if (str_eq(one, path) || strcasecmp(one, "all") == 0)
			return true;
	}
	return false;
}

/* unmask=PATH[:PATH...], or all */
static bool is_unmasked(const struct run_options *o, const char *path)
{
	for (size_t i = 0; i < o->security_opt.n; i++) {
		const char *s = o->security_opt.v[i];

		if (str_eq(s, "systempaths=unconfined") || (str_starts(s, "unmask=") && listed(s + 7, path)))
			return true;
	}
	return o->privileged;
}

static void write_paths(const struct config_input *in, struct json_writer *w, const char *key, const char *const *v, size_t n, bool mask)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		if (!is_unmasked(in->o, v[i]))
			json_string(w, v[i]);
	}
	for (size_t i = 0; mask && i < in->o->security_opt.n; i++) {
		const char *s = in->o->security_opt.v[i];
		AUTO_FREE char *copy = str_starts(s, "mask=") ? xstrdup(s + 5) : NULL;
		char *rest = copy, *one;

		while (rest && (one = strsep(&rest, ":")))
			json_string(w, one);
	}
	json_end_array(w);
}

/* ---- devices ---- */

static void write_devices(const struct config_devices *d, struct json_writer *w)
{
	json_key(w, "devices");
	json_begin_array(w);
	for (size_t i = 0; i < d->n; i++) {
		const char type[] = { d->v[i].type, '\0' };

		json_begin_object(w);
		json_kv_string(w, "path", d->v[i].path);
		json_kv_string(w, "type", type);
		json_kv_u64(w, "major", d->v[i].major);
		json_kv_u64(w, "minor", d->v[i].minor);
		json_kv_u64(w, "fileMode", d->v[i].mode);
		json_kv_u64(w, "uid", d->v[i].uid);
		json_kv_u64(w, "gid", d->v[i].gid);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_cgroups_path(const struct config_input *in, struct json_writer *w)
{
	const char *parent = in->o->cgroup_parent;
	AUTO_FREE char *path = NULL;

	if (in->o->cgroups && str_eq(in->o->cgroups, "disabled"))
		return;
	if (in->systemd_cgroup)
		path = xasprintf("%s:brig:%s", parent ? parent : in->rootless ? "user.slice" : "machine.slice", in->id);
	else
		path = xasprintf("%s%s/%s", parent && parent[0] == '/' ? "" : "/", parent ? parent : "brig", in->id);
	json_kv_string(w, "cgroupsPath", path);
}

/* SELinux labels have a meaning only where the kernel has SELinux, and then brig has none to give. */
static int check_label(const struct config_input *in, struct err *err)
{
	const char *label = config_security(in->o, "label");

	if (label && !str_eq(label, "disable") && access("/sys/fs/selinux/enforce", F_OK) == 0)
		return err_set(err, ENOTSUP, "--security-opt label=%s: SELinux labels are not supported; use label=disable", label);
	return 0;
}

int config_linux(const struct config_input *in, struct json_writer *w, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct config_devices devices = { 0 };
	int r = check_label(in, err);

	if (r == 0)
		r = config_devices(in->o, &a, &devices, err);
	if (r < 0)
		return r;
	json_key(w, "linux");
	json_begin_object(w);
	write_namespaces(in, w);
	write_id_maps(w, "uidMappings", in->uid_maps);
	write_id_maps(w, "gidMappings", in->gid_maps);
	r = write_sysctl(in, w, err);
	if (r < 0)
		return r;
	write_cgroups_path(in, w);
	r = config_resources(in, w, err);
	if (r < 0)
		return r;
	write_devices(&devices, w);
	write_paths(in, w, "maskedPaths", masked, ARRAY_SIZE(masked), true);
	write_paths(in, w, "readonlyPaths", readonly, ARRAY_SIZE(readonly), false);
	r = config_seccomp(in, w, err);
	json_end_object(w);
	return r;
}
