/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* "controller,controller:sub": its controllers, and where sub begins. */
static int parse_controllers(const struct cgroup *cg, const char *text, uint32_t *ret, const char **ret_sub, struct err *err)
{
	const char *colon = strchr(text, ':');
	uint32_t mounted = 0;

	*ret = 0;
	*ret_sub = colon + 1;
	for (size_t i = 0; i < cg->n; i++)
		mounted |= cg->hier[i].v2 ? 0 : cg->hier[i].controllers;
	for (const char *p = text; p <= colon;) {
		size_t n = strcspn(p, ",:");
		uint32_t bit = ctl_bit_of(p, n);

		if (!(bit & mounted))
			return err_set(err, EINVAL, "sub-cgroup '%s': '%.*s' is not a mounted controller of cgroup v1", text, (int)n, p);
		if (bit & *ret)
			return err_set(err, EINVAL, "sub-cgroup '%s': controller '%.*s' is named twice", text, (int)n, p);
		*ret |= bit;
		p += n + 1;
	}
	return 0;
}

/* Which sub-cgroup each hierarchy gets; NULL: the container's own. */
static int find_subs(const struct cgroup *cg, const struct strlist *subs, const char *ret[CG_MAX_HIER], struct err *err)
{
	uint32_t seen = 0;

	for (size_t k = 0; subs && k < subs->n; k++) {
		const char *sub = subs->v[k];
		bool all = !strchr(sub, ':');
		uint32_t controllers = 0;
		int r = cgroup_check_path(sub, "sub-cgroup", err);

		if (!r && all && subs->n > 1)
			r = err_set(err, EINVAL, "sub-cgroup '%s': one of several has to name its controllers, as in CONTROLLER:PATH", sub);
		if (!r && !all)
			r = parse_controllers(cg, sub, &controllers, &sub, err);
		if (r < 0)
			return r;
		if (controllers & seen)
			return err_set(err, EINVAL, "sub-cgroup '%s': a controller is named twice", subs->v[k]);
		seen |= controllers;
		for (size_t i = 0; i < cg->n; i++)
			if (all || (!cg->hier[i].v2 && cg->hier[i].controllers & controllers))
				ret[i] = sub;
	}
	return 0;
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

int cgroup_open_enter(struct cgroup *cg, const struct strlist *subs, pid_t init_pid, struct err *err)
{
	const char *sub[CG_MAX_HIER] = { NULL };
	int r = find_subs(cg, subs, sub, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cg->n; i++) {
		struct cg_hier *h = &cg->hier[i];
		const char *file = h->v2 ? "cgroup.procs" : "tasks";
		AUTO_CLOSE int fd = -1;

		/* hybrid: the cgroup2 directory is brig's own helper, its sub-cgroups are not the container's */
		fd = open_target(cg, h, h->v2 && cg->layout == CGROUP_LAYOUT_HYBRID ? NULL : sub[i], init_pid, err);
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
