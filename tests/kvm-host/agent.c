/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside end of the control channel. With plain init it is process 1 (and reaps what is orphaned); under systemd it is a
 * service. One thread, one poll loop; each command is a session and process group of its own.
 */
#include "tests/kvm-host/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_STREAMS 256

struct command {
	uint32_t id;
	pid_t pid;		/* 0: not started, or ended */
	bool started, ended, gone;	/* gone: the client left */
	uint32_t status;
	int in, out, err;	/* our ends; -1: closed. With a tty out is the master, in a copy of it */
	bool tty, in_eof;
	uint32_t credit_out, credit_err;
	struct wire_buf req, stdin_buf;
};

struct agent {
	int port, sigfd;
	sigset_t old_mask;
	struct wire_buf rx, tx;
	struct command *cmd[MAX_STREAMS];
	size_t n;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct command *command_find(struct agent *a, uint32_t id)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->cmd[i]->id == id)
			return a->cmd[i];
	return NULL;
}

static void command_free(struct command *c)
{
	close_fd(&c->in);
	close_fd(&c->out);
	close_fd(&c->err);
	wire_buf_free(&c->req);
	wire_buf_free(&c->stdin_buf);
	free(c);
}

static void send_exit(struct agent *a, uint32_t id, uint32_t status)
{
	wire_put(&a->tx, id, FRAME_EXIT, &status, sizeof(status));
}

static void send_note(struct agent *a, uint32_t id, const char *text)
{
	wire_put(&a->tx, id, FRAME_NOTE, text, strlen(text));
}

/* The strings of a request, as pointers into it. NULL when it is malformed. */
static char **request_strings(struct wire_buf *req, const struct request *head)
{
	size_t want = 1 + (size_t)head->argc + head->envc, n = 0;
	char *p = req->data + req->start + sizeof(*head), *end = req->data + req->end;
	char **v;

	if (head->argc == 0 || want > (size_t)(end - p))
		return NULL;
	v = calloc(want + 1, sizeof(*v));
	while (v && p < end && n < want) {
		char *nul = memchr(p, '\0', (size_t)(end - p));

		if (!nul)
			break;
		v[n++] = p;
		p = nul + 1;
	}
	if (n == want && p == end)
		return v;
	free(v);
	return NULL;
}

/* In the child, after fork: does not return. */
static void child_exec(struct agent *a, const struct request *head, char **v, int fds[3])
{
	char **argv = calloc(head->argc + 1u, sizeof(*argv));
	const char *why = "";

	setsid();
	if (head->tty)
		ioctl(fds[0], TIOCSCTTY, 0);
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	close_range(3, ~0U, 0);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &a->old_mask, NULL);
	for (uint32_t i = 0; i < head->envc; i++)
		putenv(v[1 + head->argc + i]);
	if (chdir(v[0]) < 0) {
		why = v[0];
		if (!head->cwd_optional || chdir("/") < 0)
			goto fail;
		dprintf(2, "kvm-host: no %s inside: starting in /\n", v[0]);
	}
	if (!argv)
		goto fail;
	memcpy(argv, v + 1, head->argc * sizeof(*argv));
	why = argv[0];
	execvp(argv[0], argv);
