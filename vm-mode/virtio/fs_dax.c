/* SPDX-License-Identifier: Apache-2.0 */
/* The DAX window: pieces of files mapped into one region of guest memory, which KVM has as one slot from the start. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm-mode/virtio/fs_server.h"

/* The window's bytes [offset, offset + len), page aligned and inside it; NULL when they are not. */
static uint8_t *window(const struct fs_server *fs, uint64_t offset, uint64_t len)
{
	if (!fs->dax || !len || (offset | len) % MEM_PAGE || offset >= fs->dax_len || len > fs->dax_len - offset)
		return NULL;
	return fs->dax + offset;
}

int fs_op_setupmapping(struct fs_request *rq)
{
	const struct fs_inode *i = fs_inode_get(rq->fs, rq->in.nodeid);
	struct fuse_setupmapping_in in;
	bool write;
	void *p;
	int fd;

	memcpy(&in, rq->arg, sizeof(in));
	p = window(rq->fs, in.moffset, in.len);
	if (!i || !p || in.foffset % MEM_PAGE || in.foffset > INT64_MAX - in.len)
		return -EINVAL;
	if (!S_ISREG(i->mode))
		return -EINVAL;
	write = in.flags & FUSE_SETUPMAPPING_FLAG_WRITE;
	if (write && rq->fs->readonly)
		return -EROFS;
	fd = fs_reopen(rq->fs, i, write ? O_RDWR : O_RDONLY);
	if (fd < 0)
		return fd;
	p = mmap(p, in.len, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED | MAP_FIXED, fd, (off_t)in.foffset);
	(void)close(fd);
	return p == MAP_FAILED ? -errno : 0;
}

int fs_op_removemapping(struct fs_request *rq)
{
	struct fuse_removemapping_in in;
	size_t at = sizeof(in);

	memcpy(&in, rq->arg, sizeof(in));
	for (uint32_t i = 0; i < in.count; i++, at += sizeof(struct fuse_removemapping_one)) {
		struct fuse_removemapping_one one;
		void *p;

		if (rq->arg_len - at < sizeof(one))
			return -EINVAL;
		memcpy(&one, rq->arg + at, sizeof(one));
		p = window(rq->fs, one.moffset, one.len);
		if (!p)
			return -EINVAL;
		if (mmap(p, one.len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
			return -errno;
	}
	return 0;
}
