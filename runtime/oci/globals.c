/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/oci/globals.h"

/* ---- log ---- */

static int open_log_file(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);

	return fd < 0 ? err_sys(err, -errno, "open log file '%s'", path) : fd;
}

/* journald's stream protocol: six lines of header, then one entry a line */
static int open_journal(const char *name, struct err *err)
{
	AUTO_CLOSE int fd = fd_unix_connect(AT_FDCWD, "/run/systemd/journal/stdout");
	AUTO_BUF struct buf header = { 0 };
	int r;

	if (fd < 0)
		return err_sys(err, fd, "connect to journald");
	buf_addf(&header, "%s\n\n%d\n0\n0\n0\n0\n", *name ? name : "brig-oci", 4 /* warning */);
	r = fd_write_all(fd, header.p, header.len);
	if (r < 0)
		return err_sys(err, r, "write to journald");
	return TAKE_FD(fd);
}

static int open_syslog(const char *name, struct err *err)
{
	static const struct sockaddr_un {
		sa_family_t family;
		char path[108];
	} address = { AF_UNIX, "/dev/log" };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)name; /* a line is one datagram; its text already names the program */
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(err, -errno, "connect to syslog at '%s'", address.path);
	return TAKE_FD(fd);
}

static int open_log(const char *where, struct err *err)
{
	static const struct {
		const char *prefix;
		int (*open)(const char *rest, struct err *err);
	} forms[] = {
		{ "file:", open_log_file },
		{ "journald:", open_journal },
		{ "syslog:", open_syslog },
		{ "", open_log_file },
	};

	for (size_t i = 0;; i++) {
		if (str_starts(where, forms[i].prefix))
			return forms[i].open(where + strlen(forms[i].prefix), err);
	}
}

static int find_name(const struct name_value *table, const char *flag, const char *name, uint64_t *ret, struct err *err)
{
	const struct name_value *row = name_find(table, name);
	AUTO_BUF struct buf names = { 0 };

	if (row) {
		*ret = row->value;
		return 0;
	}
	for (row = table; row->name; row++)
		buf_addf(&names, "%s%s", row == table ? "" : ", ", row->name);
	return err_set(err, EINVAL, "invalid value \"%s\" for flag --%s: must be one of %s", name, flag, names.p);
}

int globals_open_log(const struct global_options *g, struct err *err)
{
	static const struct name_value formats[] = { { "text", LOG_FORMAT_TEXT }, { "json", LOG_FORMAT_JSON }, { NULL, 0 } };
	static const struct name_value levels[] = {
		{ "error", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING }, { "warn", LOG_LEVEL_WARNING },
		{ "info", LOG_LEVEL_INFO },   { "debug", LOG_LEVEL_DEBUG },	 { NULL, 0 },
	};
	uint64_t format = LOG_FORMAT_TEXT, level = LOG_LEVEL_WARNING;
	int fd = STDERR_FILENO, r = 0;

	if (g->log_format)
		r = find_name(formats, "log-format", g->log_format, &format, err);
	if (r == 0 && g->log && *g->log)
		fd = open_log(g->log, err);
	if (fd < 0)
		return fd;
	/* a wrong level is reported into the log that the caller watches */
	log_setup(fd, (enum log_format)format, LOG_LEVEL_WARNING);
	if (r == 0 && g->log_level)
		r = find_name(levels, "log-level", g->log_level, &level, err);
	if (r < 0)
		return r;
	log_setup(fd, (enum log_format)format, g->debug ? LOG_LEVEL_DEBUG : (enum log_level)level);
	return fd;
}

/* ---- root directory ---- */

bool globals_in_user_namespace(void)
{
	AUTO_FREE char *map = NULL;
	unsigned long inside, outside, n;
	int r = fd_read_file(AT_FDCWD, "/proc/self/uid_map", 1 << 20, &map, NULL);

	if (r < 0)
		return false; /* a kernel without user namespaces, or no procfs */
	return sscanf(map, "%lu %lu %lu", &inside, &outside, &n) != 3 || inside != 0 || outside != 0 || n != 4294967295;
}

static const char *xdg_runtime_dir(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	return dir && dir[0] == '/' ? dir : NULL;
}

/* /tmp is everybody's: a directory of that name has to be ours alone */
static int check_private(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "stat '%s'", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return err_set(err, EPERM, "state directory '%s' has to be a directory that only uid %u can write", path,
			       (unsigned)geteuid());
	return 0;
}

