/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/protocol/frame.h"

#include "runtime/base/mem.h"
#include "vm-mode/protocol/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void proto_header_pack(const struct proto_header *h, uint8_t out[PROTO_HEADER])
{
	AUTO_BUF struct buf b = { 0 };

	pack_u32(&b, h->len);
	pack_u16(&b, h->type);
	pack_u16(&b, h->flags);
	pack_u32(&b, h->id);
	pack_u32(&b, h->seq);
	memcpy(out, b.p, PROTO_HEADER);
}

void proto_header_unpack(const uint8_t in[PROTO_HEADER], struct proto_header *ret)
{
	struct unpack u = { .p = in, .n = PROTO_HEADER };

	ret->len = unpack_u32(&u);
	ret->type = unpack_u16(&u);
	ret->flags = unpack_u16(&u);
	ret->id = unpack_u32(&u);
	ret->seq = unpack_u32(&u);
}

int frame_reader_init(struct frame_reader *r, enum proto_side side)
{
	*r = (struct frame_reader){ .side = side, .in = malloc(FRAME_IN) };
	return r->in ? 0 : -ENOMEM;
}

void frame_reader_done(struct frame_reader *r)
{
	free(r->in);
	free(r->parts);
	*r = (struct frame_reader){ 0 };
}

static void make_room(struct frame_reader *r)
{
	if (r->start == r->end)
		r->start = r->end = 0;
	if (r->end < FRAME_IN || !r->start)
		return;
	memmove(r->in, r->in + r->start, r->end - r->start);
	r->end -= r->start;
	r->start = 0;
}

