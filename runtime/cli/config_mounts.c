/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <unistd.h>

#define SHM_DEFAULT "65536k"

static void write_mount(const struct config_input *in, struct json_writer *w, const char *destination, const char *type,
			const char *source, const char *const *options)
{
	if (config_has_mount(in, destination))
		return;
	json_begin_object(w);
	json_kv_string(w, "destination", destination);
	json_kv_string(w, "type", type);
	json_kv_string(w, "source", source);
	config_strings(w, "options", options);
	json_end_object(w);
}

#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MOUNT(destination, type, source, ...) write_mount(in, w, destination, type, source, OPTIONS(__VA_ARGS__))

static bool is_host(const char *mode)
{
	return mode && str_eq(mode, "host");
}

/* The host's POSIX shared memory and queues belong to its IPC namespace. */
static void write_ipc(const struct config_input *in, struct json_writer *w)
{
	const char *size = in->o->shm_size;
	int64_t bytes = 0;
	char text[32] = "size=" SHM_DEFAULT;

	if (is_host(in->o->ipc)) {
		MOUNT("/dev/shm", "bind", "/dev/shm", "rbind", "nosuid", "noexec", "nodev", "rw");
		if (access("/dev/mqueue", F_OK) == 0)
			MOUNT("/dev/mqueue", "bind", "/dev/mqueue", "rbind", "nosuid", "noexec", "nodev", "rw");
		return;
	}
	if (str_starts(in->o->ipc ? in->o->ipc : "", "container:")) {
		AUTO_FREE char *theirs = xasprintf("%.*s" CONFIG_SHM_OF_NAMESPACE, (int)(strlen(in->ns_paths[NS_IPC]) - strlen("ns/ipc")),
						   in->ns_paths[NS_IPC]);

		MOUNT("/dev/shm", "bind", theirs, "bind", "nosuid", "noexec", "nodev", "rw");
		MOUNT("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev");
		return;
	}
	if (size && option_size(size, &bytes) == 0)
		snprintf(text, sizeof(text), "size=%lld", (long long)bytes);
	if (!str_eq(in->o->ipc, "none"))
		MOUNT("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", text);
	MOUNT("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev");
}

/* sysfs shows the network namespace it was mounted in, and may be mounted only by who owns that. */
static void write_sys(const struct config_input *in, struct json_writer *w)
{
	const char *rw = in->o->privileged ? "rw" : "ro", *cgroup_rw = config_for_systemd(in->o, in->args) ? "rw" : rw;
	bool foreign_net = in->net_host && (in->uid_maps || in->ns_paths[NS_USER]);

	if (foreign_net)
		MOUNT("/sys", "bind", "/sys", "rbind", "nosuid", "noexec", "nodev", rw);
	else
		MOUNT("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", rw);
	MOUNT("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", cgroup_rw);
}

/* Files that brig or the network wrote for this container. */
static void write_files(const struct config_input *in, struct json_writer *w)
{
	static const char *const names[] = { "resolv.conf", "hosts", "hostname" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *source = xasprintf("%s/%s", in->bundle, names[i]), *target = xasprintf("/etc/%s", names[i]);

		if (access(source, F_OK) == 0)
			MOUNT(target, "bind", source, "rbind", "rprivate", in->o->read_only ? "ro" : "rw");
	}
	if (in->init)
		MOUNT("/dev/init", "bind", in->init, "rbind", "rprivate", "ro", "nosuid", "nodev");
}

static int write_timezone(const struct config_input *in, struct json_writer *w, struct err *err)
{
	AUTO_FREE char *path = NULL;

	if (!in->o->tz || !*in->o->tz)
		return 0;
	if (str_starts(in->o->tz, "/") || strstr(in->o->tz, ".."))
		return err_set(err, EINVAL, "--tz '%s': must be the name of a time zone, such as Europe/Berlin, or local", in->o->tz);
	path = str_eq(in->o->tz, "local") ? xstrdup("/etc/localtime") : xasprintf("/usr/share/zoneinfo/%s", in->o->tz);
	if (access(path, R_OK) < 0)
		return err_sys(err, -errno, "--tz '%s': open '%s'", in->o->tz, path);
	MOUNT("/etc/localtime", "bind", path, "rbind", "rprivate", "ro");
	return 0;
}

/* A read-only root leaves places to write where programs expect them. */
static void write_scratch(const struct config_input *in, struct json_writer *w)
{
	bool systemd = config_for_systemd(in->o, in->args);

	if (!in->o->read_only || !in->o->read_only_tmpfs)
		return;
	MOUNT("/var/tmp", "tmpfs", "tmpfs", "rw", "nosuid", "nodev", "mode=1777", "tmpcopyup");
	if (systemd)
		return;
	MOUNT("/run", "tmpfs", "tmpfs", "rw", "nosuid", "nodev", "mode=755", "tmpcopyup");
	MOUNT("/tmp", "tmpfs", "tmpfs", "rw", "nosuid", "nodev", "mode=1777", "tmpcopyup");
}

/* What systemd wants of its container: docs "Container Interface", and podman's --systemd. */
static void write_systemd(const struct config_input *in, struct json_writer *w)
{
	static const char *const places[] = { "/run", "/run/lock", "/tmp", "/var/log/journal" };

	for (size_t i = 0; config_for_systemd(in->o, in->args) && i < ARRAY_SIZE(places); i++)
		MOUNT(places[i], "tmpfs", "tmpfs", "rw", "nosuid", "nodev", str_eq(places[i], "/tmp") ? "mode=1777" : "mode=755", "tmpcopyup");
}

int config_mounts(const struct config_input *in, struct json_writer *w, struct err *err)
{
	int r;

	json_key(w, "mounts");
	json_begin_array(w);
	if (is_host(in->o->pid) && (in->uid_maps || in->ns_paths[NS_USER]))
		MOUNT("/proc", "bind", "/proc", "rbind", "nosuid", "noexec", "nodev");
	else
		MOUNT("/proc", "proc", "proc", "nosuid", "noexec", "nodev");
	MOUNT("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k");
	if (in->rootless)
		MOUNT("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620");
	else
		MOUNT("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5");
	write_sys(in, w);
	write_ipc(in, w);
	write_scratch(in, w);
	write_systemd(in, w);
	write_files(in, w);
	r = write_timezone(in, w, err);
	if (r == 0)
		volume_mounts_json(in->volume_dir, in->volumes, w);
	if (r == 0 && in->secrets)
		secrets_mounts_json(in->secret_dir, in->secrets, w);
	json_end_array(w);
	return r;
}
