/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "cgroups/stats.h"
#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* v1: an eventfd that the kernel signals (POLLIN) at each OOM, and once when the cgroup is removed. */
static int oom_fd_v1(int dir_fd)
{
	AUTO_CLOSE int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), control_fd = -1;
	char text[32];
	int r;

	if (event_fd < 0)
		return -errno;
	control_fd = openat(dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (control_fd < 0)
		return -errno;
	(void)snprintf(text, sizeof(text), "%d %d", event_fd, control_fd);
	r = fd_write_file(dir_fd, "cgroup.event_control", text);
	return r < 0 ? r : TAKE_FD(event_fd);
}

int cgroup_oom_fd(struct cgroup *cg, struct err *err)
{
	struct cg_hier *h = cgroup_hier_of(cg, CTL_MEMORY);
	int r, dir_fd = h ? cg_hier_dir(h) : -ENODEV;

	if (dir_fd < 0)
		return err_sys(err, dir_fd, "watch the memory of the container");
	if (h->v2) { /* POLLPRI at each change */
		r = openat(dir_fd, "memory.events", O_RDONLY | O_CLOEXEC);
		r = r < 0 ? -errno : r;
	} else {
		r = oom_fd_v1(dir_fd);
	}
	return r < 0 ? err_sys(err, r, "watch the memory events of cgroup '%s'", h->path) : r;
}

static int memory_event(struct cgroup *cg, const char *key, bool v2_only, uint64_t *ret)
{
	struct cg_hier *h = cgroup_hier_of(cg, CTL_MEMORY);
	int r, dir_fd = h ? cg_hier_dir(h) : -ENODEV;
	AUTO_FREE char *text = NULL;

	if (dir_fd < 0)
		return dir_fd;
	if (v2_only && !h->v2)
		return -EOPNOTSUPP;
	r = fd_read_file(dir_fd, h->v2 ? "memory.events" : "memory.oom_control", 4096, &text, NULL);
	if (r < 0)
		return r;
	*ret = stats_flat(text, key, 0);
	return 0;
}

int cgroup_oom_count(struct cgroup *cg, uint64_t *ret)
{
	return memory_event(cg, "oom_kill", false, ret);
}

int cgroup_high_count(struct cgroup *cg, uint64_t *ret)
{
	return memory_event(cg, "high", true, ret);
}