fail:
	dprintf(2, "kvm-host: '%s': %s\n", why, strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Fills the child's three fds and our ends. -errno leaves nothing open. */
static int command_pipes(struct command *c, const struct request *head, int child[3])
{
	int p[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };

	if (head->tty) {
		struct winsize ws = { .ws_row = head->window.rows, .ws_col = head->window.cols };
		int master, slave;

		if (openpty(&master, &slave, NULL, NULL, &ws) < 0)
			return -errno;
		fcntl(master, F_SETFD, FD_CLOEXEC);
		c->tty = true;
		c->out = master;
		c->in = fcntl(master, F_DUPFD_CLOEXEC, 3);
		child[0] = slave;
		child[1] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
		child[2] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	} else {
		for (int i = 0; i < 3; i++) {
			if (pipe2(p[i], O_CLOEXEC) == 0)
				continue;
			int e = errno;

			for (int k = 0; k < i; k++) {
				close(p[k][0]);
				close(p[k][1]);
			}
			return -e;
		}
		c->in = p[0][1], c->out = p[1][0], c->err = p[2][0];
		child[0] = p[0][0], child[1] = p[1][1], child[2] = p[2][1];
	}
	fcntl(c->in, F_SETFL, O_NONBLOCK);
	fcntl(c->out, F_SETFL, O_NONBLOCK);
	if (c->err >= 0)
		fcntl(c->err, F_SETFL, O_NONBLOCK);
	return 0;
}

static void command_start(struct agent *a, struct command *c)
{
	struct request head;
	char **v = NULL;
	int fds[3], r;

	c->started = true;
	if (wire_buf_len(&c->req) >= sizeof(head)) {
		memcpy(&head, c->req.data + c->req.start, sizeof(head));
		v = request_strings(&c->req, &head);
	}
	if (!v) {
		send_note(a, c->id, "malformed request");
		goto fail;
	}
	r = command_pipes(c, &head, fds);
	if (r < 0) {
		send_note(a, c->id, strerror(-r));
		goto fail;
	}
	c->pid = fork();
	if (c->pid == 0)
		child_exec(a, &head, v, fds);
	for (int i = 0; i < 3; i++)
		close_fd(&fds[i]);
	if (c->pid < 0) {
		c->pid = 0;
		send_note(a, c->id, strerror(errno));
		goto fail;
	}
	free(v);
	wire_buf_free(&c->req);
	return;
fail:
	free(v);
	c->ended = true;
	c->status = 126;
}

static void command_credit(struct command *c, const char *data, size_t len)
{
	struct credit cr;

	if (len != sizeof(cr))
		return;
	memcpy(&cr, data, sizeof(cr));
	if (cr.type == FRAME_STDOUT)
		c->credit_out += cr.bytes;
	else if (cr.type == FRAME_STDERR)
		c->credit_err += cr.bytes;
}

static void command_signal(struct command *c, const char *data, size_t len)
{
	uint32_t sig;

	if (len != sizeof(sig) || c->pid <= 0)
		return;
	memcpy(&sig, data, sizeof(sig));
	/* Before the child's setsid() the group does not exist yet. */
	if (kill(-c->pid, (int)sig) < 0)
		kill(c->pid, (int)sig);
}

static void command_winch(struct command *c, const char *data, size_t len)
{
	struct window w;

	if (len != sizeof(w) || !c->tty || c->out < 0)
		return;
	memcpy(&w, data, sizeof(w));
	ioctl(c->out, TIOCSWINSZ, &(struct winsize){ .ws_row = w.rows, .ws_col = w.cols });
}

static struct command *command_new(struct agent *a, uint32_t id)
{
	struct command *c;

	if (a->n == MAX_STREAMS)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct command){ .id = id, .in = -1, .out = -1, .err = -1,
			       .credit_out = WIRE_WINDOW, .credit_err = WIRE_WINDOW };
	a->cmd[a->n++] = c;
	return c;
}

static void handle_frame(struct agent *a, const struct frame *f, const char *data)
{
	struct command *c = command_find(a, f->stream);

	if (!c && f->type == FRAME_ARG) {
		c = command_new(a, f->stream);
		if (!c) {
			send_note(a, f->stream, "too many commands at once");
			send_exit(a, f->stream, 126);
		}
	}
	if (!c)
		return;	/* of a command that has ended */
	switch (f->type) {
	case FRAME_ARG:
		if (!c->started && wire_buf_len(&c->req) + f->len <= WIRE_REQUEST)
			wire_buf_add(&c->req, data, f->len);
		break;
	case FRAME_EXEC:
		if (!c->started)
			command_start(a, c);
		break;
	case FRAME_STDIN:
		wire_buf_add(&c->stdin_buf, data, f->len);
		c->in_eof |= f->len == 0;
		break;
	case FRAME_CREDIT:
		command_credit(c, data, f->len);
		break;
	case FRAME_SIGNAL:
		command_signal(c, data, f->len);
		break;
	case FRAME_WINCH:
		command_winch(c, data, f->len);
		break;
	case FRAME_CLOSE:
		c->gone = true;
		if (c->pid > 0)
			kill(-c->pid, SIGKILL);
		break;
	default:
		break;
	}
}

/* Passes on what the client sent; a command that does not read any more loses it, as with a broken pipe. */
static void pump_stdin(struct agent *a, struct command *c)
{
	size_t before = wire_buf_len(&c->stdin_buf);
	int r;

	if (c->in < 0) {
		c->stdin_buf.start = c->stdin_buf.end;
		return;
	}
	if (before > 0) {
		r = wire_flush(&c->stdin_buf, c->in);
		if (r < 0) {
			c->stdin_buf.start = c->stdin_buf.end;
			close_fd(&c->in);
		}
		struct credit cr = { FRAME_STDIN, (uint32_t)(before - wire_buf_len(&c->stdin_buf)) };

		if (cr.bytes)
			wire_put(&a->tx, c->id, FRAME_CREDIT, &cr, sizeof(cr));
	}
	if (c->in_eof && c->in >= 0 && wire_buf_len(&c->stdin_buf) == 0) {
		if (c->tty)
			(void)!write(c->in, "\004", 1);
		close_fd(&c->in);
	}
}

