/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/helper.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STDERR_MAX 4096

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In the child: in, out and error at 0, 1 and 2, signals as a fresh program expects them. */
static NORETURN void become(const char *path, const struct helper_io *io, int in, int out, int error)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL); /* our parent may ignore it; pasta refuses to start then */
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0)
		_exit(126);
	if (io->extra_fd >= 0)
		(void)fcntl(io->extra_fd, F_SETFD, 0);
	if (io->env)
		execve(path, (char *const *)(uintptr_t)io->argv, (char *const *)(uintptr_t)io->env);
	else
		execvp(path, (char *const *)(uintptr_t)io->argv);
	_exit(127);
}

/* Take what is there; false at the end. What is over max is thrown away, so that the program does not block. */
static bool take(int fd, struct buf *b, size_t max)
{
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n > 0 && b->len < max)
		buf_add_n(b, chunk, (size_t)n < max - b->len ? (size_t)n : max - b->len);
	return n > 0;
}

static void feed(int *fd, const struct helper_io *io, size_t *done)
{
	ssize_t n = send(*fd, io->input + *done, io->input_len - *done, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		*done += (size_t)n;
	if (*done == io->input_len || (n < 0 && errno != EAGAIN && errno != EINTR))
		fd_close(fd);
}

/* Until both outputs end. -ETIMEDOUT. */
static int converse(struct helper_io *io, int *in, int *out, int *error)
{
	int64_t end = now_ms() + io->timeout_ms;
	size_t fed = 0;

	if (!io->input_len)
		fd_close(in);
	while (*out >= 0 || *error >= 0) {
		struct pollfd p[] = { { *in, POLLOUT, 0 }, { *out, POLLIN, 0 }, { *error, POLLIN, 0 } };
		int64_t left = end - now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(p, ARRAY_SIZE(p), (int)left) < 0 && errno != EINTR)
			return -errno;
		if (p[0].revents)
			feed(in, io, &fed);
		if (p[1].revents && !take(*out, &io->out, io->max))
			fd_close(out);
		if (p[2].revents && !take(*error, &io->err, STDERR_MAX))
			fd_close(error);
	}
	return 0;
}

static int pair(int *ours, int *theirs, bool duplex)
{
	int fds[2];

	if (duplex ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) : pipe2(fds, O_CLOEXEC))
		return -errno;
	*ours = fds[0];
	*theirs = fds[1];
	return 0;
}

int helper_talk(const char *path, struct helper_io *io)
{
	AUTO_CLOSE int in = -1;
	AUTO_CLOSE int out = -1;
	AUTO_CLOSE int error = -1;
	AUTO_CLOSE int in_child = -1;
	AUTO_CLOSE int out_child = -1;
	AUTO_CLOSE int error_child = -1;
	int r = pair(&in, &in_child, true), status;
	pid_t pid;

	if (r == 0)
		r = pair(&out, &out_child, false);
	if (r == 0)
		r = pair(&error, &error_child, false);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(path, io, in_child, out_child, error_child);
	fd_close(&in_child);
	fd_close(&out_child);
	fd_close(&error_child);
	r = converse(io, &in, &out, &error);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	status = sys_wait_pid(pid);
	return r < 0 ? r : status;
}

int helper_run(const char *const argv[], struct buf *ret_stderr)
{
	struct helper_io io = { .argv = argv, .extra_fd = -1, .timeout_ms = 60000 };
	int r = helper_talk(argv[0], &io);

	if (ret_stderr)
		buf_add_n(ret_stderr, io.err.p, io.err.len);
	buf_done(&io.out);
	buf_done(&io.err);
	return r;
}

const char *helper_words(char *said)
{
	size_t n = said ? strlen(said) : 0;

	while (n && (said[n - 1] == '\n' || said[n - 1] == ' '))
		said[--n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (said[i] == '\n')
			said[i] = ';';
	return n ? said : "no message";
}

int helper_spawn(const char *const argv[])
{
	pid_t pid = fork();
	int null;

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return sys_wait_pid(pid) == 0 ? 0 : -EIO;
	/* The middle process ends at once: the program is nobody's child here. */
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	(void)setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || sys_close_range(3, ~0U, 0) < 0)
		_exit(126);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}
