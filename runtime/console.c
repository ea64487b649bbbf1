/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"

/* ---- sockets ---- */

int console_connect(const char *path, struct err *err)
{
	int fd = fd_unix_connect(AT_FDCWD, path);

	return fd < 0 ? err_sys(err, fd, "connect to console socket '%s'", path) : fd;
}

int console_send(int sock_fd, int master_fd, const char *name, struct err *err)
{
	int r = fd_send(sock_fd, name, strlen(name), &master_fd, 1);

	return r < 0 ? err_sys(err, r, "send the terminal '%s' to the console socket", name) : 0;
}

int console_send_pidfd(const char *path, int pidfd, struct err *err)
{
	AUTO_CLOSE int sock_fd = fd_unix_connect(AT_FDCWD, path);
	int r;

	if (sock_fd < 0)
		return err_sys(err, sock_fd, "connect to pidfd socket '%s'", path);
	r = fd_send(sock_fd, "pidfd", 5, &pidfd, 1);
	return r < 0 ? err_sys(err, r, "send the pidfd to '%s'", path) : 0;
}

/* ---- one direction of the copy ---- */

#define STREAM_SIZE (64 * 1024)
/* What a pipe that polls writable takes without blocking. */
#define SAFE_WRITE 4096
/* Silence after which a terminal whose other side stays open (a background process holds it) counts as drained. */
#define QUIET_MS 100
/* How often to look whether somebody has opened the terminal again after its last user closed it. */
#define HANGUP_MS 50

struct stream {
	int in_fd, out_fd;
	bool in_open;	    /* false: end of input */
	bool in_hung;	    /* the terminal has no user now */
	bool out_broken;    /* the reader is gone: drop what comes */
	bool out_blocks;    /* out_fd is not O_NONBLOCK: write no more than is sure to fit */
	bool mid_line;	    /* last byte that was read was no end of line */
	size_t start, len;
	char *buf;
};

static void stream_init(struct stream *s, int in_fd, int out_fd)
{
	*s = (struct stream){ .in_fd = in_fd, .out_fd = out_fd, .in_open = true, .buf = xmalloc(STREAM_SIZE) };
}

static short stream_wants_in(const struct stream *s)
{
	return s->in_open && !s->in_hung && s->len < STREAM_SIZE ? POLLIN : 0;
}

static short stream_wants_out(const struct stream *s)
{
	return s->len && !s->out_broken ? POLLOUT : 0;
}

/* Returns true when bytes came. */
static bool stream_read(struct stream *s)
{
	ssize_t n;

	if (s->start) {
		memmove(s->buf, s->buf + s->start, s->len);
		s->start = 0;
	}
	n = read(s->in_fd, s->buf + s->len, STREAM_SIZE - s->len);
	if (n > 0) {
		s->mid_line = s->buf[s->len + (size_t)n - 1] != '\n';
		s->len += (size_t)n;
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0 && errno == EIO)
		s->in_hung = true; /* a pty's master without a slave; a terminal of another session */
	else
		s->in_open = false;
	return false;
}

static void stream_write(struct stream *s)
{
	size_t n = s->out_blocks && s->len > SAFE_WRITE ? SAFE_WRITE : s->len;
	ssize_t r;

	if (s->out_broken) {
		s->len = 0;
		return;
	}
	r = write(s->out_fd, s->buf + s->start, n);
	if (r >= 0) {
		s->start += (size_t)r;
		s->len -= (size_t)r;
	} else if (errno != EAGAIN && errno != EINTR) {
		s->out_broken = true;
		s->len = 0;
	}
}

/* ---- the relay ---- */

struct relay {
	const struct relay_opts *o;
	int signal_fd;
	sigset_t old_mask;
	bool masked;
	struct termios old_tty;
	bool raw;
	int own_out_fd; /* our own open file of stdout, O_NONBLOCK; or -1 */
	int old_master_flags;
	bool eof_sent;
	bool exited;
	int code;
	struct stream in, out; /* stdin to master, master to stdout */
};

/* Signals of our own: children, our own broken pipes, window size, job control of our terminal; and those that the kernel
 * raises for a bug of ours. All others are the container's. */
static const int kept_signals[] = { SIGCHLD, SIGURG, SIGPIPE, SIGWINCH };
static const int fault_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };

