/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/*
 * DOC: the container's root
 *
 * 1. The copied host tree becomes a slave (or what rootfsPropagation says), so that nothing we mount is seen outside.
 * 2. A detached copy of the rootfs tree is attached over "/" of our namespace, the true one, also when we run in a chroot: no path of
 *    the rootfs is walked again, and it works where the container's root user may not even search the directories above it.
 *    With hooks that run before the pivot it is attached over root.path: they look for the container's mounts there, and add some
 *    (the hooks for GPUs do both; those of the runtime's namespaces enter ours for it).
 * 3. All mounts are made below its fd.
 * 4. pivot_root(".", ".") puts it on top of the old root, which is then unmounted, lazily, as a whole.
 */

/*
 * Whoever runs us in a chroot must not get a container whose mount namespace still has the host's tree as its root: exec
 * joins that root. setns() into the own namespace shows the true one, and the rootfs goes over that; hooks go on seeing
 * the chroot until the pivot. Fills host_root_fd when there is a chroot.
 */
static void find_true_root(struct init_ctx *ctx, int *ret_chroot_fd)
{
	AUTO_CLOSE int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int before = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat a, b;

	if (own < 0 || before < 0 || setns(own, CLONE_NEWNS) < 0)
		return; /* a sandbox that forbids it: as good as no chroot */
	if (fstat(before, &a) < 0 || stat("/", &b) < 0 || (a.st_dev == b.st_dev && a.st_ino == b.st_ino))
		return;
	ctx->host_root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*ret_chroot_fd = TAKE_FD(before);
}

static int change_root_to(int fd, struct err *err)
{
	return fchdir(fd) < 0 || chroot(".") < 0 ? err_sys(err, -errno, "change the root") : 0;
}

/* Needs: own mount namespace. Must not: be left out, even for an instant, before the first mount. */
int rootfs_propagation(struct init_ctx *ctx, struct err *err)
{
	uint64_t flags = ctx->spec->rootfs_propagation ? ctx->spec->rootfs_propagation | MS_REC : MS_SLAVE | MS_REC;
	AUTO_CLOSE int chroot_fd = -1;

	if (!ctx->no_pivot)
		find_true_root(ctx, &chroot_fd);
	/* What is unbindable cannot be the source of our own binds; the root becomes so at the end. */
	if (flags & MS_UNBINDABLE)
		flags = MS_PRIVATE | MS_REC;
	if (mount(NULL, "/", NULL, flags, NULL) < 0)
		return err_sys(err, -errno, "set the propagation of '/'");
	return chroot_fd < 0 ? 0 : change_root_to(chroot_fd, err);
}

