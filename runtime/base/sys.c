/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/sys.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

int sys_clone3(uint64_t flags, int cgroup_fd, int *ret_pidfd)
{
	int pidfd = -1, r;
	struct clone_args args = {
		.flags = flags,
		.pidfd = ret_pidfd ? (uint64_t)(uintptr_t)&pidfd : 0,
		/* A sibling inherits the exit signal of the one that makes it. */
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
	};

	if (ret_pidfd)
		args.flags |= CLONE_PIDFD;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	r = result(syscall(SYS_clone3, &args, sizeof(args)));
	if (r > 0 && ret_pidfd)
		*ret_pidfd = pidfd;
	return r;
}

int sys_clone(uint64_t flags, int *ret_pidfd)
{
	int pidfd = -1, r;

	if (ret_pidfd)
		flags |= CLONE_PIDFD;
	r = result(syscall(SYS_clone, (unsigned long)flags | (flags & CLONE_PARENT ? 0 : SIGCHLD), NULL, &pidfd, NULL, 0));
	if (r > 0 && ret_pidfd)
		*ret_pidfd = pidfd;
	return r;
}

int sys_openat2(int dir_fd, const char *path, const struct open_how *how)
{
	int r;

	/* EAGAIN: a rename raced with a ".." in the path; the kernel asks for another try. */
	for (int tries = 0; tries < 32; tries++) {
		r = result(syscall(SYS_openat2, dir_fd, path, how, sizeof(*how)));
		if (r != -EAGAIN && r != -EINTR)
			break;
	}
	return r;
}

int sys_open_tree(int dir_fd, const char *path, unsigned flags)
{
	return result(syscall(SYS_open_tree, dir_fd, path, flags));
}

int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return result(syscall(SYS_move_mount, from_fd, from, to_fd, to, flags));
}

int sys_mount_setattr(int dir_fd, const char *path, unsigned flags, struct mount_attr *attr)
{
	return result(syscall(SYS_mount_setattr, dir_fd, path, flags, attr, sizeof(*attr)));
}

int sys_fsopen(const char *type, unsigned flags)
{
	return result(syscall(SYS_fsopen, type, flags));
}

int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return result(syscall(SYS_fsconfig, fd, cmd, key, value, aux));
}

int sys_fsmount(int fd, unsigned flags, unsigned attrs)
{
	return result(syscall(SYS_fsmount, fd, flags, attrs));
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return result(syscall(SYS_pivot_root, new_root, put_old));
}

int sys_pidfd_open(pid_t pid, unsigned flags)
{
	return result(syscall(SYS_pidfd_open, pid, flags));
}

int sys_pidfd_send_signal(int pidfd, int sig)
{
	return result(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return result(syscall(SYS_close_range, first, last, flags));
}

int sys_execveat(int fd, const char *path, char *const argv[], char *const env[], int flags)
{
	return result(syscall(SYS_execveat, fd, path, argv, env, flags));
}

void sys_clock_now(struct timespec *ret)
{
	(void)syscall(SYS_clock_gettime, CLOCK_REALTIME, ret); /* cannot fail */
}

int sys_wait_pidfd(int pidfd)
{
	siginfo_t si = { 0 };
	int r;

	do
		r = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return si.si_code == CLD_EXITED ? si.si_status & 0xff : 128 + si.si_status;
}

int sys_wait_pid(pid_t pid)
{
	int status;
	pid_t r;

	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int sys_pid_start_time(pid_t pid, uint64_t *ret)
{
	AUTO_FREE char *text = NULL;
	char path[32];
	char *p;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = fd_read_file(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* The command name may hold anything but ends at the last ')'; the state is field 3. */
	p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EIO;
	p += 2;
	if (*p == 'Z' || *p == 'X' || *p == 'x')
		return -ESRCH;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EIO;
		p++;
	}
	*ret = strtoull(p, NULL, 10);
	return 0;
}

void sys_reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* KILL, STOP and libc's own two refuse */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
