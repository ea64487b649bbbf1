/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/fs_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/fd.h"

/* What we offer; POSIX_ACL and the locks make the guest ask us instead of keeping them to itself. */
#define OFFER                                                                                                             \
	(FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK | FUSE_FLOCK_LOCKS | \
	 FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS |       \
	 FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2 |                 \
	 FUSE_SETXATTR_EXT | FUSE_INIT_EXT)

bool fs_has(const struct fs_server *fs, uint64_t flag)
{
	return fs->flags & flag;
}

int fs_reply(const struct fs_request *rq, const void *data, size_t n)
{
	if (n > rq->reply_max)
		return -EINVAL;
	return (int)vq_chain_write(rq->chain, sizeof(struct fuse_out_header), data, n);
}

const char *fs_arg_string(const struct fs_request *rq, size_t *offset)
{
	const char *s = (const char *)rq->arg + *offset;
	const char *end;

	if (*offset >= rq->arg_len)
		return NULL;
	end = memchr(s, '\0', rq->arg_len - *offset);
	if (!end)
		return NULL;
	*offset += (size_t)(end - s) + 1;
	return s;
}

const char *fs_arg_name(const struct fs_request *rq, size_t *offset)
{
	const char *s = fs_arg_string(rq, offset);

	if (!s || !*s || strchr(s, '/') || !strcmp(s, ".") || !strcmp(s, ".."))
		return NULL;
	return s;
}

static int op_init(struct fs_request *rq)
{
	struct fuse_init_in in = { 0 };
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION };
	struct fs_server *fs = rq->fs;
	uint64_t flags;

	memcpy(&in, rq->arg, rq->arg_len < sizeof(in) ? rq->arg_len : sizeof(in));
	if (in.major != FUSE_KERNEL_VERSION || in.minor < 27)
		return -EPROTO;
	flags = in.flags;
	if (in.flags & FUSE_INIT_EXT)
		flags |= (uint64_t)in.flags2 << 32;
	fs_server_reset(fs);
	fs->flags = flags & (OFFER | (fs->cache == FS_CACHE_ALWAYS ? FUSE_WRITEBACK_CACHE : 0) |
			     (fs->dax ? FUSE_MAP_ALIGNMENT | FUSE_HAS_INODE_DAX : 0));
	fs->ready = true;
	out.max_readahead = in.max_readahead;
	out.flags = (uint32_t)fs->flags;
	out.flags2 = (uint32_t)(fs->flags >> 32);
	out.max_background = 64;
	out.congestion_threshold = 48;
	out.max_write = FS_MAX_WRITE;
	out.time_gran = 1;
	out.max_pages = FS_MAX_PAGES;
	out.map_alignment = 12; /* mappings start at a multiple of 4 KiB */
	return fs_reply(rq, &out, sizeof(out));
}

static int op_destroy(struct fs_request *rq)
{
	fs_server_reset(rq->fs);
	return 0;
}

static int op_ioctl(struct fs_request *rq)
{
	(void)rq;
	return -ENOTTY;
}

enum op_flags { OP_WRITES = 1, OP_ANY_STATE = 2 };

struct op {
	fs_handler *handle;
	size_t min_arg;
	unsigned flags;
};

