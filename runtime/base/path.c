/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/path.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The walk: the path still to go is kept as text; a symlink's target is put in front of what is left. ".." goes back to
 * the parent fd on a stack, so that a rename of a directory cannot move the walk out of the root.
 */
#define WALK_DEPTH 128
#define WALK_LINKS 40

struct walk {
	int fd[WALK_DEPTH]; /* fd[0] is a duplicate of the root */
	size_t depth;	    /* entries in use */
	char *rest;	    /* owned */
	int links;
};

static void walk_done(struct walk *w)
{
	while (w->depth)
		fd_close(&w->fd[--w->depth]);
	free(w->rest);
	w->rest = NULL;
}

static void walk_to_root(struct walk *w)
{
	while (w->depth > 1)
		fd_close(&w->fd[--w->depth]);
}

/* Cut the next component off w->rest. Returns false at the end. */
static bool walk_next(struct walk *w, char name[NAME_MAX + 1], bool *ret_last, int *ret_error)
{
	char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");
	char *after = p + n + strspn(p + n, "/");

	if (!n)
		return false;
	if (n > NAME_MAX) {
		*ret_error = -ENAMETOOLONG;
		return false;
	}
	memcpy(name, p, n);
	name[n] = '\0';
	*ret_last = !*after;
	memmove(w->rest, p + n, strlen(p + n) + 1);
	return true;
}

static int walk_follow(struct walk *w, int link_fd)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(link_fd, "", target, sizeof(target) - 1);
	char *joined;

	if (n < 0)
		return -errno;
	if (++w->links > WALK_LINKS)
		return -ELOOP;
	target[n] = '\0';
	if (target[0] == '/')
		walk_to_root(w);
	joined = xasprintf("%s/%s", target, w->rest);
	free(w->rest);
	w->rest = joined;
	return 0;
}

static int walk_step(struct walk *w, const char *name, bool last, int flags, mode_t mode, int *ret_fd)
{
	AUTO_CLOSE int fd = -1;
	int here = w->fd[w->depth - 1];
	struct stat st;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		if (w->depth > 1)
			fd_close(&w->fd[--w->depth]);
		return 0;
	}
	fd = openat(here, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && last && (flags & O_CREAT)) {
		*ret_fd = openat(here, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
		return *ret_fd < 0 ? -errno : 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode)) {
		if (last && (flags & O_NOFOLLOW)) {
			if (!(flags & O_PATH))
				return -ELOOP;
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
		return walk_follow(w, fd);
	}
	if (last && !S_ISDIR(st.st_mode)) {
		*ret_fd = openat(here, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
		return *ret_fd < 0 ? -errno : 0;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (w->depth == WALK_DEPTH)
		return -ENAMETOOLONG;
	w->fd[w->depth++] = TAKE_FD(fd);
	return 0;
}

static int walk_open(int root_fd, const char *path, int flags, mode_t mode)
{
	CLEANUP(walk_done) struct walk w = { .rest = xstrdup(path) };
	char name[NAME_MAX + 1];
	bool last = false;
	int found = -1, error = 0, r;

	w.fd[0] = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w.fd[0] < 0)
		return -errno;
	w.depth = 1;
	while (walk_next(&w, name, &last, &error)) {
		r = walk_step(&w, name, last, flags, mode, &found);
		if (r < 0)
			return r;
		if (found >= 0)
			return found;
	}
	if (error)
		return error;
	/* It ended at a directory: open that one itself, with the caller's flags. */
	found = openat(w.fd[w.depth - 1], ".", (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC);
	return found < 0 ? -errno : found;
}

int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int r = sys_openat2(root_fd, *path ? path : ".", &how);

	/* An old kernel, or a filter around us that knows no openat2; EACCES is mostly true, and then found once more. */
	if (r != -ENOSYS && r != -EPERM && r != -EACCES)
		return r;
	return walk_open(root_fd, path, flags, mode);
}

/* The usual case, in fewer steps: only the last component of path is missing. -ENOENT: more is, or a dangling link stands there. */
static int make_last(int root_fd, const char *path, mode_t mode)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int parent = path_open_parent_in_root(root_fd, path, false, 0, &name);
	int fd;

	if (parent < 0)
		return parent == -EINVAL ? -ENOENT : parent;
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? fd : errno == ELOOP || errno == ENOTDIR ? -ENOENT : -errno;
}

