/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE operations on open directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm-mode/virtio/fs_server.h"

#define DENTS_MAX 16384U /* bytes of getdents at once */

struct dent { /* struct linux_dirent64 */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

int fs_op_opendir(struct fs_request *rq)
{
	const struct fs_inode *i = fs_inode_get(rq->fs, rq->in.nodeid);
	struct fuse_open_out out = { 0 };
	int fd, r;

	if (!i)
		return -ESTALE;
	if (!S_ISDIR(i->mode))
		return -ENOTDIR;
	fd = fs_reopen(rq->fs, i, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	r = fs_handle_new(rq->fs, fd, rq->in.nodeid, true, &out.fh);
	if (rq->fs->cache == FS_CACHE_ALWAYS)
		out.open_flags = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
	return r < 0 ? r : fs_reply(rq, &out, sizeof(out));
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* One entry at `at` of the reply; returns its padded length, or 0 when it does not fit into max. */
static size_t put_dirent(struct fs_request *rq, struct fs_inode *dir, const struct dent *d, size_t at, size_t max, bool plus)
{
	size_t name_len = strlen(d->name), head = plus ? sizeof(struct fuse_entry_out) : 0;
	size_t len = head + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name_len);
	struct fuse_dirent out = { .ino = d->ino, .off = (uint64_t)d->off, .namelen = (uint32_t)name_len, .type = d->type };
	uint8_t *p = rq->fs->reply + at;

	if (len > max - at)
		return 0;
	memset(p, 0, len);
	if (plus) {
		struct fuse_entry_out entry = { 0 };

		/* nodeid 0 means "no attributes": for the dots, which are not counted, and for what has just gone. */
		if (is_dots(d->name) || fs_lookup(rq->fs, dir, d->name, &entry) < 0) {
			entry = (struct fuse_entry_out){ 0 };
			entry.attr.ino = d->ino;
			entry.attr.mode = (uint32_t)d->type << 12;
		}
		memcpy(p, &entry, sizeof(entry));
	}
	memcpy(p + head, &out, FUSE_NAME_OFFSET);
	memcpy(p + head + FUSE_NAME_OFFSET, d->name, name_len);
	return len;
}

/* Entries of one getdents. Moves *used on; returns false when the reply is full. */
static bool put_dents(struct fs_request *rq, struct fs_handle *h, struct fs_inode *dir, const uint8_t *buf, size_t n,
		      size_t *used, size_t max, bool plus)
{
	for (size_t i = 0; i + sizeof(struct dent) <= n;) {
		const struct dent *d = (const void *)(buf + i);
		size_t len = put_dirent(rq, dir, d, *used, max, plus);

		if (!len)
			return false;
		*used += len;
		h->dir_pos = (uint64_t)d->off;
		i += d->reclen;
	}
	return true;
}

static int do_readdir(struct fs_request *rq, bool plus)
{
	struct fs_inode *dir = fs_inode_get(rq->fs, rq->in.nodeid);
	uint8_t buf[DENTS_MAX] __attribute__((aligned(8)));
	struct fuse_read_in in;
	struct fs_handle *h;
	size_t used = 0, max;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, true);
	if (!h || !dir)
		return -EBADF;
	max = in.size < rq->reply_max ? in.size : rq->reply_max;
	if (max > FS_REPLY_MAX)
		max = FS_REPLY_MAX;
	if (in.offset > INT64_MAX || lseek(h->fd, (off_t)in.offset, SEEK_SET) < 0)
		return -EINVAL;
	for (;;) {
		/* Ask for no more than the reply can take: the rest would be read again by the next call. */
		size_t room = max - used < sizeof(buf) ? max - used : sizeof(buf);
		long n = room < 300 && used ? 0 : syscall(SYS_getdents64, h->fd, buf, room < 300 ? 300 : room);

		if (n < 0 && !used)
			return -errno;
		if (n <= 0 || !put_dents(rq, h, dir, buf, (size_t)n, &used, max, plus))
			break;
	}
	return fs_reply(rq, rq->fs->reply, used);
}

int fs_op_readdir(struct fs_request *rq)
{
	return do_readdir(rq, false);
}

int fs_op_readdirplus(struct fs_request *rq)
{
	return do_readdir(rq, true);
}

int fs_op_releasedir(struct fs_request *rq)
{
	struct fuse_release_in in;
	struct fs_handle *h;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, true);
	if (!h)
		return -EBADF;
	fs_handle_free(rq->fs, h);
	return 0;
}

int fs_op_fsyncdir(struct fs_request *rq)
{
	const struct fs_handle *h;
	struct fuse_fsync_in in;

	memcpy(&in, rq->arg, sizeof(in));
	h = fs_handle_get(rq->fs, in.fh, true);
	if (!h)
		return -EBADF;
	return (in.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(h->fd) : fsync(h->fd)) < 0 ? -errno : 0;
}