static int take_signals(struct relay *r, struct err *err)
{
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(fault_signals); i++)
		sigdelset(&all, fault_signals[i]);
	if (sigprocmask(SIG_BLOCK, &all, &r->old_mask) < 0)
		return err_sys(err, -errno, "block signals");
	r->masked = true;
	r->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? err_sys(err, -errno, "open a signalfd") : 0;
}

static void make_raw(struct relay *r)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &r->old_tty) < 0)
		return; /* no terminal */
	t = r->old_tty;
	cfmakeraw(&t);
	r->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

/* A file status flag belongs to everybody who shares the open file (the user's shell), so O_NONBLOCK is set only on an open
 * file of our own. That exists for terminals and pipes; a regular file never blocks; the rest is written in small pieces. */
static void prepare_stdout(struct relay *r)
{
	char path[FD_PROC_PATH_LEN];
	struct stat st;

	r->out.out_blocks = true;
	if (fstat(STDOUT_FILENO, &st) < 0)
		return;
	if (S_ISREG(st.st_mode)) {
		r->out.out_blocks = false;
		return;
	}
	if (!S_ISFIFO(st.st_mode) && !isatty(STDOUT_FILENO))
		return;
	r->own_out_fd = open(fd_proc_path(STDOUT_FILENO, path), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (r->own_out_fd >= 0) {
		r->out.out_fd = r->own_out_fd;
		r->out.out_blocks = false;
	}
}

static void deliver(const struct relay *r, int sig)
{
	if (r->o->send_signal)
		(void)r->o->send_signal(r->o->arg, sig); /* it may have exited: its code tells */
	else if (r->o->pidfd >= 0)
		(void)!sys_pidfd_send_signal(r->o->pidfd, sig);
	else
		(void)kill(r->o->pid, sig);
}

static void follow_window(const struct relay *r)
{
	struct winsize size;

	if (r->o->master_fd < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size) < 0)
			continue;
		(void)ioctl(r->o->master_fd, TIOCSWINSZ, &size); /* the terminal keeps its size then */
		if (r->o->send_signal)
			(void)r->o->send_signal(r->o->arg, SIGWINCH);
		return;
	}
}

/* Reap what is ours to reap; notice the end of the process that we wait for. */
static void reap_children(struct relay *r)
{
	for (;;) {
		siginfo_t info = { 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
			return;
		if (!r->o->is_child || info.si_pid != r->o->pid)
			continue;
		r->exited = true;
		r->code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	}
}

static bool is_kept(int sig)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept_signals); i++) {
		if (kept_signals[i] == sig)
			return true;
	}
	return false;
}

static void on_signals(struct relay *r)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int sig = (int)info.ssi_signo;

		if (sig == SIGWINCH)
			follow_window(r);
		else if (r->o->forward_signals && !is_kept(sig))
			deliver(r, sig);
	}
}

/* A grandchild: its code is handed over by whoever could wait for it. */
static void on_foreign_exit(struct relay *r)
{
	int code;

	r->exited = true;
	r->code = -ECHILD;
	if (r->o->status_fd >= 0 && fd_read_all(r->o->status_fd, &code, sizeof(code)) == (ssize_t)sizeof(code))
		r->code = code & 255;
}

/* End of our input is the end of the container's: in a terminal's language, ^D (twice behind an unfinished line). */
static void half_close(struct relay *r)
{
	struct termios t;
	char eof[2];

	if (r->eof_sent || r->in.in_open || r->in.len || r->in.out_broken)
		return;
	if (tcgetattr(r->o->master_fd, &t) == 0 && (t.c_lflag & ICANON)) {
		memset(eof, t.c_cc[VEOF], sizeof(eof));
		if (write(r->o->master_fd, eof, r->in.mid_line ? 2 : 1) < 0 && errno == EAGAIN)
			return; /* again when there is room */
	}
	r->eof_sent = true;
}

enum { ON_SIGNAL, ON_PID, ON_IN, ON_MASTER, ON_OUT, ON_COUNT };

static void set_poll(const struct relay *r, struct pollfd p[ON_COUNT])
{
	bool copying = r->o->master_fd >= 0;
	short in = copying && !r->exited ? stream_wants_in(&r->in) : 0;
	short out = copying ? stream_wants_out(&r->out) : 0;
	short master = copying ? (short)(stream_wants_in(&r->out) | stream_wants_out(&r->in)) : 0;

	/* an fd without a wish is left out: it would report errors over and over */
	p[ON_SIGNAL] = (struct pollfd){ .fd = r->signal_fd, .events = POLLIN };
	p[ON_PID] = (struct pollfd){ .fd = r->exited ? -1 : r->o->pidfd, .events = POLLIN };
	p[ON_IN] = (struct pollfd){ .fd = in ? r->in.in_fd : -1, .events = in };
	p[ON_MASTER] = (struct pollfd){ .fd = master && !r->out.in_hung ? r->o->master_fd : -1, .events = master };
	p[ON_OUT] = (struct pollfd){ .fd = out ? r->out.out_fd : -1, .events = out };
}