/* Returns true while there may be more to read now. */
static bool pump_output(struct agent *a, struct command *c, int *fd, enum frame_type type, uint32_t *credit)
{
	char buf[WIRE_PAYLOAD];
	size_t want = *credit < sizeof(buf) ? *credit : sizeof(buf);
	ssize_t n;

	if (*fd < 0 || (want == 0 && !c->gone))
		return false;
	n = read(*fd, buf, want ? want : sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {	/* EIO is how a tty master says that the last slave was closed */
		close_fd(fd);
		return false;
	}
	if (c->gone)
		return true;
	*credit -= (uint32_t)n;
	wire_put(&a->tx, c->id, type, buf, (size_t)n);
	return true;
}

/* All that moves for one command. True: it is finished and can be forgotten. */
static bool command_pump(struct agent *a, struct command *c)
{
	bool ended = c->ended;	/* read before the pipes: what was written before the exit is then still drained */

	if (!c->started)
		return c->gone;
	pump_stdin(a, c);
	while (pump_output(a, c, &c->out, FRAME_STDOUT, &c->credit_out))
		;
	while (pump_output(a, c, &c->err, FRAME_STDERR, &c->credit_err))
		;
	if (!ended)
		return false;
	/* Out of credit there may be more; a process left behind that holds the pipe is not waited for. */
	if (!c->gone && ((c->out >= 0 && c->credit_out == 0) || (c->err >= 0 && c->credit_err == 0)))
		return false;
	if (!c->gone)
		send_exit(a, c->id, c->status);
	return true;
}

static void reap(struct agent *a)
{
	struct signalfd_siginfo si;
	int st;
	pid_t pid;

	while (read(a->sigfd, &si, sizeof(si)) > 0)
		;
	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		for (size_t i = 0; i < a->n; i++) {
			struct command *c = a->cmd[i];

			if (c->pid != pid)
				continue;
			c->pid = 0;
			c->ended = true;
			c->status = (uint32_t)(WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
		}
	}
}

static void pump_all(struct agent *a)
{
	for (size_t i = 0; i < a->n;) {
		if (!command_pump(a, a->cmd[i])) {
			i++;
			continue;
		}
		command_free(a->cmd[i]);
		a->cmd[i] = a->cmd[--a->n];
	}
}

static size_t poll_set(struct agent *a, struct pollfd *p)
{
	size_t n = 0;

	p[n++] = (struct pollfd){ a->port, (short)(POLLIN | (wire_buf_len(&a->tx) ? POLLOUT : 0)), 0 };
	p[n++] = (struct pollfd){ a->sigfd, POLLIN, 0 };
	for (size_t i = 0; i < a->n; i++) {
		struct command *c = a->cmd[i];

		if (c->in >= 0 && wire_buf_len(&c->stdin_buf))
			p[n++] = (struct pollfd){ c->in, POLLOUT, 0 };
		if (c->out >= 0 && (c->credit_out || c->gone))
			p[n++] = (struct pollfd){ c->out, POLLIN, 0 };
		if (c->err >= 0 && (c->credit_err || c->gone))
			p[n++] = (struct pollfd){ c->err, POLLIN, 0 };
	}
	return n;
}

static int serve(struct agent *a)
{
	struct pollfd p[2 + 3 * MAX_STREAMS];

	wire_put(&a->tx, 0, FRAME_HELLO, NULL, 0);
	for (;;) {
		struct frame f;
		const char *data;
		bool bad;

		/* A HUP that stays (client output kept open by nobody) would spin: it cannot, read() closes our end. */
		poll(p, poll_set(a, p), -1);
		if (p[1].revents)
			reap(a);
		if ((p[0].revents & POLLIN) && wire_fill(&a->rx, a->port) < 0)
			return 1;
		while (wire_peek(&a->rx, &f, &data, &bad)) {
			handle_frame(a, &f, data);
			wire_drop(&a->rx, &f);
		}
		if (bad) {
			fputs("kvm-host-agent: broken frame on the channel\n", stderr);
			return 1;
		}
		pump_all(a);
		while (wire_flush(&a->tx, a->port) > 0)
			;
	}
}

/* /dev/vportNpM whose name is ours. */
static int open_port(void)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	struct dirent *e;
	char path[300], name[32];
	int fd, port = -1;

	while (d && port < 0 && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		ssize_t n = read(fd, name, sizeof(name) - 1);

		close(fd);
		if (n < 8 || memcmp(name, "kvm-host", 8) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	if (d)
		closedir(d);
	return port;
}

int main(void)
{
	struct agent a = { .port = open_port() };
	sigset_t mask;

	if (a.port < 0) {
		fprintf(stderr, "kvm-host-agent: no virtio port 'kvm-host': %s\n", strerror(errno));
		return 1;
	}
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &a.old_mask);
	signal(SIGPIPE, SIG_IGN);
	a.sigfd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a.sigfd < 0)
		return 1;
	return serve(&a);
}
