/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE operations on open files. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "vm-mode/virtio/fs_server.h"

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

/* The guest's open flags as ours. The page cache that write-back keeps in the guest must be able to read, and knows
 * itself where the end is. */
static int open_flags(const struct fs_server *fs, uint32_t flags)
{
	int f = (int)flags & (O_ACCMODE | O_APPEND | O_TRUNC | O_NOATIME | O_SYNC | O_DSYNC);

	if (fs_has(fs, FUSE_WRITEBACK_CACHE)) {
		f &= ~O_APPEND;
		if ((f & O_ACCMODE) == O_WRONLY)
			f = (f & ~O_ACCMODE) | O_RDWR;
	}
	return f;
}

static bool may_open(const struct fs_server *fs, uint32_t flags)
{
	return !fs->readonly || ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC));
}

static uint32_t reply_flags(const struct fs_server *fs)
{
	return fs->cache == FS_CACHE_NONE ? FOPEN_DIRECT_IO : FOPEN_KEEP_CACHE;
}

static int do_open(struct fs_request *rq, const struct fs_inode *i, uint32_t flags, bool kill, struct fuse_open_out *out)
{
	int fd;

	if (!S_ISREG(i->mode))
		return S_ISDIR(i->mode) ? -EISDIR : -ENXIO;
	kill = kill && flags & O_TRUNC;
	fs_fsetid_drop(rq->fs, kill);
	fd = fs_reopen(rq->fs, i, open_flags(rq->fs, flags));
	fs_fsetid_restore(rq->fs, kill);
	/* O_NOATIME is for owners; to refuse the open for it would be worse than a changed time. */
	if (fd == -EPERM && flags & O_NOATIME)
		fd = fs_reopen(rq->fs, i, open_flags(rq->fs, flags & ~(uint32_t)O_NOATIME));
	if (fd < 0)
		return fd;
	*out = (struct fuse_open_out){ .open_flags = reply_flags(rq->fs) };
	return fs_handle_new(rq->fs, fd, (uint64_t)(i - rq->fs->inode) + 1, false, &out->fh);
}

int fs_op_open(struct fs_request *rq)
{
	const struct fs_inode *i = fs_inode_get(rq->fs, rq->in.nodeid);
	struct fuse_open_out out;
	struct fuse_open_in in;
	int r;

	if (!i)
		return -ESTALE;
	memcpy(&in, rq->arg, sizeof(in));
	if (!may_open(rq->fs, in.flags))
		return -EROFS;
	r = do_open(rq, i, in.flags, in.open_flags & FUSE_OPEN_KILL_SUIDGID, &out);
	return r < 0 ? r : fs_reply(rq, &out, sizeof(out));
}

/* Make a new file. -EEXIST when there is one, whatever it is: then it is opened as any other inode. */
static int make_file(struct fs_request *rq, const struct fs_inode *parent, const char *name, const struct fuse_create_in *in)
{
	int r = fs_cred_enter(rq->fs, &rq->in, in->umask);

	if (r == 0) {
		int flags = open_flags(rq->fs, in->flags) & ~O_NOATIME;

		r = openat(parent->fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, in->mode & 07777);
		r = r < 0 ? -errno : r;
	}
	fs_cred_leave(rq->fs);
	return r;
}

int fs_op_create(struct fs_request *rq)
{
	struct fs_inode *parent = fs_inode_get(rq->fs, rq->in.nodeid);
	size_t at = sizeof(struct fuse_create_in);
	const char *name = fs_arg_name(rq, &at);
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = { 0 };
	struct fuse_create_in in;
	int r, fd;

	if (!parent || !name)
		return -EINVAL;
	memcpy(&in, rq->arg, sizeof(in));
	fd = make_file(rq, parent, name, &in);
	if (fd < 0 && (fd != -EEXIST || in.flags & O_EXCL))
		return fd;
	r = fs_lookup(rq->fs, parent, name, &out.entry);
	if (r == 0 && fd >= 0) {
		out.open.open_flags = reply_flags(rq->fs);
		r = fs_handle_new(rq->fs, fd, out.entry.nodeid, false, &out.open.fh); /* takes fd, also on failure */
	} else if (r == 0) {
		r = do_open(rq, fs_inode_get(rq->fs, out.entry.nodeid), in.flags, in.open_flags & FUSE_OPEN_KILL_SUIDGID,
			    &out.open);
	} else if (fd >= 0) {
		(void)close(fd);
	}
	if (r < 0) {
		fs_inode_forget(rq->fs, out.entry.nodeid, 1);
		return r;
	}
	return fs_reply(rq, &out, sizeof(out));
}