static int default_root(bool rootless, char **ret, struct err *err)
{
	AUTO_FREE char *root = NULL;
	int r;

	if (!rootless) {
		*ret = xstrdup("/run/brig");
		return 0;
	}
	if (xdg_runtime_dir()) {
		*ret = xasprintf("%s/brig", xdg_runtime_dir());
		return 0;
	}
	/* root of a nested container has a /run of its own */
	if (geteuid() == 0 && access("/run", W_OK) == 0) {
		*ret = xstrdup("/run/brig");
		return 0;
	}
	root = xasprintf("/tmp/brig-%u", (unsigned)geteuid());
	r = check_private(root, err);
	if (r == 0)
		*ret = TAKE_PTR(root);
	return r;
}

static int given_root(const char *given, char **ret, struct err *err)
{
	AUTO_FREE char *cwd = NULL, *joined = NULL, *clean = NULL;

	if (!*given)
		return err_set(err, EINVAL, "invalid value \"\" for flag --root: must be a directory");
	if (given[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return err_sys(err, -errno, "find the current directory for --root '%s'", given);
		joined = xasprintf("%s/%s", cwd, given);
	}
	clean = path_clean(joined ? joined : given);
	if (str_eq(clean, "/"))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --root: must not be the root directory", given);
	*ret = TAKE_PTR(clean);
	return 0;
}

/* mkdir -p; only the last component gets the sticky bit */
static int make_directories(char *path, mode_t mode, struct err *err)
{
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		int r;

		if (slash)
			*slash = '\0';
		r = mkdir(path, 0700) < 0 ? -errno : 0;
		if (r == 0 && !slash && chmod(path, mode) < 0)
			r = -errno;
		if (r < 0 && r != -EEXIST)
			return err_sys(err, r, "make state directory '%s'", path);
		if (!slash)
			return 0;
		*slash = '/';
	}
}

int globals_make_root(const struct global_options *g, const struct runtime_opts *opts, struct err *err)
{
	bool sticky = !g->root && opts->rootless && xdg_runtime_dir();
	AUTO_FREE char *path = NULL;
	struct stat st;

	if (stat(opts->root, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		return err_set(err, ENOTDIR, "state directory '%s' is not a directory", opts->root);
	}
	path = xstrdup(opts->root);
	return make_directories(path, sticky ? 01700 : 0700, err);
}

/* ---- all ---- */

static int resolve_rootless(const char *mode, bool *ret, struct err *err)
{
	bool value;

	if (!mode || str_eq(mode, "auto")) {
		*ret = geteuid() != 0 || globals_in_user_namespace();
		return 0;
	}
	if (option_bool(mode, &value) < 0)
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --rootless: must be one of auto, true, false", mode);
	*ret = value;
	return 0;
}

static int resolve_manager(const struct global_options *g, enum cgroup_manager *ret, struct err *err)
{
	static const struct name_value managers[] = {
		{ "cgroupfs", CGROUP_CGROUPFS }, { "systemd", CGROUP_SYSTEMD }, { "disabled", CGROUP_DISABLED }, { NULL, 0 },
	};
	uint64_t value = g->systemd_cgroup ? CGROUP_SYSTEMD : CGROUP_CGROUPFS;
	int r = g->cgroup_manager ? find_name(managers, "cgroup-manager", g->cgroup_manager, &value, err) : 0;

	if (r < 0)
		return r;
	if (g->systemd_cgroup && value != CGROUP_SYSTEMD)
		return err_set(err, EINVAL, "--systemd-cgroup contradicts --cgroup-manager %s", g->cgroup_manager);
	*ret = (enum cgroup_manager)value;
	return 0;
}

int globals_resolve(const struct global_options *g, struct runtime_opts *ret, struct err *err)
{
	static const struct name_value accels[] = { { "auto", 0 }, { "kvm", 1 }, { "emulate", 2 }, { NULL, 0 } };
	struct runtime_opts o = {
		.debug = g->debug,
		.strict = g->strict,
		.vm_accel = g->vm_accel ? g->vm_accel : "auto",
		.log_path = g->log,
		.log_format = g->log_format,
	};
	uint64_t accel;
	int r;

	r = resolve_rootless(g->rootless, &o.rootless, err);
	if (r == 0)
		r = resolve_manager(g, &o.manager, err);
	if (r == 0)
		r = find_name(accels, "vm-accel", o.vm_accel, &accel, err);
	if (r == 0)
		r = g->root ? given_root(g->root, &o.root, err) : default_root(o.rootless, &o.root, err);
	if (r == 0)
		*ret = o;
	return r;
}
