/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE operations on names and attributes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "vm-mode/virtio/fs_server.h"

static struct fs_inode *target(struct fs_request *rq)
{
	return fs_inode_get(rq->fs, rq->in.nodeid);
}

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

static int reply_entry(struct fs_request *rq, struct fs_inode *parent, const char *name)
{
	struct fuse_entry_out out;
	int r = fs_lookup(rq->fs, parent, name, &out);

	return r < 0 ? r : fs_reply(rq, &out, sizeof(out));
}

int fs_op_lookup(struct fs_request *rq)
{
	struct fs_inode *parent = target(rq);
	size_t at = 0;
	const char *name = fs_arg_name(rq, &at);
	int r;

	if (!parent || !name)
		return parent ? -EINVAL : -ESTALE;
	r = reply_entry(rq, parent, name);
	if (r == -ENOENT && rq->fs->cache == FS_CACHE_ALWAYS) {
		struct fuse_entry_out none = { .entry_valid = 86400 }; /* nodeid 0: it is not there, and stays away */

		return fs_reply(rq, &none, sizeof(none));
	}
	return r;
}

int fs_op_forget(struct fs_request *rq)
{
	struct fuse_forget_in in;

	memcpy(&in, rq->arg, sizeof(in));
	fs_inode_forget(rq->fs, rq->in.nodeid, in.nlookup);
	return FS_NO_REPLY;
}

int fs_op_batch_forget(struct fs_request *rq)
{
	struct fuse_batch_forget_in in;
	size_t at = sizeof(in);

	memcpy(&in, rq->arg, sizeof(in));
	for (uint32_t i = 0; i < in.count && at + sizeof(struct fuse_forget_one) <= rq->arg_len; i++) {
		struct fuse_forget_one one;

		memcpy(&one, rq->arg + at, sizeof(one));
		at += sizeof(one);
		fs_inode_forget(rq->fs, one.nodeid, one.nlookup);
	}
	return FS_NO_REPLY;
}

static int reply_attr(struct fs_request *rq, int fd)
{
	struct fuse_attr_out out = { 0 };
	int r = fs_getattr_fd(rq->fs, fd, &out.attr);

	fs_attr_valid(rq->fs, &out.attr_valid);
	return r < 0 ? r : fs_reply(rq, &out, sizeof(out));
}

int fs_op_getattr(struct fs_request *rq)
{
	struct fs_inode *i = target(rq);

	return i ? reply_attr(rq, i->fd) : -ESTALE;
}

static int set_size(struct fs_request *rq, const struct fs_inode *i, const struct fuse_setattr_in *in)
{
	const struct fs_handle *h = in->valid & FATTR_FH ? fs_handle_get(rq->fs, in->fh, false) : NULL;
	bool kill = in->valid & FATTR_KILL_SUIDGID;
	int r, fd;

	if (!S_ISREG(i->mode))
		return S_ISDIR(i->mode) ? -EISDIR : -EINVAL;
	if (in->size > INT64_MAX)
		return -EFBIG;
	fd = h ? h->fd : fs_reopen(rq->fs, i, O_WRONLY);
	if (fd < 0)
		return fd;
	fs_fsetid_drop(rq->fs, kill);
	r = result(ftruncate(fd, (off_t)in->size));
	fs_fsetid_restore(rq->fs, kill);
	if (!h)
		(void)close(fd);
	return r;
}

static int set_times(struct fs_request *rq, const char *name, const struct fuse_setattr_in *in)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };

	if (in->valid & FATTR_ATIME_NOW)
		ts[0].tv_nsec = UTIME_NOW;
	else if (in->valid & FATTR_ATIME)
		ts[0] = (struct timespec){ .tv_sec = (time_t)in->atime, .tv_nsec = in->atimensec };
	if (in->valid & FATTR_MTIME_NOW)
		ts[1].tv_nsec = UTIME_NOW;
	else if (in->valid & FATTR_MTIME)
		ts[1] = (struct timespec){ .tv_sec = (time_t)in->mtime, .tv_nsec = in->mtimensec };
	return result(utimensat(rq->fs->proc_fd, name, ts, 0));
}

