/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "vm-mode/virtio/fs_server.h"

#define ROOT_SLOT 0U

const char *fs_fd_name(int fd, char buf[FS_FD_NAME])
{
	snprintf(buf, FS_FD_NAME, "%d", fd);
	return buf;
}

static uint32_t *bucket(struct fs_server *fs, uint64_t ino, uint64_t dev, uint64_t mnt)
{
	uint64_t h = (ino ^ dev << 32 ^ mnt << 48 ^ mnt >> 16) * 0x9e3779b97f4a7c15ULL;

	return &fs->hash[h >> 48 & (FS_HASH_SIZE - 1)];
}

struct fs_inode *fs_inode_get(struct fs_server *fs, uint64_t nodeid)
{
	if (nodeid == 0 || nodeid > fs->inodes_used || !fs->inode[nodeid - 1].lookups)
		return NULL;
	return &fs->inode[nodeid - 1];
}

static struct fs_inode *find(struct fs_server *fs, const struct statx *st, uint64_t dev)
{
	for (uint32_t s = *bucket(fs, st->stx_ino, dev, st->stx_mnt_id); s; s = fs->inode[s - 1].next) {
		struct fs_inode *i = &fs->inode[s - 1];

		if (i->ino == st->stx_ino && i->dev == dev && i->mnt == st->stx_mnt_id)
			return i;
	}
	return NULL;
}

/* A slot for fd, which it takes over; NULL when the table is full. */
static struct fs_inode *add(struct fs_server *fs, const struct statx *st, uint64_t dev, int fd)
{
	uint32_t *head = bucket(fs, st->stx_ino, dev, st->stx_mnt_id);
	uint32_t slot;
	struct fs_inode *i;

	if (fs->inode_free) {
		slot = fs->inode_free - 1;
		fs->inode_free = fs->inode[slot].next;
	} else if (fs->inodes_used < FS_MAX_INODES) {
		slot = fs->inodes_used++;
	} else {
		return NULL;
	}
	i = &fs->inode[slot];
	*i = (struct fs_inode){ .ino = st->stx_ino,
				.dev = dev,
				.mnt = st->stx_mnt_id,
				.lookups = 1,
				.next = *head,
				.generation = i->generation + 1,
				.mode = st->stx_mode,
				.fd = fd };
	*head = slot + 1;
	return i;
}

static void drop(struct fs_server *fs, struct fs_inode *i)
{
	uint32_t slot = (uint32_t)(i - fs->inode), *p = bucket(fs, i->ino, i->dev, i->mnt);

	while (*p && *p != slot + 1)
		p = &fs->inode[*p - 1].next;
	if (*p)
		*p = i->next;
	fd_close(&i->fd);
	i->lookups = 0;
	i->next = fs->inode_free;
	fs->inode_free = slot + 1;
}

void fs_inode_forget(struct fs_server *fs, uint64_t nodeid, uint64_t n)
{
	struct fs_inode *i = fs_inode_get(fs, nodeid);

	if (!i || nodeid == FUSE_ROOT_ID)
		return;
	i->lookups -= n < i->lookups ? n : i->lookups;
	if (!i->lookups)
		drop(fs, i);
}

void fs_inode_forget_all(struct fs_server *fs)
{
	for (uint32_t s = 1; s < fs->inodes_used; s++)
		if (fs->inode[s].lookups)
			drop(fs, &fs->inode[s]);
	fs->inode[ROOT_SLOT].lookups = 1;
}

static int stat_fd(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_MNT_ID, st) < 0 ? -errno : 0;
}

