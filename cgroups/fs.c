/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/dir.h"
#include "runtime/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What v1 and v2 share: directories, and small files in them. */

int cg_read(int dir_fd, const char *file, char *buf, size_t size)
{
	AUTO_CLOSE int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do /* these files come whole in one read */
		n = read(fd, buf, size - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int cg_read_u64(int dir_fd, const char *file, uint64_t *ret)
{
	char text[32];
	int r = cg_read(dir_fd, file, text, sizeof(text));

	if (r < 0)
		return r;
	if (str_eq(text, "max") || str_eq(text, "-1")) {
		*ret = UINT64_MAX;
		return 0;
	}
	return str_to_u64(text, ret);
}

/* mkdir -p of all but the last component, below the mount. Others may make and remove the same ones meanwhile. */
static int make_parents(int mount_fd, const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);

	for (char *p = copy; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		if (*copy && mkdirat(mount_fd, copy, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int fs_make_dir(struct cg_hier *h, const char *path, struct err *err)
{
	const char *name = path + 1;
	int r = 0;

	if (!*name)
		return 0;
	for (int tries = 0; tries < 3; tries++) {
		r = mkdirat(h->mount_fd, name, 0755) < 0 ? -errno : 0;
		if (r != -ENOENT)
			break;
		r = make_parents(h->mount_fd, name);
		if (r < 0)
			break;
	}
	if (r == 0)
		h->made = true;
	if (r < 0 && r != -EEXIST)
		return err_sys(err, r, "make cgroup '%s%s'", h->mountpoint, path);
	if (h->made && !h->v2) /* opened when a limit wants it */
		return 0;
	h->dir_fd = openat(h->mount_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (h->dir_fd < 0)
		return err_sys(err, -errno, "open cgroup '%s%s'", h->mountpoint, path);
	return 0;
}

int fs_walk(int dir_fd, int depth, int (*fn)(int dir_fd, void *arg), void *arg)
{
	AUTO_DIR DIR *dir = NULL;
	struct dirent *e;
	struct stat st;
	int r;

	if (depth > 64)
		return -ELOOP;
	if (fstat(dir_fd, &st) == 0 && st.st_nlink == 2) /* the kernel counts sub-cgroups there: it has none */
		return fn(dir_fd, arg);
	dir = dir_open(dir_fd, ".");
	if (!dir)
		return -errno;
	while ((e = dir_next(dir))) {
		AUTO_CLOSE int sub_fd = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub_fd = openat(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub_fd < 0 && errno == ENOENT) /* removed meanwhile */
			continue;
		if (sub_fd < 0)
			return -errno;
		r = fs_walk(sub_fd, depth + 1, fn, arg);
		if (r != 0)
			return r;
	}
	return fn(dir_fd, arg);
}

static int remove_subdirs(int dir_fd, int depth)
{
	AUTO_DIR DIR *dir = NULL;
	struct dirent *e;
	int worst = 0;

	if (depth > 64)
		return -ELOOP;
	dir = dir_open(dir_fd, ".");
	if (!dir)
		return -errno;
	while ((e = dir_next(dir))) {
		AUTO_CLOSE int sub_fd = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if (unlinkat(dir_fd, e->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		sub_fd = openat(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub_fd >= 0)
			(void)remove_subdirs(sub_fd, depth + 1); /* the rmdir below tells */
		if (unlinkat(dir_fd, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			worst = -errno;
	}
	return worst;
}

/* rmdir is EBUSY while there are sub-cgroups, and for a moment after the last task was killed. */
int fs_remove_dir(struct cg_hier *h, struct err *err)
{
	struct timespec pause = { .tv_nsec = 200000 };
	int r = 0;

	if (!h->path || str_eq(h->path, h->mountpoint))
		return 0;
	for (unsigned waited_us = 0; waited_us < 2000000;) {
		AUTO_CLOSE int fd = -1;

		r = rmdir(h->path) == 0 || errno == ENOENT ? 0 : -errno;
		if (r != -EBUSY && r != -ENOTEMPTY)
			break;
		fd = open(h->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			(void)remove_subdirs(fd, 0); /* the next rmdir tells */
		r = rmdir(h->path) == 0 || errno == ENOENT ? 0 : -errno;
		if (r == 0)
			break;
		(void)nanosleep(&pause, NULL);
		waited_us += (unsigned)(pause.tv_nsec / 1000);
		if (pause.tv_nsec < 25000000)
			pause.tv_nsec *= 2;
	}
	if (r == -EBUSY)
		return err_set(err, EBUSY, "remove cgroup '%s': there are still processes in it", h->path);
	return r < 0 ? err_sys(err, r, "remove cgroup '%s'", h->path) : 0;
}
