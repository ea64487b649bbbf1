/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/mount_points.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "mount-points"

static int fill(int fd)
{
	static const char *const folders[] = { "dev", "etc", "proc", "sys" };
	static const char *const files[] = { "etc/hosts", "etc/hostname", "etc/resolv.conf" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (mkdirat(fd, folders[i], 0755) < 0)
			return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_CLOSE int file = openat(fd, files[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

		if (file < 0)
			return -errno;
	}
	return 0;
}

static int open_at(int dir_fd)
{
	int fd = openat(dir_fd, NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int mount_points_open(const struct record *r)
{
	AUTO_CLOSE int fd = open_at(r->cli->store.root_fd);
	int x;

	if (fd != -ENOENT)
		return TAKE_FD(fd);
	if (mkdirat(r->dir_fd, NAME, 0755) < 0)
		return -errno;
	fd = open_at(r->dir_fd);
	x = fd < 0 ? fd : fill(fd);
	if (x == 0 && renameat(r->dir_fd, NAME, r->cli->store.root_fd, NAME) == 0)
		return TAKE_FD(fd);
	if (x == 0) /* somebody was faster, perhaps */
		x = -errno;
	fd_close(&fd);
	(void)remove_tree(r->dir_fd, NAME); /* it goes with the container otherwise */
	return x == -EEXIST || x == -ENOTEMPTY ? open_at(r->cli->store.root_fd) : x;
}
