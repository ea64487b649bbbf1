/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_FS_SERVER_H
#define BRIG_VM_MODE_VIRTIO_FS_SERVER_H

#include <linux/fuse.h>
#include <sys/stat.h>

#include "vm-mode/virtio/fs.h"

/*
 * DOC: the FUSE server behind virtio-fs
 *
 * One thread serves one file system; so tables need no lock. The request's arguments are copied to private memory before
 * anything of them is judged; only the data of READ and WRITE goes straight between guest memory and the file. It needs no
 * virtual machine: fs_server_handle() takes any chain of buffers, and tests and fuzzers use it that way.
 *
 * An inode is an O_PATH descriptor. It is opened for reading or writing through /proc/self/fd, and only if it is a
 * regular file or a directory: device nodes, sockets and pipes are the guest kernel's own business. The thread's current directory
 * is /proc/self/fd, so that "7" names descriptor 7 in the calls that know no AT_EMPTY_PATH (xattrs, chmod, utimes, link).
 *
 * Rights: the guest's kernel has checked permissions already (virtio-fs mounts with default_permissions). What is left:
 * new files belong to the caller (fsuid, fsgid), set-id bits go where a local file system takes them (CAP_FSETID is put
 * down for the call), umask and default ACLs apply.
 *
 * Tables live in address space that is reserved once and touched as it fills: nothing is allocated while the guest runs.
 */
#define FS_MAX_INODES  (1U << 20)
#define FS_MAX_HANDLES (1U << 16)
#define FS_MAX_OWNERS  4096U
#define FS_MAX_PARKED  64U
#define FS_HASH_SIZE   (1U << 16)
#define FS_MAX_WRITE   (1U << 20)
#define FS_MAX_PAGES   (FS_MAX_WRITE / 4096)
#define FS_ARG_MAX     (72U * 1024)
#define FS_REPLY_MAX   (72U * 1024)
#define FS_NO_REPLY    INT32_MIN     /* a handler's result: no answer, now or ever */
#define FS_PARKED      (INT32_MIN + 1) /* a handler's result: the answer comes later through fs->complete */

struct fs_inode {
	uint64_t ino, dev, mnt;
	uint64_t lookups; /* 0: the slot is free */
	uint32_t next;	  /* in the hash chain or the free list; slot + 1, 0: end */
	uint32_t generation;
	uint32_t mode;
	int fd;
};

struct fs_handle {
	int fd; /* -1: free slot */
	uint32_t next_free;
	uint64_t nodeid;
	uint64_t dir_pos; /* where getdents goes on */
	bool dir;
};

/* POSIX locks: the guest's lock owners, each with an open file description of its own on the inode. */
struct fs_owner {
	uint64_t nodeid, owner;
	int fd; /* -1: free */
};

struct fs_parked {
	uint16_t head;
	unsigned queue;
	uint64_t unique, nodeid;
	struct fuse_lk_in lk;
};

struct fs_server {
	enum fs_cache cache;
	bool readonly;
	int proc_fd; /* /proc/self/fd */
	int root_fd;
	uint64_t root_dev, root_mnt;

	struct fs_inode *inode; /* [0] is the root, nodeid 1 */
	uint32_t inodes_used, inode_free;
	uint32_t *hash;
	struct fs_handle *handle;
	uint32_t handles_used, handle_free;
	struct fs_owner *owner;
	uint32_t owners_used;
	struct fs_parked parked[FS_MAX_PARKED];
	unsigned n_parked;

	uint8_t *dax; /* borrowed; NULL: none */
	uint64_t dax_len;

	bool ready; /* INIT has been seen */
	uint64_t flags;
	uid_t uid; /* the thread's own */
	gid_t gid;
	uint32_t cap[2]; /* its effective capabilities */
	bool has_fsetid, cred_changed;

	uint8_t *arg, *reply; /* FS_ARG_MAX, FS_REPLY_MAX bytes */
	struct iovec iov[VQ_MAX_IOV];
	/* Answer a parked request. */
	void (*complete)(void *arg, const struct fs_parked *p, int result);
	void *complete_arg;
};

struct fs_request {
	struct fs_server *fs;
	const struct vq_chain *chain;
	unsigned queue;
	struct fuse_in_header in;
	const uint8_t *arg; /* private copy; for WRITE only the fixed part */
	size_t arg_len;
	size_t reply_max; /* bytes that the guest has room for behind the header */
};

