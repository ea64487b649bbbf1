/* SPDX-License-Identifier: Apache-2.0 */
#include "images/rootfs.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOP_TRIES = 64 };

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
		return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, path, 0);
	fd = loop_attach(path, name);
	if (fd < 0)
		return fd;
	*ret_loop_fd = fd;
	return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, name, 0);
}

static int try_mount(const struct rootfs_files *f, bool loop, struct err *err)
{
	AUTO_FREE int *loop_fds = xcalloc(f->n + 1, sizeof(*loop_fds));
	AUTO_CLOSE int fs_fd = sys_fsopen("erofs", FSOPEN_CLOEXEC);
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
		r = sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0);
	if (r == 0)
		r = sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r == 0)
		r = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
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

/* ---- overlay ---- */

static int map_ids(int mount_fd, int userns_fd, const char *what, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd };
	int r = sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr);

	if (r == -EINVAL || r == -EOPNOTSUPP)
		return err_set(err, EOPNOTSUPP, "a user namespace needs idmapped mounts, which the file system of %s does not have", what);
	return r < 0 ? err_sys(err, r, "map the ids of %s", what) : 0;
}

/* The directory of upper and work as a mount with mapped ids. */
static int clone_mapped(const char *upper, int userns_fd, struct err *err)
{
	const char *slash = strrchr(upper, '/');
	AUTO_FREE char *dir = slash ? xstrndup(upper, (size_t)(slash - upper)) : xstrdup(".");
	AUTO_CLOSE int fd = sys_open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(err, fd, "clone the mount of '%s'", dir);
	r = map_ids(fd, userns_fd, dir, err);
	return r < 0 ? r : TAKE_FD(fd);
}

/* setfsuid() away from 0 takes capabilities out of the effective set: all that are permitted come back into it. */
static int raise_effective(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		data[i].effective = data[i].permitted;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int set_fs_ids(uid_t uid, gid_t gid, struct err *err)
{
	int r;

	(void)setfsgid(gid);
	(void)setfsuid(uid);
	r = raise_effective();
	return r < 0 ? err_sys(err, r, "take the file system ids %u:%u", uid, gid) : 0;
}

static int mount_overlay(const struct rootfs_overlay *o, struct err *err)
{
	AUTO_CLOSE int fs_fd = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	char image[FD_PROC_PATH_LEN], below[FD_PROC_PATH_LEN];
	AUTO_FREE char *lower = o->below_fd ? xasprintf("%s:%s", fd_proc_path(o->lower_fd, image), fd_proc_path(*o->below_fd, below)) :
					      xstrdup(fd_proc_path(o->lower_fd, image));
	struct {
		unsigned cmd;
		const char *key, *value;
		bool wanted;
	} steps[] = {
		{ FSCONFIG_SET_STRING, "source", "brig", true },
		{ FSCONFIG_SET_STRING, "lowerdir", lower, true },
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
		r = steps[i].wanted ? sys_fsconfig(fs_fd, steps[i].cmd, steps[i].key, steps[i].value, 0) : 0;
		if (r < 0)
			return fs_err(fs_fd, r, "mount overlay", err);
	}
	r = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
	return r < 0 ? fs_err(fs_fd, r, "mount overlay", err) : r;
}

/* What overlay makes in the upper layer on its own account (its work directory, whiteouts) belongs to who mounted it: our root has
 * no id in a mapped layer, the namespace's has. */
static int mount_overlay_mapped(const struct rootfs_overlay *o, struct err *err)
{
	AUTO_CLOSE int dir_fd = clone_mapped(o->upper, *o->userns_fd, err);
	char dir[FD_PROC_PATH_LEN];
	AUTO_FREE char *upper = NULL, *work = NULL;
	struct rootfs_overlay mapped = *o;
	struct err ignored;
	struct stat st;
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = map_ids(o->lower_fd, *o->userns_fd, "the image", err);
	if (r < 0)
		return r;
	upper = xasprintf("%s%s", fd_proc_path(dir_fd, dir), strrchr(o->upper, '/'));
	work = xasprintf("%s%s", dir, strrchr(o->work, '/'));
	mapped.upper = upper;
	mapped.work = work;
	if (stat(upper, &st) < 0)
		return err_sys(err, -errno, "look at '%s'", o->upper);
	r = set_fs_ids(st.st_uid, st.st_gid, err);
	if (r == 0)
		r = mount_overlay(&mapped, err);
	(void)!set_fs_ids(geteuid(), getegid(), &ignored); /* back to what was there before */
	return r;
}

int rootfs_mount_overlay(const struct rootfs_overlay *o, struct err *err)
{
	return o->userns_fd && o->upper ? mount_overlay_mapped(o, err) : mount_overlay(o, err);
}

int rootfs_attach_at(int mount_fd, const char *target, struct err *err)
{
	int r = sys_move_mount(mount_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);

	return r < 0 ? err_sys(err, r, "mount '%s'", target) : 0;
}
