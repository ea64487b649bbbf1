/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/lend.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

/* The address sanitizer keeps books on the stack, which a child on the same one would leave in disorder. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
/*
 * The call itself, with nothing of C between it and the child: the child goes on below this frame, on the same stack, and never
 * comes back to it, so that the parent finds it as it was.
 */
static __attribute__((noinline)) long clone_on_this_stack(struct clone_args *args, void (*run)(void *arg), void *arg)
{
	long r = SYS_clone3;

	__asm__ volatile("syscall" : "+a"(r) : "D"(args), "S"(sizeof(*args)) : "rcx", "r11", "memory");
	if (r == 0) {
		run(arg);
		__builtin_trap();
	}
	return r;
}
#else
static long clone_on_this_stack(struct clone_args *args, void (*run)(void *arg), void *arg)
{
	(void)args, (void)run, (void)arg;
	return -ENOSYS;
}
#endif

pid_t sys_clone_lend(uint64_t flags, int cgroup_fd, pid_t *ret_pid, int *ret_pidfd, void (*run)(void *arg), void *arg)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_PARENT_SETTID,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.parent_tid = (uint64_t)(uintptr_t)ret_pid,
		.exit_signal = SIGCHLD,
	};
	long r;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	r = clone_on_this_stack(&args, run, arg);
	if (r > 0)
		*ret_pidfd = pidfd;
	return (pid_t)r;
}
