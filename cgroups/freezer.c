/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * v1 and hybrid use the v1 freezer where it is mounted, though cgroup.freeze of the cgroup2 mount is the better one: the
 * engines and people's tools read freezer.state. A v1-frozen task cannot die, so kill thaws.
 */
#define FREEZE_TIMEOUT_MS 10000
#define KERNEL_THREADS_MS 20	     /* between two looks for them */
#define PF_KTHREAD	  0x00200000 /* in /proc/TID/stat */

static bool freezer_is_v1(struct cgroup *cg)
{
	return cg->layout != CGROUP_LAYOUT_V2 && cgroup_hier_of(cg, CTL_FREEZER);
}

static struct cg_hier *freezer_hier(struct cgroup *cg)
{
	return freezer_is_v1(cg) ? cgroup_hier_of(cg, CTL_FREEZER) : cgroup_v2_hier(cg);
}

/* A task that forks or is traced while it freezes can leave the state at FREEZING; thawing for a moment lets it move on. */
static int freeze_v1(int dir_fd, bool freeze)
{
	struct timespec pause = { .tv_nsec = 10000 };
	char state[32];
	int r = 0;

	if (!freeze)
		return fd_write_file(dir_fd, "freezer.state", "THAWED");
	for (int i = 0; i < 1000; i++) {
		if (i % 50 == 49) {
			ignore(fd_write_file(dir_fd, "freezer.state", "THAWED")); /* the read below decides */
			(void)nanosleep(&pause, NULL);
		}
		r = fd_write_file(dir_fd, "freezer.state", "FROZEN");
		if (r == 0)
			r = cg_read(dir_fd, "freezer.state", state, sizeof(state));
		if (r < 0)
			break;
		if (str_eq(state, "FROZEN"))
			return 0;
		if (pause.tv_nsec < 10000000)
			pause.tv_nsec *= 2;
		(void)nanosleep(&pause, NULL);
	}
	ignore(fd_write_file(dir_fd, "freezer.state", "THAWED"));
	return r < 0 ? r : -EBUSY;
}

/* From /proc/TID: is it a kernel thread, or trapped by the freezer? A thread that has ended is as good. */
static bool is_kernel_thread(const char *tid, bool *ret_trapped)
{
	AUTO_FREE char *stat_path = xasprintf("/proc/%s/stat", tid), *wchan_path = xasprintf("/proc/%s/wchan", tid);
	AUTO_FREE char *text = NULL, *wchan = NULL;
	unsigned flags = 0;
	char state = 'X', *after;

	*ret_trapped = true;
	if (fd_read_file(AT_FDCWD, stat_path, 4096, &text, NULL) < 0 || !(after = strrchr(text, ')')) ||
	    sscanf(after + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return false;
	if (flags & PF_KTHREAD)
		return true;
	/* It sleeps in do_freezer_trap(), which compilers put into get_signal(). "0": the kernel does not tell. Stopped is as good. */
	if (fd_read_file(AT_FDCWD, wchan_path, 128, &wchan, NULL) < 0 || str_eq(wchan, "0"))
		*ret_trapped = state == 'S';
	else
		*ret_trapped = str_eq(wchan, "get_signal") || str_eq(wchan, "do_freezer_trap");
	*ret_trapped |= state == 'T' || state == 't' || state == 'Z';
	return false;
}

/*
 * A kernel thread does not freeze, but the kernel counts it, so a cgroup with one never says that it is frozen. KVM has one for each
 * machine before Linux 6.12, in the cgroup of who made the machine. Then the other threads are looked at one by one.
 */
static bool all_but_kernel_threads_frozen(int dir_fd)
{
	AUTO_FREE char *text = NULL;
	bool any = false;
	char *rest, *tid;

	if (fd_read_file(dir_fd, "cgroup.threads", 1 << 20, &text, NULL) < 0)
		return false;
	rest = text;
	while ((tid = strsep(&rest, "\n"))) {
		bool trapped;

		if (!*tid)
			continue;
		any |= is_kernel_thread(tid, &trapped);
		if (!trapped)
			return false;
	}
	return any;
}

/* cgroup.events says "frozen 1" once it is so, and wakes a poll at each change. */
static int freeze_v2(int dir_fd, bool freeze)
{
	AUTO_CLOSE int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_file(dir_fd, "cgroup.freeze", freeze ? "1" : "0");
	if (r < 0)
		return r;
	for (int waited = 0; waited < FREEZE_TIMEOUT_MS; waited += 10) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		bool populated;

		r = cg_read(dir_fd, "cgroup.events", text, sizeof(text));
		if (r < 0)
			return r;
		populated = !strstr(text, "populated 0"); /* an empty cgroup freezes too, but say so at once */
		if (!populated || !strstr(text, freeze ? "frozen 0" : "frozen 1"))
			return 0;
		if (freeze && waited >= KERNEL_THREADS_MS && waited % KERNEL_THREADS_MS == 0 && all_but_kernel_threads_frozen(dir_fd))
			return 0;
		(void)poll(&p, 1, 10);
	}
	if (freeze)
		ignore(fd_write_file(dir_fd, "cgroup.freeze", "0"));
	return -EBUSY;
}

int cgroup_freeze(struct cgroup *cg, bool freeze, struct err *err)
{
	struct cg_hier *h = freezer_hier(cg);
	const char *what = freeze ? "freeze" : "thaw";
	int dir_fd, r;

	if (!h)
		return err_set(err, ENODEV, "%s: no cgroup with a freezer may be used", what);
	dir_fd = cg_hier_dir(h);
	if (dir_fd < 0)
		return err_sys(err, dir_fd, "%s cgroup '%s'", what, h->path);
	r = h->v2 ? freeze_v2(dir_fd, freeze) : freeze_v1(dir_fd, freeze);
	if (r == -EBUSY)
		return err_set(err, EBUSY, "%s cgroup '%s': some tasks did not %s in time", what, h->path, what);
	return r < 0 ? err_sys(err, r, "%s cgroup '%s'", what, h->path) : 0;
}

int cgroup_is_frozen(struct cgroup *cg)
{
	struct cg_hier *h = freezer_hier(cg);
	int dir_fd = h ? cg_hier_dir(h) : -ENODEV;
	char state[32];
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = cg_read(dir_fd, h->v2 ? "cgroup.freeze" : "freezer.state", state, sizeof(state));
	if (r < 0)
		return r;
	return h->v2 ? str_eq(state, "1") : !str_eq(state, "THAWED");
}
