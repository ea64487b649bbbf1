/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE messages against a directory, without a virtual machine. */
#include "tests/unit/tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "vm-mode/virtio/fs_server.h"

struct client {
	struct fs_server fs;
	struct vq_chain chain;
	char dir[64];
	uint64_t unique;
	uid_t uid;
	gid_t gid;
	int parked_result;
	size_t got; /* bytes of payload in reply */
	uint8_t request[128 * 1024], reply[128 * 1024];
};

/* Send head + two pieces; returns 0 or -errno of the answer, -1000 when there was none, FS_PARKED. */
static int call(struct client *c, uint32_t opcode, uint64_t nodeid, const void *arg, size_t n, const void *more, size_t n_more)
{
	struct fuse_in_header in = { .len = (uint32_t)(sizeof(in) + n + n_more),
				     .opcode = opcode,
				     .unique = ++c->unique,
				     .nodeid = nodeid,
				     .uid = c->uid,
				     .gid = c->gid };
	struct fuse_out_header out;
	int r;

	memcpy(c->request, &in, sizeof(in));
	if (n)
		memcpy(c->request + sizeof(in), arg, n);
	if (n_more)
		memcpy(c->request + sizeof(in) + n, more, n_more);
	c->chain = (struct vq_chain){ .n_out = 1, .n_in = 1, .out_len = in.len, .in_len = sizeof(c->reply) };
	c->chain.iov[0] = (struct iovec){ .iov_base = c->request, .iov_len = in.len };
	c->chain.iov[1] = (struct iovec){ .iov_base = c->reply, .iov_len = sizeof(c->reply) };
	r = fs_server_handle(&c->fs, &c->chain, 1);
	if (r == FS_PARKED)
		return r;
	if (r < (int)sizeof(out))
		return -1000;
	memcpy(&out, c->reply, sizeof(out));
	c->got = out.len - sizeof(out);
	return out.unique == c->unique && (int)out.len == r ? out.error : -1001;
}

static const void *payload(const struct client *c)
{
	return c->reply + sizeof(struct fuse_out_header);
}

static int lookup(struct client *c, uint64_t parent, const char *name, struct fuse_entry_out *e)
{
	int r = call(c, FUSE_LOOKUP, parent, name, strlen(name) + 1, NULL, 0);

	if (r == 0)
		memcpy(e, payload(c), sizeof(*e));
	return r;
}

static int create(struct client *c, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
		  struct fuse_entry_out *e, struct fuse_open_out *o)
{
	struct fuse_create_in in = { .flags = flags, .mode = mode | S_IFREG, .umask = 022 };
	int r = call(c, FUSE_CREATE, parent, &in, sizeof(in), name, strlen(name) + 1);

	if (r == 0) {
		memcpy(e, payload(c), sizeof(*e));
		memcpy(o, (const uint8_t *)payload(c) + sizeof(*e), sizeof(*o));
	}
	return r;
}

static int write_at(struct client *c, uint64_t node, uint64_t fh, const char *text, uint32_t flags)
{
	struct fuse_write_in in = { .fh = fh, .size = (uint32_t)strlen(text), .write_flags = flags };

	return call(c, FUSE_WRITE, node, &in, sizeof(in), text, strlen(text));
}

static void init(struct client *c)
{
	struct fuse_init_in in = { .major = 7, .minor = 36, .flags = 0xffffffff & ~(uint32_t)FUSE_NO_OPEN_SUPPORT };
	struct fuse_init_out out;

	is_int(call(c, FUSE_LOOKUP, 1, "x", 2, NULL, 0), -ENOTCONN, "fs: nothing works before INIT");
	is_int(call(c, FUSE_INIT, 0, &in, sizeof(in), NULL, 0), 0, "fs: INIT");
	memcpy(&out, payload(c), sizeof(out));
	ok(out.major == 7 && out.max_write == FS_MAX_WRITE && out.flags & FUSE_SUBMOUNTS, "fs: negotiates");
	ok(!(out.flags & FUSE_WRITEBACK_CACHE), "fs: no write-back cache where the host writes too");
}

