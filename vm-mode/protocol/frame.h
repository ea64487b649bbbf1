/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_PROTOCOL_FRAME_H
#define BRIG_VM_MODE_PROTOCOL_FRAME_H

#include "runtime/base/err.h"
#include "runtime/base/str.h"
#include "vm-mode/protocol/protocol.h"

/*
 * DOC: frames to messages and back
 *
 * frame_reader takes bytes as they come and gives whole messages; frame_writer queues messages and writes what the other side
 * takes. Neither blocks on a non-blocking fd. Memory: the reader owns FRAME_IN bytes, and while a fragmented message comes in
 * what has come of it, at most the bound of its type; the writer owns what is queued, at most its max.
 */
struct frame {
	uint16_t type, flags; /* without PROTO_MORE */
	uint32_t id, seq;
	const uint8_t *data;
	size_t len;
};

#define FRAME_IN (2 * (PROTO_MAX_PAYLOAD + PROTO_HEADER))

struct frame_reader {
	enum proto_side side; /* which side we are */
	uint8_t *in;
	size_t start, end; /* unread bytes in `in` */
	bool greeted;	   /* HELLO has come */
	/* the message in reassembly */
	bool in_parts, parts_taken;
	struct proto_header parts_head;
	uint8_t *parts;
	size_t parts_len, parts_cap;
};

/* side: PROTO_TO_GUEST in the guest. -ENOMEM. */
int frame_reader_init(struct frame_reader *r, enum proto_side side) MUST_CHECK;
void frame_reader_done(struct frame_reader *r);

/* One read(2). Bytes read, 0 at end of file, -EAGAIN, -ENOBUFS (call frame_next first), -errno. */
ssize_t frame_reader_fill(struct frame_reader *r, int fd) MUST_CHECK;
/* The same from memory: how many of the n bytes were taken. */
size_t frame_reader_feed(struct frame_reader *r, const void *p, size_t n);

/*
 * The next whole message: 1 and *ret, whose data lives until the next call on this reader; 0: more bytes are needed; -EPROTO
 * (or -ENOMEM) with err: the connection is of no more use. Checked here: HELLO comes first and once, the type may come to this
 * side, its id and seq are there as its kind needs, its length is in bounds, flags are known. One message may be in
 * fragments at a time; whole messages of other kinds may come between its fragments.
 */
int frame_next(struct frame_reader *r, struct frame *ret, struct err *err) MUST_CHECK;

struct frame_writer {
	struct buf queue;
	size_t at;  /* bytes of queue already written */
	size_t max; /* bytes that may wait */
};
void frame_writer_init(struct frame_writer *w, size_t max);
void frame_writer_done(struct frame_writer *w);
/* Queue a message, in fragments where it is longer than PROTO_MAX_PAYLOAD. flags: PROTO_EOF or 0. -ENOBUFS: too much waits
 * (nothing was queued); -EMSGSIZE: longer than its type allows. */
int frame_send(struct frame_writer *w, uint16_t type, uint16_t flags, uint32_t id, uint32_t seq, const void *p, size_t n) MUST_CHECK;
/* Write what fd takes: 0 when nothing is left, 1 when something is, or -errno. */
int frame_writer_flush(struct frame_writer *w, int fd) MUST_CHECK;
size_t frame_writer_waiting(const struct frame_writer *w);

/* PROTO_ERROR for this request. */
int frame_send_error(struct frame_writer *w, uint32_t id, uint32_t seq, const struct err *e) MUST_CHECK;

void proto_header_pack(const struct proto_header *h, uint8_t out[PROTO_HEADER]);
void proto_header_unpack(const uint8_t in[PROTO_HEADER], struct proto_header *ret);

#endif
