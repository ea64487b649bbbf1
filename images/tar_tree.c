/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tar_tree.h"

#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTR_MAX 65536
#define DEPTH_MAX 1024

struct linked {
	dev_t dev;
	ino_t ino;
	char *path; /* owned */
};

struct walk {
	const struct tar_tree *t;
	struct archive *a;
	struct linked *links;
	size_t n_links;
	struct err *err;
};

static int archive_failed(struct walk *w, const char *path)
{
	int code = archive_errno(w->a);

	return err_set(w->err, code > 0 ? code : EIO, "write '%s' into the tar: %s", path, archive_error_string(w->a));
}

static void cleanup_entry(struct archive_entry **e)
{
	archive_entry_free(*e);
}

/* 1: the directory is opaque. */
static int add_xattrs(struct walk *w, struct archive_entry *e, int fd, const char *path)
{
	AUTO_FREE char *names = xmalloc(XATTR_MAX);
	AUTO_FREE char *value = xmalloc(XATTR_MAX);
	char at[FD_PROC_PATH_LEN];
	ssize_t n = listxattr(fd_proc_path(fd, at), names, XATTR_MAX);
	int opaque = 0;

	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		bool inner = str_starts(p, "trusted.overlay.") || str_starts(p, "user.overlay.");
		ssize_t len = getxattr(at, p, value, XATTR_MAX);

		if (len < 0 || str_eq(p, "security.selinux") || str_starts(p, "system."))
			continue;
		if (!inner)
			archive_entry_xattr_add_entry(e, p, value, (size_t)len);
		else if (str_ends(p, ".opaque"))
			opaque = len == 1 && *value == 'y';
		else if (w->t->overlay && (str_ends(p, ".redirect") || str_ends(p, ".metacopy")))
			return err_set(w->err, ENOTSUP, "'%s' was moved by the overlay without its contents: a layer cannot say so", path);
	}
	return opaque;
}

static int put_header(struct walk *w, struct archive_entry *e, const char *path)
{
	return archive_write_header(w->a, e) < ARCHIVE_WARN ? archive_failed(w, path) : 0;
}

static struct archive_entry *new_entry(const char *path, const struct stat *st)
{
	struct archive_entry *e = archive_entry_new();

	if (!e)
		abort(); /* out of memory */
	archive_entry_copy_pathname(e, path);
	archive_entry_copy_stat(e, st);
	return e;
}

static int put_data(struct walk *w, int fd, uint64_t size, const char *path)
{
	AUTO_FREE char *chunk = xmalloc(1 << 16);

	while (size) {
		ssize_t n = read(fd, chunk, size < 1 << 16 ? size : 1 << 16);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(w->err, -errno, "read '%s'", path);
		if (n == 0) { /* it became shorter: libarchive fills up with zeros */
			break;
		}
		if (archive_write_data(w->a, chunk, (size_t)n) < 0)
			return archive_failed(w, path);
		size -= (uint64_t)n;
	}
	return archive_write_finish_entry(w->a) < ARCHIVE_WARN ? archive_failed(w, path) : 0;
}

/* An empty file of this name: a whiteout. */
static int put_mark(struct walk *w, const char *path, const struct stat *st)
{
	struct stat mark = { .st_mode = S_IFREG | 0600, .st_mtim = st->st_mtim };
	CLEANUP(cleanup_entry) struct archive_entry *e = new_entry(path, &mark);

	return put_header(w, e, path);
}

static int put_whiteout(struct walk *w, const char *path, const struct stat *st)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *mark = slash ? xasprintf("%.*s/.wh.%s", (int)(slash - path), path, slash + 1) : xasprintf(".wh.%s", path);

	return put_mark(w, mark, st);
}

static const char *copied_as(const struct walk *w, const struct stat *st)
{
	for (size_t i = 0; i < w->n_links; i++)
		if (w->links[i].dev == st->st_dev && w->links[i].ino == st->st_ino)
			return w->links[i].path;
	return NULL;
}

static int put_file(struct walk *w, int dir_fd, const char *name, const char *path)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CLEANUP(cleanup_entry) struct archive_entry *e = NULL;
	const char *other;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(w->err, -errno, "open '%s'", path);
	e = new_entry(path, &st);
	other = st.st_nlink > 1 ? copied_as(w, &st) : NULL;
	if (other) {
		archive_entry_copy_hardlink(e, other);
		archive_entry_set_size(e, 0);
		return put_header(w, e, path);
	}
	if (st.st_nlink > 1) {
		w->links = xreallocarray(w->links, w->n_links + 1, sizeof(*w->links));
		w->links[w->n_links++] = (struct linked){ st.st_dev, st.st_ino, xstrdup(path) };
	}
	r = add_xattrs(w, e, fd, path);
	if (r >= 0)
		r = put_header(w, e, path);
	return r < 0 ? r : put_data(w, fd, (uint64_t)st.st_size, path);
}