/* Where the root goes until the pivot; *ret_is_root: that is the root of a mount. */
static int open_place(const struct init_ctx *ctx, bool *ret_is_root)
{
	/* Below a shared mount there is no pivot. */
	bool for_hooks = ctx->plan->has_host_hooks && !(ctx->spec->rootfs_propagation & MS_SHARED);
	int fd = for_hooks ? open(ctx->plan->rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	*ret_is_root = fd < 0;
	if (fd < 0)
		fd = ctx->host_root_fd < 0 ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : fcntl(ctx->host_root_fd, F_DUPFD_CLOEXEC, 3);
	return fd;
}

/* A detached copy of the root over place. */
static int attach_detached(struct init_ctx *ctx, int place, bool place_is_root)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	int r = 0;

	if (ctx->root_tree_fd < 0)
		ctx->root_tree_fd = sys_open_tree(AT_FDCWD, ctx->plan->rootfs,
						  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	if (ctx->root_tree_fd < 0)
		return ctx->root_tree_fd;
	/* pivot_root refuses a parent mount, and a new root, that is shared. */
	if (place_is_root)
		r = sys_mount_setattr(place, "", AT_EMPTY_PATH, &private);
	return r < 0 ? r : sys_move_mount(ctx->root_tree_fd, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* The same by mount(2), which this and every later mount then are. */
static int attach_staged(struct init_ctx *ctx, int place, int denied)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	int r = ctx->root_given ? denied : stage_switch(ctx);

	if (r < 0)
		return r;
	fd_close(&ctx->root_tree_fd);
	ctx->root_tree_fd = mount_clone(ctx, AT_FDCWD, ctx->plan->rootfs, AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	if (ctx->root_tree_fd < 0)
		return ctx->root_tree_fd;
	r = mount_change(ctx->stage_fd, 0, &private);
	return r < 0 ? r : stage_move(ctx->root_tree_fd, place);
}

int rootfs_attach(struct init_ctx *ctx, struct err *err)
{
	bool shared = ctx->spec->rootfs_propagation & MS_SHARED;
	struct mount_attr attr = { .propagation = shared ? MS_PRIVATE : MS_SLAVE };
	bool is_root;
	AUTO_CLOSE int place = open_place(ctx, &is_root);
	int r;

	if (place < 0)
		return err_sys(err, -errno, "open '/'");
	r = attach_detached(ctx, place, is_root);
	if (mount_call_denied(r))
		r = attach_staged(ctx, place, r);
	if (r < 0)
		return err_sys(err, r, "mount rootfs '%s'", ctx->plan->rootfs);
	ctx->root_fd = TAKE_FD(ctx->root_tree_fd);
	/* A rootfs that is shared with the host must not carry our mounts there. When that is wished, the root itself still may not be
	 * shared before the pivot. */
	(void)!mount_change(ctx->root_fd, shared ? 0 : AT_RECURSIVE, &attr);
	return 0;
}

static int pivot(struct init_ctx *ctx, struct err *err)
{
	int r = ctx->host_root_fd < 0 ? 0 : change_root_to(ctx->host_root_fd, err);
	AUTO_CLOSE int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	fd_close(&ctx->host_root_fd);
	if (r < 0)
		return r;
	if (old < 0 || fchdir(ctx->root_fd) < 0)
		return err_sys(err, -errno, "enter the new root");
	r = sys_pivot_root(".", ".");
	if (r < 0)
		return err_sys(err, r, "pivot_root");
	/* The old root now lies over the new one at "/"; nothing of its unmounting may travel back to the host. */
	if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(err, -errno, "make the old root a slave");
	/* The stage covers the old root. */
	if (ctx->stage_fd >= 0 && umount2(".", MNT_DETACH) < 0)
		return err_sys(err, -errno, "unmount the stage");
	fd_close(&ctx->stage_fd);
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(err, -errno, "unmount the old root");
	return chdir("/") < 0 ? err_sys(err, -errno, "enter '/'") : 0;
}

/* --no-pivot: for an initramfs, whose root cannot be pivoted away. The old root stays below; documented as weaker. */
static int change_root(struct init_ctx *ctx, struct err *err)
{
	/* rootfs_attach() has mounted it on "/" already: whoever follows ".." out of a chroot stays in it. */
	if (fchdir(ctx->root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(err, -errno, "change to the new root");
	return 0;
}

int rootfs_pivot(struct init_ctx *ctx, struct err *err)
{
	int r = ctx->no_pivot ? change_root(ctx, err) : pivot(ctx, err);

	if (r < 0)
		return r;
	fd_close(&ctx->root_fd);
	ctx->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return ctx->root_fd < 0 ? err_sys(err, -errno, "open '/'") : 0;
}

int rootfs_readonly(struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int r = sys_mount_setattr(AT_FDCWD, "/", 0, &attr);
	struct statfs fs;

	if (mount_call_denied(r))
		r = statfs("/", &fs) < 0 || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | mount_flags_of(&fs), NULL) < 0 ? -errno : 0;
	return r < 0 ? err_sys(err, r, "make the root read-only") : 0;
}

/* A path that is not there needs no hiding; one that we may not look up, nobody in the container may either. */
static bool is_absent(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -EACCES;
}

static int mask_directory(struct init_ctx *ctx, int target, const char *path, struct err *err)
{
	AUTO_CLOSE int tree = -1;
	int r;

	/* One empty read-only tmpfs serves all masks: a superblock for each hurts on hosts with many CPUs. */
	if (ctx->mask_dir_fd < 0) {
		tree = mount_new(ctx, "tmpfs", "tmpfs", "size=0k,nr_inodes=2,mode=0555", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, err);
		if (tree < 0)
			return tree;
		r = mount_attach(tree, target, path, err);
		if (!r)
			ctx->mask_dir_fd = TAKE_FD(tree);
		return r;
	}
	tree = mount_clone(ctx, ctx->mask_dir_fd, "", AT_EMPTY_PATH);
	if (tree < 0)
		return err_sys(err, tree, "linux.maskedPaths '%s'", path);
	return mount_attach(tree, target, path, err);
}

int rootfs_mask(struct init_ctx *ctx, const char *path, struct err *err)
{
	AUTO_CLOSE int target = path_open_in_root(ctx->root_fd, path, O_PATH, 0);
	AUTO_CLOSE int tree = -1;
	struct stat st;

	if (is_absent(target))
		return 0;
	if (target < 0)
		return err_sys(err, target, "linux.maskedPaths '%s'", path);
	if (fstat(target, &st) < 0)
		return err_sys(err, -errno, "linux.maskedPaths '%s'", path);
	if (S_ISDIR(st.st_mode))
		return mask_directory(ctx, target, path, err);
	/* The host's /dev/null, checked before the container's mounts: not the one an image may have replaced. */
	tree = mount_clone(ctx, ctx->null_fd, "", AT_EMPTY_PATH);
	if (tree < 0)
		return err_sys(err, tree, "linux.maskedPaths '%s'", path);
	return mount_attach(tree, target, path, err);
}

int rootfs_readonly_path(struct init_ctx *ctx, const char *path, struct err *err)
{
	AUTO_CLOSE int target = path_open_in_root(ctx->root_fd, path, O_PATH, 0);
	AUTO_CLOSE int tree = -1;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int r;

	if (is_absent(target))
		return 0;
	if (target < 0)
		return err_sys(err, target, "linux.readonlyPaths '%s'", path);
	tree = mount_clone(ctx, target, "", AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		return err_sys(err, tree, "linux.readonlyPaths '%s'", path);
	r = mount_change(tree, 0, &attr);
	if (r < 0)
		return err_sys(err, r, "linux.readonlyPaths '%s'", path);
	return mount_attach(tree, target, path, err);
}
