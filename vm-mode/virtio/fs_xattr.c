/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE operations on extended attributes, which carry ACLs and file capabilities too. The paths are descriptor numbers
 * in /proc/self/fd, the thread's current directory: an O_PATH descriptor itself is refused by these calls. */
#include <errno.h>
#include <sys/xattr.h>

#include "vm-mode/virtio/fs_server.h"

#define XATTR_VALUE_MAX 65536U

int fs_op_setxattr(struct fs_request *rq)
{
	const struct fs_inode *i = fs_inode_get(rq->fs, rq->in.nodeid);
	size_t at = fs_has(rq->fs, FUSE_SETXATTR_EXT) ? sizeof(struct fuse_setxattr_in) : FUSE_COMPAT_SETXATTR_IN_SIZE;
	struct fuse_setxattr_in in = { 0 };
	char path[FS_FD_NAME];
	const char *name;
	bool kill;
	int r;

	if (!i)
		return -ESTALE;
	if (rq->arg_len < at)
		return -EINVAL;
	memcpy(&in, rq->arg, at);
	name = fs_arg_string(rq, &at);
	if (!name || in.size > XATTR_VALUE_MAX || in.size > rq->arg_len - at)
		return -EINVAL;
	kill = in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID;
	fs_fsetid_drop(rq->fs, kill);
	r = setxattr(fs_fd_name(i->fd, path), name, rq->arg + at, in.size, (int)in.flags) < 0 ? -errno : 0;
	fs_fsetid_restore(rq->fs, kill);
	return r;
}

/* A size of 0 asks how large the answer would be. */
static int reply_value(struct fs_request *rq, uint32_t asked, ssize_t n)
{
	struct fuse_getxattr_out out = { 0 };

	if (n < 0)
		return -errno;
	if (asked)
		return fs_reply(rq, rq->fs->reply, (size_t)n);
	out.size = (uint32_t)n;
	return fs_reply(rq, &out, sizeof(out));
}

int fs_op_getxattr(struct fs_request *rq)
{
	const struct fs_inode *i = fs_inode_get(rq->fs, rq->in.nodeid);
	size_t at = sizeof(struct fuse_getxattr_in);
	const char *name = fs_arg_string(rq, &at);
	struct fuse_getxattr_in in;
	char path[FS_FD_NAME];
	size_t size;

	if (!i || !name)
		return -EINVAL;
	memcpy(&in, rq->arg, sizeof(in));
	size = in.size < XATTR_VALUE_MAX ? in.size : XATTR_VALUE_MAX;
	return reply_value(rq, in.size, getxattr(fs_fd_name(i->fd, path), name, rq->fs->reply, size));
}

int fs_op_listxattr(struct fs_request *rq)
{
	const struct fs_inode *i = fs_inode_get(rq->fs, rq->in.nodeid);
	struct fuse_getxattr_in in;
	char path[FS_FD_NAME];
	size_t size;

	if (!i)
		return -ESTALE;
	memcpy(&in, rq->arg, sizeof(in));
	size = in.size < XATTR_VALUE_MAX ? in.size : XATTR_VALUE_MAX;
	return reply_value(rq, in.size, listxattr(fs_fd_name(i->fd, path), (char *)rq->fs->reply, size));
}

int fs_op_removexattr(struct fs_request *rq)
{
	const struct fs_inode *i = fs_inode_get(rq->fs, rq->in.nodeid);
	size_t at = 0;
	const char *name = fs_arg_string(rq, &at);
	char path[FS_FD_NAME];

	if (!i || !name)
		return -EINVAL;
	return removexattr(fs_fd_name(i->fd, path), name) < 0 ? -errno : 0;
}