int fs_op_setattr(struct fs_request *rq)
{
	struct fs_inode *i = target(rq);
	struct fuse_setattr_in in;
	char name[FS_FD_NAME];
	int r = 0;

	if (!i)
		return -ESTALE;
	memcpy(&in, rq->arg, sizeof(in));
	fs_fd_name(i->fd, name);
	if (in.valid & FATTR_MODE)
		r = result(fchmodat(rq->fs->proc_fd, name, in.mode & 07777, 0));
	if (r == 0 && in.valid & (FATTR_UID | FATTR_GID))
		r = result(fchownat(i->fd, "", in.valid & FATTR_UID ? in.uid : (uid_t)-1,
				    in.valid & FATTR_GID ? in.gid : (gid_t)-1, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
	if (r == 0 && in.valid & FATTR_SIZE)
		r = set_size(rq, i, &in);
	if (r == 0 && in.valid & (FATTR_ATIME | FATTR_MTIME))
		r = set_times(rq, name, &in);
	return r < 0 ? r : reply_attr(rq, i->fd);
}

int fs_op_readlink(struct fs_request *rq)
{
	const struct fs_inode *i = target(rq);
	ssize_t n;

	if (!i)
		return -ESTALE;
	n = readlinkat(i->fd, "", (char *)rq->fs->reply, PATH_MAX);
	return n < 0 ? -errno : fs_reply(rq, rq->fs->reply, (size_t)n);
}

int fs_op_symlink(struct fs_request *rq)
{
	struct fs_inode *parent = target(rq);
	size_t at = 0;
	const char *name = fs_arg_name(rq, &at);
	const char *to = fs_arg_string(rq, &at);
	int r;

	if (!parent || !name || !to)
		return -EINVAL;
	r = fs_cred_enter(rq->fs, &rq->in, 0);
	if (r == 0)
		r = result(symlinkat(to, parent->fd, name));
	fs_cred_leave(rq->fs);
	return r < 0 ? r : reply_entry(rq, parent, name);
}

int fs_op_mknod(struct fs_request *rq)
{
	struct fs_inode *parent = target(rq);
	size_t at = sizeof(struct fuse_mknod_in);
	const char *name = fs_arg_name(rq, &at);
	struct fuse_mknod_in in;
	dev_t dev;
	int r;

	if (!parent || !name)
		return -EINVAL;
	memcpy(&in, rq->arg, sizeof(in));
	dev = (dev_t)(in.rdev >> 8 & 0xfff) << 8 | (in.rdev & 0xff) | (dev_t)(in.rdev >> 20) << 12;
	r = fs_cred_enter(rq->fs, &rq->in, in.umask);
	if (r == 0)
		r = result(mknodat(parent->fd, name, in.mode, dev));
	fs_cred_leave(rq->fs);
	return r < 0 ? r : reply_entry(rq, parent, name);
}

int fs_op_mkdir(struct fs_request *rq)
{
	struct fs_inode *parent = target(rq);
	size_t at = sizeof(struct fuse_mkdir_in);
	const char *name = fs_arg_name(rq, &at);
	struct fuse_mkdir_in in;
	int r;

	if (!parent || !name)
		return -EINVAL;
	memcpy(&in, rq->arg, sizeof(in));
	r = fs_cred_enter(rq->fs, &rq->in, in.umask);
	if (r == 0)
		r = result(mkdirat(parent->fd, name, in.mode));
	fs_cred_leave(rq->fs);
	return r < 0 ? r : reply_entry(rq, parent, name);
}

static int remove_name(struct fs_request *rq, int flags)
{
	const struct fs_inode *parent = target(rq);
	size_t at = 0;
	const char *name = fs_arg_name(rq, &at);

	if (!parent || !name)
		return -EINVAL;
	return result(unlinkat(parent->fd, name, flags));
}

int fs_op_unlink(struct fs_request *rq)
{
	return remove_name(rq, 0);
}

int fs_op_rmdir(struct fs_request *rq)
{
	return remove_name(rq, AT_REMOVEDIR);
}

static int do_rename(struct fs_request *rq, uint64_t new_parent, size_t at, unsigned flags)
{
	const struct fs_inode *from = target(rq), *to = fs_inode_get(rq->fs, new_parent);
	const char *old_name = fs_arg_name(rq, &at);
	const char *new_name = fs_arg_name(rq, &at);

	if (!from || !to || !old_name || !new_name || flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	return result(renameat2(from->fd, old_name, to->fd, new_name, flags));
}

int fs_op_rename(struct fs_request *rq)
{
	struct fuse_rename_in in;

	memcpy(&in, rq->arg, sizeof(in));
	return do_rename(rq, in.newdir, sizeof(in), 0);
}

int fs_op_rename2(struct fs_request *rq)
{
	struct fuse_rename2_in in;

	memcpy(&in, rq->arg, sizeof(in));
	return do_rename(rq, in.newdir, sizeof(in), in.flags);
}

int fs_op_link(struct fs_request *rq)
{
	struct fs_inode *parent = target(rq);
	size_t at = sizeof(struct fuse_link_in);
	const char *name = fs_arg_name(rq, &at);
	const struct fs_inode *i;
	struct fuse_link_in in;
	char fd_name[FS_FD_NAME];
	int r;

	memcpy(&in, rq->arg, sizeof(in));
	i = fs_inode_get(rq->fs, in.oldnodeid);
	if (!parent || !name || !i)
		return -EINVAL;
	r = result(linkat(rq->fs->proc_fd, fs_fd_name(i->fd, fd_name), parent->fd, name, AT_SYMLINK_FOLLOW));
	return r < 0 ? r : reply_entry(rq, parent, name);
}

int fs_op_statfs(struct fs_request *rq)
{
	const struct fs_inode *i = target(rq);
	struct fuse_statfs_out out = { 0 };
	struct statvfs s;

	if (!i)
		return -ESTALE;
	if (fstatvfs(i->fd, &s) < 0)
		return -errno;
	out.st = (struct fuse_kstatfs){ .blocks = s.f_blocks,
					.bfree = s.f_bfree,
					.bavail = s.f_bavail,
					.files = s.f_files,
					.ffree = s.f_ffree,
					.bsize = (uint32_t)s.f_bsize,
					.namelen = (uint32_t)s.f_namemax,
					.frsize = (uint32_t)s.f_frsize };
	return fs_reply(rq, &out, sizeof(out));
}