/* config->root_fd is duplicated. The server is usable from one thread, after fs_server_enter() in it. */
int fs_server_init(struct fs_server *fs, const struct fs_config *config, struct err *err) MUST_CHECK;
void fs_server_done(struct fs_server *fs);
/* Make the calling thread the server's: own umask and current directory, securebits. */
int fs_server_enter(struct fs_server *fs, struct err *err) MUST_CHECK;
/* Forget everything that the guest opened or looked up. */
void fs_server_reset(struct fs_server *fs);

/* Serve one request and write the answer to the chain. Returns the bytes written, or FS_PARKED. */
int fs_server_handle(struct fs_server *fs, const struct vq_chain *chain, unsigned queue);
/* Write the header of an answer; returns its length, 0 when the guest left no room. */
uint32_t fs_write_header(const struct vq_chain *chain, uint64_t unique, int result);

/* For the operations' files. A handler returns the length of its reply, -errno, FS_NO_REPLY or FS_PARKED. */
typedef int fs_handler(struct fs_request *rq);

int fs_reply(const struct fs_request *rq, const void *data, size_t n);
/* The next NUL-terminated string of the arguments from *offset on; NULL when there is none. */
const char *fs_arg_string(const struct fs_request *rq, size_t *offset);
/* The same, and it is one path component that is neither "." nor "..". */
const char *fs_arg_name(const struct fs_request *rq, size_t *offset);
bool fs_has(const struct fs_server *fs, uint64_t flag);

/* fs_inode.c */
#define FS_FD_NAME 12
struct fs_inode *fs_inode_get(struct fs_server *fs, uint64_t nodeid);
int fs_inode_root(struct fs_server *fs);
void fs_inode_forget(struct fs_server *fs, uint64_t nodeid, uint64_t n);
void fs_inode_forget_all(struct fs_server *fs);
/* Look name up below parent, count it, fill *out. */
int fs_lookup(struct fs_server *fs, struct fs_inode *parent, const char *name, struct fuse_entry_out *out);
int fs_getattr_fd(struct fs_server *fs, int fd, struct fuse_attr *out);
void fs_attr_valid(const struct fs_server *fs, uint64_t *sec);
/* Open an inode again, for real. Regular files and directories only. */
int fs_reopen(const struct fs_server *fs, const struct fs_inode *i, int flags);
const char *fs_fd_name(int fd, char buf[FS_FD_NAME]);
int fs_handle_new(struct fs_server *fs, int fd, uint64_t nodeid, bool dir, uint64_t *ret);
struct fs_handle *fs_handle_get(struct fs_server *fs, uint64_t fh, bool dir);
void fs_handle_free(struct fs_server *fs, struct fs_handle *h);
void fs_handle_free_all(struct fs_server *fs);

/* fs_cred.c: what a call that makes a file runs as. fs_cred_leave() always follows, also after a failure. */
int fs_cred_enter(struct fs_server *fs, const struct fuse_in_header *in, uint32_t umask_bits);
void fs_cred_leave(struct fs_server *fs);
void fs_fsetid_drop(struct fs_server *fs, bool drop);
void fs_fsetid_restore(struct fs_server *fs, bool dropped);

/* fs_lock.c */
void fs_lock_release_owner(struct fs_server *fs, uint64_t nodeid, uint64_t owner);
void fs_lock_release_all(struct fs_server *fs);
/* Try parked requests again; true while some wait. */
bool fs_lock_retry(struct fs_server *fs);

fs_handler fs_op_lookup, fs_op_forget, fs_op_batch_forget, fs_op_getattr, fs_op_setattr, fs_op_readlink, fs_op_symlink,
	fs_op_mknod, fs_op_mkdir, fs_op_unlink, fs_op_rmdir, fs_op_rename, fs_op_rename2, fs_op_link, fs_op_statfs;
fs_handler fs_op_open, fs_op_create, fs_op_read, fs_op_write, fs_op_release, fs_op_fsync, fs_op_flush, fs_op_fallocate,
	fs_op_lseek, fs_op_copy_file_range, fs_op_syncfs;
fs_handler fs_op_opendir, fs_op_readdir, fs_op_readdirplus, fs_op_releasedir, fs_op_fsyncdir;
fs_handler fs_op_setxattr, fs_op_getxattr, fs_op_listxattr, fs_op_removexattr;
fs_handler fs_op_getlk, fs_op_setlk, fs_op_setlkw, fs_op_interrupt;
fs_handler fs_op_setupmapping, fs_op_removemapping;

#endif
