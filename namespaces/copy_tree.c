/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/copy_tree.h"

#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 64

static int copy_dir(int from_fd, int to_fd, int depth, struct err *err);

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st, struct err *err)
{
	AUTO_CLOSE int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_CLOSE int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, st->st_mode & 07777);
	ssize_t n;

	if (from < 0 || to < 0)
		return err_sys(err, -errno, "copy '%s'", name);
	while ((n = sendfile(to, from, NULL, 1 << 20)) > 0)
		;
	if (n < 0)
		return err_sys(err, -errno, "copy '%s'", name);
	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return err_sys(err, -errno, "owner of '%s'", name);
	return 0;
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st, struct err *err)
{
	char target[4096];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, -errno, "read symlink '%s'", name);
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0 || fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "make symlink '%s'", name);
	return 0;
}

static int copy_entry(int from_fd, int to_fd, const char *name, int depth, struct err *err)
{
	struct stat st;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "stat '%s'", name);
	if (S_ISREG(st.st_mode))
		return copy_file(from_fd, to_fd, name, &st, err);
	if (S_ISLNK(st.st_mode))
		return copy_link(from_fd, to_fd, name, &st, err);
	if (!S_ISDIR(st.st_mode)) {
		if (mknodat(to_fd, name, st.st_mode, st.st_rdev) < 0 ||
		    fchownat(to_fd, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, -errno, "make node '%s'", name);
		return 0;
	}
	if (mkdirat(to_fd, name, 0700) < 0)
		return err_sys(err, -errno, "make directory '%s'", name);
	AUTO_CLOSE int from = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int to = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return err_sys(err, -errno, "open directory '%s'", name);
	int r = copy_dir(from, to, depth + 1, err);
	if (!r && (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0))
		return err_sys(err, -errno, "owner of '%s'", name);
	return r;
}

static int copy_dir(int from_fd, int to_fd, int depth, struct err *err)
{
	AUTO_DIR DIR *dir = dir_open(from_fd, ".");
	struct dirent *e;

	if (!dir)
		return err_sys(err, -errno, "read directory");
	if (depth > MAX_DEPTH)
		return err_set(err, ELOOP, "directories nest deeper than %d", MAX_DEPTH);
	while ((e = dir_next(dir))) {
		int r = copy_entry(from_fd, to_fd, e->d_name, depth, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int copy_tree(int from_fd, int to_fd, struct err *err)
{
	return copy_dir(from_fd, to_fd, 0, err);
}
