/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>

/*
 * DOC: standard streams of a process
 *
 * Outputs are pipes (or the pty's master) that are read while the stream has credit and the port's queue is short. Input waits
 * in a ring, bounded by the credit that we gave, until the process takes it.
 */
static uint16_t out_type(const struct guest_process *p, const struct source *s)
{
	return s == &p->out[0] ? PROTO_STDOUT : PROTO_STDERR;
}

static struct stream_tx *out_tx(struct guest_process *p, const struct source *s)
{
	return &p->tx[s == &p->out[0] ? 0 : 1];
}

/* End of an output: say so, once; without room in the queue it is tried again. */
static void end_output(struct agent *a, struct guest_process *p, struct source *s)
{
	struct stream_tx *tx = out_tx(p, s);

	if (!tx->ended && !tx->closed && stream_tx_send(tx, &a->out, out_type(p, s), p->id, NULL, 0, true) < 0) {
		a->port_starved = true;
		return;
	}
	source_close(a, s);
}

/* One read and one frame. Returns false when there is nothing to read now, or no room for it. */
static bool pump_output(struct agent *a, struct guest_process *p, struct source *s)
{
	_Static_assert(PROTO_MAX_PAYLOAD <= 65536, "it lives on the stack");
	struct stream_tx *tx = out_tx(p, s);
	size_t room = stream_tx_room(tx, &a->out);
	char data[PROTO_MAX_PAYLOAD];
	ssize_t n;

	if (tx->closed) {
		source_close(a, s);
		return false;
	}
	if (!room) {
		a->port_starved |= tx->credit > 0;
		(void)!source_watch(a, s, 0); /* until there is credit or room */
		return false;
	}
	n = read(s->fd, data, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) { /* EIO: the pty's last slave is closed */
		end_output(a, p, s);
		return false;
	}
	if (stream_tx_send(tx, &a->out, out_type(p, s), p->id, data, (size_t)n, false) < 0) {
		struct err err;

		(void)err_set(&err, ENOBUFS, "queue of the port is full");
		agent_fail(a, &err);
	}
	return true;
}

static void gone(struct agent *a, struct guest_process *p)
{
	if (p->state == PROCESS_DEAD && stdio_finished(p))
		process_free(a, p);
}

static void output_ready(struct agent *a, struct source *s, uint32_t events)
{
	struct guest_process *p = s->owner;

	(void)events;
	(void)pump_output(a, p, s);
	gone(a, p);
}

static void close_input(struct agent *a, struct guest_process *p)
{
	source_close(a, &p->in);
	if (stream_rx_close(&p->rx, &a->out, PROTO_STDIN, p->id) < 0)
		a->port_starved = true;
}

/* A pipe's end is closed; a terminal's is typed, when it is one that understands it. */
static void end_input(struct agent *a, struct guest_process *p)
{
	struct termios t;

	if (p->pty_fd >= 0 && tcgetattr(p->pty_fd, &t) == 0 && t.c_lflag & ICANON)
		(void)!write(p->pty_fd, &t.c_cc[VEOF], 1); /* nobody reads: no loss */
	source_close(a, &p->in);
}

static void push_input(struct agent *a, struct guest_process *p)
{
	const uint8_t *data;
	ssize_t n = 0;
	size_t len;

	while (p->in.fd >= 0 && (data = stream_rx_peek(&p->rx, &len))) {
		n = write(p->in.fd, data, len);
		if (n < 0)
			break;
		stream_rx_take(&p->rx, (size_t)n);
	}
	if (p->in.fd < 0)
		return;
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		close_input(a, p);
		return;
	}
	if (stream_rx_credit(&p->rx, &a->out, PROTO_STDIN, p->id) < 0)
		a->port_starved = true;
	if (stream_rx_finished(&p->rx))
		end_input(a, p);
	else if (source_watch(a, &p->in, p->rx.len ? EPOLLOUT : 0) < 0)
		close_input(a, p);
}

static void input_ready(struct agent *a, struct source *s, uint32_t events)
{
	(void)events;
	push_input(a, s->owner);
}

void stdio_watch(struct agent *a, struct guest_process *p)
{
	p->in.owner = p;
	p->in.ready = input_ready;
	for (int i = 0; i < 2; i++) {
		p->out[i].owner = p;
		p->out[i].ready = output_ready;
		if (p->out[i].fd >= 0 && source_watch(a, &p->out[i], EPOLLIN) < 0)
			end_output(a, p, &p->out[i]);
	}
	push_input(a, p);
}

int stdio_input(struct agent *a, struct guest_process *p, const void *data, size_t n, bool eof, struct err *err)
{
	int r = stream_rx_put(&p->rx, data, n, eof, err);

	if (r < 0)
		return r;
	/* Before a pty is there, input waits. */
	if (p->in.fd >= 0 && p->in.ready)
		push_input(a, p);
	return 0;
}

int stdio_window(struct agent *a, struct guest_process *p, const struct proto_window *w, bool closed, struct err *err)
{
	int i = (int)w->stream - PROTO_STDOUT;
	int r;

	if (i < 0)
		return err_set(err, EPROTO, "credit for a stream of the other direction");
	r = stream_tx_window(&p->tx[i], w->bytes, closed, err);
	if (r < 0 || p->out[i].fd < 0 || !p->out[i].ready)
		return r;
	if (closed)
		source_close(a, &p->out[i]); /* the writer gets SIGPIPE */
	else if (source_watch(a, &p->out[i], EPOLLIN) < 0)
		end_output(a, p, &p->out[i]);
	gone(a, p);
	return 0;
}

void stdio_unstarve(struct agent *a)
{
	struct guest_process *next;

	for (struct guest_process *p = a->processes; p; p = next) {
		next = p->next;
		for (int i = 0; i < 2; i++)
			if (p->out[i].fd >= 0 && p->out[i].ready && p->tx[i].credit)
				(void)!source_watch(a, &p->out[i], EPOLLIN);
		if (p->in.fd >= 0 && p->in.ready)
			push_input(a, p);
	}
}

void stdio_drain(struct agent *a, struct guest_process *p)
{
	for (int i = 0; i < 2; i++)
		while (p->out[i].fd >= 0 && p->out[i].ready && pump_output(a, p, &p->out[i]))
			;
}

bool stdio_finished(const struct guest_process *p)
{
	return p->out[0].fd < 0 && p->out[1].fd < 0;
}

void stdio_close(struct agent *a, struct guest_process *p)
{
	source_close(a, &p->in);
	for (int i = 0; i < 2; i++)
		if (p->out[i].fd >= 0) {
			end_output(a, p, &p->out[i]);
			source_close(a, &p->out[i]);
		}
	fd_close(&p->pty_fd);
	stream_rx_done(&p->rx);
}
