/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/copy_tree.h"
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * DOC: mounts
 *
 * Sources are detached trees, destinations are fds below the root, and move_mount joins the two: no path string of the
 * container is ever handed to mount(2), so a swapped symlink has nothing to win.
 */
/* Flags that belong to the superblock: options of the file system context. */
static const struct {
	uint64_t ms;
	const char *key;
} sb_flags[] = {
	{ MS_SYNCHRONOUS, "sync" },
	{ MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" },
	{ MS_LAZYTIME, "lazytime" },
};

/* The kernel keeps messages for the one who asks: "e tmpfs: Bad value for 'size'". */
static int context_error(int fs_fd, int r, const char *what, struct err *err)
{
	char text[256];
	ssize_t n = read(fs_fd, text, sizeof(text) - 1);

	if (n <= 0)
		return err_sys(err, r, "%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_set(err, -r, "%s: %s: %s", what, n > 2 ? text + 2 : text, strerror(-r));
}

static int set_option(int fs_fd, const char *option)
{
	const char *eq = strchr(option, '=');
	AUTO_FREE char *key = eq ? xstrndup(option, (size_t)(eq - option)) : NULL;
	AUTO_FREE char *value = eq ? xstrdup(eq + 1) : NULL;
	size_t n = eq ? strlen(value) : 0;

	/* context="...", and its kin: the quotes belong to the syntax of mount(2)'s data. */
	if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
		memmove(value, value + 1, n - 2);
		value[n - 2] = '\0';
	}
	return eq ? sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value, 0) : sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0);
}

/* As strsep(3) at commas, but not inside of double quotes: SELinux contexts have commas, and come in quotes. */
static char *next_option(char **rest)
{
	char *option = *rest, *p = option;
	bool quoted = false;

	if (!option)
		return NULL;
	for (; *p && (*p != ',' || quoted); p++)
		quoted ^= *p == '"';
	*rest = *p ? p + 1 : NULL;
	*p = '\0';
	return option;
}

static int set_options(int fs_fd, const char *type, const char *options, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(options ? options : "");
	char *rest = copy, *option;

	while ((option = next_option(&rest))) {
		char what[160];
		int r;

		if (!*option)
			continue;
		r = set_option(fs_fd, option);
		if (r >= 0)
			continue;
		/* A group that the user namespace does not map: devpts then takes the maker's. */
		if (strcmp(type, "devpts") == 0 && str_starts(option, "gid=") && r == -EINVAL)
			continue;
		snprintf(what, sizeof(what), "mount type '%s', option '%s'", type, option);
		return context_error(fs_fd, r, what, err);
	}
	return 0;
}

static int new_detached(int fs_fd, const char *type, const char *source, const char *options, uint64_t ms_flags, struct err *err)
{
	int r, fd;

	if (source) {
		r = sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0);
		if (r < 0)
			return context_error(fs_fd, r, "mount source", err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sb_flags); i++)
		if (ms_flags & sb_flags[i].ms && (r = sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, sb_flags[i].key, NULL, 0)) < 0)
			return context_error(fs_fd, r, sb_flags[i].key, err);
	r = set_options(fs_fd, type, options, err);
	if (r < 0)
		return r;
	r = sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0) {
		char what[80];

		snprintf(what, sizeof(what), "mount type '%s'", type);
		return context_error(fs_fd, r, what, err);
	}
	fd = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned)mount_attr_from_flags(ms_flags));
	return fd < 0 ? err_sys(err, fd, "mount type '%s'", type) : fd;
}

/* devpts takes the group of its maker where a user namespace does not map the one that was asked for. */
static char *without_gid(const char *options)
{
	AUTO_FREE char *copy = xstrdup(options);
	char *rest = copy, *option;
	struct buf b = { 0 };

	while ((option = next_option(&rest)))
		if (!str_starts(option, "gid="))
			buf_addf(&b, "%s%s", b.len ? "," : "", option);
	return buf_take(&b);
}

static int new_on_stage(struct init_ctx *ctx, const char *type, const char *source, const char *options, uint64_t ms_flags)
{
	int fd = stage_new(ctx, type, source, options, ms_flags);

	if (fd == -EINVAL && options && strcmp(type, "devpts") == 0) {
		AUTO_FREE char *less = without_gid(options);

		fd = stage_new(ctx, type, source, less, ms_flags);
	}
	return fd;
}