static void test_files(struct client *c)
{
	struct fuse_entry_out e, e2;
	struct fuse_open_out o;
	struct fuse_read_in rd = { .size = 100 };
	struct fuse_forget_in forget = { .nlookup = 3 };
	struct fuse_setattr_in set = { .valid = FATTR_SIZE | FATTR_MODE, .size = 2, .mode = 0600 };

	is_int(create(c, 1, "file", O_RDWR | O_CREAT, 0666, &e, &o), 0, "fs: CREATE");
	is_int(e.attr.mode, S_IFREG | 0644, "fs: the caller's umask applies");
	is_int(write_at(c, e.nodeid, o.fh, "hello", 0), 0, "fs: WRITE");
	rd.fh = o.fh;
	ok(call(c, FUSE_READ, e.nodeid, &rd, sizeof(rd), NULL, 0) == 0 && c->got == 5 && !memcmp(payload(c), "hello", 5),
	   "fs: READ gives it back");
	ok(lookup(c, 1, "file", &e2) == 0 && e2.nodeid == e.nodeid, "fs: LOOKUP finds the same inode");
	ok(call(c, FUSE_SETATTR, e.nodeid, &set, sizeof(set), NULL, 0) == 0, "fs: SETATTR");
	ok(lookup(c, 1, "file", &e2) == 0 && e2.attr.size == 2 && e2.attr.mode == (S_IFREG | 0600), "fs: size and mode follow");
	is_int(create(c, 1, "file", O_RDWR | O_CREAT | O_EXCL, 0666, &e2, &o), -EEXIST, "fs: O_EXCL holds");
	is_int(call(c, FUSE_FORGET, e.nodeid, &forget, sizeof(forget), NULL, 0), -1000, "fs: FORGET has no answer");
	is_int(call(c, FUSE_GETATTR, e.nodeid, "0123456789abcdef", 16, NULL, 0), -ESTALE, "fs: and the inode is gone");
}

static void test_names(struct client *c)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/etc/passwd", "../x" };
	struct fuse_entry_out e;
	struct fuse_open_in open_in = { .flags = O_RDONLY };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(lookup(c, 1, bad[i], &e), -EINVAL, "fs: LOOKUP refuses '%s'", bad[i]);
	is_int(call(c, FUSE_LOOKUP, 1, "abc", 3, NULL, 0), -EINVAL, "fs: a name without its end");
	is_int(lookup(c, 77, "x", &e), -ESTALE, "fs: an inode that never was");
	is_int(lookup(c, UINT64_MAX, "x", &e), -ESTALE, "fs: the largest inode number");
	is_int(call(c, FUSE_SYMLINK, 1, "link\0/etc/passwd", 17, NULL, 0), 0, "fs: SYMLINK to anywhere is only text");
	ok(lookup(c, 1, "link", &e) == 0 && S_ISLNK(e.attr.mode), "fs: LOOKUP does not follow it");
	is_int(call(c, FUSE_OPEN, e.nodeid, &open_in, sizeof(open_in), NULL, 0), -ENXIO, "fs: OPEN does not follow it either");
	ok(call(c, FUSE_READLINK, e.nodeid, NULL, 0, NULL, 0) == 0 && c->got == 11, "fs: READLINK");
	is_int(call(c, FUSE_LOOKUP, e.nodeid, "passwd", 7, NULL, 0), -ENOTDIR, "fs: a link is no directory");
}

static void test_special(struct client *c)
{
	struct fuse_mknod_in in = { .mode = S_IFIFO | 0600 };
	struct fuse_open_in open_in = { .flags = O_RDONLY };
	struct fuse_entry_out e = { 0 };

	is_int(call(c, FUSE_MKNOD, 1, &in, sizeof(in), "fifo", 5), 0, "fs: MKNOD of a FIFO");
	memcpy(&e, payload(c), sizeof(e));
	is_int(call(c, FUSE_OPEN, e.nodeid, &open_in, sizeof(open_in), NULL, 0), -ENXIO, "fs: a FIFO is never opened here");
}

static void test_dirs(struct client *c)
{
	struct fuse_mkdir_in mk = { .mode = 0777, .umask = 077 };
	struct fuse_open_in in = { .flags = O_RDONLY };
	struct fuse_read_in rd = { .size = 400 };
	struct fuse_entry_out e = { 0 }, x;
	struct fuse_open_out o;
	unsigned names = 0, calls = 0;

	is_int(call(c, FUSE_MKDIR, 1, &mk, sizeof(mk), "dir", 4), 0, "fs: MKDIR");
	memcpy(&e, payload(c), sizeof(e));
	is_int(e.attr.mode, S_IFDIR | 0700, "fs: with the umask");
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "entry%d", i);
		if (create(c, e.nodeid, name, O_WRONLY | O_CREAT, 0600, &x, &o) == 0) {
			struct fuse_release_in rel = { .fh = o.fh };

			(void)call(c, FUSE_RELEASE, x.nodeid, &rel, sizeof(rel), NULL, 0);
		}
	}
	is_int(call(c, FUSE_OPENDIR, e.nodeid, &in, sizeof(in), NULL, 0), 0, "fs: OPENDIR");
	memcpy(&o, payload(c), sizeof(o));
	rd.fh = o.fh;
	while (call(c, FUSE_READDIR, e.nodeid, &rd, sizeof(rd), NULL, 0) == 0 && c->got && calls++ < 100) {
		for (size_t at = 0; at < c->got;) {
			struct fuse_dirent d;

			memcpy(&d, (const uint8_t *)payload(c) + at, FUSE_NAME_OFFSET);
			at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + d.namelen);
			rd.offset = d.off;
			names++;
		}
	}
	is_int(names, 52, "fs: READDIR in small pieces gives every name once");
	rd.offset = 0;
	rd.size = 65536;
	is_int(call(c, FUSE_READDIRPLUS, e.nodeid, &rd, sizeof(rd), NULL, 0), 0, "fs: READDIRPLUS");
	ok(c->got > 50 * (sizeof(struct fuse_entry_out) + 32), "fs: with attributes");
	is_int(call(c, FUSE_RMDIR, 1, "dir", 4, NULL, 0), -ENOTEMPTY, "fs: RMDIR of a full directory");
	is_int(call(c, FUSE_READ, e.nodeid, &rd, sizeof(rd), NULL, 0), -EBADF, "fs: READ of a directory's handle");
	rd.fh = UINT64_MAX;
	is_int(call(c, FUSE_READDIR, e.nodeid, &rd, sizeof(rd), NULL, 0), -EBADF, "fs: READDIR of no handle");
}

