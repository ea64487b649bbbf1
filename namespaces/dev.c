/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static mode_t device_type(char type)
{
	return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

/* What is there already must be what was asked for (runtime-spec "Devices"). */
static int check_existing(int parent, const char *name, const struct spec_device *d, struct err *err)
{
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "device '%s'", d->path);
	if ((st.st_mode & S_IFMT) != device_type(d->type) ||
	    (d->type != 'p' && st.st_rdev != makedev((unsigned)d->major, (unsigned)d->minor)))
		return err_set(err, EEXIST, "device '%s': something else exists there", d->path);
	return 0;
}

/* No mknod in a user namespace: the host's node of the same path is bound, from the host's tree or what stands for it. */
static int bind_device(struct init_ctx *ctx, int parent, const char *name, const struct spec_device *d, struct err *err)
{
	AUTO_CLOSE int tree = mount_clone(ctx, AT_FDCWD, d->path, 0);
	AUTO_CLOSE int target = -1;
	struct stat st;

	if (tree < 0 || fstat(tree, &st) < 0)
		return err_sys(err, tree < 0 ? tree : -errno, "device '%s' of the host", d->path);
	if ((st.st_mode & S_IFMT) != device_type(d->type) || st.st_rdev != makedev((unsigned)d->major, (unsigned)d->minor))
		return err_set(err, ENODEV, "device '%s': the host has another device there", d->path);
	target = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (target < 0)
		return err_sys(err, -errno, "device '%s'", d->path);
	fd_close(&target);
	target = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return err_sys(err, -errno, "device '%s'", d->path);
	return mount_attach(tree, target, d->path, err);
}

/* /dev itself must be a directory of the container and no symlink: every device below it would follow. */
static int open_dev(struct init_ctx *ctx, struct err *err)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (ctx->dev_fd >= 0)
		return 0;
	ctx->dev_fd = openat(ctx->root_fd, "dev", flags);
	if (ctx->dev_fd < 0 && errno == ENOENT && mkdirat(ctx->root_fd, "dev", 0755) == 0)
		ctx->dev_fd = openat(ctx->root_fd, "dev", flags);
	if (ctx->dev_fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return err_set(err, ENOTDIR, "/dev of the container is not a directory");
	return ctx->dev_fd < 0 ? err_sys(err, -errno, "open /dev of the container") : 0;
}

/* The directory of a device: mostly /dev, which is opened once for all of them. */
static int open_device_parent(struct init_ctx *ctx, const char *path, int *ret_own_fd, char **ret_name, struct err *err)
{
	const char *name = str_starts(path, "/dev/") ? path + strlen("/dev/") : NULL;

	if (name) {
		int r = open_dev(ctx, err);

		if (r < 0)
			return r;
	}
	if (name && *name && !strchr(name, '/') && !str_eq(name, ".") && !str_eq(name, "..")) {
		*ret_name = xstrdup(name);
		return ctx->dev_fd;
	}
	*ret_own_fd = path_open_parent_in_root(ctx->root_fd, path, true, 0755, ret_name);
	return *ret_own_fd < 0 ? err_sys(err, *ret_own_fd, "device '%s'", path) : *ret_own_fd;
}

