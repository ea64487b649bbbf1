/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/stdio.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a pipe that polls writable takes without blocking. */
#define STDIO_SAFE 4096

static const uint16_t out_types[2] = { PROTO_STDOUT, PROTO_STDERR };

void stdio_init(struct stdio *s, uint32_t id, int tty_fd)
{
	*s = (struct stdio){ .id = id, .in_fd = 0, .out_fd = { 1, 2 }, .tty = tty_fd >= 0 };
	if (s->tty) {
		s->in_fd = s->out_fd[0] = tty_fd;
		s->out_fd[1] = -1;
	}
	stream_tx_init(&s->in);
	for (int i = 0; i < 2; i++)
		stream_rx_init(&s->out[i]);
	s->out[1].eof = s->tty; /* a terminal has one output */
}

void stdio_done(struct stdio *s)
{
	for (int i = 0; i < 2; i++)
		stream_rx_done(&s->out[i]);
}

uint32_t stdio_flags(const struct stdio *s)
{
	return s->tty ? PROTO_HAS_STDIN | PROTO_HAS_STDOUT : PROTO_HAS_STDIN | PROTO_HAS_STDOUT | PROTO_HAS_STDERR;
}

void stdio_poll(const struct stdio *s, const struct frame_writer *w, struct pollfd p[STDIO_POLLS])
{
	bool reads = !s->in_done && stream_tx_room(&s->in, w) > 0;

	p[0] = (struct pollfd){ .fd = reads ? s->in_fd : -1, .events = POLLIN };
	for (int i = 0; i < 2; i++)
		p[1 + i] = (struct pollfd){ .fd = s->out[i].len ? s->out_fd[i] : -1, .events = POLLOUT };
}

static int read_input(struct stdio *s, struct frame_writer *w, struct err *err)
{
	char data[16384];
	size_t room = stream_tx_room(&s->in, w);
	ssize_t n = read(s->in_fd, data, room < sizeof(data) ? room : sizeof(data));
	int r;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		s->in_done = true; /* EIO: the terminal's other end is closed */
	r = stream_tx_send(&s->in, w, PROTO_STDIN, s->id, data, n > 0 ? (size_t)n : 0, n <= 0);
	return r < 0 ? err_sys(err, r, "send input to the guest") : 0;
}

static int write_output(struct stdio *s, struct frame_writer *w, int i, struct err *err)
{
	size_t n;
	const uint8_t *p = stream_rx_peek(&s->out[i], &n);
	ssize_t wrote;
	int r = 0;

	if (!p)
		return 0;
	wrote = write(s->out_fd[i], p, n < STDIO_SAFE ? n : STDIO_SAFE);
	if (wrote < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (wrote < 0)
		r = stream_rx_close(&s->out[i], w, out_types[i], s->id);
	else
		stream_rx_take(&s->out[i], (size_t)wrote);
	return r < 0 && r != -ENOBUFS ? err_sys(err, r, "close an output of the guest") : 0;
}

int stdio_work(struct stdio *s, struct frame_writer *w, const struct pollfd p[STDIO_POLLS], struct err *err)
{
	int r = 0;

	if (p[0].revents)
		r = read_input(s, w, err);
	for (int i = 0; i < 2 && r >= 0; i++) {
		if (p[1 + i].revents)
			r = write_output(s, w, i, err);
		/* No room for the credit now: at the next turn. */
		if (r >= 0 && stream_rx_credit(&s->out[i], w, out_types[i], s->id) == -ENOBUFS)
			r = 0;
	}
	return r;
}

static int take_window(struct stdio *s, const struct frame *f, struct err *err)
{
	struct proto_window m;
	int r = proto_unpack_window(f->data, f->len, &m, err);

	if (r < 0 || m.stream != PROTO_STDIN)
		return r;
	r = stream_tx_window(&s->in, m.bytes, f->flags & PROTO_EOF, err);
	if (s->in.closed)
		s->in_done = true;
	return r;
}

int stdio_frame(struct stdio *s, struct frame_writer *w, const struct frame *f, struct err *err)
{
	int i = f->type == PROTO_STDERR;

	if (f->type == PROTO_WINDOW_UPDATE)
		return take_window(s, f, err);
	if (f->type != PROTO_STDOUT && f->type != PROTO_STDERR)
		return err_set(err, EPROTO, "guest: unexpected '%s'", proto_type_name(f->type));
	if (s->out_fd[i] < 0)
		return 0;
	(void)w;
	return stream_rx_put(&s->out[i], f->data, f->len, f->flags & PROTO_EOF, err);
}

bool stdio_drained(const struct stdio *s)
{
	return (s->out_fd[0] < 0 || stream_rx_finished(&s->out[0])) && (s->out_fd[1] < 0 || stream_rx_finished(&s->out[1]));
}

bool stdio_waiting(const struct stdio *s)
{
	return s->out[0].len || s->out[1].len;
}

struct proto_window_size stdio_window_size(int tty_fd)
{
	struct winsize w = { 0 };

	if (tty_fd >= 0)
		(void)ioctl(tty_fd, TIOCGWINSZ, &w); /* zeros: unknown */
	return (struct proto_window_size){ .rows = w.ws_row, .cols = w.ws_col, .xpixel = w.ws_xpixel, .ypixel = w.ws_ypixel };
}
