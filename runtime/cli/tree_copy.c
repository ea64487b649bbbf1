/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/tree_copy.h"

#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTR_MAX 65536
#define DEPTH_MAX 1024 /* each level holds two descriptors */

/* A file with several links that was copied: where its copy is. */
struct linked {
	dev_t dev;
	ino_t ino;
	int dir_fd; /* owned: the directory of the copy */
	char *name; /* owned */
};

struct copy {
	enum copy_flags flags;
	dev_t dev;
	struct linked *links;
	size_t n_links, depth;
	struct err *err;
};

static int fail(struct copy *c, int result, const char *name)
{
	return err_sys(c->err, result, "copy '%s'", name);
}

static bool inner_xattr(const char *name)
{
	return str_starts(name, "trusted.overlay.") || str_starts(name, "user.overlay.") || str_eq(name, "security.selinux");
}

/* Through /proc/self/fd, which also works for links (O_PATH). Attributes that the target cannot have are left out. */
static int copy_xattrs(int from_fd, int to_fd)
{
	AUTO_FREE char *names = xmalloc(XATTR_MAX);
	AUTO_FREE char *value = xmalloc(XATTR_MAX);
	char from[FD_PROC_PATH_LEN], to[FD_PROC_PATH_LEN];
	ssize_t n = listxattr(fd_proc_path(from_fd, from), names, XATTR_MAX);

	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t len;

		if (inner_xattr(p))
			continue;
		len = getxattr(from, p, value, XATTR_MAX);
		if (len < 0 || setxattr(fd_proc_path(to_fd, to), p, value, (size_t)len, 0) == 0)
			continue;
		if (errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
			return -errno;
	}
	return 0;
}

static int copy_range(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		ssize_t n;
		off_t in = at, out = at;

		n = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
			if (lseek(to, at, SEEK_SET) < 0)
				return -errno;
			in = at;
			n = sendfile(to, from, &in, (size_t)(end - at));
		}
		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* it became shorter */
		at += n;
	}
	return 0;
}