/* An opcode that is not here is answered with ENOSYS: the guest's kernel then does without it. */
static const struct op ops[] = {
	[FUSE_LOOKUP] = { fs_op_lookup, 1, 0 },
	[FUSE_FORGET] = { fs_op_forget, sizeof(struct fuse_forget_in), 0 },
	[FUSE_GETATTR] = { fs_op_getattr, sizeof(struct fuse_getattr_in), 0 },
	[FUSE_SETATTR] = { fs_op_setattr, sizeof(struct fuse_setattr_in), OP_WRITES },
	[FUSE_READLINK] = { fs_op_readlink, 0, 0 },
	[FUSE_SYMLINK] = { fs_op_symlink, 1, OP_WRITES },
	[FUSE_MKNOD] = { fs_op_mknod, sizeof(struct fuse_mknod_in), OP_WRITES },
	[FUSE_MKDIR] = { fs_op_mkdir, sizeof(struct fuse_mkdir_in), OP_WRITES },
	[FUSE_UNLINK] = { fs_op_unlink, 1, OP_WRITES },
	[FUSE_RMDIR] = { fs_op_rmdir, 1, OP_WRITES },
	[FUSE_RENAME] = { fs_op_rename, sizeof(struct fuse_rename_in), OP_WRITES },
	[FUSE_LINK] = { fs_op_link, sizeof(struct fuse_link_in), OP_WRITES },
	[FUSE_OPEN] = { fs_op_open, sizeof(struct fuse_open_in), 0 },
	[FUSE_READ] = { fs_op_read, sizeof(struct fuse_read_in), 0 },
	[FUSE_WRITE] = { fs_op_write, sizeof(struct fuse_write_in), OP_WRITES },
	[FUSE_STATFS] = { fs_op_statfs, 0, 0 },
	[FUSE_RELEASE] = { fs_op_release, sizeof(struct fuse_release_in), 0 },
	[FUSE_FSYNC] = { fs_op_fsync, sizeof(struct fuse_fsync_in), 0 },
	[FUSE_SETXATTR] = { fs_op_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, OP_WRITES },
	[FUSE_GETXATTR] = { fs_op_getxattr, sizeof(struct fuse_getxattr_in), 0 },
	[FUSE_LISTXATTR] = { fs_op_listxattr, sizeof(struct fuse_getxattr_in), 0 },
	[FUSE_REMOVEXATTR] = { fs_op_removexattr, 1, OP_WRITES },
	[FUSE_FLUSH] = { fs_op_flush, sizeof(struct fuse_flush_in), 0 },
	[FUSE_INIT] = { op_init, 16, OP_ANY_STATE },
	[FUSE_OPENDIR] = { fs_op_opendir, sizeof(struct fuse_open_in), 0 },
	[FUSE_READDIR] = { fs_op_readdir, sizeof(struct fuse_read_in), 0 },
	[FUSE_RELEASEDIR] = { fs_op_releasedir, sizeof(struct fuse_release_in), 0 },
	[FUSE_FSYNCDIR] = { fs_op_fsyncdir, sizeof(struct fuse_fsync_in), 0 },
	[FUSE_GETLK] = { fs_op_getlk, sizeof(struct fuse_lk_in), 0 },
	[FUSE_SETLK] = { fs_op_setlk, sizeof(struct fuse_lk_in), 0 },
	[FUSE_SETLKW] = { fs_op_setlkw, sizeof(struct fuse_lk_in), 0 },
	[FUSE_CREATE] = { fs_op_create, sizeof(struct fuse_create_in), OP_WRITES },
	[FUSE_INTERRUPT] = { fs_op_interrupt, sizeof(struct fuse_interrupt_in), 0 },
	[FUSE_DESTROY] = { op_destroy, 0, OP_ANY_STATE },
	[FUSE_IOCTL] = { op_ioctl, 0, 0 },
	[FUSE_BATCH_FORGET] = { fs_op_batch_forget, sizeof(struct fuse_batch_forget_in), 0 },
	[FUSE_FALLOCATE] = { fs_op_fallocate, sizeof(struct fuse_fallocate_in), OP_WRITES },
	[FUSE_READDIRPLUS] = { fs_op_readdirplus, sizeof(struct fuse_read_in), 0 },
	[FUSE_RENAME2] = { fs_op_rename2, sizeof(struct fuse_rename2_in), OP_WRITES },
	[FUSE_LSEEK] = { fs_op_lseek, sizeof(struct fuse_lseek_in), 0 },
	[FUSE_COPY_FILE_RANGE] = { fs_op_copy_file_range, sizeof(struct fuse_copy_file_range_in), OP_WRITES },
	[FUSE_SETUPMAPPING] = { fs_op_setupmapping, sizeof(struct fuse_setupmapping_in), 0 },
	[FUSE_REMOVEMAPPING] = { fs_op_removemapping, sizeof(struct fuse_removemapping_in), 0 },
	[FUSE_SYNCFS] = { fs_op_syncfs, 0, 0 },
};

uint32_t fs_write_header(const struct vq_chain *chain, uint64_t unique, int result)
{
	struct fuse_out_header out = { .unique = unique };

	if (chain->in_len < sizeof(out))
		return 0;
	out.error = result < 0 ? result : 0;
	out.len = (uint32_t)sizeof(out) + (uint32_t)(result < 0 ? 0 : result);
	(void)vq_chain_write(chain, 0, &out, sizeof(out));
	return out.len;
}