int fs_inode_root(struct fs_server *fs)
{
	struct statx st;
	int fd, r = stat_fd(fs->root_fd, &st);

	if (r < 0)
		return r;
	fd = fcntl(fs->root_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	(void)add(fs, &st, makedev(st.stx_dev_major, st.stx_dev_minor), fd);
	return 0;
}

static void to_attr(const struct statx *st, struct fuse_attr *a)
{
	*a = (struct fuse_attr){
		.ino = st->stx_ino,
		.size = st->stx_size,
		.blocks = st->stx_blocks,
		.atime = (uint64_t)st->stx_atime.tv_sec,
		.mtime = (uint64_t)st->stx_mtime.tv_sec,
		.ctime = (uint64_t)st->stx_ctime.tv_sec,
		.atimensec = st->stx_atime.tv_nsec,
		.mtimensec = st->stx_mtime.tv_nsec,
		.ctimensec = st->stx_ctime.tv_nsec,
		.mode = st->stx_mode,
		.nlink = st->stx_nlink,
		.uid = st->stx_uid,
		.gid = st->stx_gid,
		/* The guest decodes it as new_decode_dev() does. */
		.rdev = (st->stx_rdev_minor & 0xff) | st->stx_rdev_major << 8 | (st->stx_rdev_minor & ~0xffU) << 12,
		.blksize = st->stx_blksize,
	};
}

int fs_getattr_fd(struct fs_server *fs, int fd, struct fuse_attr *out)
{
	struct statx st;
	int r = stat_fd(fd, &st);

	(void)fs;
	if (r == 0)
		to_attr(&st, out);
	return r;
}

void fs_attr_valid(const struct fs_server *fs, uint64_t *sec)
{
	static const uint64_t valid[] = { [FS_CACHE_AUTO] = 1, [FS_CACHE_ALWAYS] = 86400, [FS_CACHE_NONE] = 0 };

	*sec = valid[fs->cache];
}

int fs_lookup(struct fs_server *fs, struct fs_inode *parent, const char *name, struct fuse_entry_out *out)
{
	uint64_t parent_dev = parent->dev, parent_mnt = parent->mnt, dev;
	struct fs_inode *i;
	struct statx st;
	int r, fd = openat(parent->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	r = stat_fd(fd, &st);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	i = find(fs, &st, dev);
	if (i) {
		(void)close(fd);
		i->lookups++;
		i->mode = st.stx_mode;
	} else {
		i = add(fs, &st, dev, fd);
		if (!i) {
			(void)close(fd);
			return -ENFILE;
		}
	}
	*out = (struct fuse_entry_out){ .nodeid = (uint64_t)(i - fs->inode) + 1, .generation = i->generation };
	fs_attr_valid(fs, &out->entry_valid);
	fs_attr_valid(fs, &out->attr_valid);
	to_attr(&st, &out->attr);
	/* A mount inside the share: its inode numbers are another file system's. */
	if (S_ISDIR(st.stx_mode) && (dev != parent_dev || st.stx_mnt_id != parent_mnt) && fs_has(fs, FUSE_SUBMOUNTS))
		out->attr.flags |= FUSE_ATTR_SUBMOUNT;
	return 0;
}

int fs_reopen(const struct fs_server *fs, const struct fs_inode *i, int flags)
{
	char name[FS_FD_NAME];
	int fd;

	if (!S_ISREG(i->mode) && !S_ISDIR(i->mode))
		return S_ISLNK(i->mode) ? -ELOOP : -ENXIO;
	flags &= ~(O_NOFOLLOW | O_CREAT | O_EXCL | O_DIRECT | O_NOCTTY | O_PATH);
	fd = openat(fs->proc_fd, fs_fd_name(i->fd, name), flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int fs_handle_new(struct fs_server *fs, int fd, uint64_t nodeid, bool dir, uint64_t *ret)
{
	uint32_t slot;

	if (fs->handle_free) {
		slot = fs->handle_free - 1;
		fs->handle_free = fs->handle[slot].next_free;
	} else if (fs->handles_used < FS_MAX_HANDLES) {
		slot = fs->handles_used++;
	} else {
		(void)close(fd);
		return -ENFILE;
	}
	fs->handle[slot] = (struct fs_handle){ .fd = fd, .nodeid = nodeid, .dir = dir };
	*ret = slot;
	return 0;
}

struct fs_handle *fs_handle_get(struct fs_server *fs, uint64_t fh, bool dir)
{
	if (fh >= fs->handles_used || fs->handle[fh].fd < 0 || fs->handle[fh].dir != dir)
		return NULL;
	return &fs->handle[fh];
}

void fs_handle_free(struct fs_server *fs, struct fs_handle *h)
{
	fd_close(&h->fd);
	h->next_free = fs->handle_free;
	fs->handle_free = (uint32_t)(h - fs->handle) + 1;
}

void fs_handle_free_all(struct fs_server *fs)
{
	for (uint32_t s = 0; s < fs->handles_used; s++)
		fd_close(&fs->handle[s].fd);
	fs->handles_used = fs->handle_free = 0;
}