static int copy_data(int from, int to, off_t size)
{
	off_t at = 0;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break; /* a hole to the end */
		data = data < 0 ? at : data;
		hole = lseek(from, data, SEEK_HOLE);
		r = copy_range(from, to, data, hole < 0 ? size : hole);
		if (r < 0)
			return r;
		at = hole < 0 ? size : hole;
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

/* Owner first: changing it clears set-user-id bits and file capabilities. */
static int copy_attributes(struct copy *c, int from_fd, const struct stat *st, int dir_fd, const char *name, int to_fd)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r = 0;

	if (!(c->flags & COPY_NO_OWNER) && fchownat(dir_fd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (to_fd >= 0 && fchmod(to_fd, st->st_mode & 07777) < 0)
		return -errno;
	if (to_fd >= 0 && from_fd >= 0)
		r = copy_xattrs(from_fd, to_fd);
	if (r == 0 && utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r;
}

/* Make room for something that is no directory. */
static int clear(struct copy *c, int to_dir, const char *to)
{
	if (!(c->flags & COPY_MERGE))
		return 0;
	return unlinkat(to_dir, to, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int copy_file(struct copy *c, int dir, const char *name, int to_dir, const char *to)
{
	AUTO_CLOSE int from_fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_CLOSE int to_fd = -1;
	struct stat st;
	int r;

	if (from_fd < 0 || fstat(from_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EAGAIN; /* it was exchanged for something else */
	r = clear(c, to_dir, to);
	if (r < 0)
		return r;
	to_fd = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to_fd < 0)
		return -errno;
	r = copy_data(from_fd, to_fd, st.st_size);
	return r < 0 ? r : copy_attributes(c, from_fd, &st, to_dir, to, to_fd);
}

static int copy_link(struct copy *c, int dir, const char *name, const struct stat *st, int to_dir, const char *to)
{
	char target[4097];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	int r = n < 0 ? -errno : clear(c, to_dir, to);

	if (r < 0)
		return r;
	target[n] = '\0';
	return symlinkat(target, to_dir, to) < 0 ? -errno : copy_attributes(c, -1, st, to_dir, to, -1);
}

static int copy_node(struct copy *c, const struct stat *st, int to_dir, const char *to)
{
	int r = clear(c, to_dir, to);

	if (r < 0 || S_ISSOCK(st->st_mode)) /* a socket without its process is of no use */
		return r;
	if (mknodat(to_dir, to, st->st_mode, st->st_rdev) < 0)
		return -errno;
	if (fchmodat(to_dir, to, st->st_mode & 07777, 0) < 0)
		return -errno;
	return copy_attributes(c, -1, st, to_dir, to, -1);
}

/* A further link to what was copied already? 1: it is made. */
static int copy_as_link(struct copy *c, const struct stat *st, int to_dir, const char *to)
{
	for (size_t i = 0; i < c->n_links; i++) {
		struct linked *l = &c->links[i];
		int r;

		if (l->dev != st->st_dev || l->ino != st->st_ino)
			continue;
		r = clear(c, to_dir, to);
		return r < 0 ? r : linkat(l->dir_fd, l->name, to_dir, to, 0) < 0 ? -errno : 1;
	}
	return 0;
}

static void remember(struct copy *c, const struct stat *st, int to_dir, const char *to)
{
	c->links = xreallocarray(c->links, c->n_links + 1, sizeof(*c->links));
	c->links[c->n_links++] = (struct linked){ .dev = st->st_dev, .ino = st->st_ino, .dir_fd = fcntl(to_dir, F_DUPFD_CLOEXEC, 3),
						  .name = xstrdup(to) };
}

static int copy_any(struct copy *c, int dir, const char *name, int to_dir, const char *to);

static int copy_contents(struct copy *c, int from_fd, int to_fd)
{
	AUTO_DIR DIR *d = dir_open(from_fd, ".");

	if (!d)
		return -errno;
	for (struct dirent *e; (e = dir_next(d)) != NULL;) {
		int r = copy_any(c, from_fd, e->d_name, to_fd, e->d_name);

		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_dir(struct copy *c, int dir, const char *name, int to_dir, const char *to)
{
	AUTO_CLOSE int from_fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int to_fd = -1;
	struct stat st;
	int r = 0;

	if (from_fd < 0 || fstat(from_fd, &st) < 0)
		return -errno;
	if (mkdirat(to_dir, to, 0700) < 0 && !(errno == EEXIST && (c->flags & COPY_MERGE)))
		return -errno;
	to_fd = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to_fd < 0)
		return -errno;
	if (c->depth >= DEPTH_MAX)
		return -ELOOP;
	c->depth++;
	if (!(c->flags & COPY_ONE_FS) || st.st_dev == c->dev)
		r = copy_contents(c, from_fd, to_fd);
	c->depth--;
	return r < 0 ? r : copy_attributes(c, from_fd, &st, to_dir, to, to_fd);
}

static int copy_kind(struct copy *c, int dir, const char *name, const struct stat *st, int to_dir, const char *to)
{
	if (S_ISDIR(st->st_mode))
		return copy_dir(c, dir, name, to_dir, to);
	if (S_ISREG(st->st_mode))
		return copy_file(c, dir, name, to_dir, to);
	if (S_ISLNK(st->st_mode))
		return copy_link(c, dir, name, st, to_dir, to);
	return copy_node(c, st, to_dir, to);
}

/* The error is set at the innermost name; above it is passed on. */
static int copy_any(struct copy *c, int dir, const char *name, int to_dir, const char *to)
{
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(c, -errno, name);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		r = copy_as_link(c, &st, to_dir, to);
		if (r != 0)
			return r < 0 ? fail(c, r, name) : 0;
	}
	c->err->code = 0;
	r = copy_kind(c, dir, name, &st, to_dir, to);
	if (r < 0)
		return c->err->code ? r : fail(c, r, name);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		remember(c, &st, to_dir, to);
	return 0;
}

int tree_copy(int from_fd, const char *from, int to_fd, const char *to, enum copy_flags flags, struct err *err)
{
	struct err own = { 0 };
	struct copy c = { .flags = flags, .err = err ? err : &own };
	struct stat st;
	int r;

	if (fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "copy '%s'", from);
	c.dev = st.st_dev;
	c.err->code = 0;
	if (str_eq(from, ".") && str_eq(to, ".")) {
		r = copy_contents(&c, from_fd, to_fd);
		if (r < 0 && !c.err->code)
			r = fail(&c, r, from);
	} else {
		r = copy_any(&c, from_fd, from, to_fd, to);
	}
	for (size_t i = 0; i < c.n_links; i++) {
		fd_close(&c.links[i].dir_fd);
		free(c.links[i].name);
	}
	free(c.links);
	return r;
}

static int chown_contents(int fd, dev_t dev, uint32_t uid, uint32_t gid, unsigned depth)
{
	AUTO_DIR DIR *d = dir_open(fd, ".");

	if (!d)
		return -errno;
	for (struct dirent *e; (e = dir_next(d)) != NULL;) {
		AUTO_CLOSE int sub = -1;
		struct stat st;
		int r = 0;

		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (st.st_dev != dev)
			continue;
		if (fchownat(fd, e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (!S_ISDIR(st.st_mode))
			continue;
		sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = sub < 0 ? -errno : depth >= DEPTH_MAX ? -ELOOP : chown_contents(sub, dev, uid, gid, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int tree_chown(int fd, uint32_t uid, uint32_t gid, struct err *err)
{
	struct stat st;
	int r = fstat(fd, &st) < 0 || fchown(fd, uid, gid) < 0 ? -errno : 0;

	if (r == 0 && S_ISDIR(st.st_mode))
		r = chown_contents(fd, st.st_dev, uid, gid, 0);
	return r < 0 ? err_sys(err, r, "change the owner") : 0;
}

/* ---- removing ---- */

static int remove_one(int dir_fd, const char *name, bool is_dir);

/* Not by dir_open(): a stream has a buffer of 32 KiB, and here is one for each level. */
static int remove_contents(int fd)
{
	_Alignas(struct dirent64) char buf[2048];
	ssize_t n;

	while ((n = getdents64(fd, buf, sizeof(buf))) > 0) {
		const struct dirent64 *e;

		for (ssize_t at = 0; at < n; at += e->d_reclen) {
			int r;

			e = (const void *)(buf + at);
			if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
				continue;
			r = remove_one(fd, e->d_name, e->d_type == DT_DIR);
			if (r < 0)
				return r;
		}
	}
	return n < 0 ? -errno : 0;
}

static int remove_dir(int dir_fd, const char *name)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return errno == ENOENT ? 0 : -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : remove_contents(fd);
	if (r < 0)
		return r;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_one(int dir_fd, const char *name, bool is_dir)
{
	if (is_dir)
		return remove_dir(dir_fd, name);
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR || errno == EPERM ? remove_dir(dir_fd, name) : -errno;
}

int remove_tree(int dir_fd, const char *name)
{
	return remove_one(dir_fd, name, false);
}
