/* SPDX-License-Identifier: Apache-2.0 */
/* A tar into a tree that belongs to somebody else. */
#include "images/tar_tree.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct unpack {
	struct archive *a;
	int root_fd;
	const char *base;
	bool keep_owner;
};

/* The directory for a name of the tar; *ret_leaf is new. */
static int open_parent(const struct unpack *u, const char *name, char **ret_leaf)
{
	AUTO_FREE char *path = xasprintf("%s/%s", u->base, name);
	AUTO_FREE char *clean = NULL;

	if (path_has_dotdot(name))
		return -EINVAL;
	clean = path_clean(path);
	return path_open_parent_in_root(u->root_fd, clean, true, 0755, ret_leaf);
}

static int write_data(const struct unpack *u, int fd)
{
	const void *data;
	size_t n;
	la_int64_t at, end = 0;
	int r;

	while ((r = archive_read_data_block(u->a, &data, &n, &at)) == ARCHIVE_OK) {
		if (lseek(fd, at, SEEK_SET) < 0)
			return -errno;
		if (fd_write_all(fd, data, n) < 0)
			return -EIO;
		end = at + (la_int64_t)n;
	}
	if (r != ARCHIVE_EOF)
		return -EBADMSG;
	return ftruncate(fd, end) < 0 ? -errno : 0;
}

static int make_file(const struct unpack *u, int dir_fd, const char *leaf, int *ret_fd)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (unlinkat(dir_fd, leaf, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir_fd, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : write_data(u, fd);
	*ret_fd = TAKE_FD(fd);
	return r;
}

static int make_dir(int dir_fd, const char *leaf, int *ret_fd)
{
	if (mkdirat(dir_fd, leaf, 0755) < 0 && errno != EEXIST)
		return -errno;
	*ret_fd = openat(dir_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static int make_hardlink(const struct unpack *u, const char *target, int dir_fd, const char *leaf)
{
	AUTO_FREE char *other = NULL;
	AUTO_CLOSE int fd = open_parent(u, target, &other);

	if (fd < 0)
		return fd;
	if (unlinkat(dir_fd, leaf, 0) < 0 && errno != ENOENT)
		return -errno;
	return linkat(fd, other, dir_fd, leaf, 0) < 0 ? -errno : 0;
}

static int make_other(struct archive_entry *e, int dir_fd, const char *leaf)
{
	mode_t type = archive_entry_filetype(e);

	if (unlinkat(dir_fd, leaf, 0) < 0 && errno != ENOENT)
		return -errno;
	if (type == AE_IFLNK)
		return symlinkat(archive_entry_symlink(e), dir_fd, leaf) < 0 ? -errno : 0;
	return mknodat(dir_fd, leaf, type | (archive_entry_perm(e) & 07777), archive_entry_rdev(e)) < 0 ? -errno : 0;
}

/* Owner, then mode (a change of owner clears set-user-id), then times. */
static int set_attributes(const struct unpack *u, struct archive_entry *e, int dir_fd, const char *leaf, int fd)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = archive_entry_mtime(e), .tv_nsec = archive_entry_mtime_nsec(e) } };

	if (u->keep_owner && fchownat(dir_fd, leaf, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e), AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (fd >= 0 && fchmod(fd, archive_entry_perm(e) & 07777) < 0)
		return -errno;
	return archive_entry_mtime_is_set(e) && utimensat(dir_fd, leaf, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int take_entry(const struct unpack *u, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	AUTO_FREE char *leaf = NULL;
	AUTO_CLOSE int dir_fd = -1;
	AUTO_CLOSE int fd = -1;
	int r;

	if (!name)
		return -EINVAL;
	while (str_starts(name, "./") || *name == '/')
		name += *name == '/' ? 1 : 2;
	if (!*name || str_eq(name, "."))
		return 0; /* the base itself stays as it is */
	dir_fd = open_parent(u, name, &leaf);
	if (dir_fd < 0)
		return dir_fd;
	if (archive_entry_hardlink(e))
		return make_hardlink(u, archive_entry_hardlink(e), dir_fd, leaf);
	if (archive_entry_filetype(e) == AE_IFDIR)
		r = make_dir(dir_fd, leaf, &fd);
	else if (archive_entry_filetype(e) == AE_IFREG)
		r = make_file(u, dir_fd, leaf, &fd);
	else
		r = make_other(e, dir_fd, leaf);
	return r < 0 ? r : set_attributes(u, e, dir_fd, leaf, fd);
}

static int take_all(const struct unpack *u, struct err *err)
{
	struct archive_entry *e;
	int r;

	while ((r = archive_read_next_header(u->a, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		int x = take_entry(u, e);

		if (x < 0)
			return err_sys(err, x, "unpack '%s'", archive_entry_pathname(e) ? archive_entry_pathname(e) : "?");
	}
	return r == ARCHIVE_EOF ? 0 : err_set(err, EBADMSG, "read the tar: %s", archive_error_string(u->a));
}

int tar_tree_read(int fd, int root_fd, const char *base, bool keep_owner, struct err *err)
{
	struct unpack u = { .a = archive_read_new(), .root_fd = root_fd, .base = base, .keep_owner = keep_owner };
	int r;

	if (!u.a)
		return err_sys(err, -ENOMEM, "tar reader");
	/* Those that libarchive has built in: others would be programs. */
	(void)archive_read_support_filter_gzip(u.a);
	(void)archive_read_support_filter_bzip2(u.a);
	(void)archive_read_support_filter_xz(u.a);
	(void)archive_read_support_filter_zstd(u.a);
	(void)archive_read_support_format_tar(u.a);
	if (archive_read_open_fd(u.a, fd, 1 << 16) != ARCHIVE_OK)
		r = err_set(err, EBADMSG, "read the tar: %s", archive_error_string(u.a));
	else
		r = take_all(&u, err);
	archive_read_free(u.a);
	return r;
}
