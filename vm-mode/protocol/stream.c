/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/protocol/stream.h"

#include "runtime/base/mem.h"
#include "vm-mode/protocol/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* With this much in the queue no source is read: latency of replies and of other streams. */
#define QUEUE_ENOUGH (4 * PROTO_MAX_PAYLOAD)
#define OWED_ENOUGH  (PROTO_WINDOW / 4)

void stream_tx_init(struct stream_tx *s)
{
	*s = (struct stream_tx){ .credit = PROTO_WINDOW };
}

size_t stream_tx_room(const struct stream_tx *s, const struct frame_writer *w)
{
	if (s->ended || s->closed || frame_writer_waiting(w) > QUEUE_ENOUGH)
		return 0;
	return s->credit < PROTO_MAX_PAYLOAD ? s->credit : PROTO_MAX_PAYLOAD;
}

int stream_tx_send(struct stream_tx *s, struct frame_writer *w, uint16_t type, uint32_t id, const void *p, size_t n, bool eof)
{
	int r;

	if (s->ended || s->closed || n > s->credit)
		return -EINVAL;
	r = frame_send(w, type, eof ? PROTO_EOF : 0, id, 0, p, n);
	if (r < 0)
		return r;
	s->credit -= (uint32_t)n;
	s->ended = eof;
	return 0;
}

int stream_tx_window(struct stream_tx *s, uint32_t bytes, bool closed, struct err *err)
{
	if (bytes > PROTO_WINDOW - s->credit)
		return err_set(err, EPROTO, "more credit than a stream has");
	s->credit += bytes;
	s->closed |= closed;
	return 0;
}

void stream_rx_init(struct stream_rx *s)
{
	*s = (struct stream_rx){ 0 };
}

void stream_rx_done(struct stream_rx *s)
{
	free(s->ring);
	s->ring = NULL;
}

int stream_rx_put(struct stream_rx *s, const void *p, size_t n, bool eof, struct err *err)
{
	uint32_t at, first;

	if (s->eof)
		return err_set(err, EPROTO, "data after the end of a stream");
	/* What was taken but not announced is no credit yet. */
	if (n > PROTO_WINDOW - s->len - s->owed)
		return err_set(err, EPROTO, "more data than a stream's credit");
	s->eof = eof;
	if (s->closed) {
		s->owed += (uint32_t)n;
		return 0;
	}
	if (!n)
		return 0;
	if (!s->ring)
		s->ring = malloc(PROTO_WINDOW);
	if (!s->ring)
		return err_set(err, ENOMEM, "stream: out of memory");
	at = (s->start + s->len) % PROTO_WINDOW;
	first = PROTO_WINDOW - at < n ? PROTO_WINDOW - at : (uint32_t)n;
	memcpy(s->ring + at, p, first);
	memcpy(s->ring, (const uint8_t *)p + first, n - first);
	s->len += (uint32_t)n;
	return 0;
}

const uint8_t *stream_rx_peek(const struct stream_rx *s, size_t *ret_n)
{
	uint32_t to_end = PROTO_WINDOW - s->start;

	*ret_n = s->len < to_end ? s->len : to_end;
	return *ret_n ? s->ring + s->start : NULL;
}

void stream_rx_take(struct stream_rx *s, size_t n)
{
	s->len -= (uint32_t)n;
	s->start = s->len ? (s->start + (uint32_t)n) % PROTO_WINDOW : 0; /* empty: use the same first pages again */
	s->owed += (uint32_t)n;
}

bool stream_rx_finished(const struct stream_rx *s)
{
	return s->closed || (s->eof && !s->len);
}

static int send_window(struct frame_writer *w, uint16_t type, uint32_t id, uint32_t bytes, bool closed)
{
	AUTO_BUF struct buf b = { 0 };

	proto_pack_window(&b, &(struct proto_window){ .stream = type, .bytes = bytes });
	return frame_send(w, PROTO_WINDOW_UPDATE, closed ? PROTO_EOF : 0, id, 0, b.p, b.len);
}

int stream_rx_close(struct stream_rx *s, struct frame_writer *w, uint16_t type, uint32_t id)
{
	int r;

	if (s->closed)
		return 0;
	r = send_window(w, type, id, 0, true);
	if (r < 0)
		return r;
	s->owed += s->len;
	s->closed = true;
	s->len = s->start = 0;
	stream_rx_done(s);
	return 0;
}

int stream_rx_credit(struct stream_rx *s, struct frame_writer *w, uint16_t type, uint32_t id)
{
	int r;

	if (s->owed < OWED_ENOUGH || s->eof || s->closed)
		return 0;
	r = send_window(w, type, id, s->owed, false);
	if (r == 0)
		s->owed = 0;
	return r;
}
