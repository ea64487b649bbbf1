/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/client.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/version.h"
#include "vm-mode/host/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#define MAX_OUT	 (20u << 20)
#define GREET_MS 10000

char *client_program(void)
{
	return xasprintf("brig %s (%s)", brig_version, brig_commit);
}

static int gone(struct err *err)
{
	return err_set(err, ESRCH, "container not running: its machine is gone");
}

int client_next(struct client_conn *cc, struct frame *f, int timeout_ms, struct err *err)
{
	int64_t end = keeper_now_ms() + timeout_ms;

	for (;;) {
		struct pollfd p = { .fd = cc->fd, .events = POLLIN };
		int64_t left = timeout_ms < 0 ? -1 : end - keeper_now_ms();
		ssize_t n;
		int r = frame_next(&cc->in, f, err);

		if (r)
			return r;
		r = frame_writer_flush(&cc->out, cc->fd);
		if (r < 0)
			return gone(err);
		if (r > 0)
			p.events |= POLLOUT;
		if (timeout_ms >= 0 && left < 0)
			left = 0;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return err_sys(err, -errno, "poll");
		if (!p.revents && left == 0)
			return 0;
		if (!(p.revents & ~POLLOUT))
			continue;
		n = frame_reader_fill(&cc->in, cc->fd);
		if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
			return gone(err);
	}
}

static int greet(struct client_conn *cc, struct err *err)
{
	AUTO_FREE char *program = client_program();
	AUTO_BUF struct buf b = { 0 };
	struct proto_hello theirs;
	struct frame f;
	int r = client_next(cc, &f, GREET_MS, err);

	if (r == 0)
		return err_set(err, ETIMEDOUT, "the container's machine does not answer");
	if (r > 0)
		r = proto_unpack_hello(f.data, f.len, program, &theirs, err);
	if (r < 0)
		return r;
	proto_pack_hello(&b, &(struct proto_hello){ .magic = PROTO_MAGIC, .version = PROTO_VERSION, .program = program });
	r = frame_send(&cc->out, PROTO_HELLO, 0, 0, 0, b.p, b.len);
	return r < 0 ? err_sys(err, r, "greet the container's machine") : 0;
}

int client_connect(struct client_conn *cc, struct container *c, struct err *err)
{
	int r;

	*cc = (struct client_conn){ .fd = -1 };
	frame_writer_init(&cc->out, MAX_OUT);
	if (frame_reader_init(&cc->in, PROTO_TO_HOST) < 0)
		return err_set(err, ENOMEM, "out of memory");
	cc->fd = fd_unix_connect(c->dir_fd, KEEPER_CONTROL);
	if (cc->fd == -ENOENT || cc->fd == -ECONNREFUSED)
		return gone(err);
	if (cc->fd < 0)
		return err_sys(err, cc->fd, "connect to the machine of container '%s'", c->id);
	if (fcntl(cc->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, -errno, "fcntl");
	r = greet(cc, err);
	return r;
}

void client_done(struct client_conn *cc)
{
	fd_close(&cc->fd);
	frame_reader_done(&cc->in);
	frame_writer_done(&cc->out);
}

int client_answer(const struct frame *f, struct buf *ret, struct err *err)
{
	if (f->type == PROTO_ERROR) {
		struct err theirs = { 0 };
		int r = proto_unpack_error(f->data, f->len, &theirs, err);

		if (r < 0)
			return r;
		*err = theirs;
		return -err->code;
	}
	if (ret && f->len)
		buf_add_n(ret, (const char *)f->data, f->len);
	return 0;
}

int client_request(struct client_conn *cc, uint16_t type, uint32_t id, const struct buf *payload, int timeout_ms, struct buf *ret,
		   struct err *err)
{
	uint32_t seq = ++cc->last_seq;
	int r = frame_send(&cc->out, type, 0, id, seq, payload ? payload->p : NULL, payload ? payload->len : 0);
	struct frame f;

	if (r < 0)
		return err_sys(err, r, "ask the guest: %s", proto_type_name(type));
	for (;;) {
		r = client_next(cc, &f, timeout_ms, err);
		if (r < 0)
			return r;
		if (r == 0)
			return err_set(err, ETIMEDOUT, "the guest does not answer: %s", proto_type_name(type));
		if ((f.type == PROTO_REPLY || f.type == PROTO_ERROR) && f.seq == seq)
			return client_answer(&f, ret, err);
	}
}

int client_call(struct container *c, uint16_t type, uint32_t id, const struct buf *payload, int timeout_ms, struct buf *ret, struct err *err)
{
	CLEANUP(client_done) struct client_conn cc;
	int r = client_connect(&cc, c, err);

	return r < 0 ? r : client_request(&cc, type, id, payload, timeout_ms, ret, err);
}