/* Returns true when bytes moved from the terminal. */
static bool copy(struct relay *r, const struct pollfd p[ON_COUNT])
{
	bool came = false;

	if (p[ON_IN].revents)
		(void)stream_read(&r->in);
	if (r->in.len && p[ON_MASTER].revents & (POLLOUT | POLLERR | POLLHUP))
		stream_write(&r->in);
	if (stream_wants_in(&r->out) && p[ON_MASTER].revents & (POLLIN | POLLERR | POLLHUP))
		came = stream_read(&r->out);
	if (r->out.len && (p[ON_OUT].revents || r->out.out_broken))
		stream_write(&r->out);
	half_close(r);
	return came;
}

/* All that the container wrote is out, or nobody reads it. */
static bool drained(const struct relay *r, bool quiet)
{
	if (r->o->master_fd < 0)
		return true;
	return r->out.len == 0 && (r->out.in_hung || !r->out.in_open || quiet);
}

/* Things that no event announces: a terminal gets a user again, or room for the end of input. */
static bool wants_retry(const struct relay *r)
{
	if (r->o->master_fd < 0)
		return false;
	return r->out.in_hung || (!r->in.in_open && !r->in.len && !r->eof_sent && !r->in.out_broken);
}

static int relay_loop(struct relay *r, struct err *err)
{
	bool quiet = false;

	reap_children(r); /* it may have exited before its signal could reach us */
	while (!r->exited || !drained(r, quiet)) {
		struct pollfd p[ON_COUNT];
		int timeout = r->exited ? QUIET_MS : wants_retry(r) ? HANGUP_MS : -1;
		bool came = false;
		int n;

		set_poll(r, p);
		n = poll(p, ON_COUNT, timeout);
		if (n < 0 && errno != EINTR)
			return err_sys(err, -errno, "poll");
		if (n == 0)
			r->out.in_hung = false; /* look again whether the terminal has a user */
		if (n < 0)
			continue;
		if (p[ON_SIGNAL].revents)
			on_signals(r);
		if (r->o->master_fd >= 0)
			came = copy(r, p);
		reap_children(r);
		if (!r->o->is_child && !r->exited && p[ON_PID].revents)
			on_foreign_exit(r);
		quiet = r->exited && n == 0 && !came;
	}
	return r->code < 0 ? err_set(err, -r->code, "wait for process %d: its exit code is lost", (int)r->o->pid) : r->code;
}

static void relay_done(struct relay *r)
{
	if (r->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &r->old_tty);
	if (r->o->master_fd >= 0 && r->old_master_flags >= 0)
		(void)fcntl(r->o->master_fd, F_SETFL, r->old_master_flags);
	fd_close(&r->own_out_fd);
	fd_close(&r->signal_fd);
	if (r->masked)
		(void)sigprocmask(SIG_SETMASK, &r->old_mask, NULL);
	free(r->in.buf);
	free(r->out.buf);
}

int console_relay(const struct relay_opts *o, struct err *err)
{
	CLEANUP(relay_done) struct relay r = { .o = o, .signal_fd = -1, .own_out_fd = -1, .old_master_flags = -1 };
	int ret = take_signals(&r, err);

	if (ret < 0)
		return ret;
	if (!o->no_subreaper)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* processes that outlive the container's first one */
	if (o->master_fd >= 0) {
		stream_init(&r.in, STDIN_FILENO, o->master_fd);
		stream_init(&r.out, o->master_fd, STDOUT_FILENO);
		r.old_master_flags = fcntl(o->master_fd, F_GETFL);
		if (r.old_master_flags < 0 || fcntl(o->master_fd, F_SETFL, r.old_master_flags | O_NONBLOCK) < 0)
			return err_sys(err, -errno, "set up the terminal");
		prepare_stdout(&r);
		make_raw(&r);
		follow_window(&r);
	}
	return relay_loop(&r, err);
}
