/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm-host-client [-t] [-C DIR] [-e NAME=VALUE]... MACHINE-DIR COMMAND [ARG]...
 * Runs a command in the machine whose directory is given: standard streams and signals are passed on, its exit code is ours.
 * 125: the machine is not there or ended meanwhile.
 */
#include "tests/kvm-host/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define EXIT_MACHINE 125
#define MAX_ENV 256

struct client {
	int sock, sigfd;
	bool tty, in_open;
	uint32_t credit_in;
	struct wire_buf rx, tx, out, err;
	struct termios saved;
	bool raw;
	int status;		/* -1: not yet */
};

/* The path of a UNIX socket is short and a checkout's may be long: go through the directory's fd. */
static int connect_to(const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int d = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (d < 0 || s < 0)
		return -1;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/ctl", d);
	r = connect(s, (const struct sockaddr *)&sa, sizeof(sa));
	close(d);
	if (r == 0)
		return s;
	close(s);
	return -1;
}

static void put_request(struct client *c, const struct request *head, const char *cwd, char **argv, char **env)
{
	struct wire_buf b = { 0 };

	wire_buf_add(&b, head, sizeof(*head));
	wire_buf_add(&b, cwd, strlen(cwd) + 1);
	for (uint32_t i = 0; i < head->argc; i++)
		wire_buf_add(&b, argv[i], strlen(argv[i]) + 1);
	for (uint32_t i = 0; i < head->envc; i++)
		wire_buf_add(&b, env[i], strlen(env[i]) + 1);
	while (wire_buf_len(&b)) {
		size_t n = wire_buf_len(&b) < WIRE_PAYLOAD ? wire_buf_len(&b) : WIRE_PAYLOAD;

		wire_put(&c->tx, 0, FRAME_ARG, b.data + b.start, n);
		b.start += n;
	}
	wire_put(&c->tx, 0, FRAME_EXEC, NULL, 0);
	wire_buf_free(&b);
}

static struct window window_size(void)
{
	struct winsize ws = { 0 };

	ioctl(0, TIOCGWINSZ, &ws);
	return (struct window){ ws.ws_row, ws.ws_col };
}

static void handle_frame(struct client *c, const struct frame *f, const char *data)
{
	struct credit cr;
	uint32_t code;

	switch (f->type) {
	case FRAME_STDOUT:
		wire_buf_add(&c->out, data, f->len);
		break;
	case FRAME_STDERR:
		wire_buf_add(&c->err, data, f->len);
		break;
	case FRAME_NOTE:
		fprintf(stderr, "kvm-host: %.*s\n", (int)f->len, data);
		break;
	case FRAME_CREDIT:
		if (f->len == sizeof(cr)) {
			memcpy(&cr, data, sizeof(cr));
			c->credit_in += cr.bytes;
		}
		break;
	case FRAME_EXIT:
		if (f->len == sizeof(code)) {
			memcpy(&code, data, sizeof(code));
			c->status = (int)code;
		}
		break;
	default:
		break;
	}
}

/* Writes what can be written and gives that much credit back. A reader that went away ends us, as it would end the command. */
static void flush_output(struct client *c, struct wire_buf *b, int fd, enum frame_type type)
{
	size_t before = wire_buf_len(b);

	if (before == 0)
		return;
	if (wire_flush(b, fd) < 0) {
		if (errno == EPIPE)
			raise(SIGPIPE);
		b->start = b->end;
	}
	struct credit cr = { type, (uint32_t)(before - wire_buf_len(b)) };

	if (cr.bytes && c->status < 0)
		wire_put(&c->tx, 0, FRAME_CREDIT, &cr, sizeof(cr));
}

static void read_stdin(struct client *c)
{
	char buf[WIRE_PAYLOAD];
	size_t want = c->credit_in < sizeof(buf) ? c->credit_in : sizeof(buf);
	ssize_t n = read(0, buf, want);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->in_open = false;
		n = 0;
	}
	c->credit_in -= (uint32_t)n;
	wire_put(&c->tx, 0, FRAME_STDIN, buf, (size_t)n);
}

