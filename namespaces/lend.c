/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/lend.h"

#include "runtime/base/lend.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#define ROOM_FOR_INIT (16 << 20) /* bytes: more than init ever takes */

static bool has_hooks_before_start(const struct spec *s)
{
	return s->hooks[HOOK_PRESTART].n || s->hooks[HOOK_CREATE_RUNTIME].n || s->hooks[HOOK_CREATE_CONTAINER].n ||
	       s->hooks[HOOK_START_CONTAINER].n;
}

static bool has_idmapped_mount(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_ops; i++)
		if (plan->ops[i].kind == OP_BIND && plan->ops[i].mount->idmap)
			return true;
	return false;
}

/* Where memory runs out before execve, the kernel kills all who share it: the runtime must not be among them. */
static bool memory_is_tight(const struct spec_resources *r)
{
	const struct opt_i64 *limit = &r->mem_limit;

	return (limit->set && limit->v >= 0 && limit->v < ROOM_FOR_INIT) || r->unified.n;
}

bool lend_possible(const struct launch *l, const struct create_opts *o)
{
	const struct container *c = l->ctx.container;
	const struct spec *s = c->spec;
	const struct plan *p = &l->plan;

	if (!o->run || !s->has_process || o->pid_file || o->pidfd_socket || c->opts->manager == CGROUP_SYSTEMD)
		return false;
	if (!l->privileged || !(p->clone_flags & CLONE_NEWPID) || p->any_userns || p->needs_middle)
		return false;
	/* The kernel lets nobody who shares memory into a time namespace. */
	if (s->ns[NS_TIME].present || memory_is_tight(&s->resources))
		return false;
	return !has_hooks_before_start(s) && !l->seccomp.notify && !s->intel_rdt.set && !s->n_net_devices && !has_idmapped_mount(p);
}

static void child(void *arg)
{
	launch_child(arg);
}

static pid_t clone_child(struct launch *theirs, struct container *c)
{
	int cgroup_fd = c->cgroup ? cgroup_clone_fd(c->cgroup) : -1;
	pid_t pid;

	theirs->ctx.in_v2_cgroup = cgroup_fd >= 0;
	pid = sys_clone_lend(theirs->plan.clone_flags, cgroup_fd, &c->pid, &c->pidfd, child, theirs);
	if (cgroup_fd >= 0 && pid < 0 && pid != -ENOSYS) {
		/* Not allowed into it at birth (EACCES, EBUSY): it moves itself. */
		theirs->ctx.in_v2_cgroup = false;
		pid = sys_clone_lend(theirs->plan.clone_flags, -1, &c->pid, &c->pidfd, child, theirs);
	}
	return pid;
}

/* Init's own copy of what it changes: the file descriptors in it are ours as well, and ours to close. */
static pid_t run_child(struct launch *l, struct lent *lent)
{
	struct launch theirs = *l;
	AUTO_FREE struct op *ops = xcalloc(l->plan.n_ops + 1, sizeof(*ops));
	pid_t pid;

	memcpy(ops, l->plan.ops, l->plan.n_ops * sizeof(*ops));
	theirs.plan.ops = ops;
	theirs.ctx.plan = &theirs.plan;
	theirs.ctx.lent = lent;
	pid = clone_child(&theirs, l->ctx.container);
	process_ctx_done(&theirs.ctx.process);
	return pid;
}

/* A signal that came while all were blocked, and that would have been our end: 0 for none. */
static int deadly_signal(const sigset_t *blocked_before)
{
	static const int deadly[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction now;
	sigset_t pending;

	if (sigpending(&pending) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		if (sigismember(&pending, deadly[i]) == 1 && sigismember(blocked_before, deadly[i]) == 0 &&
		    sigaction(deadly[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			return deadly[i];
	return 0;
}

static int outcome(struct container *c, pid_t pid, const struct lent *lent, int interrupted, struct err *err)
{
	if (pid < 0)
		c->pid = 0;
	if (pid == -ENOSYS || pid == -EPERM || pid == -EACCES) /* a sandbox that does not know clone3: the long way has another call */
		return 0;
	if (pid < 0)
		return err_sys(err, pid, "clone");
	if (lent->failed) {
		*err = lent->err;
		return -err->code;
	}
	if (!lent->ready)
		return err_set(err, ECHILD, "container init died (killed, or out of its memory limit?)");
	return interrupted ? err_set(err, EINTR, "interrupted by signal %d", interrupted) : 1;
}

int lend_run(struct launch *l, struct err *err)
{
	struct container *c = l->ctx.container;
	struct lent lent = { 0 };
	sigset_t all, before;
	int interrupted, r = launch_protect(l, false, err);
	pid_t pid;

	if (r < 0)
		return r;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	pid = run_child(l, &lent);
	interrupted = pid > 0 ? deadly_signal(&before) : 0;
	/* An interrupted one stays blocked: what was started is undone first. */
	if (!interrupted)
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return outcome(c, pid, &lent, interrupted, err);
}
