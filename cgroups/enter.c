/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The part of "[CONTROLLERS:]SUB" that holds for this hierarchy, or NULL. */
static const char *sub_for(const struct cg_hier *h, const char *sub)
{
	const char *colon = sub ? strchr(sub, ':') : NULL;

	if (!colon || h->v2)
		return sub;
	for (const char *p = sub; p < colon;) {
		size_t n = strcspn(p, ",:");

		if (h->controllers & ctl_bit_of(p, n))
			return colon + 1;
		p += n + 1;
	}
	return NULL;
}

static bool nested(int dir_fd)
{
	char text[256];

	return cg_read(dir_fd, "cgroup.subtree_control", text, sizeof(text)) == 0 && *text;
}

/* A container that enabled controllers for sub-cgroups of its own has no processes in its own directory, and the kernel
 * lets none in (EBUSY). Then the newcomer goes where init is: below, and still the container's. */
static int open_inits(struct cgroup *cg, struct cg_hier *h, pid_t init_pid, struct err *err)
{
	AUTO_FREE char *path = NULL;
	size_t len = strlen(cg->path);
	int fd, mount_fd, r = layout_path_of(init_pid, h->name, &path);

	if (r < 0)
		return err_sys(err, r, "find the cgroup of the container's init (pid %d)", init_pid);
	if (strncmp(path, cg->path, len) != 0 || path[len] != '/' || path_has_dotdot(path))
		return err_set(err, EBUSY, "the container's init left its cgroup '%s' for '%s'", cg->path, path);
	mount_fd = open(h->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mount_fd < 0)
		return err_sys(err, -errno, "open '%s'", h->mountpoint);
	fd = openat(mount_fd, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : fd;
	fd_close(&mount_fd);
	return r < 0 ? err_sys(err, r, "open cgroup '%s%s'", h->mountpoint, path) : r;
}

/* fd of the directory that the process is to enter; owned by the caller. */
static int open_target(struct cgroup *cg, struct cg_hier *h, const char *sub, pid_t init_pid, struct err *err)
{
	int fd, dir_fd = cg_hier_dir(h);

	if (dir_fd < 0)
		return err_sys(err, dir_fd, "open cgroup '%s'", h->path);
	while (sub && *sub == '/')
		sub++;
	if (sub && *sub) {
		fd = openat(dir_fd, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? err_sys(err, -errno, "open sub-cgroup '%s' of '%s'", sub, h->path) : fd;
	}
	if (h->v2 && cg->layout == CGROUP_LAYOUT_V2 && !sub && init_pid > 0 && nested(dir_fd))
		return open_inits(cg, h, init_pid, err);
	fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? err_sys(err, -errno, "open cgroup '%s'", h->path) : fd;
}

int cgroup_open_enter(struct cgroup *cg, const char *sub, pid_t init_pid, struct err *err)
{
	int r = sub ? cgroup_check_path(sub, "sub-cgroup", err) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < cg->n; i++) {
		struct cg_hier *h = &cg->hier[i];
		const char *file = h->v2 ? "cgroup.procs" : "tasks";
		const char *part = sub_for(h, sub);
		AUTO_CLOSE int fd = -1;

		/* hybrid: the cgroup2 directory is brig's own helper, its sub-cgroups are not the container's */
		fd = open_target(cg, h, h->v2 && cg->layout == CGROUP_LAYOUT_HYBRID ? NULL : part, init_pid, err);
		if (fd < 0)
			return fd;
		fd_close(&h->enter_fd);
		h->enter_fd = openat(fd, file, O_WRONLY | O_CLOEXEC);
		if (h->enter_fd < 0)
			return err_sys(err, -errno, "open '%s' of cgroup '%s'", file, h->path);
		if (h->v2) {
			fd_close(&cg->exec_fd);
			cg->exec_fd = TAKE_FD(fd);
		}
	}
	return 0;
}
