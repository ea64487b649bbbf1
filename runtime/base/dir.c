/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/dir.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <fcntl.h>

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