static int dispatch(struct fs_request *rq)
{
	const struct op *op = rq->in.opcode < ARRAY_SIZE(ops) ? &ops[rq->in.opcode] : NULL;
	struct fs_server *fs = rq->fs;
	size_t all = rq->chain->out_len - sizeof(rq->in);
	size_t want = rq->in.opcode == FUSE_WRITE ? sizeof(struct fuse_write_in) : all;

	if (!op || !op->handle)
		return -ENOSYS;
	if (!fs->ready && !(op->flags & OP_ANY_STATE))
		return -ENOTCONN;
	if (want > FS_ARG_MAX)
		return -E2BIG;
	rq->arg_len = vq_chain_read(rq->chain, sizeof(rq->in), fs->arg, want);
	rq->arg = fs->arg;
	if (rq->arg_len < op->min_arg)
		return -EINVAL;
	if (fs->readonly && op->flags & OP_WRITES)
		return -EROFS;
	return op->handle(rq);
}

int fs_server_handle(struct fs_server *fs, const struct vq_chain *chain, unsigned queue)
{
	struct fs_request rq = { .fs = fs, .chain = chain, .queue = queue };
	int r;

	if (vq_chain_read(chain, 0, &rq.in, sizeof(rq.in)) != sizeof(rq.in))
		return 0;
	if (chain->in_len > sizeof(struct fuse_out_header))
		rq.reply_max = chain->in_len - sizeof(struct fuse_out_header);
	r = dispatch(&rq);
	if (r == FS_PARKED)
		return r;
	if (r == FS_NO_REPLY)
		return 0;
	return (int)fs_write_header(chain, rq.in.unique, r);
}

/* Address space for a table; pages appear as they are touched. */
static void *reserve(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void release(void *p, size_t n)
{
	if (p)
		(void)munmap(p, n);
}

int fs_server_init(struct fs_server *fs, const struct fs_config *config, struct err *err)
{
	int r;

	*fs = (struct fs_server){ .cache = config->cache, .readonly = config->readonly, .proc_fd = -1, .root_fd = -1 };
	fs->root_fd = openat(config->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->root_fd < 0)
		return err_sys(err, -errno, "virtio-fs: open the shared directory");
	fs->proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->proc_fd < 0)
		return err_sys(err, -errno, "virtio-fs: open '/proc/self/fd'");
	fs->inode = reserve(FS_MAX_INODES * sizeof(*fs->inode));
	fs->hash = reserve(FS_HASH_SIZE * sizeof(*fs->hash));
	fs->handle = reserve(FS_MAX_HANDLES * sizeof(*fs->handle));
	fs->owner = reserve(FS_MAX_OWNERS * sizeof(*fs->owner));
	fs->arg = reserve(FS_ARG_MAX);
	fs->reply = reserve(FS_REPLY_MAX);
	if (!fs->inode || !fs->hash || !fs->handle || !fs->owner || !fs->arg || !fs->reply)
		return err_sys(err, -ENOMEM, "virtio-fs: reserve memory");
	r = fs_inode_root(fs);
	return r < 0 ? err_sys(err, r, "virtio-fs: stat the shared directory") : 0;
}

void fs_server_reset(struct fs_server *fs)
{
	if (!fs->inode || !fs->handle)
		return;
	fs->n_parked = 0;
	fs->ready = false;
	fs->flags = 0;
	fs_lock_release_all(fs);
	fs_handle_free_all(fs);
	fs_inode_forget_all(fs);
	if (fs->dax && mmap(fs->dax, fs->dax_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
			       MAP_FAILED)
		fs->dax = NULL;
}

void fs_server_done(struct fs_server *fs)
{
	fs_server_reset(fs);
	if (fs->inode && fs->inodes_used)
		fd_close(&fs->inode[0].fd);
	release(fs->inode, FS_MAX_INODES * sizeof(*fs->inode));
	release(fs->hash, FS_HASH_SIZE * sizeof(*fs->hash));
	release(fs->handle, FS_MAX_HANDLES * sizeof(*fs->handle));
	release(fs->owner, FS_MAX_OWNERS * sizeof(*fs->owner));
	release(fs->arg, FS_ARG_MAX);
	release(fs->reply, FS_REPLY_MAX);
	fd_close(&fs->proc_fd);
	fd_close(&fs->root_fd);
	*fs = (struct fs_server){ .proc_fd = -1, .root_fd = -1 };
}
