/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/relay.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STREAM_SIZE 65536
/* What a pipe or terminal that polls writable takes without blocking. */
#define SAFE_WRITE 4096
/* After the exit, a background process may hold the output open for ever. */
#define QUIET_MS 100

/* ---- log ---- */

void log_lines(int fd, const char *stream, const char *p, size_t n)
{
	AUTO_BUF struct buf b = { 0 };
	char now[STR_TIME_LEN];

	str_time_now(now);
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;

		buf_addf(&b, "%s %s %c ", now, stream, nl ? 'F' : 'P');
		buf_add_n(&b, p, len);
		buf_add(&b, "\n");
		len += nl != NULL;
		p += len;
		n -= len;
	}
	if (b.len)
		(void)!fd_write_all(fd, b.p, b.len); /* a full disk must not stop the container */
}

/* ---- set-up ---- */

/* A stream by a pipe: the container's end, and ours in the stream. */
static int open_pipe(struct relay *r, int i, int our_fd, struct err *err)
{
	struct relay_stream *s = &r->streams[i];
	int p[2], dup_fd = our_fd >= 0 ? fcntl(our_fd, F_DUPFD_CLOEXEC, 3) : -1;

	if ((our_fd >= 0 && dup_fd < 0) || pipe2(p, O_CLOEXEC) < 0) {
		fd_close(&dup_fd);
		return err_sys(err, -errno, "make a pipe");
	}
	/* the end that is only ours does not block; the container's is its own open file description */
	(void)fcntl(i == RELAY_STDIN ? p[1] : p[0], F_SETFL, O_NONBLOCK | (i == RELAY_STDIN ? O_WRONLY : O_RDONLY));
	s->from_fd = i == RELAY_STDIN ? dup_fd : p[0];
	s->to_fd = i == RELAY_STDIN ? p[1] : dup_fd;
	s->open = true;
	s->buf = xmalloc(STREAM_SIZE);
	r->child_fds[i] = i == RELAY_STDIN ? p[0] : p[1];
	return 0;
}

static int open_null(struct relay *r, int i, struct err *err)
{
	r->child_fds[i] = open("/dev/null", (i == RELAY_STDIN ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
	return r->child_fds[i] < 0 ? err_sys(err, -errno, "open '/dev/null'") : 0;
}

static int open_output(struct relay *r, int i, bool attached, const struct relay_wants *w, struct err *err)
{
	int x = 0;

	if (r->log_fd >= 0 || (attached && (w->pipe_all || isatty(i))))
		x = open_pipe(r, i, attached ? i : -1, err);
	else if (!attached)
		x = open_null(r, i, err);
	if (x == 0 && r->log_fd >= 0)
		r->streams[i].log_name = i == RELAY_STDOUT ? "stdout" : "stderr";
	return x;
}

int relay_open(struct relay *r, const struct relay_wants *w, struct err *err)
{
	int x = 0;

	*r = (struct relay){ .log_fd = w->log_fd };
	for (int i = 0; i < RELAY_STREAMS; i++) {
		r->child_fds[i] = r->saved_fds[i] = -1;
		r->streams[i].from_fd = r->streams[i].to_fd = -1;
	}
	if (!w->interactive)
		x = open_null(r, RELAY_STDIN, err);
	else if (isatty(STDIN_FILENO))
		x = open_pipe(r, RELAY_STDIN, STDIN_FILENO, err);
	if (x == 0)
		x = open_output(r, RELAY_STDOUT, w->attach_out, w, err);
	if (x == 0)
		x = open_output(r, RELAY_STDERR, w->attach_err, w, err);
	if (x < 0)
		relay_close(r);
	return x;
}

int relay_enter(struct relay *r, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		if (r->child_fds[i] < 0)
			continue;
		r->saved_fds[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
		if (r->saved_fds[i] < 0 || dup2(r->child_fds[i], i) < 0) {
			int x = err_sys(err, -errno, "hand over file descriptor %d", i);

			relay_leave(r);
			return x;
		}
	}
	if (r->saved_fds[STDERR_FILENO] >= 0 && log_get_fd() == STDERR_FILENO)
		log_setup(r->saved_fds[STDERR_FILENO], LOG_FORMAT_TEXT, log_get_level());
	return 0;
}

void relay_leave(struct relay *r)
{
	if (r->saved_fds[STDERR_FILENO] >= 0 && log_get_fd() == r->saved_fds[STDERR_FILENO])
		log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, log_get_level());
	for (int i = 0; i < 3; i++) {
		if (r->saved_fds[i] >= 0)
			(void)dup2(r->saved_fds[i], i);
		fd_close(&r->saved_fds[i]);
		fd_close(&r->child_fds[i]); /* end-of-file comes when the container's copies are gone */
	}
}

void relay_close(struct relay *r)
{
	for (int i = 0; i < RELAY_STREAMS; i++) {
		fd_close(&r->child_fds[i]);
		fd_close(&r->saved_fds[i]);
		fd_close(&r->streams[i].from_fd);
		fd_close(&r->streams[i].to_fd);
		free(r->streams[i].buf);
		r->streams[i].buf = NULL;
	}
	fd_close(&r->log_fd);
}

/* ---- signals ---- */

static const int fault_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
static const int kept_signals[] = { SIGCHLD, SIGURG, SIGPIPE, SIGWINCH, SIGTTIN, SIGTTOU };

static void proxy_set(sigset_t *set)
{
	sigfillset(set);
	for (size_t i = 0; i < ARRAY_SIZE(fault_signals); i++)
		sigdelset(set, fault_signals[i]);
}

void relay_block(void *old_mask)
{
	sigset_t set;

	proxy_set(&set);
	(void)sigprocmask(SIG_BLOCK, &set, old_mask);
}

void relay_unblock(const void *old_mask)
{
	(void)sigprocmask(SIG_SETMASK, old_mask, NULL);
}

static void pass_signals(int signal_fd, int pidfd)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		bool kept = false;

		for (size_t i = 0; i < ARRAY_SIZE(kept_signals); i++)
			kept |= (int)info.ssi_signo == kept_signals[i];
		if (!kept)
			(void)!sys_pidfd_send_signal(pidfd, (int)info.ssi_signo); /* it may be gone: its exit code tells */
	}
}

