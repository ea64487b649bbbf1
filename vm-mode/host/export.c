/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/export.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Directories that nothing of a machine needs, one of which every host has. */
static const char *const places[] = { "/tmp", "/mnt", "/run", "/srv" };

static int make_tmpfs(struct err *err)
{
	AUTO_CLOSE int fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	int r = fs;

	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "brig", 0);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "size", "16m", 0);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r >= 0)
		r = sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return r < 0 ? err_sys(err, r, "make the tmpfs that the guest sees") : r;
}

static int make_dir(int dir_fd, const char *name, struct err *err)
{
	int fd;

	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make '%s' for the guest", name);
	fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, -errno, "open '%s' for the guest", name) : fd;
}

static int attach(int tree_fd, int dir_fd, const char *name, bool is_dir, struct err *err)
{
	AUTO_CLOSE int target = -1;
	int r;

	if (is_dir)
		target = make_dir(dir_fd, name, err);
	else
		target = openat(dir_fd, name, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0644);
	if (target < 0)
		return is_dir ? target : err_sys(err, -errno, "make '%s' for the guest", name);
	r = sys_move_mount(tree_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return r < 0 ? err_sys(err, r, "attach '%s' for the guest", name) : 0;
}

static int attach_bind(struct op *op, size_t number, int binds_fd, struct err *err)
{
	struct stat st;
	char name[24];
	int r;

	if (fstat(op->src_fd, &st) < 0)
		return err_sys(err, -errno, "bind mount source '%s'", op->src);
	if (S_ISLNK(st.st_mode))
		return err_set(err, ENOTSUP, "mounts '%s': vm-mode cannot copy a symlink", op->dst);
	r = mount_set_bind_flags(op->src_fd, op->mount, err);
	if (!r)
		r = mount_set_recursive(op->src_fd, op->mount, err);
	snprintf(name, sizeof(name), "%zu", number);
	if (!r)
		r = attach(op->src_fd, binds_fd, name, S_ISDIR(st.st_mode), err);
	fd_close(&op->src_fd);
	return r < 0 ? err_wrap(err, "mounts '%s'", op->dst) : 0;
}

int export_open_sources(struct plan *plan, const char *bundle, int *root_tree_fd, struct err *err)
{
	AUTO_CLOSE int bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (*root_tree_fd < 0) {
		if (lstat(plan->rootfs, &st) < 0)
			return err_sys(err, -errno, "root.path '%s'", plan->rootfs);
		if (!S_ISDIR(st.st_mode))
			return err_set(err, ENOTDIR, "root.path '%s': not a directory", plan->rootfs);
		*root_tree_fd = sys_open_tree(AT_FDCWD, plan->rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
		if (*root_tree_fd < 0)
			return err_sys(err, *root_tree_fd, "root.path '%s'", plan->rootfs);
	}
	for (size_t i = 0; i < plan->n_ops; i++) {
		struct op *op = &plan->ops[i];

		if (op->kind != OP_BIND || op->src_fd >= 0)
			continue;
		op->src_fd = mount_open_source(op, bundle_fd, false, err);
		if (op->src_fd < 0)
			return op->src_fd;
	}
	return 0;
}

int export_attach(int export_fd, struct plan *plan, const char *id, int root_tree_fd, struct err *err)
{
	AUTO_CLOSE int top = make_dir(export_fd, "c", err);
	AUTO_CLOSE int dir = top < 0 ? -1 : make_dir(top, id, err);
	AUTO_CLOSE int binds = dir < 0 ? -1 : make_dir(dir, "binds", err);
	size_t number = 0;
	int r;

	if (binds < 0)
		return -err->code;
	r = attach(root_tree_fd, dir, "rootfs", true, err);
	for (size_t i = 0; i < plan->n_ops && r >= 0; i++) {
		struct op *op = &plan->ops[i];

		/* the mounts come in their order, one operation each */
		if (op->kind == OP_BIND)
			r = attach_bind(op, number, binds, err);
		number += op->mount != NULL;
	}
	return r;
}

int export_make(struct plan *plan, const char *id, int root_tree_fd, const char **ret_path, struct err *err)
{
	AUTO_CLOSE int tree = -1;
	AUTO_CLOSE int place = -1;
	AUTO_CLOSE int inside = -1;
	size_t i = 0;
	int r;

	/* What happens to the host's mounts is seen here until they are gone; nothing of ours is seen there. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(err, -errno, "part from the host's mounts");
	tree = make_tmpfs(err);
	if (tree < 0)
		return tree;
	inside = openat(tree, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (inside < 0)
		return err_sys(err, -errno, "open the tmpfs that the guest sees");
	for (; i < ARRAY_SIZE(places) && place < 0; i++)
		place = open(places[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		return err_set(err, ENOENT, "vm-mode needs one of the directories /tmp, /mnt, /run, /srv on the host");
	/* A detached tree takes no mounts on kernels before 6.15: it is attached first. */
	r = sys_move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	if (r < 0)
		return err_sys(err, r, "attach the tmpfs that the guest sees");
	*ret_path = places[i - 1];
	return export_attach(inside, plan, id, root_tree_fd, err);
}

int export_enter(const char *path, struct err *err)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	int r;

	if (chdir(path) < 0)
		return err_sys(err, -errno, "enter '%s'", path);
	r = sys_pivot_root(".", ".");
	if (r < 0)
		return err_sys(err, r, "pivot_root to what the guest sees");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(err, -errno, "detach the host's file systems");
	if (chdir("/") < 0)
		return err_sys(err, -errno, "chdir");
	r = sys_mount_setattr(AT_FDCWD, "/", 0, &ro);
	return r < 0 ? err_sys(err, r, "make the shared tree read-only") : 0;
}

/* Is the place inside something that only the guest mounts, as a tmpfs? Then it is not here, and would be a trace in the root. */
static bool in_guest_mount(const struct plan *plan, size_t op)
{
	const char *dst = plan->ops[op].dst;

	for (size_t i = 0; i < op; i++) {
		const struct op *o = &plan->ops[i];
		size_t n = o->mount && o->kind != OP_BIND ? strlen(o->dst) : 0;

		if (n && strncmp(o->dst, dst, n) == 0 && (dst[n] == '/' || dst[n] == '\0'))
			return true;
	}
	return false;
}

static int cover_bind(int root_fd, const char *dst, const char *dir, size_t number)
{
	AUTO_FREE char *src = xasprintf("%s/binds/%zu", dir, number);
	AUTO_CLOSE int tree = sys_open_tree(AT_FDCWD, src, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	AUTO_CLOSE int target = -1;
	struct stat st;

	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return -errno;
	target = S_ISDIR(st.st_mode) ? path_mkdir_in_root(root_fd, dst, 0755) : path_mkfile_in_root(root_fd, dst, 0755, 0644);
	return target < 0 ? target : sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int export_cover(const struct plan *plan, const char *id, struct err *err)
{
	AUTO_FREE char *dir = xasprintf("/c/%s", id), *rootfs = xasprintf("%s/rootfs", dir);
	AUTO_CLOSE int tree = sys_open_tree(AT_FDCWD, rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	size_t number = 0;
	int r = tree < 0 ? tree : sys_move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);

	if (r < 0)
		return err_sys(err, r, "lay the container's root over the shared tree");
	for (size_t i = 0; i < plan->n_ops; i++) {
		const struct op *op = &plan->ops[i];

		r = op->kind == OP_BIND && !in_guest_mount(plan, i) ? cover_bind(tree, op->dst, dir, number) : 0;
		if (r < 0)
			log_debug("machine: '%s' is not in the host's view of the container: %s", op->dst, strerror(-r));
		number += op->mount != NULL;
	}
	return 0;
}