ssize_t frame_reader_fill(struct frame_reader *r, int fd)
{
	ssize_t n;

	make_room(r);
	if (r->end == FRAME_IN)
		return -ENOBUFS;
	do
		n = read(fd, r->in + r->end, FRAME_IN - r->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r->end += (size_t)n;
	return n;
}

size_t frame_reader_feed(struct frame_reader *r, const void *p, size_t n)
{
	make_room(r);
	if (n > FRAME_IN - r->end)
		n = FRAME_IN - r->end;
	memcpy(r->in + r->end, p, n);
	r->end += n;
	return n;
}

static int check_header(const struct frame_reader *r, const struct proto_header *h, struct err *err)
{
	const struct proto_type_info *info = proto_type_info(h->type);
	bool may_end = proto_stream_index(h->type) >= 0 || h->type == PROTO_WINDOW_UPDATE;

	if (!info || !(info->sides & r->side))
		return err_set(err, EPROTO, "message of type %u is not for this side", h->type);
	if (h->len > PROTO_MAX_PAYLOAD || h->len > info->max)
		return err_set(err, EPROTO, "message '%s' of %u bytes", info->name, h->len);
	if ((h->type == PROTO_HELLO) == r->greeted)
		return err_set(err, EPROTO, "message '%s' %s", info->name, r->greeted ? "came twice" : "came before hello");
	if ((h->flags & ~PROTO_ALL_FLAGS) || (h->flags & PROTO_EOF && !may_end) || (h->flags & PROTO_MORE && info->max <= PROTO_MAX_PAYLOAD))
		return err_set(err, EPROTO, "message '%s' with flags %#x", info->name, h->flags);
	if ((info->needs_id && !h->id) || info->needs_seq != (h->seq != 0))
		return err_set(err, EPROTO, "message '%s' with id %u and number %u", info->name, h->id, h->seq);
	return 0;
}

static bool same_message(const struct proto_header *a, const struct proto_header *b)
{
	return a->type == b->type && a->id == b->id && a->seq == b->seq;
}

static int add_part(struct frame_reader *r, const struct proto_header *h, const uint8_t *data, struct err *err)
{
	const struct proto_type_info *info = proto_type_info(h->type);
	size_t need = r->parts_len + h->len;

	if (need > info->max)
		return err_set(err, EPROTO, "message '%s' of more than %u bytes", info->name, info->max);
	if (need > r->parts_cap) {
		size_t cap = need < info->max / 2 ? need * 2 : info->max;
		uint8_t *p = realloc(r->parts, cap);

		if (!p)
			return err_set(err, ENOMEM, "message '%s' of %zu bytes: out of memory", info->name, need);
		r->parts = p;
		r->parts_cap = cap;
	}
	if (h->len)
		memcpy(r->parts + r->parts_len, data, h->len);
	r->parts_len = need;
	return 0;
}

static void drop_parts(struct frame_reader *r)
{
	free(r->parts);
	r->parts = NULL;
	r->parts_len = r->parts_cap = 0;
	r->in_parts = r->parts_taken = false;
}

/* 1: the message is whole. */
static int join(struct frame_reader *r, const struct proto_header *h, struct frame *f, struct err *err)
{
	int n;

	if (r->in_parts && !same_message(h, &r->parts_head)) {
		if (h->flags & PROTO_MORE)
			return err_set(err, EPROTO, "message '%s' in parts within message '%s' in parts", proto_type_name(h->type),
				       proto_type_name(r->parts_head.type));
		return 1;
	}
	if (!r->in_parts && !(h->flags & PROTO_MORE))
		return 1;
	if (!h->len)
		return err_set(err, EPROTO, "message '%s': an empty part", proto_type_name(h->type));
	r->in_parts = true;
	r->parts_head = *h;
	n = add_part(r, h, f->data, err);
	if (n < 0 || h->flags & PROTO_MORE)
		return n;
	f->data = r->parts;
	f->len = r->parts_len;
	r->parts_taken = true;
	return 1;
}

int frame_next(struct frame_reader *r, struct frame *ret, struct err *err)
{
	struct proto_header h;
	int n;

	if (r->parts_taken)
		drop_parts(r);
	for (;;) {
		if (r->end - r->start < PROTO_HEADER)
			return 0;
		proto_header_unpack(r->in + r->start, &h);
		n = check_header(r, &h, err);
		if (n < 0)
			return n;
		if (r->end - r->start < PROTO_HEADER + h.len)
			return 0;
		*ret = (struct frame){ h.type, h.flags & ~PROTO_MORE, h.id, h.seq, r->in + r->start + PROTO_HEADER, h.len };
		r->start += PROTO_HEADER + h.len;
		n = join(r, &h, ret, err);
		if (n < 0)
			return n;
		if (n)
			break;
	}
	if (ret->len < proto_type_info(h.type)->min)
		return err_set(err, EPROTO, "message '%s' of %zu bytes", proto_type_name(h.type), ret->len);
	r->greeted = true;
	return 1;
}

void frame_writer_init(struct frame_writer *w, size_t max)
{
	*w = (struct frame_writer){ .max = max };
}

void frame_writer_done(struct frame_writer *w)
{
	buf_done(&w->queue);
	*w = (struct frame_writer){ 0 };
}

size_t frame_writer_waiting(const struct frame_writer *w)
{
	return w->queue.len - w->at;
}

static void queue_frame(struct frame_writer *w, const struct proto_header *h, const void *p)
{
	pack_u32(&w->queue, h->len);
	pack_u16(&w->queue, h->type);
	pack_u16(&w->queue, h->flags);
	pack_u32(&w->queue, h->id);
	pack_u32(&w->queue, h->seq);
	if (h->len)
		buf_add_n(&w->queue, p, h->len);
}

int frame_send(struct frame_writer *w, uint16_t type, uint16_t flags, uint32_t id, uint32_t seq, const void *p, size_t n)
{
	const struct proto_type_info *info = proto_type_info(type);
	struct proto_header h = { .type = type, .id = id, .seq = seq };
	size_t frames = n / PROTO_MAX_PAYLOAD + 1;

	if (!info || n > info->max)
		return -EMSGSIZE;
	if (frame_writer_waiting(w) + n + frames * PROTO_HEADER > w->max)
		return -ENOBUFS;
	do {
		h.len = n < PROTO_MAX_PAYLOAD ? (uint32_t)n : PROTO_MAX_PAYLOAD;
		n -= h.len;
		h.flags = n ? PROTO_MORE : flags;
		queue_frame(w, &h, p);
		p = (const uint8_t *)p + h.len;
	} while (n);
	return 0;
}

/* A queue that was long once gives its memory back; one that is half written moves up. */
static void shrink_queue(struct frame_writer *w)
{
	if (w->at == w->queue.len) {
		w->at = w->queue.len = 0;
		if (w->queue.cap > 1u << 20)
			buf_done(&w->queue);
	} else if (w->at > w->queue.len / 2) {
		memmove(w->queue.p, w->queue.p + w->at, w->queue.len - w->at);
		w->queue.len -= w->at;
		w->at = 0;
	}
}

int frame_writer_flush(struct frame_writer *w, int fd)
{
	int r = 0;

	while (w->at < w->queue.len) {
		ssize_t n = write(fd, w->queue.p + w->at, w->queue.len - w->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = errno == EAGAIN ? 1 : -errno;
			break;
		}
		w->at += (size_t)n;
	}
	shrink_queue(w);
	return r;
}

int frame_send_error(struct frame_writer *w, uint32_t id, uint32_t seq, const struct err *e)
{
	AUTO_BUF struct buf b = { 0 };

	proto_pack_error(&b, e);
	return frame_send(w, PROTO_ERROR, 0, id, seq, b.p, b.len);
}
