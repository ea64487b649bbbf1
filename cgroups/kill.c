/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

struct pid_list {
	pid_t *v;
	size_t n, cap;
};

static void pid_list_done(struct pid_list *l)
{
	free(l->v);
}

/* 0 stands for a process outside of our pid namespace: nothing can be done with it. */
static int add_pids(int dir_fd, void *arg)
{
	struct pid_list *l = arg;
	AUTO_FREE char *text = NULL;
	int r = fd_read_file(dir_fd, "cgroup.procs", 64u << 20, &text, NULL);

	if (r == -ENODEV || r == -ENOENT || r == -EOPNOTSUPP) /* removed meanwhile; threaded */
		return 0;
	if (r < 0)
		return r;
	for (char *line = text; *line;) {
		char *end = strchrnul(line, '\n');
		bool last = !*end;
		int pid;

		*end = '\0';
		if (str_to_int(line, &pid) == 0 && pid > 0) {
			if (l->n == l->cap) {
				l->cap = l->cap ? l->cap * 2 : 32;
				l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
			}
			l->v[l->n++] = pid;
		}
		line = last ? end : end + 1;
	}
	return 0;
}

/* The hierarchy that tells who is in: cgroup2 where there is one, else one that always exists. */
static struct cg_hier *listing_hier(struct cgroup *cg)
{
	static const enum cg_ctl order[] = { CTL_PIDS, CTL_DEVICES, CTL_FREEZER, CTL_MEMORY, CTL_CPU };
	struct cg_hier *h = cgroup_v2_hier(cg);

	for (size_t i = 0; !h && i < ARRAY_SIZE(order); i++)
		h = cgroup_hier_of(cg, order[i]);
	return h ? h : cg->n ? &cg->hier[0] : NULL;
}

int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(pid_list_done) struct pid_list l = { 0 };
	struct cg_hier *h = listing_hier(cg);
	int r, dir_fd;

	if (!h)
		return err_set(err, ENODEV, "the container has no cgroup, so its processes are not known");
	dir_fd = cg_hier_dir(h);
	r = dir_fd == -ENOENT ? 0 : dir_fd < 0 ? dir_fd : fs_walk(dir_fd, 0, add_pids, &l);
	if (r < 0)
		return err_sys(err, r, "list the processes of cgroup '%s'", h->path);
	*ret = TAKE_PTR(l.v);
	*ret_n = l.n;
	return 0;
}

/* One signal to each process. A fork bomb outruns a list, so SIGKILL is done while the cgroup is frozen, and repeated. */
static int signal_all(struct cgroup *cg, int sig, struct err *err)
{
	AUTO_FREE pid_t *pids = NULL;
	size_t n = 0;
	int r = cgroup_pids(cg, &pids, &n, err), sent = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (kill(pids[i], sig) == 0)
			sent++;
		else if (errno != ESRCH)
			return err_sys(err, -errno, "send signal %d to process %d", sig, pids[i]);
	}
	return r < 0 ? r : sent;
}

/* The first freeze of the machine makes the kernel patch its own code, which takes milliseconds: mostly nobody is left, or
 * those who are die at the first pass. */
static int kill_by_freezing(struct cgroup *cg, struct err *err)
{
	int total = 0;

	for (int pass = 0; pass < 8; pass++) {
		int sent;

		if (pass)
			ignore(cgroup_freeze(cg, true, NULL)); /* without a freezer the passes must do */
		sent = signal_all(cg, SIGKILL, err);
		if (pass)
			ignore(cgroup_freeze(cg, false, NULL));
		if (sent < 0)
			return sent;
		total += sent;
		if (sent == 0)
			break;
	}
	return total;
}

int cgroup_kill_all(struct cgroup *cg, int sig, struct err *err)
{
	struct cg_hier *h = cgroup_v2_hier(cg);
	int r, dir_fd = h ? cg_hier_dir(h) : -ENODEV;

	if (sig != SIGKILL)
		return signal_all(cg, sig, err);
	r = dir_fd < 0 ? dir_fd : fd_write_file(dir_fd, "cgroup.kill", "1");
	if (r < 0)
		return kill_by_freezing(cg, err);
	if (cgroup_is_frozen(cg) == 1)
		ignore(cgroup_freeze(cg, false, NULL)); /* a v1-frozen task dies only once it is thawed */
	return 1;
}