static void pass_signals(struct client *c)
{
	struct signalfd_siginfo si;

	while (read(c->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGWINCH) {
			struct window w = window_size();

			wire_put(&c->tx, 0, FRAME_WINCH, &w, sizeof(w));
		} else {
			wire_put(&c->tx, 0, FRAME_SIGNAL, &si.ssi_signo, sizeof(si.ssi_signo));
		}
	}
}

/* 0, or -1 when the machine went away. */
static int step(struct client *c)
{
	bool room = c->in_open && c->credit_in > 0 && wire_buf_len(&c->tx) < WIRE_WINDOW;
	struct pollfd p[] = {
		{ c->sock, (short)(POLLIN | (wire_buf_len(&c->tx) ? POLLOUT : 0)), 0 },
		{ c->sigfd, POLLIN, 0 },
		{ room ? 0 : -1, POLLIN, 0 },
		{ wire_buf_len(&c->out) ? 1 : -1, POLLOUT, 0 },
		{ wire_buf_len(&c->err) ? 2 : -1, POLLOUT, 0 },
	};
	const char *data;
	struct frame f;
	bool bad;

	poll(p, sizeof(p) / sizeof(*p), -1);
	if (p[1].revents)
		pass_signals(c);
	if (p[2].revents)
		read_stdin(c);
	if (p[0].revents & (POLLIN | POLLHUP)) {
		int r = wire_fill(&c->rx, c->sock);

		while (wire_peek(&c->rx, &f, &data, &bad)) {
			handle_frame(c, &f, data);
			wire_drop(&c->rx, &f);
		}
		if (r < 0 && c->status < 0)
			return -1;
	}
	if (p[3].revents)
		flush_output(c, &c->out, 1, FRAME_STDOUT);
	if (p[4].revents)
		flush_output(c, &c->err, 2, FRAME_STDERR);
	if (p[0].revents & POLLOUT)
		(void)wire_flush(&c->tx, c->sock);
	return 0;
}

static void tty_raw(struct client *c)
{
	struct termios t;

	if (!c->tty || tcgetattr(0, &c->saved) < 0)
		return;
	t = c->saved;
	cfmakeraw(&t);
	c->raw = tcsetattr(0, TCSANOW, &t) == 0;
}

static int run(struct client *c)
{
	const int sigs[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };
	sigset_t mask;
	int r = 0;

	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		sigaddset(&mask, sigs[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	c->sigfd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->sigfd < 0)
		return EXIT_MACHINE;
	fcntl(c->sock, F_SETFL, O_NONBLOCK);
	tty_raw(c);
	while (r == 0 && (c->status < 0 || wire_buf_len(&c->out) || wire_buf_len(&c->err)))
		r = step(c);
	if (c->raw)
		tcsetattr(0, TCSADRAIN, &c->saved);
	if (r == 0)
		return c->status;
	fputs("kvm-host: the machine ended\n", stderr);
	return EXIT_MACHINE;
}

int main(int argc, char **argv)
{
	struct client c = { .sock = -1, .in_open = true, .credit_in = WIRE_WINDOW, .status = -1 };
	struct request head = { .cwd_optional = 1 };
	char *env[MAX_ENV], here[4096] = "/";
	const char *cwd = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "+tC:e:")) != -1) {
		if (opt == 't')
			c.tty = true;
		else if (opt == 'C')
			cwd = optarg, head.cwd_optional = 0;
		else if (opt == 'e' && head.envc < MAX_ENV && strchr(optarg, '='))
			env[head.envc++] = optarg;
		else
			goto usage;
	}
	if (argc - optind < 2)
		goto usage;
	if (!cwd)
		cwd = getcwd(here, sizeof(here)) ? here : "/";
	c.sock = connect_to(argv[optind]);
	if (c.sock < 0) {
		fprintf(stderr, "kvm-host: no machine runs in '%s': %s\n", argv[optind], strerror(errno));
		return EXIT_MACHINE;
	}
	head.tty = c.tty;
	head.window = window_size();
	head.argc = (uint32_t)(argc - optind - 1);
	put_request(&c, &head, cwd, argv + optind + 1, env);
	return run(&c);
usage:
	fputs("usage: kvm-host-client [-t] [-C DIR] [-e NAME=VALUE]... MACHINE-DIR COMMAND [ARG]...\n", stderr);
	return EXIT_MACHINE;
}