static int lock(struct client *c, uint32_t op, uint64_t node, uint64_t owner, uint32_t type)
{
	struct fuse_lk_in in = { .owner = owner, .lk = { .start = 0, .end = 9, .type = type } };

	return call(c, op, node, &in, sizeof(in), NULL, 0);
}

static void completed(void *arg, const struct fs_parked *p, int result)
{
	struct client *c = arg;

	c->parked_result = p->unique ? result : -1;
}

static void test_locks(struct client *c)
{
	struct fuse_entry_out e = { 0 };
	struct fuse_open_out o = { 0 };
	struct fuse_lk_out lk;
	struct fuse_flush_in flush = { .lock_owner = 2 };

	c->fs.complete = completed;
	c->fs.complete_arg = c;
	is_int(create(c, 1, "locked", O_RDWR | O_CREAT, 0600, &e, &o), 0, "fs: a file to lock");
	is_int(lock(c, FUSE_SETLK, e.nodeid, 1, F_WRLCK), 0, "fs: SETLK");
	is_int(lock(c, FUSE_SETLK, e.nodeid, 2, F_WRLCK), -EAGAIN, "fs: another owner is refused");
	ok(lock(c, FUSE_GETLK, e.nodeid, 2, F_WRLCK) == 0, "fs: GETLK");
	memcpy(&lk, payload(c), sizeof(lk));
	is_int(lk.lk.type, F_WRLCK, "fs: GETLK tells about the lock");
	c->parked_result = 1;
	is_int(lock(c, FUSE_SETLKW, e.nodeid, 2, F_WRLCK), FS_PARKED, "fs: SETLKW waits");
	is_int(lock(c, FUSE_SETLK, e.nodeid, 1, F_UNLCK), 0, "fs: unlock");
	is_int(c->parked_result, 0, "fs: then who waits gets the lock");
	is_int(lock(c, FUSE_SETLK, e.nodeid, 1, F_RDLCK), -EAGAIN, "fs: which is held now");
	flush.fh = o.fh;
	is_int(call(c, FUSE_FLUSH, e.nodeid, &flush, sizeof(flush), NULL, 0), 0, "fs: FLUSH by its owner");
	is_int(lock(c, FUSE_SETLK, e.nodeid, 1, F_RDLCK), 0, "fs: lets the lock go");
}

static void test_xattrs(struct client *c)
{
	struct fuse_setxattr_in set = { .size = 5 };
	struct fuse_getxattr_in get = { .size = 100 };
	struct fuse_entry_out e = { 0 };
	struct fuse_open_out o;
	int r;

	(void)create(c, 1, "attrs", O_RDWR | O_CREAT, 0600, &e, &o);
	r = call(c, FUSE_SETXATTR, e.nodeid, &set, sizeof(set), "user.k\0value", 12);
	if (r == -EOPNOTSUPP) {
		skip("fs: no extended attributes in this directory");
		return;
	}
	is_int(r, 0, "fs: SETXATTR");
	ok(call(c, FUSE_GETXATTR, e.nodeid, &get, sizeof(get), "user.k", 7) == 0 && c->got == 5 &&
		   !memcmp(payload(c), "value", 5),
	   "fs: GETXATTR");
	set.size = 500;
	is_int(call(c, FUSE_SETXATTR, e.nodeid, &set, sizeof(set), "user.k\0value", 12), -EINVAL, "fs: a value that is not there");
	is_int(call(c, FUSE_REMOVEXATTR, e.nodeid, "user.k", 7, NULL, 0), 0, "fs: REMOVEXATTR");
}

