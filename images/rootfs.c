/* SPDX-License-Identifier: Apache-2.0 */
#include "images/rootfs.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOP_TRIES = 64 };

static int sys_fsopen(const char *type)
{
	int fd = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int sys_fsconfig(int fd, unsigned cmd, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fd, cmd, key, value, 0) < 0 ? -errno : 0;
}

static int sys_fsmount(int fd, unsigned attrs)
{
	int m = (int)syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attrs);

	return m < 0 ? -errno : m;
}

void rootfs_files_done(struct rootfs_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->files[i]);
	free(f->files);
	free(f->image);
	free(f->offsets);
	free(f->bytes);
	*f = (struct rootfs_files){ 0 };
}

/* What the kernel wrote into the context's log says more than errno. */
static int fs_err(int fs_fd, int r, const char *what, struct err *err)
{
	char log[256];
	ssize_t n = read(fs_fd, log, sizeof(log) - 1);

	if (n <= 2)
		return err_sys(err, r, "%s", what);
	log[n] = '\0';
	for (char *nl = log; (nl = strchr(nl, '\n'));)
		*nl = '\0';
	return err_sys(err, r, "%s (%s)", what, log + 2);
}

/* A read-only loop device over path, which vanishes with its last user. Returns its fd; name gets the device's path. */
static int loop_attach(const char *path, char name[32])
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR };
	AUTO_CLOSE int file_fd = open(path, O_RDONLY | O_CLOEXEC), control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (file_fd < 0 || control_fd < 0)
		return -errno;
	config.fd = (uint32_t)file_fd;
	/* Between asking for a free device and taking it, somebody else may. */
	for (int i = 0; i < LOOP_TRIES; i++) {
		AUTO_CLOSE int fd = -1;
		int number = ioctl(control_fd, LOOP_CTL_GET_FREE);

		if (number < 0)
			return -errno;
		(void)snprintf(name, 32, "/dev/loop%d", number);
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return TAKE_FD(fd);
		if (errno != EBUSY)
			return -errno;
	}
	return -EBUSY;
}

/* One source string of the mount: the file itself, or a loop device over it. */
static int set_source(int fs_fd, const char *key, const char *path, bool loop, int *ret_loop_fd)
{
	char name[32];
	int fd;

	*ret_loop_fd = -1;
	if (!loop)
		return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, path);
	fd = loop_attach(path, name);
	if (fd < 0)
		return fd;
	*ret_loop_fd = fd;
	return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, name);
}

static int try_mount(const struct rootfs_files *f, bool loop, struct err *err)
{
	AUTO_FREE int *loop_fds = xcalloc(f->n + 1, sizeof(*loop_fds));
	AUTO_CLOSE int fs_fd = sys_fsopen("erofs");
	int r;

	if (fs_fd < 0)
		return err_sys(err, fs_fd, "start an EROFS mount");
	for (size_t i = 0; i <= f->n; i++)
		loop_fds[i] = -1;
	r = set_source(fs_fd, "source", f->image, loop, &loop_fds[f->n]);
	for (size_t i = 0; r == 0 && i < f->n; i++)
		r = set_source(fs_fd, "device", f->files[i], loop, &loop_fds[i]);
	/* Or a loop device, which is read-only, would be opened for writing. */
	if (r == 0)
		r = sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL);
	if (r == 0)
		r = sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL);
	if (r == 0)
		r = sys_fsmount(fs_fd, MOUNT_ATTR_RDONLY);
	if (r < 0)
		r = fs_err(fs_fd, r, f->image, err);
	/* The mount holds the loop devices now; without it they go with these. */
	for (size_t i = 0; i <= f->n; i++)
		fd_close(&loop_fds[i]);
	return r;
}

int rootfs_mount_erofs(const struct rootfs_files *f, bool force_loop, struct err *err)
{
	int r = force_loop ? -ENOTBLK : try_mount(f, false, err);

	/* ENOTBLK: this kernel mounts EROFS from block devices only. */
	if (r == -ENOTBLK)
		r = try_mount(f, true, err);
	return r < 0 ? err_wrap(err, "mount image") : r;
}

int rootfs_mount_overlay(const struct rootfs_overlay *o, struct err *err)
{
	AUTO_CLOSE int fs_fd = sys_fsopen("overlay");
	char lower[FD_PROC_PATH_LEN];
	struct {
		unsigned cmd;
		const char *key, *value;
		bool wanted;
	} steps[] = {
		{ FSCONFIG_SET_STRING, "source", "brig", true },
		{ FSCONFIG_SET_STRING, "lowerdir", fd_proc_path(o->lower_fd, lower), true },
		{ FSCONFIG_SET_STRING, "upperdir", o->upper, o->upper != NULL },
		{ FSCONFIG_SET_STRING, "workdir", o->work, o->work != NULL },
		{ FSCONFIG_SET_FLAG, "userxattr", NULL, o->userxattr },
		{ FSCONFIG_SET_FLAG, "volatile", NULL, o->no_sync },
		{ FSCONFIG_CMD_CREATE, NULL, NULL, true },
	};
	int r;

	if (fs_fd < 0)
		return err_sys(err, fs_fd, "start an overlay mount");
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		r = steps[i].wanted ? sys_fsconfig(fs_fd, steps[i].cmd, steps[i].key, steps[i].value) : 0;
		if (r < 0)
			return fs_err(fs_fd, r, "mount overlay", err);
	}
	r = sys_fsmount(fs_fd, 0);
	return r < 0 ? fs_err(fs_fd, r, "mount overlay", err) : r;
}

int rootfs_attach_at(int mount_fd, const char *target, struct err *err)
{
	if (syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, -errno, "mount '%s'", target);
	return 0;
}
