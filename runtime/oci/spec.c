/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"
#include "runtime/version.h"

struct spec_options {
	const char *bundle, *file;
	bool rootless;
};

#define T struct spec_options
static const struct option_row rows[] = {
	OPT_STRING(T, bundle, "bundle", 'b', "DIR", "directory of the bundle (.)"),
	OPT_STRING(T, file, "file", 'f', "NAME", "name of the file in it (config.json)"),
	OPT_FLAG(T, rootless, "rootless", 0, "for a user without privileges"),
	OPT_END,
};
#undef T

#define WITH_ROOT 1
#define ROOTLESS  2
#define BOTH	  (WITH_ROOT | ROOTLESS)

struct mount_row {
	int when;
	const char *destination, *type, *source;
	const char *options[8];
};
/* clang-format off */
static const struct mount_row mounts[] = {
	{ BOTH,      "/proc",          "proc",   "proc",   { 0 } },
	{ BOTH,      "/dev",           "tmpfs",  "tmpfs",  { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ WITH_ROOT, "/dev/pts",       "devpts", "devpts", { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ ROOTLESS,  "/dev/pts",       "devpts", "devpts", { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" } },
	{ BOTH,      "/dev/shm",       "tmpfs",  "shm",    { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ BOTH,      "/dev/mqueue",    "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ WITH_ROOT, "/sys",           "sysfs",  "sysfs",  { "nosuid", "noexec", "nodev", "ro" } },
	{ ROOTLESS,  "/sys",           "none",   "/sys",   { "rbind", "nosuid", "noexec", "nodev", "ro" } },
	{ BOTH,      "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};
static const struct { int when; const char *name; } namespaces[] = {
	{ BOTH, "pid" }, { WITH_ROOT, "network" }, { BOTH, "ipc" }, { BOTH, "uts" }, { BOTH, "mount" }, { BOTH, "cgroup" },
	{ ROOTLESS, "user" },
};
/* clang-format on */
static const char *const args[] = { "sh", NULL };
static const char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL };
static const char *const caps[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", NULL };
static const char *const masked[] = {
	"/proc/acpi",	    "/proc/asound",	"/proc/kcore",	     "/proc/keys",    "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
	NULL,
};
static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL };

static void write_strings(struct json_writer *w, const char *key, const char *const *v)
{
	json_key(w, key);
	json_begin_array(w);
	for (; *v; v++)
		json_string(w, *v);
	json_end_array(w);
}

static void write_process(struct json_writer *w)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	json_key(w, "process");
	json_begin_object(w);
	json_kv_bool(w, "terminal", true);
	json_key(w, "user");
	json_begin_object(w);
	json_kv_u64(w, "uid", 0);
	json_kv_u64(w, "gid", 0);
	json_end_object(w);
	write_strings(w, "args", args);
	write_strings(w, "env", env);
	json_kv_string(w, "cwd", "/");
	json_key(w, "capabilities");
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		write_strings(w, sets[i], caps);
	json_end_object(w);
	json_key(w, "rlimits");
	json_begin_array(w);
	json_begin_object(w);
	json_kv_string(w, "type", "RLIMIT_NOFILE");
	json_kv_u64(w, "hard", 1024);
	json_kv_u64(w, "soft", 1024);
	json_end_object(w);
	json_end_array(w);
	json_kv_bool(w, "noNewPrivileges", true);
	json_end_object(w);
}

static void write_mounts(struct json_writer *w, int when)
{
	json_key(w, "mounts");
	json_begin_array(w);
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		const struct mount_row *m = &mounts[i];

		if (!(m->when & when))
			continue;
		json_begin_object(w);
		json_kv_string(w, "destination", m->destination);
		json_kv_string(w, "type", m->type);
		json_kv_string(w, "source", m->source);
		if (m->options[0])
			write_strings(w, "options", m->options);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_id_map(struct json_writer *w, const char *key, uint32_t host_id)
{
	json_key(w, key);
	json_begin_array(w);
	json_begin_object(w);
	json_kv_u64(w, "containerID", 0);
	json_kv_u64(w, "hostID", host_id);
	json_kv_u64(w, "size", 1);
	json_end_object(w);
	json_end_array(w);
}

static void write_device_rules(struct json_writer *w)
{
	json_key(w, "resources");
	json_begin_object(w);
	json_key(w, "devices");
	json_begin_array(w);
	json_begin_object(w);
	json_kv_bool(w, "allow", false);
	json_kv_string(w, "access", "rwm");
	json_end_object(w);
	json_end_array(w);
	json_end_object(w);
}

static void write_linux(struct json_writer *w, int when)
{
	json_key(w, "linux");
	json_begin_object(w);
	if (when == ROOTLESS) {
		write_id_map(w, "uidMappings", geteuid());
		write_id_map(w, "gidMappings", getegid());
	} else {
		write_device_rules(w);
	}
	json_key(w, "namespaces");
	json_begin_array(w);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		if (!(namespaces[i].when & when))
			continue;
		json_begin_object(w);
		json_kv_string(w, "type", namespaces[i].name);
		json_end_object(w);
	}
	json_end_array(w);
	write_strings(w, "maskedPaths", masked);
	write_strings(w, "readonlyPaths", readonly);
	json_end_object(w);
}

static void write_config(struct json_writer *w, int when)
{
	json_begin_object(w);
	json_kv_string(w, "ociVersion", BRIG_SPEC_VERSION);
	write_process(w);
	json_key(w, "root");
	json_begin_object(w);
	json_kv_string(w, "path", "rootfs");
	json_kv_bool(w, "readonly", true);
	json_end_object(w);
	json_kv_string(w, "hostname", "brig");
	write_mounts(w, when);
	write_linux(w, when);
	json_end_object(w);
}

static int run(const struct runtime_opts *global UNUSED, void *target, char **operands UNUSED, struct err *err)
{
	const struct spec_options *o = target;
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text, .pretty = true };
	AUTO_CLOSE int dir = open(o->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	int r;

	if (dir < 0)
		return err_sys(err, -errno, "open bundle '%s'", o->bundle);
	fd = openat(dir, o->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return err_set(err, EEXIST, "File %s exists. Remove it first", o->file);
	if (fd < 0)
		return err_sys(err, -errno, "make '%s' in '%s'", o->file, o->bundle);
	write_config(&w, o->rootless ? ROOTLESS : WITH_ROOT);
	buf_add(&text, "\n");
	r = fd_write_all(fd, text.p, text.len);
	if (r < 0) {
		(void)unlinkat(dir, o->file, 0);
		return err_sys(err, r, "write '%s'", o->file);
	}
	return 0;
}

const struct oci_command cmd_spec = {
	.name = "spec",
	.operands = "",
	.help = "write a config.json to start from",
	.options = rows,
	.target_size = sizeof(struct spec_options),
	.defaults = &(const struct spec_options){ .bundle = ".", .file = "config.json" },
	.max_operands = 0,
	.run = run,
};