/* What a local file system does for a caller who is not root. */
static void test_owner(struct client *c)
{
	struct fuse_setattr_in set = { .valid = FATTR_MODE, .mode = 06755 };
	struct fuse_entry_out e = { 0 }, e2 = { 0 };
	struct fuse_open_out o = { 0 };

	if (geteuid() != 0) {
		skip("fs: other owners need root");
		return;
	}
	c->uid = 1234;
	c->gid = 4321;
	is_int(create(c, 1, "theirs", O_RDWR | O_CREAT, 0755, &e, &o), 0, "fs: a file of another user");
	ok(e.attr.uid == 1234 && e.attr.gid == 4321, "fs: belongs to that user");
	is_int(call(c, FUSE_SETATTR, e.nodeid, &set, sizeof(set), NULL, 0), 0, "fs: set-id bits");
	is_int(write_at(c, e.nodeid, o.fh, "x", 0), 0, "fs: a write by a privileged caller");
	ok(lookup(c, 1, "theirs", &e2) == 0 && (e2.attr.mode & 06000) == 06000, "fs: keeps them");
	is_int(write_at(c, e.nodeid, o.fh, "x", FUSE_WRITE_KILL_SUIDGID), 0, "fs: a write by anybody else");
	ok(lookup(c, 1, "theirs", &e2) == 0 && (e2.attr.mode & 06000) == 0, "fs: takes them away");
	c->uid = c->gid = 0;
	is_int(create(c, 1, "ours", O_RDWR | O_CREAT, 0755, &e, &o), 0, "fs: a file of root afterwards");
	ok(e.attr.uid == 0 && e.attr.gid == 0, "fs: belongs to root again");
}

static void test_garbage(struct client *c)
{
	static const uint8_t junk[64] = { 0xff, 0xff, 0xff, 0xff, 1, 2, 3 };
	bool answered = true;

	is_int(call(c, 60, 1, junk, 8, NULL, 0), -ENOSYS, "fs: an opcode without a handler");
	is_int(call(c, 4096, 1, junk, 8, NULL, 0), -ENOSYS, "fs: CUSE_INIT");
	is_int(call(c, UINT32_MAX, 1, junk, 8, NULL, 0), -ENOSYS, "fs: the largest opcode");
	for (uint32_t op = 1; op < 52; op++)
		answered = (op == FUSE_DESTROY || op == FUSE_STATFS || op == FUSE_SYNCFS || call(c, op, 1, junk, 3, NULL, 0) < 0) && answered;
	ok(answered, "fs: every operation refuses arguments that are too short");
	c->chain.in_len = c->chain.n_in = 0;
	is_int(fs_server_handle(&c->fs, &c->chain, 1), 0, "fs: no room for an answer is no answer");
}

static void test_readonly(struct client *c)
{
	struct fuse_entry_out e = { 0 };
	struct fuse_open_in in = { .flags = O_RDWR };
	struct fuse_open_out o;

	c->fs.readonly = true;
	is_int(create(c, 1, "nope", O_RDWR | O_CREAT, 0600, &e, &o), -EROFS, "fs: read-only: CREATE");
	is_int(call(c, FUSE_UNLINK, 1, "ours", 5, NULL, 0), -EROFS, "fs: read-only: UNLINK");
	ok(lookup(c, 1, "file", &e) == 0, "fs: read-only: LOOKUP");
	is_int(call(c, FUSE_OPEN, e.nodeid, &in, sizeof(in), NULL, 0), -EROFS, "fs: read-only: OPEN for writing");
	in.flags = O_RDONLY | O_TRUNC;
	is_int(call(c, FUSE_OPEN, e.nodeid, &in, sizeof(in), NULL, 0), -EROFS, "fs: read-only: OPEN that truncates");
	in.flags = O_RDONLY;
	is_int(call(c, FUSE_OPEN, e.nodeid, &in, sizeof(in), NULL, 0), 0, "fs: read-only: OPEN for reading");
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

int main(void)
{
	struct client *c = calloc(1, sizeof(*c));
	struct fs_config config = { .tag = "t" };
	struct err err = { 0 };
	unsigned before;

	if (!c)
		return 1;
	snprintf(c->dir, sizeof(c->dir), "/tmp/test-fs.XXXXXX");
	if (!mkdtemp(c->dir))
		return 1;
	config.root_fd = open(c->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c->uid = geteuid();
	c->gid = getegid();
	before = open_fds();
	ok(fs_server_init(&c->fs, &config, &err) == 0 && fs_server_enter(&c->fs, &err) == 0, "fs: starts %s", err.msg);
	init(c);
	test_files(c);
	test_names(c);
	test_special(c);
	test_dirs(c);
	test_locks(c);
	test_xattrs(c);
	test_owner(c);
	test_garbage(c);
	test_readonly(c);
	fs_server_done(&c->fs);
	is_int(open_fds(), before, "fs: leaves no descriptor open");
	fs_server_done(&c->fs);
	ok(true, "fs: done twice does no harm");
	(void)nftw(c->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(c);
	return done();
}