int dev_create(struct init_ctx *ctx, const struct spec_device *d, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int own_fd = -1;
	const int parent = open_device_parent(ctx, d->path, &own_fd, &name, err);
	mode_t mode = (d->mode.set ? d->mode.v & 07777 : 0666) | device_type(d->type);

	if (parent < 0 || !name)
		return parent < 0 ? parent : -EINVAL;
	if (mknodat(parent, name, mode, makedev((unsigned)d->major, (unsigned)d->minor)) < 0) {
		if (errno == EEXIST)
			return check_existing(parent, name, d, err);
		if (errno == EPERM && d->type != 'p')
			return bind_device(ctx, parent, name, d, err);
		return err_sys(err, -errno, "make device '%s'", d->path);
	}
	if (ctx->plan->any_userns && d->type != 'p') {
		/* It was made, but a mount of a user namespace is nodev: opening it would fail. */
		if (unlinkat(parent, name, 0) < 0)
			return err_sys(err, -errno, "device '%s'", d->path);
		return bind_device(ctx, parent, name, d, err);
	}
	if ((d->uid.set && d->uid.v) || (d->gid.set && d->gid.v))
		if (fchownat(parent, name, d->uid.set ? d->uid.v : 0, d->gid.set ? d->gid.v : 0, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, -errno, "owner of device '%s'", d->path);
	return 0;
}

int dev_symlink(struct init_ctx *ctx, const char *dst, const char *target, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int own_fd = -1;
	struct stat st;
	int parent;

	if (strcmp(target, "/proc/kcore") == 0 && access(target, F_OK) < 0)
		return 0;
	parent = open_device_parent(ctx, dst, &own_fd, &name, err);
	if (parent < 0 || !name)
		return parent < 0 ? parent : -EINVAL;
	if (symlinkat(target, parent, name) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(err, -errno, "make symlink '%s'", dst);
	/* An image's own /dev/ptmx device would be the host's pty multiplexer: the container's replaces it. */
	if (strcmp(name, "ptmx") == 0 && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode) &&
	    (unlinkat(parent, name, 0) < 0 || symlinkat(target, parent, name) < 0))
		return err_sys(err, -errno, "replace '%s'", dst);
	return 0;
}

/* The pty pair comes from the container's devpts, and both ends are checked to be what they should be. */
static int open_pty(struct init_ctx *ctx, int *ret_master, int *ret_peer, struct err *err)
{
	AUTO_CLOSE int master = path_open_in_root(ctx->root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0);
	AUTO_CLOSE int peer = -1;
	struct statfs fs;
	struct stat st;
	int zero = 0;

	if (master < 0)
		return err_sys(err, master, "open '/dev/pts/ptmx' of the container for process.terminal");
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC || fstat(master, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(5, 2))
		return err_set(err, EINVAL, "'/dev/pts/ptmx' of the container is not a pty multiplexer");
	if (ioctl(master, TIOCSPTLCK, &zero) < 0)
		return err_sys(err, -errno, "unlock the pty");
	peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (peer < 0)
		return err_sys(err, -errno, "open the peer of the pty");
	*ret_master = TAKE_FD(master);
	*ret_peer = TAKE_FD(peer);
	return 0;
}

static int bind_console(struct init_ctx *ctx, int peer, const char *dst, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int own_fd = -1;
	const int parent = open_device_parent(ctx, dst, &own_fd, &name, err);
	AUTO_CLOSE int tree = -1, target = -1;

	if (parent < 0 || !name)
		return parent < 0 ? parent : -EINVAL;
	/* What the image has there is never opened: opening some devices has effects. */
	target = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0666);
	fd_close(&target);
	target = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	tree = mount_clone(ctx, peer, "", AT_EMPTY_PATH);
	/* In another pid namespace's user namespace the fd may not be cloned directly; its path under devpts is ours, too. */
	if (target < 0)
		return err_sys(err, -errno, "make '%s'", dst);
	if (tree < 0)
		return err_sys(err, tree, "bind the pty to '%s'", dst);
	return mount_attach(tree, target, dst, err);
}

/* Without consoleSize the pty is as large as the caller's terminal, if it has one, before the program can look. */
static int set_console_size(const struct spec_process *p, int master, struct err *err)
{
	struct winsize ws;

	if (p && p->has_console_size) {
		ws = (struct winsize){ .ws_row = p->console_rows, .ws_col = p->console_cols };
		return ioctl(master, TIOCSWINSZ, &ws) < 0 ? err_sys(err, -errno, "process.consoleSize") : 0;
	}
	for (int fd = 0; fd < 3; fd++)
		if (ioctl(fd, TIOCGWINSZ, &ws) == 0) {
			(void)ioctl(master, TIOCSWINSZ, &ws); /* the relay sets it once more */
			break;
		}
	return 0;
}

int dev_console(struct init_ctx *ctx, const char *dst, struct err *err)
{
	const struct spec_process *p = ctx->process.spec;
	AUTO_CLOSE int master = -1, peer = -1;
	char name[64];
	int number = 0, r;

	r = open_pty(ctx, &master, &peer, err);
	if (r < 0)
		return r;
	r = set_console_size(p, master, err);
	if (r < 0)
		return r;
	if (dst) {
		r = bind_console(ctx, peer, dst, err);
		if (r < 0)
			return r;
	}
	(void)ioctl(master, TIOCGPTN, &number); /* for the name only */
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	r = console_send(ctx->console_fd, master, name, err);
	if (r < 0)
		return r;
	fd_close(&ctx->console_fd);
	for (int fd = 0; fd < 3; fd++)
		if (dup2(peer, fd) < 0)
			return err_sys(err, -errno, "put the pty on fd %d", fd);
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return err_sys(err, -errno, "make the pty the controlling terminal");
	return 0;
}