int path_mkdir_in_root(int root_fd, const char *path, mode_t mode)
{
	AUTO_CLOSE int at = path_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);
	size_t len = strlen(path);
	AUTO_FREE char *prefix = xstrdup(path);

	if (at != -ENOENT)
		return TAKE_FD(at);
	if (path_has_dotdot(path))
		return -EINVAL;
	at = make_last(root_fd, path, mode);
	if (at != -ENOENT)
		return TAKE_FD(at);
	/*
	 * Make the components one after the other, each time looked up from the root again: an existing symlink is followed
	 * inside the root, and a name is only ever made in a directory that we hold.
	 */
	at = path_open_in_root(root_fd, "/", O_PATH | O_DIRECTORY, 0);
	for (size_t i = 0; i < len && at >= 0;) {
		size_t start = i + strspn(path + i, "/");
		size_t end = start + strcspn(path + start, "/");
		char name[NAME_MAX + 1];
		int next;

		if (end == start)
			break;
		if (end - start > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path + start, end - start);
		name[end - start] = '\0';
		prefix[end] = '\0';
		next = path_open_in_root(root_fd, prefix, O_PATH | O_DIRECTORY, 0);
		if (next == -ENOENT) {
			if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
				return -errno;
			/* ENOENT again: a dangling symlink stands there, or somebody took the directory away. */
			next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (next < 0)
				return errno == ELOOP || errno == ENOTDIR ? -ENOENT : -errno;
		}
		if (next < 0)
			return next;
		fd_close(&at);
		at = next;
		prefix[end] = path[end];
		i = end;
	}
	return TAKE_FD(at);
}

int path_open_parent_in_root(int root_fd, const char *path, bool make, mode_t mode, char **ret_name)
{
	AUTO_FREE char *dir = NULL;
	size_t len = strlen(path);
	size_t start;

	while (len && path[len - 1] == '/')
		len--;
	start = len;
	while (start && path[start - 1] != '/')
		start--;
	if (start == len || (len - start == 1 && path[start] == '.') ||
	    (len - start == 2 && path[start] == '.' && path[start + 1] == '.'))
		return -EINVAL;
	if (len - start > NAME_MAX)
		return -ENAMETOOLONG;
	dir = start ? xstrndup(path, start) : xstrdup("/");
	int fd = make ? path_mkdir_in_root(root_fd, dir, mode) : path_open_in_root(root_fd, dir, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0)
		*ret_name = xstrndup(path + start, len - start);
	return fd;
}

int path_mkfile_in_root(int root_fd, const char *path, mode_t dir_mode, mode_t file_mode)
{
	AUTO_CLOSE int parent = -1;
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int fd = path_open_in_root(root_fd, path, O_PATH, 0);

	if (fd != -ENOENT)
		return TAKE_FD(fd);
	parent = path_open_parent_in_root(root_fd, path, true, dir_mode, &name);
	if (parent < 0)
		return parent;
	fd = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, file_mode);
	if (fd < 0 && errno != EEXIST)
		return -errno;
	fd_close(&fd);
	fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : TAKE_FD(fd);
}

char *path_clean(const char *path)
{
	char *out = xmalloc(strlen(path) + 2);
	size_t len = 0;

	out[len++] = '/';
	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len > 1 && out[len - 1] != '/')
				len--;
			if (len > 1)
				len--;
		} else if (n && !(n == 1 && path[0] == '.')) {
			if (out[len - 1] != '/')
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n;
	}
	out[len] = '\0';
	return out;
}

bool path_has_dotdot(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}
