/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/attach.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/launch.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#define MESSAGE_MAX 32769 /* conmon's buffer and the byte that names the stream */

/* ---- detach keys ---- */

static int parse_key(const char *key, unsigned char *ret)
{
	if (strlen(key) == 1) {
		*ret = (unsigned char)*key;
		return 0;
	}
	if (strlen(key) != 6 || strncasecmp(key, "ctrl-", 5) != 0 || toupper((unsigned char)key[5]) < '@' || toupper((unsigned char)key[5]) > '_')
		return -EINVAL;
	*ret = (unsigned char)(toupper((unsigned char)key[5]) & 0x1f);
	return 0;
}

int attach_parse_keys(const char *text, unsigned char out[16], struct err *err)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *key;
	int n = 0;

	while (*text && (key = strsep(&rest, ","))) {
		if (n == 16 || parse_key(key, &out[n]) < 0)
			return err_set(err, EINVAL, "--detach-keys '%s': must be keys with commas between them, such as ctrl-p,ctrl-q", text);
		n++;
	}
	return n;
}

struct keys {
	unsigned char v[16];
	int n, seen;
};

/* Copy input to out, holding back what may become the detach sequence. True: it is complete. */
static bool filter_keys(struct keys *k, const unsigned char *in, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (k->n && in[i] == k->v[k->seen]) {
			if (++k->seen == k->n)
				return true;
			continue;
		}
		buf_add_n(out, (const char *)k->v, (size_t)k->seen);
		k->seen = 0;
		if (k->n && in[i] == k->v[0]) {
			k->seen = 1;
			continue;
		}
		buf_add_n(out, (const char *)&in[i], 1);
	}
	return false;
}

/* ---- terminal ---- */

struct session {
	struct attach *a;
	struct keys keys;
	struct termios old;
	bool raw, in_open;
	int signal_fd;
	sigset_t old_mask;
	struct container *c; /* for signals; may be NULL */
};

static void make_raw(struct session *s)
{
	struct termios t;

	if (!s->a->tty || !s->a->stdin_on || tcgetattr(STDIN_FILENO, &s->old) < 0)
		return;
	t = s->old;
	cfmakeraw(&t);
	s->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

static void send_size(int ctl_fd)
{
	struct winsize w;
	char line[32];
	int n;

	for (int fd = 0; ctl_fd >= 0 && fd <= 2; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &w) < 0)
			continue;
		n = snprintf(line, sizeof(line), "1 %u %u\n", w.ws_row, w.ws_col);
		(void)!write(ctl_fd, line, (size_t)n); /* the window keeps its size then */
		return;
	}
}

static int session_open(struct session *s, struct err *err)
{
	static const int own[] = { SIGCHLD, SIGURG, SIGPIPE, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(&set, own[i]);
	(void)signal(SIGPIPE, SIG_IGN);
	if (!s->a->sig_proxy) {
		sigemptyset(&set);
		sigaddset(&set, SIGWINCH);
	}
	(void)sigprocmask(SIG_SETMASK, &set, &s->old_mask);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return err_sys(err, -errno, "open a signalfd");
	make_raw(s);
	return 0;
}

static void session_close(struct session *s)
{
	if (s->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &s->old);
	fd_close(&s->signal_fd);
	(void)sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
}

/* ---- copying ---- */

/* True: the user leaves. */
static bool on_input(struct session *s)
{
	AUTO_BUF struct buf out = { 0 };
	unsigned char in[8192];
	ssize_t n = read(STDIN_FILENO, in, sizeof(in));
	bool leave;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n <= 0) {
		s->in_open = false;
		(void)shutdown(s->a->socket_fd, SHUT_WR);
		return false;
	}
	leave = filter_keys(&s->keys, in, (size_t)n, &out);
	if (out.len && send(s->a->socket_fd, out.p, out.len, MSG_NOSIGNAL) < 0)
		s->in_open = false;
	return leave;
}

/* False: conmon has closed its side. */
static bool on_output(struct session *s)
{
	char in[MESSAGE_MAX];
	ssize_t n = recv(s->a->socket_fd, in, sizeof(in), 0);
	int fd;

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	fd = in[0] == 3 ? STDERR_FILENO : STDOUT_FILENO;
	if (fd == STDERR_FILENO ? s->a->stderr_on : s->a->stdout_on)
		(void)!fd_write_all(fd, in + 1, (size_t)n - 1); /* nobody reads: the container goes on */
	return true;
}

static void on_signals(struct session *s)
{
	struct signalfd_siginfo info;
	struct err ignored;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH)
			send_size(s->a->ctl_fd);
		else if (s->a->sig_proxy && s->c)
			(void)!container_kill(s->c, (int)info.ssi_signo, false, &ignored); /* it may have ended */
	}
}

static int copy(struct session *s, struct err *err)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = s->a->socket_fd, .events = POLLIN },
			{ .fd = s->in_open ? STDIN_FILENO : -1, .events = POLLIN },
			{ .fd = s->signal_fd, .events = POLLIN },
		};

		if (poll(p, ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(err, -errno, "poll");
		}
		if (p[0].revents && !on_output(s))
			return 0;
		if (p[1].revents && on_input(s))
			return ATTACH_DETACHED;
		if (p[2].revents)
			on_signals(s);
	}
}

/* ---- all ---- */

int attach_open(struct attach *a, struct err *err)
{
	AUTO_CLOSE int dir_fd = open(a->record->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return err_sys(err, -errno, "open '%s'", a->record->run_dir);
	a->ctl_fd = a->tty ? openat(dir_fd, "ctl", O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	send_size(a->ctl_fd);
	a->socket_fd = fd_seqpacket_connect(dir_fd, "attach");
	return a->socket_fd < 0 ? err_sys(err, a->socket_fd, "attach to container %s: connect to its monitor", a->record->name) : 0;
}

int attach_run(struct attach *a, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	struct session s = { .a = a, .in_open = a->stdin_on, .signal_fd = -1 };
	struct err ignored;
	int code, r;

	s.keys.n = a->tty ? attach_parse_keys(a->detach_keys ? a->detach_keys : "ctrl-p,ctrl-q", s.keys.v, err) : 0;
	if (s.keys.n < 0)
		return s.keys.n;
	if (container_load(&c, &a->record->cli->oci, a->record->id, false, &ignored) == 0)
		s.c = c;
	r = session_open(&s, err);
	if (r == 0)
		r = copy(&s, err);
	session_close(&s);
	if (r != 0)
		return r;
	r = wait_container(a->record, -1, &code, err);
	return r < 0 ? r : code;
}

void attach_close(struct attach *a)
{
	fd_close(&a->socket_fd);
	fd_close(&a->ctl_fd);
}
