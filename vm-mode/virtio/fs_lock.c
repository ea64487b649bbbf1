/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File locks. A POSIX lock belongs to a lock owner of the guest, so each owner gets an open file description of its own
 * and an OFD lock on it; flock() belongs to the open file, which is a handle here already. A lock that must wait is
 * parked and tried again after each unlock and every few milliseconds (somebody outside of the guest may hold it).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "vm-mode/virtio/fs_server.h"

static struct fs_owner *find_owner(struct fs_server *fs, uint64_t nodeid, uint64_t owner)
{
	for (uint32_t i = 0; i < fs->owners_used; i++)
		if (fs->owner[i].fd >= 0 && fs->owner[i].nodeid == nodeid && fs->owner[i].owner == owner)
			return &fs->owner[i];
	return NULL;
}

static int add_owner(struct fs_server *fs, const struct fs_inode *inode, uint64_t nodeid, uint64_t owner,
		     struct fs_owner **ret)
{
	uint32_t slot = 0;
	int fd;

	while (slot < fs->owners_used && fs->owner[slot].fd >= 0)
		slot++;
	if (slot == FS_MAX_OWNERS)
		return -ENOLCK;
	fd = fs_reopen(fs, inode, O_RDWR);
	if (fd == -EACCES || fd == -EROFS || fd == -ETXTBSY)
		fd = fs_reopen(fs, inode, O_RDONLY);
	if (fd < 0)
		return fd;
	fs->owner[slot] = (struct fs_owner){ .nodeid = nodeid, .owner = owner, .fd = fd };
	if (slot == fs->owners_used)
		fs->owners_used++;
	*ret = &fs->owner[slot];
	return 0;
}

static int to_flock(const struct fuse_file_lock *lk, struct flock *fl)
{
	if (lk->type != F_RDLCK && lk->type != F_WRLCK && lk->type != F_UNLCK)
		return -EINVAL;
	if (lk->start > INT64_MAX || lk->end < lk->start)
		return -EINVAL;
	*fl = (struct flock){ .l_type = (short)lk->type, .l_whence = SEEK_SET, .l_start = (off_t)lk->start };
	if (lk->end < INT64_MAX)
		fl->l_len = (off_t)(lk->end - lk->start + 1);
	return 0;
}

static int posix_lock(struct fs_server *fs, uint64_t nodeid, const struct fuse_lk_in *in)
{
	const struct fs_inode *inode = fs_inode_get(fs, nodeid);
	struct fs_owner *o = find_owner(fs, nodeid, in->owner);
	struct flock fl;
	int r = to_flock(&in->lk, &fl);

	if (r < 0 || !inode)
		return r < 0 ? r : -ESTALE;
	if (!o && fl.l_type == F_UNLCK)
		return 0;
	if (!o)
		r = add_owner(fs, inode, nodeid, in->owner, &o);
	if (r < 0)
		return r;
	if (fcntl(o->fd, F_OFD_SETLK, &fl) < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return 0;
}

static int whole_lock(struct fs_server *fs, const struct fuse_lk_in *in)
{
	const struct fs_handle *h = fs_handle_get(fs, in->fh, false);
	int op = in->lk.type == F_RDLCK ? LOCK_SH : in->lk.type == F_WRLCK ? LOCK_EX : LOCK_UN;

	if (!h)
		h = fs_handle_get(fs, in->fh, true);
	if (!h)
		return -EBADF;
	return flock(h->fd, op | LOCK_NB) < 0 ? -errno : 0;
}

static int try_lock(struct fs_server *fs, uint64_t nodeid, const struct fuse_lk_in *in)
{
	return in->lk_flags & FUSE_LK_FLOCK ? whole_lock(fs, in) : posix_lock(fs, nodeid, in);
}

int fs_op_getlk(struct fs_request *rq)
{
	const struct fs_inode *inode = fs_inode_get(rq->fs, rq->in.nodeid);
	struct fuse_lk_out out = { .lk = { .type = F_UNLCK } };
	struct fs_owner *o;
	struct fuse_lk_in in;
	struct flock fl;
	int r;

	memcpy(&in, rq->arg, sizeof(in));
	r = to_flock(&in.lk, &fl);
	if (r < 0 || !inode)
		return r < 0 ? r : -ESTALE;
	o = find_owner(rq->fs, rq->in.nodeid, in.owner);
	if (!o)
		r = add_owner(rq->fs, inode, rq->in.nodeid, in.owner, &o);
	if (r < 0)
		return r;
	if (fcntl(o->fd, F_OFD_GETLK, &fl) < 0)
		return -errno;
	if (fl.l_type != F_UNLCK) {
		out.lk = (struct fuse_file_lock){ .start = (uint64_t)fl.l_start,
						  .end = fl.l_len ? (uint64_t)(fl.l_start + fl.l_len - 1) : INT64_MAX,
						  .type = (uint32_t)fl.l_type };
		out.lk.pid = fl.l_pid > 0 ? (uint32_t)fl.l_pid : 0; /* OFD locks have no pid */
	}
	return fs_reply(rq, &out, sizeof(out));
}

int fs_op_setlk(struct fs_request *rq)
{
	struct fuse_lk_in in;
	int r;

	memcpy(&in, rq->arg, sizeof(in));
	r = try_lock(rq->fs, rq->in.nodeid, &in);
	if (r == 0 && in.lk.type == F_UNLCK)
		(void)fs_lock_retry(rq->fs);
	return r;
}

int fs_op_setlkw(struct fs_request *rq)
{
	struct fs_server *fs = rq->fs;
	struct fuse_lk_in in;
	int r;

	memcpy(&in, rq->arg, sizeof(in));
	r = try_lock(fs, rq->in.nodeid, &in);
	if (r != -EAGAIN)
		return r;
	if (fs->n_parked == FS_MAX_PARKED || !fs->complete)
		return -ENOLCK;
	fs->parked[fs->n_parked++] = (struct fs_parked){ .head = rq->chain->head,
							 .queue = rq->queue,
							 .unique = rq->in.unique,
							 .nodeid = rq->in.nodeid,
							 .lk = in };
	return FS_PARKED;
}

static void finish(struct fs_server *fs, unsigned i, int result)
{
	struct fs_parked p = fs->parked[i];

	fs->parked[i] = fs->parked[--fs->n_parked];
	fs->complete(fs->complete_arg, &p, result);
}

bool fs_lock_retry(struct fs_server *fs)
{
	for (unsigned i = 0; i < fs->n_parked;) {
		int r = try_lock(fs, fs->parked[i].nodeid, &fs->parked[i].lk);

		if (r == -EAGAIN)
			i++;
		else
			finish(fs, i, r);
	}
	return fs->n_parked > 0;
}

int fs_op_interrupt(struct fs_request *rq)
{
	struct fuse_interrupt_in in;

	memcpy(&in, rq->arg, sizeof(in));
	for (unsigned i = 0; i < rq->fs->n_parked; i++) {
		if (rq->fs->parked[i].unique == in.unique) {
			finish(rq->fs, i, -EINTR);
			break;
		}
	}
	return FS_NO_REPLY;
}

void fs_lock_release_owner(struct fs_server *fs, uint64_t nodeid, uint64_t owner)
{
	struct fs_owner *o = find_owner(fs, nodeid, owner);

	if (!o)
		return;
	fd_close(&o->fd);
	(void)fs_lock_retry(fs);
}

void fs_lock_release_all(struct fs_server *fs)
{
	for (uint32_t i = 0; i < fs->owners_used; i++)
		fd_close(&fs->owner[i].fd);
	fs->owners_used = 0;
}
