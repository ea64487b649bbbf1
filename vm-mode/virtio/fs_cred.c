/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm-mode/virtio/fs_server.h"

static int get_caps(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &head, data) < 0 ? -errno : 0;
}

static int set_caps(const struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int fs_server_enter(struct fs_server *fs, struct err *err)
{
	struct __user_cap_data_struct data[2] = { 0 };

	/* Current directory and umask of this thread alone. */
	if (unshare(CLONE_FS) < 0)
		return err_sys(err, -errno, "virtio-fs: unshare the thread's directory and umask");
	if (fchdir(fs->proc_fd) < 0)
		return err_sys(err, -errno, "virtio-fs: change to '/proc/self/fd'");
	(void)umask(0);
	fs->uid = geteuid();
	fs->gid = getegid();
	/* Keep capabilities when fsuid changes: the guest's kernel has checked access, also by supplementary groups that we
	 * do not know. Without the right to say so, a user's own permissions decide. */
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
	if (get_caps(data) < 0)
		return err_sys(err, -errno, "virtio-fs: read capabilities");
	fs->cap[0] = data[0].effective;
	fs->cap[1] = data[1].effective;
	fs->has_fsetid = data[0].effective & 1U << CAP_FSETID;
	return 0;
}

void fs_fsetid_drop(struct fs_server *fs, bool drop)
{
	struct __user_cap_data_struct data[2];

	if (!drop || !fs->has_fsetid || get_caps(data) < 0)
		return;
	data[0].effective &= ~(1U << CAP_FSETID);
	(void)!set_caps(data);
}

void fs_fsetid_restore(struct fs_server *fs, bool dropped)
{
	struct __user_cap_data_struct data[2];

	if (!dropped || !fs->has_fsetid || get_caps(data) < 0)
		return;
	data[0].effective = fs->cap[0];
	data[1].effective = fs->cap[1];
	(void)!set_caps(data);
}

int fs_cred_enter(struct fs_server *fs, const struct fuse_in_header *in, uint32_t umask_bits)
{
	(void)umask(umask_bits & 0777);
	if (in->uid == fs->uid && in->gid == fs->gid)
		return 0;
	fs->cred_changed = true;
	/* Someone who is not in a directory's group must not make set-group-id files there. */
	fs_fsetid_drop(fs, in->uid != fs->uid);
	(void)setfsgid(in->gid);
	(void)setfsuid(in->uid);
	/* These calls report nothing; an invalid id tells what is set now. */
	if ((uid_t)setfsuid((uid_t)-1) != in->uid || (gid_t)setfsgid((gid_t)-1) != in->gid)
		return -EPERM;
	return 0;
}

void fs_cred_leave(struct fs_server *fs)
{
	int saved = errno;

	if (!fs->cred_changed)
		return;
	fs->cred_changed = false;
	(void)setfsuid(fs->uid);
	(void)setfsgid(fs->gid);
	fs_fsetid_restore(fs, true);
	errno = saved;
}
