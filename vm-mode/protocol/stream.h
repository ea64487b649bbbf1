/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_PROTOCOL_STREAM_H
#define BRIG_VM_MODE_PROTOCOL_STREAM_H

#include "vm-mode/protocol/frame.h"

/*
 * DOC: flow control
 *
 * Each stream starts with a credit of PROTO_WINDOW bytes. The sender of a stream reads its source only while it has credit; the
 * receiver gives credit back as the bytes leave its buffer. So a receiver never holds more than PROTO_WINDOW bytes of a
 * stream, and a stream that stalls holds up no other. End of data is PROTO_EOF on the last frame (which may be empty). A
 * receiver whose destination is gone says so with PROTO_EOF in WINDOW; the sender then drops its source.
 */
struct stream_tx {
	uint32_t credit;
	bool ended;  /* EOF was sent */
	bool closed; /* the receiver takes nothing any more */
};
void stream_tx_init(struct stream_tx *s);
/* How many bytes may be read from the source now; 0: wait (for credit, or for the queue), or it is over. */
size_t stream_tx_room(const struct stream_tx *s, const struct frame_writer *w);
/* Send n <= room bytes, with EOF when it is the end. -ENOBUFS leaves everything as it was. */
int stream_tx_send(struct stream_tx *s, struct frame_writer *w, uint16_t type, uint32_t id, const void *p, size_t n, bool eof) MUST_CHECK;
/* A WINDOW message came for it. -EPROTO when it gives more than was taken. */
int stream_tx_window(struct stream_tx *s, uint32_t bytes, bool closed, struct err *err) MUST_CHECK;

struct stream_rx {
	uint8_t *ring;	     /* PROTO_WINDOW bytes, made with the first data */
	uint32_t start, len; /* what waits */
	uint32_t owed;	     /* taken, not yet announced */
	bool eof;	     /* nothing comes after what waits */
	bool closed;	     /* we take nothing any more: what comes is dropped */
};
void stream_rx_init(struct stream_rx *s);
void stream_rx_done(struct stream_rx *s);
/* A frame of the stream came. -EPROTO: more than its credit, or after its end; -ENOMEM. */
int stream_rx_put(struct stream_rx *s, const void *p, size_t n, bool eof, struct err *err) MUST_CHECK;
/* The first bytes that wait, in one piece; NULL when there are none. */
const uint8_t *stream_rx_peek(const struct stream_rx *s, size_t *ret_n);
/* n of them have left. */
void stream_rx_take(struct stream_rx *s, size_t n);
/* Everything came and left. */
bool stream_rx_finished(const struct stream_rx *s);
/* The destination is gone: drop what waits and say so once. */
int stream_rx_close(struct stream_rx *s, struct frame_writer *w, uint16_t type, uint32_t id) MUST_CHECK;
/* Announce credit when enough is owed. -ENOBUFS: later. */
int stream_rx_credit(struct stream_rx *s, struct frame_writer *w, uint16_t type, uint32_t id) MUST_CHECK;

#endif