static int put_node(struct walk *w, int dir_fd, const char *name, const char *path, const struct stat *st)
{
	CLEANUP(cleanup_entry) struct archive_entry *e = new_entry(path, st);
	char target[4097];
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
		if (n < 0)
			return err_sys(w->err, -errno, "read the link '%s'", path);
		target[n] = '\0';
		archive_entry_copy_symlink(e, target);
		archive_entry_set_size(e, 0);
	}
	return put_header(w, e, path);
}

static int put_any(struct walk *w, int dir_fd, const char *name, const char *path, unsigned depth);

static int put_contents(struct walk *w, int fd, const char *path, unsigned depth)
{
	AUTO_DIR DIR *d = dir_open(fd, ".");

	if (!d)
		return err_sys(w->err, -errno, "read the directory '%s'", path);
	for (struct dirent *e; (e = dir_next(d)) != NULL;) {
		AUTO_FREE char *sub = *path ? xasprintf("%s/%s", path, e->d_name) : xstrdup(e->d_name);
		int r = put_any(w, fd, e->d_name, sub, depth + 1);

		if (r < 0)
			return r;
	}
	return 0;
}

static int put_dir(struct walk *w, int dir_fd, const char *name, const char *path, unsigned depth)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(cleanup_entry) struct archive_entry *e = NULL;
	AUTO_FREE char *mark = xasprintf("%s/.wh..wh..opq", path);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(w->err, -errno, "open the directory '%s'", path);
	if (depth > DEPTH_MAX)
		return err_sys(w->err, -ELOOP, "'%s'", path);
	e = new_entry(path, &st);
	r = add_xattrs(w, e, fd, path);
	if (r < 0)
		return r;
	if (put_header(w, e, path) < 0)
		return -w->err->code;
	if (r > 0 && w->t->overlay && put_mark(w, mark, &st) < 0)
		return -w->err->code;
	return put_contents(w, fd, path, depth);
}

/* Is this the root of a mount? STATX_MNT_ID is of Linux 5.8: before, nothing is. */
static bool is_mounted(int dir_fd, const char *name)
{
	struct statx here, there;

	return statx(dir_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &here) == 0 &&
	       statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &there) == 0 &&
	       (here.stx_mask & there.stx_mask & STATX_MNT_ID) && here.stx_mnt_id != there.stx_mnt_id;
}

/* What a mount hides cannot be seen: an empty file or directory stands for it. */
static int put_mount_point(struct walk *w, const char *path, const struct stat *st)
{
	struct stat empty = { .st_mode = S_ISDIR(st->st_mode) ? S_IFDIR | 0755 : S_IFREG | 0644, .st_mtim = st->st_mtim };
	CLEANUP(cleanup_entry) struct archive_entry *e = new_entry(path, &empty);

	return put_header(w, e, path);
}

static int put_any(struct walk *w, int dir_fd, const char *name, const char *path, unsigned depth)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(w->err, -errno, "look at '%s'", path);
	if (w->t->one_mount && is_mounted(dir_fd, name))
		return put_mount_point(w, path, &st);
	if (S_ISDIR(st.st_mode))
		return put_dir(w, dir_fd, name, path, depth);
	if (S_ISREG(st.st_mode))
		return put_file(w, dir_fd, name, path);
	if (S_ISSOCK(st.st_mode))
		return 0;
	if (w->t->overlay && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		return put_whiteout(w, path, &st);
	return put_node(w, dir_fd, name, path, &st);
}

static la_ssize_t on_write(struct archive *a, void *ctx, const void *data, size_t n)
{
	const struct tar_tree *t = ctx;

	if (t->write(t->ctx, data, n) >= 0)
		return (la_ssize_t)n;
	archive_set_error(a, EIO, "the reader of the tar failed");
	return -1;
}

int tar_tree_write(const struct tar_tree *t, int dir_fd, const char *name, const char *as, struct err *err)
{
	struct walk w = { .t = t, .a = archive_write_new(), .err = err };
	void *ctx;
	int r = 0;

	if (!w.a)
		return err_sys(err, -ENOMEM, "tar writer");
	memcpy(&ctx, &t, sizeof(ctx)); /* libarchive's callbacks take no const */
	if (archive_write_set_format_pax_restricted(w.a) != ARCHIVE_OK || archive_write_set_bytes_in_last_block(w.a, 1) != ARCHIVE_OK ||
	    archive_write_open(w.a, ctx, NULL, on_write, NULL) != ARCHIVE_OK)
		r = archive_failed(&w, as);
	if (r == 0)
		r = str_eq(name, ".") ? put_contents(&w, dir_fd, as, 0) : put_any(&w, dir_fd, name, as, 0);
	if (r == 0 && archive_write_close(w.a) != ARCHIVE_OK)
		r = archive_failed(&w, as);
	archive_write_free(w.a);
	for (size_t i = 0; i < w.n_links; i++)
		free(w.links[i].path);
	free(w.links);
	return r;
}
