/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/dir.h"

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

DIR *dir_open(int dir_fd, const char *name)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)TAKE_FD(fd); /* the stream's now */
	return d;
}

struct dirent *dir_next(DIR *d)
{
	struct dirent *e;

	do
		e = readdir(d);
	while (e && (str_eq(e->d_name, ".") || str_eq(e->d_name, "..")));
	return e;
}

int dir_remove_files(int dir_fd)
{
	AUTO_DIR DIR *dir = dir_open(dir_fd, ".");
	struct dirent *e;

	if (!dir)
		return -errno;
	while ((e = dir_next(dir)))
		if (e->d_type != DT_DIR && unlinkat(dir_fd, e->d_name, 0) < 0 && errno != ENOENT)
			return -errno;
	return 0;
}
