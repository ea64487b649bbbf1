/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_STDIO_H
#define BRIG_VM_MODE_HOST_STDIO_H

#include "vm-mode/protocol/message.h"
#include "vm-mode/protocol/stream.h"

#include <poll.h>

/*
 * DOC: the host end of a guest process's streams
 *
 * Copies between our own descriptors (0, 1, 2, or the slave of a terminal for all) and the three streams of a process, with
 * flow control both ways. The machine's process does it for the container's init, the stub of an exec for its process. The
 * descriptors may be shared with others (pipes of an engine), so their O_NONBLOCK is never set: what polls writable takes
 * STDIO_SAFE bytes without blocking.
 */
#define STDIO_POLLS 3

struct stdio {
	uint32_t id; /* of the process */
	int in_fd, out_fd[2]; /* borrowed; -1: none */
	bool tty;    /* all of them are one terminal */
	struct stream_tx in;
	struct stream_rx out[2];
	bool in_done; /* nothing more is read */
};

/* fds: 0, 1, 2, or NULL and the terminal. */
void stdio_init(struct stdio *s, uint32_t id, int tty_fd);
void stdio_done(struct stdio *s);
/* enum proto_stdio, for CREATE and EXEC. */
uint32_t stdio_flags(const struct stdio *s);

/* Before poll(): what to wait for. Entries without a wish have fd -1. */
void stdio_poll(const struct stdio *s, const struct frame_writer *w, struct pollfd p[STDIO_POLLS]);
/* After it. 0, or negative with err: the connection is of no more use. */
int stdio_work(struct stdio *s, struct frame_writer *w, const struct pollfd p[STDIO_POLLS], struct err *err) MUST_CHECK;
/* A frame of this process's streams or their credit came. */
int stdio_frame(struct stdio *s, struct frame_writer *w, const struct frame *f, struct err *err) MUST_CHECK;
/* All output has come to its end and is out. */
bool stdio_drained(const struct stdio *s);
/* Output that came and is not out yet. */
bool stdio_waiting(const struct stdio *s);

/* The window size of a terminal; zeros when there is none. */
struct proto_window_size stdio_window_size(int tty_fd);

#endif
