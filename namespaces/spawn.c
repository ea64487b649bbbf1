/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/spawn.h"

#include "runtime/base/fd.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t clone_child(struct init_ctx *ctx, uint64_t flags, int cgroup_fd, int *ret_pidfd)
{
	pid_t pid = sys_clone3(flags, cgroup_fd, ret_pidfd);

	ctx->in_v2_cgroup = cgroup_fd >= 0;
	if (cgroup_fd >= 0 && pid < 0 && pid != -ENOSYS) {
		/* Not allowed into it at birth (EACCES, EBUSY, an old kernel): the child moves itself. */
		ctx->in_v2_cgroup = false;
		pid = sys_clone3(flags, -1, ret_pidfd);
	}
	if (pid == -ENOSYS || pid == -EPERM || pid == -EACCES) {
		ctx->in_v2_cgroup = false;
		pid = sys_clone(flags, ret_pidfd);
	}
	return pid;
}

/* setns() to a pid namespace changes where our next children are born, not where we are. */
static int enter_pid_ns(struct init_ctx *ctx, struct err *err)
{
	if (ctx->exec_flags & CLONE_NEWPID && setns(ctx->init_pidfd, CLONE_NEWPID) < 0)
		return err_sys(err, -errno, "join the container's pid namespace");
	if (ctx->ns_fds[NS_PID] >= 0 && setns(ctx->ns_fds[NS_PID], CLONE_NEWPID) < 0)
		return err_sys(err, -errno, "join pid namespace '%s'",
			       ctx->spec->ns[NS_PID].path ? ctx->spec->ns[NS_PID].path : "of the container");
	return 0;
}

static pid_t spawn_direct(struct init_ctx *ctx, uint64_t flags, int cgroup_fd, int own, int *ret_pidfd, struct err *err)
{
	bool joins_pid = own >= 0;
	pid_t pid;

	if (joins_pid) {
		int r = enter_pid_ns(ctx, err);

		if (r < 0)
			return r;
	}
	ctx->exec_flags &= ~(uint64_t)CLONE_NEWPID;
	pid = clone_child(ctx, flags, cgroup_fd, ret_pidfd);
	if (pid < 0)
		return err_sys(err, pid, "clone");
	/* Hooks and helpers that we start later belong to our own pid namespace. */
	if (pid > 0 && joins_pid && setns(own, CLONE_NEWPID) < 0)
		return err_sys(err, -errno, "return to own pid namespace");
	return pid;
}

/* In the middle process: join, user namespace first. */
static int join_all(struct init_ctx *ctx, struct err *err)
{
	if (ctx->exec_flags && setns(ctx->init_pidfd, (int)ctx->exec_flags) < 0)
		return err_sys(err, -errno, "join the container's namespaces");
	ctx->exec_flags = 0;
	for (int t = 0; t < NS_TYPES; t++) {
		if (ctx->ns_fds[t] < 0)
			continue;
		if (setns(ctx->ns_fds[t], (int)ns_clone_flags[t]) < 0)
			return err_sys(err, -errno, "join %s namespace '%s'", ns_names[t],
				       ctx->spec->ns[t].path ? ctx->spec->ns[t].path : "of the container");
		fd_close(&ctx->ns_fds[t]);
	}
	return 0;
}

struct middle_report {
	pid_t pid;
	struct err err;
};

/* Returns only in the grandchild. */
static void middle_main(struct init_ctx *ctx, uint64_t flags, int cgroup_fd, int report_fd)
{
	struct middle_report report = { .pid = -1 };

	if (join_all(ctx, &report.err) == 0) {
		report.pid = clone_child(ctx, flags | CLONE_PARENT, cgroup_fd, NULL);
		if (report.pid == 0)
			return;
		if (report.pid < 0)
			(void)err_sys(&report.err, report.pid, "clone");
	}
	(void)!fd_write_all(report_fd, &report, sizeof(report)); /* an unread report is a failure to the parent */
	_exit(0);
}

static pid_t spawn_by_middle(struct init_ctx *ctx, uint64_t flags, int cgroup_fd, int *ret_pidfd, struct err *err)
{
	struct middle_report report;
	int fds[2];
	pid_t middle;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe");
	AUTO_CLOSE int in = fds[0];
	AUTO_CLOSE int out = fds[1];
	middle = fork();
	if (middle < 0)
		return err_sys(err, -errno, "fork");
	if (middle == 0) {
		middle_main(ctx, flags, cgroup_fd, out);
		fd_close(&in);
		fd_close(&out);
		return 0;
	}
	fd_close(&out);
	n = fd_read_all(in, &report, sizeof(report));
	(void)!sys_wait_pid(middle);
	if (n != (ssize_t)sizeof(report))
		return err_set(err, EIO, "the process that joins namespaces died");
	if (report.pid <= 0) {
		*err = report.err;
		err_sanitize(err);
		return -err->code;
	}
	*ret_pidfd = sys_pidfd_open(report.pid, 0);
	if (*ret_pidfd < 0)
		return err_sys(err, *ret_pidfd, "pidfd_open");
	return report.pid;
}

pid_t spawn_child(struct init_ctx *ctx, uint64_t flags, int cgroup_fd, bool middle, int *ret_pidfd, struct err *err)
{
	bool joins_pid = !middle && (ctx->exec_flags & CLONE_NEWPID || ctx->ns_fds[NS_PID] >= 0);
	AUTO_CLOSE int own = joins_pid ? open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC) : -1;

	if (joins_pid && own < 0)
		return err_sys(err, -errno, "open own pid namespace");
	/* Root of a user namespace may not come back to a pid namespace of others: then somebody else has to go. */
	if (joins_pid && setns(own, CLONE_NEWPID) < 0)
		middle = true;
	return middle ? spawn_by_middle(ctx, flags, cgroup_fd, ret_pidfd, err) :
			spawn_direct(ctx, flags, cgroup_fd, own, ret_pidfd, err);
}
