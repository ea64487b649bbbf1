/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CPU_LIST_MAX 4096

/* A new v1 cpuset has no CPUs and no memory nodes, and no task can join it: each level takes its parent's, unless
 * somebody gave it its own. (cgroup.clone_children would do it, but is a setting of the parent, which is not ours.) */
static int inherit_cpuset(int parent_fd, int dir_fd, bool made, const char *file)
{
	char list[CPU_LIST_MAX];
	int r = made ? 0 : cg_read(dir_fd, file, list, sizeof(list));

	if (r < 0 || (!made && *list))
		return r;
	r = cg_read(parent_fd, file, list, sizeof(list));
	return r < 0 ? r : fd_write_file(dir_fd, file, list);
}

int fs_v1_prepare(struct cg_hier *h, const char *path, struct err *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	AUTO_CLOSE int parent_fd = -1;
	AUTO_FREE char *copy = NULL;
	char *p;
	int r;

	if (!(h->controllers & CTL_BIT(CTL_CPUSET)))
		return 0;
	copy = xstrdup(path + 1);
	parent_fd = openat(h->mount_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return err_sys(err, -errno, "open '%s'", h->mountpoint);
	for (char *name = copy; name && *name; name = p) {
		AUTO_CLOSE int fd = -1;

		p = strchr(name, '/');
		if (p)
			*p++ = '\0';
		fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return err_sys(err, -errno, "open cgroup '%s%s'", h->mountpoint, path);
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			r = inherit_cpuset(parent_fd, fd, h->made && !p, files[i]);
			if (r < 0)
				return err_sys(err, r, "set %s of cgroup '%s%s' from its parent", files[i], h->mountpoint, path);
		}
		fd_close(&parent_fd);
		parent_fd = TAKE_FD(fd);
	}
	return 0;
}