int fs_op_read(struct fs_request *rq)
{
	const struct fs_handle *h;
	struct fuse_read_in in;
	unsigned n_iov;
	size_t len;
	ssize_t n;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, false);
	if (!h)
		return -EBADF;
	n_iov = vq_chain_in_iov(rq->chain, sizeof(struct fuse_out_header), in.size, rq->fs->iov, &len);
	if (!n_iov)
		return 0;
	n = preadv(h->fd, rq->fs->iov, (int)n_iov, (off_t)in.offset);
	return n < 0 ? -errno : (int)n;
}

int fs_op_write(struct fs_request *rq)
{
	struct fuse_write_out out = { 0 };
	const struct fs_handle *h;
	struct fuse_write_in in;
	unsigned n_iov;
	bool kill;
	size_t len;
	ssize_t n;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, false);
	if (!h)
		return -EBADF;
	n_iov = vq_chain_out_iov(rq->chain, sizeof(rq->in) + sizeof(in), in.size, rq->fs->iov, &len);
	if (len != in.size)
		return -EINVAL;
	kill = in.write_flags & FUSE_WRITE_KILL_SUIDGID;
	fs_fsetid_drop(rq->fs, kill);
	n = n_iov ? pwritev(h->fd, rq->fs->iov, (int)n_iov, (off_t)in.offset) : 0;
	if (n < 0)
		n = -errno;
	fs_fsetid_restore(rq->fs, kill);
	if (n < 0)
		return (int)n;
	out.size = (uint32_t)n;
	return fs_reply(rq, &out, sizeof(out));
}

int fs_op_flush(struct fs_request *rq)
{
	const struct fs_handle *h;
	struct fuse_flush_in in;
	int fd;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, false);
	if (!h)
		return -EBADF;
	/* close(2) drops a process's locks on the file, whichever descriptor it closes. */
	fs_lock_release_owner(rq->fs, rq->in.nodeid, in.lock_owner);
	/* Errors of delayed writes (NFS, quota) come when a descriptor is closed. */
	fd = fcntl(h->fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : result(close(fd));
}

int fs_op_release(struct fs_request *rq)
{
	struct fuse_release_in in;
	struct fs_handle *h;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, false);
	if (!h)
		return -EBADF;
	fs_handle_free(rq->fs, h);
	return 0;
}

int fs_op_fsync(struct fs_request *rq)
{
	const struct fs_handle *h;
	struct fuse_fsync_in in;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, false);
	if (!h)
		return -EBADF;
	return result(in.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(h->fd) : fsync(h->fd));
}

int fs_op_fallocate(struct fs_request *rq)
{
	const struct fs_handle *h;
	struct fuse_fallocate_in in;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, false);
	if (!h)
		return -EBADF;
	return result(fallocate(h->fd, (int)in.mode, (off_t)in.offset, (off_t)in.length));
}

int fs_op_lseek(struct fs_request *rq)
{
	struct fuse_lseek_out out;
	const struct fs_handle *h;
	struct fuse_lseek_in in;
	off_t r;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, false);
	if (!h)
		return -EBADF;
	if (in.whence != SEEK_DATA && in.whence != SEEK_HOLE)
		return -EINVAL; /* the guest does the others itself */
	r = lseek(h->fd, (off_t)in.offset, (int)in.whence);
	if (r < 0)
		return -errno;
	out.offset = (uint64_t)r;
	return fs_reply(rq, &out, sizeof(out));
}

int fs_op_copy_file_range(struct fs_request *rq)
{
	const struct fs_handle *from, *to;
	struct fuse_copy_file_range_in in;
	struct fuse_write_out out;
	off_t off_in, off_out;
	size_t len;
	ssize_t n;

	memcpy(&in, rq->arg, sizeof(in));
	from = fs_handle_get(rq->fs, in.fh_in, false);
	to = fs_handle_get(rq->fs, in.fh_out, false);
	if (!from || !to)
		return -EBADF;
	off_in = (off_t)in.off_in;
	off_out = (off_t)in.off_out;
	len = in.len < (1U << 30) ? (size_t)in.len : 1U << 30; /* a short copy is allowed, and keeps the thread free */
	n = copy_file_range(from->fd, &off_in, to->fd, &off_out, len, 0);
	if (n < 0)
		return -errno;
	out = (struct fuse_write_out){ .size = (uint32_t)n };
	return fs_reply(rq, &out, sizeof(out));
}

int fs_op_syncfs(struct fs_request *rq)
{
	const struct fs_inode *i = fs_inode_get(rq->fs, rq->in.nodeid);
	int fd, r;

	if (!i)
		return -ESTALE;
	fd = fs_reopen(rq->fs, i, O_RDONLY);
	if (fd < 0)
		return fd;
	r = result(syncfs(fd));
	(void)close(fd);
	return r;
}
