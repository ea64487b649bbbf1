/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/process_internal.h"

#include "runtime/base/log.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif
#define SCHED_ISO_NUMBER 4 /* reserved by the kernel, never implemented */

/* The kernel's struct sched_attr, second version; libc has it or not, by version. */
struct sched_attr_v1 {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static const struct name_value policy_names[] = {
	{ "SCHED_OTHER", SCHED_OTHER }, { "SCHED_FIFO", SCHED_FIFO }, { "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH }, { "SCHED_ISO", SCHED_ISO_NUMBER }, { "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE }, { NULL, 0 },
};

static int check_scheduler(const struct spec_scheduler *s, const char *name, struct err *err)
{
	bool realtime = s->policy == SCHED_FIFO || s->policy == SCHED_RR;

	if (s->policy == SCHED_ISO_NUMBER)
		return err_set(err, ENOTSUP, "process.scheduler.policy: the kernel has no SCHED_ISO");
	if (s->nice < -20 || s->nice > 19)
		return err_set(err, EINVAL, "process.scheduler.nice: %d is not in -20..19", s->nice);
	if (s->priority && !realtime)
		return err_set(err, EINVAL, "process.scheduler.priority: only SCHED_FIFO and SCHED_RR have one, not %s", name);
	if (realtime && (s->priority < 1 || s->priority > 99))
		return err_set(err, EINVAL, "process.scheduler.priority: %d is not in 1..99, as %s needs", s->priority, name);
	if (s->policy != SCHED_DEADLINE && (s->runtime_ns || s->deadline_ns || s->period_ns))
		return err_set(err, EINVAL,
			       "process.scheduler: only SCHED_DEADLINE has runtime, deadline and period, not %s", name);
	return 0;
}

static int set_io_priority(const struct spec_io_priority *p, struct err *err)
{
	if (p->priority < 0 || p->priority > 7)
		return err_set(err, EINVAL, "process.ioPriority.priority: %d is not in 0..7", p->priority);
	/* Of this process, and so of all that it will start: a process group could still be that of the caller. */
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(p->class, p->priority)) < 0)
		return err_sys(err, -errno, "process.ioPriority: class %d priority %d", p->class, p->priority);
	return 0;
}

static int set_scheduler(const struct spec_scheduler *s, struct err *err)
{
	struct sched_attr_v1 a = {
		.size = sizeof(a),
		.policy = s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = (uint32_t)s->priority,
		.runtime = s->runtime_ns,
		.deadline = s->deadline_ns,
		.period = s->period_ns,
	};
	const char *name = name_of(policy_names, s->policy), *hint = "";
	int r;

	name = name ? name : "unknown policy";
	r = check_scheduler(s, name, err);
	if (r < 0)
		return r;
	if (syscall(SYS_sched_setattr, 0, &a, 0) == 0)
		return 0;
	r = -errno;
	if (r == -EPERM)
		hint = s->policy == SCHED_DEADLINE ? " (it needs CAP_SYS_NICE, and every CPU: no cpuset)" :
						     " (it needs CAP_SYS_NICE, and real-time runtime in the cpu cgroup)";
	return err_sys(err, r, "process.scheduler: set %s%s", name, hint);
}

int process_scheduler(struct process_ctx *ctx, struct err *err)
{
	int r = 0;

	if (ctx->spec->scheduler.set)
		r = set_scheduler(&ctx->spec->scheduler, err);
	if (!r && ctx->spec->io_priority.set)
		r = set_io_priority(&ctx->spec->io_priority, err);
	return r;
}

/* More CPUs than any kernel build has; what is beyond its mask the kernel ignores. cpu_set_t ends at 1024. */
#define MAX_CPUS 8192

int process_affinity(struct process_ctx *ctx, struct err *err)
{
	const char *initial = ctx->spec->exec_affinity_initial, *list = ctx->spec->exec_affinity_final;
	uint64_t mask[MAX_CPUS / 64];
	int r;

	if (ctx->is_exec && list && *list) {
		r = str_to_bitset(list, mask, MAX_CPUS);
		if (r < 0)
			return err_sys(err, r, "process.execCPUAffinity.final: '%s'", list);
		if (syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) < 0)
			return err_sys(err, -errno, "process.execCPUAffinity.final: '%s'", list);
		return 0;
	}
	if (ctx->is_exec && initial && *initial)
		return 0;
	/* The runtime may have been started on a few CPUs only (an engine's unit, taskset); the container's CPUs are those of
	 * its cgroup, and the kernel cuts the mask to them. */
	memset(mask, 0xff, sizeof(mask));
	if (syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) < 0)
		log_debug("reset CPU affinity: %s", strerror(errno));
	return 0;
}

static const struct name_value rlimit_names[] = {
	{ "RLIMIT_CPU", RLIMIT_CPU },	      { "RLIMIT_FSIZE", RLIMIT_FSIZE },	  { "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_STACK", RLIMIT_STACK },     { "RLIMIT_CORE", RLIMIT_CORE },	  { "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },     { "RLIMIT_NOFILE", RLIMIT_NOFILE },	  { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_AS", RLIMIT_AS },	      { "RLIMIT_LOCKS", RLIMIT_LOCKS },	  { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },	  { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },   { NULL, 0 },
};

int process_rlimits(struct process_ctx *ctx, struct err *err)
{
	for (size_t i = 0; i < ctx->spec->n_rlimits; i++) {
		const struct spec_rlimit *l = &ctx->spec->rlimits[i];
		const struct rlimit64 new = { .rlim_cur = l->soft, .rlim_max = l->hard };
		const char *name = name_of(rlimit_names, (uint64_t)l->resource);

		if (prlimit64(0, (enum __rlimit_resource)l->resource, &new, NULL) < 0)
			return err_sys(err, -errno, "set rlimit %s to soft %" PRIu64 " hard %" PRIu64, name ? name : "(unknown)",
				       l->soft, l->hard);
	}
	return 0;
}

int process_personality(struct process_ctx *ctx, struct err *err)
{
	if (ctx->has_personality && personality(ctx->personality) < 0)
		return err_sys(err, -errno, "linux.personality: %#lx", ctx->personality);
	return 0;
}

#define MAX_NODES 4096

int process_memory_policy(struct process_ctx *ctx, struct err *err)
{
	const struct spec_memory_policy *p = ctx->memory_policy;
	uint64_t mask[MAX_NODES / 64];
	bool some;
	int r;

	if (!p || !p->set)
		return 0;
	some = p->nodes && *p->nodes;
	if (some) {
		r = str_to_bitset(p->nodes, mask, MAX_NODES);
		if (r < 0)
			return err_sys(err, r, "linux.memoryPolicy.nodes: '%s'", p->nodes);
	}
	/* The kernel reads one bit less than it is told. */
	if (syscall(SYS_set_mempolicy, p->mode | (int)p->flags, some ? mask : NULL, some ? MAX_NODES + 1 : 0) < 0)
		return err_sys(err, -errno, "linux.memoryPolicy: mode %d, nodes '%s'", p->mode, some ? p->nodes : "");
	return 0;
}