/* ---- the loop ---- */

static void end_stream(struct relay_stream *s)
{
	fd_close(&s->from_fd);
	fd_close(&s->to_fd);
	s->open = false;
	s->len = 0;
}

static void stream_read(const struct relay *r, struct relay_stream *s)
{
	ssize_t n = read(s->from_fd, s->buf, STREAM_SIZE);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_stream(s);
		return;
	}
	if (s->log_name)
		log_lines(r->log_fd, s->log_name, s->buf, (size_t)n);
	s->start = 0;
	s->len = s->to_fd >= 0 ? (size_t)n : 0;
}

static void stream_write(struct relay_stream *s)
{
	size_t n = s->len > SAFE_WRITE ? SAFE_WRITE : s->len;
	ssize_t w = write(s->to_fd, s->buf + s->start, n);

	if (w >= 0) {
		s->start += (size_t)w;
		s->len -= (size_t)w;
	} else if (errno != EAGAIN && errno != EINTR) {
		/* Nobody reads: without a log the container is to learn of it by SIGPIPE, too. */
		if (s->log_name) {
			fd_close(&s->to_fd);
			s->len = 0;
		} else {
			end_stream(s);
		}
	}
}

enum { POLL_SIGNAL = RELAY_STREAMS, POLL_CHILD, POLL_COUNT };

static void fill_poll(const struct relay *r, struct pollfd p[POLL_COUNT], int signal_fd, int pidfd, bool exited)
{
	for (int i = 0; i < RELAY_STREAMS; i++) {
		const struct relay_stream *s = &r->streams[i];

		p[i] = (struct pollfd){ .fd = -1 };
		if (!s->open || (i == RELAY_STDIN && exited))
			continue;
		p[i] = s->len ? (struct pollfd){ .fd = s->to_fd, .events = POLLOUT } : (struct pollfd){ .fd = s->from_fd, .events = POLLIN };
	}
	p[POLL_SIGNAL] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
	p[POLL_CHILD] = (struct pollfd){ .fd = exited ? -1 : pidfd, .events = POLLIN };
}

static bool output_open(const struct relay *r)
{
	return r->streams[RELAY_STDOUT].open || r->streams[RELAY_STDERR].open;
}

/* Orphans of the container's are ours to reap, when it has no pid namespace of its own. */
static void reap_others(pid_t pid)
{
	for (;;) {
		siginfo_t info = { 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 || info.si_pid == pid)
			return;
		(void)waitpid(info.si_pid, NULL, WNOHANG);
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_ms(bool exited, int64_t deadline)
{
	int64_t left;

	if (exited)
		return QUIET_MS;
	if (!deadline)
		return -1;
	left = deadline - now_ms();
	return left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
}

static int relay_loop(struct relay *r, pid_t pid, int pidfd, int signal_fd, int64_t deadline, struct err *err)
{
	bool exited = false;
	int code = 0;

	while (!exited || output_open(r)) {
		struct pollfd p[POLL_COUNT];
		int n;

		fill_poll(r, p, signal_fd, pidfd, exited);
		n = poll(p, POLL_COUNT, wait_ms(exited, deadline));
		if (n < 0 && errno != EINTR)
			return err_sys(err, -errno, "poll");
		if (n == 0 && exited)
			break;
		if (n == 0 && deadline && now_ms() >= deadline) {
			(void)!sys_pidfd_send_signal(pidfd, SIGKILL); /* --timeout */
			deadline = 0;
		}
		for (int i = 0; i < RELAY_STREAMS && n > 0; i++) {
			if (!p[i].revents)
				continue;
			if (r->streams[i].len)
				stream_write(&r->streams[i]);
			else
				stream_read(r, &r->streams[i]);
		}
		if (n > 0 && p[POLL_SIGNAL].revents) {
			pass_signals(signal_fd, pidfd);
			reap_others(pid);
		}
		if (n > 0 && p[POLL_CHILD].revents) {
			code = sys_wait_pid(pid);
			exited = true;
			if (code < 0)
				return err_sys(err, code, "wait for process %d", (int)pid);
		}
	}
	return code;
}

int relay_run(struct relay *r, pid_t pid, int pidfd, bool proxy, unsigned timeout_s, struct err *err)
{
	AUTO_CLOSE int signal_fd = -1;
	sigset_t set, old;

	proxy_set(&set);
	if (!proxy) { /* what would end us, ends us; the container goes on */
		sigdelset(&set, SIGINT);
		sigdelset(&set, SIGTERM);
		sigdelset(&set, SIGHUP);
		sigdelset(&set, SIGQUIT);
		sigdelset(&set, SIGTSTP);
	}
	(void)sigprocmask(SIG_SETMASK, &set, &old);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return err_sys(err, -errno, "open a signalfd");
	return relay_loop(r, pid, pidfd, signal_fd, timeout_s ? now_ms() + (int64_t)timeout_s * 1000 : 0, err);
}