int mount_new(struct init_ctx *ctx, const char *type, const char *source, const char *options, uint64_t ms_flags, struct err *err)
{
	AUTO_CLOSE int fs_fd = ctx->staged ? -ENOSYS : sys_fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	/* sysfs asks already here whose the network namespace is: nothing is denied by that. */
	if (fs_fd < 0 && (!mount_call_denied(fs_fd) || (fs_fd == -EPERM && ctx->plan->any_userns && strcmp(type, "sysfs") == 0)))
		return err_sys(err, fs_fd, "mount type '%s'", type);
	fd = fs_fd < 0 ? fs_fd : new_detached(fs_fd, type, source, options, ms_flags, err);
	/* In a user namespace it is the file system's own EPERM. */
	if (!mount_call_denied(fd) || (fs_fd >= 0 && fd == -EPERM && ctx->plan->any_userns))
		return fd;
	fd = new_on_stage(ctx, type, source, options, ms_flags);
	return fd < 0 ? err_sys(err, fd, "mount type '%s'", type) : fd;
}

int mount_clone(struct init_ctx *ctx, int dir_fd, const char *path, unsigned flags)
{
	int r = ctx->staged ? -ENOSYS : sys_open_tree(dir_fd, path, flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	AUTO_CLOSE int source = -1;

	if (!mount_call_denied(r))
		return r;
	if (flags & AT_EMPTY_PATH)
		return stage_clone(ctx, dir_fd, flags & AT_RECURSIVE);
	source = openat(dir_fd, path, O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
	return source < 0 ? -errno : stage_clone(ctx, source, flags & AT_RECURSIVE);
}

int mount_attach(int tree_fd, int target_fd, const char *dst, struct err *err)
{
	int r = sys_move_mount(tree_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);

	if (mount_call_denied(r))
		r = stage_move(tree_fd, target_fd);
	return r < 0 ? err_sys(err, r, "mount on '%s'", dst) : 0;
}

/* What engines may legitimately put over files of procfs (lxcfs and its like). */
static const char *const proc_allowed[] = {
	"/proc/cpuinfo",  "/proc/diskstats", "/proc/meminfo",		   "/proc/stat",
	"/proc/swaps",	  "/proc/uptime",    "/proc/loadavg",		   "/proc/slabinfo",
	"/proc/net/dev",  "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled", "/proc/version",
};

static bool proc_target_allowed(const char *dst)
{
	for (size_t i = 0; i < ARRAY_SIZE(proc_allowed); i++)
		if (strcmp(dst, proc_allowed[i]) == 0)
			return true;
	return false;
}

static int check_target(int fd, const char *dst, bool is_dir, struct err *err)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return err_sys(err, -errno, "mount on '%s'", dst);
	/* Whatever the name says: below a procfs, only the listed files. */
	if (fs.f_type == PROC_SUPER_MAGIC && st.st_ino != PROC_ROOT_INO && !proc_target_allowed(dst))
		return err_set(err, EPERM, "mount on '%s': it is inside a procfs", dst);
	/* The kernel's EINVAL says nothing, and docker explains the other. */
	if (!is_dir && S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "mount on '%s': it is a directory, and the source is not a directory", dst);
	return 0;
}

int mount_open_target(struct init_ctx *ctx, const char *dst, bool is_dir, struct err *err)
{
	AUTO_CLOSE int fd = is_dir ? path_mkdir_in_root(ctx->root_fd, dst, 0755) : path_mkfile_in_root(ctx->root_fd, dst, 0755, 0755);
	int r;

	if (fd < 0)
		return err_sys(err, fd, "make mount point '%s'", dst);
	if (strcmp(dst, "/") == 0)
		return err_set(err, EINVAL, "mount on '/': the root cannot be a destination");
	r = check_target(fd, dst, is_dir, err);
	return r < 0 ? r : TAKE_FD(fd);
}

/* procfs and sysfs are trusted by programs of the container by their place: it must be that place, and no symlink. */
static int open_plain_dir(struct init_ctx *ctx, const char *dst, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int parent = path_open_parent_in_root(ctx->root_fd, dst, true, 0755, &name);
	AUTO_CLOSE int fd = -1;
	int r;

	if (parent < 0)
		return err_sys(err, parent, "make mount point '%s'", dst);
	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make mount point '%s'", dst);
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "mount on '%s': filesystem \"%s\" must be mounted on ordinary directory", dst,
			       strcmp(dst, "/sys") == 0 ? "sysfs" : "proc");
	r = check_target(fd, dst, true, err);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Propagation of an attached mount; several given in a row apply one after the other in the kernel's order. */
static int set_propagation(int fd, const struct spec_mount *m, struct err *err)
{
	static const uint64_t kinds[] = { MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct mount_attr attr = { .propagation = m->propagation & kinds[i] };
		int r = mount_set_attr(fd, m->propagation & MS_REC ? AT_RECURSIVE : 0, &attr, m->destination, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_symlink(struct init_ctx *ctx, const struct op *op, int src_fd, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int parent = path_open_parent_in_root(ctx->root_fd, op->dst, true, 0755, &name);
	char target[4096];
	ssize_t n = readlinkat(src_fd, "", target, sizeof(target) - 1);

	if (parent < 0)
		return err_sys(err, parent, "make symlink '%s'", op->dst);
	if (n < 0)
		return err_sys(err, -errno, "read symlink '%s'", op->src);
	target[n] = '\0';
	if (symlinkat(target, parent, name) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make symlink '%s'", op->dst);
	return 0;
}

static int stage_source(struct init_ctx *ctx, const struct op *op, struct err *err)
{
	AUTO_CLOSE int bundle = open(ctx->container->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (!op->src || !*op->src)
		return err_set(err, EINVAL, "mount on '%s': a bind mount needs a source", op->dst);
	fd = mount_clone(ctx, bundle, op->src, mount_source_flags(op));
	return fd < 0 ? err_sys(err, fd, "bind mount source '%s' on '%s'", op->src, op->dst) : fd;
}

static int bind_mount(struct init_ctx *ctx, struct op *op, struct err *err)
{
	const struct spec_mount *m = op->mount;
	AUTO_CLOSE int bundle = -1;
	AUTO_CLOSE int target = -1;
	struct stat st;
	int r;

	if (op->src_fd < 0 && ctx->staged) {
		op->src_fd = stage_source(ctx, op, err);
	} else if (op->src_fd < 0) {
		bundle = open(ctx->container->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
		op->src_fd = mount_open_source(op, bundle, true, err); /* "/" is what it should be already */
	}
	if (op->src_fd < 0)
		return op->src_fd;
	if (fstat(op->src_fd, &st) < 0)
		return err_sys(err, -errno, "bind mount source '%s'", op->src);
	if (m->copy_symlink && S_ISLNK(st.st_mode))
		return copy_symlink(ctx, op, op->src_fd, err);
	r = mount_set_bind_flags(op->src_fd, m, err);
	if (!r)
		r = mount_set_recursive(op->src_fd, m, err);
	if (r < 0)
		return r;
	target = mount_open_target(ctx, op->dst, S_ISDIR(st.st_mode), err);
	if (target < 0)
		return target;
	r = mount_attach(op->src_fd, target, op->dst, err);
	if (!r)
		r = set_propagation(op->src_fd, m, err);
	fd_close(&op->src_fd);
	return r;
}

/* sysfs needs a network namespace of one's own user namespace; without it the host's tree is shown, as peers do. */
static int sysfs_fallback(struct init_ctx *ctx, const struct spec_mount *m, struct err *err)
{
	int fd = mount_clone(ctx, AT_FDCWD, "/sys", AT_RECURSIVE);

	if (fd < 0)
		return err_sys(err, fd, "mount type 'sysfs' on '%s'", m->destination);
	if (mount_set_bind_flags(fd, m, err) < 0) {
		close(fd);
		return err->code ? -err->code : -EPERM;
	}
	return fd;
}

/* A tmpfs over a directory of the image looks like that directory unless the options say otherwise. */
static char *tmpfs_options(struct init_ctx *ctx, const struct spec_mount *m)
{
	bool has_mode = m->data && (str_starts(m->data, "mode=") || strstr(m->data, ",mode="));
	AUTO_CLOSE int fd = has_mode ? -1 : path_open_in_root(ctx->root_fd, m->destination, O_PATH | O_DIRECTORY, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return xstrdup(m->data ? m->data : "");
	return xasprintf("mode=%o%s%s", st.st_mode & 07777, m->data ? "," : "", m->data ? m->data : "");
}

/* The label of linux.mountLabel for file systems that store none of their own; procfs and its like have the kernel's. */
static char *with_context(const struct init_ctx *ctx, const char *type, const char *options)
{
	static const char *const unlabelled[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2" };
	bool given = options && strstr(options, "context=");

	for (size_t i = 0; i < ARRAY_SIZE(unlabelled); i++)
		given |= strcmp(type, unlabelled[i]) == 0;
	if (!ctx->mount_context || given)
		return xstrdup(options ? options : "");
	return xasprintf("%s%scontext=\"%s\"", options ? options : "", options && *options ? "," : "", ctx->mount_context);
}

static int make_fs(struct init_ctx *ctx, const struct spec_mount *m, struct err *err)
{
	const char *type = m->type ? m->type : "";
	AUTO_FREE char *own = strcmp(type, "tmpfs") == 0 ? tmpfs_options(ctx, m) : NULL;
	AUTO_FREE char *options = with_context(ctx, type, own ? own : m->data);
	int fd;

	if (!*type)
		return err_set(err, EINVAL, "mount on '%s': no type", m->destination);
	fd = mount_new(ctx, type, m->source ? m->source : type, options,
		       plan_is_late_readonly(m) ? m->flags & ~(uint64_t)MS_RDONLY : m->flags, err);
	if (fd == -EPERM && strcmp(type, "sysfs") == 0)
		fd = sysfs_fallback(ctx, m, err);
	return fd < 0 ? err_wrap(err, "mount on '%s'", m->destination) : fd;
}

static int copy_up(struct init_ctx *ctx, int tree, const struct spec_mount *m, struct err *err)
{
	AUTO_CLOSE int from = path_open_in_root(ctx->root_fd, m->destination, O_RDONLY | O_DIRECTORY, 0);
	AUTO_CLOSE int to = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from == -ENOENT)
		return 0;
	if (from < 0 || to < 0)
		return err_sys(err, from < 0 ? from : -errno, "tmpcopyup on '%s'", m->destination);
	int r = copy_tree(from, to, err);
	return r < 0 ? err_wrap(err, "tmpcopyup on '%s'", m->destination) : 0;
}

static int new_mount(struct init_ctx *ctx, struct op *op, struct err *err)
{
	const struct spec_mount *m = op->mount;
	AUTO_CLOSE int tree = make_fs(ctx, m, err);
	AUTO_CLOSE int target = -1;
	bool strict = str_eq(m->type, "proc") || str_eq(m->type, "sysfs");
	int r = 0;

	if (tree < 0)
		return tree;
	if (m->tmpcopyup)
		r = copy_up(ctx, tree, m, err);
	if (!r)
		r = mount_set_recursive(tree, m, err);
	if (r < 0)
		return r;
	target = strict ? open_plain_dir(ctx, op->dst, err) : mount_open_target(ctx, op->dst, true, err);
	if (target < 0)
		return target;
	r = mount_attach(tree, target, op->dst, err);
	if (!r)
		r = set_propagation(tree, m, err);
	if (!r && plan_is_late_readonly(m))
		op->src_fd = TAKE_FD(tree);
	return r;
}

static int make_readonly(struct init_ctx *ctx, const struct op *op, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int *made = &ctx->plan->ops[op->made].src_fd;
	int r = mount_set_attr(*made, 0, &attr, op->dst, err);

	fd_close(made);
	return r;
}

static int remount(struct init_ctx *ctx, struct op *op, struct err *err)
{
	AUTO_CLOSE int fd = path_open_in_root(ctx->root_fd, op->dst, O_PATH, 0);
	char path[FD_PROC_PATH_LEN];
	int r;

	if (fd < 0)
		return err_sys(err, fd, "remount '%s'", op->dst);
	r = mount_set_bind_flags(fd, op->mount, err);
	if (r < 0)
		return r;
	/* File system options have no other interface for a mounted one. The fd cannot be swapped. */
	if (op->mount->data && mount(NULL, fd_proc_path(fd, path), NULL, MS_REMOUNT | (op->mount->flags & ~(uint64_t)MS_BIND),
				     op->mount->data) < 0)
		return err_sys(err, -errno, "remount '%s' with '%s'", op->dst, op->mount->data);
	return set_propagation(fd, op->mount, err);
}

int mount_execute(struct init_ctx *ctx, struct op *op, struct err *err)
{
	switch (op->kind) {
	case OP_BIND:
		return bind_mount(ctx, op, err);
	case OP_REMOUNT:
		return remount(ctx, op, err);
	case OP_CGROUP:
		return mount_cgroup(ctx, op, err);
	case OP_MOUNT:
		return new_mount(ctx, op, err);
	case OP_MOUNT_READONLY:
		return make_readonly(ctx, op, err);
	case OP_DEVICE:
	case OP_SYMLINK:
	case OP_CONSOLE:
	case OP_HOST_HOOKS:
	case OP_PIVOT:
	case OP_SYSCTL:
	case OP_ROOT_READONLY:
	case OP_MASK:
	case OP_READONLY_PATH:
	case OP_ROOT_PROPAGATION:
	case OP_KINDS:
		break;
	}
	return err_set(err, EINVAL, "operation %d is no mount", op->kind);
}
