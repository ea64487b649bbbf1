/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control channel of the kvm-host bench: one byte stream between the supervisor on the host and the agent inside, and a
 * UNIX socket between the supervisor and each client. All of them carry the same frames, in host byte order (both ends are
 * the same architecture).
 *
 *	client                     supervisor                   agent
 *	ARG… EXEC          ──>   gives the stream its id   ──>   starts the command
 *	STDIN SIGNAL WINCH ──>                             ──>
 *	                   <──                             <──   STDOUT STDERR … EXIT
 *	(goes away)              CLOSE                     ──>   kills the command's process group
 *
 * Data flows against credit: a side sends at most WIRE_WINDOW bytes of one kind on a stream before the other side gives
 * CREDIT for what it has passed on. So one slow reader stops its own command only, and every buffer is bounded.
 */
#ifndef BRIG_TESTS_KVM_HOST_WIRE_H
#define BRIG_TESTS_KVM_HOST_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_PAYLOAD 16384u
#define WIRE_WINDOW  262144u
#define WIRE_REQUEST 2097152u	/* bytes of arguments and environment a command may have: the kernel's own limit */

enum frame_type {
	FRAME_HELLO = 1,	/* agent: the machine is ready for commands */
	FRAME_ARG,		/* client: a piece of the request */
	FRAME_EXEC,		/* client: the request is complete */
	FRAME_STDIN,		/* client: data; empty means end of file */
	FRAME_STDOUT,		/* agent: data */
	FRAME_STDERR,		/* agent: data */
	FRAME_CREDIT,		/* both: struct credit */
	FRAME_SIGNAL,		/* client: uint32_t, sent to the command's process group */
	FRAME_WINCH,		/* client: struct window */
	FRAME_NOTE,		/* agent: a line of text for the client's standard error */
	FRAME_EXIT,		/* agent: uint32_t, the exit code as a shell gives it (128 + signal); the last frame */
	FRAME_CLOSE,		/* supervisor: the client is gone */
};

struct frame {
	uint32_t stream;
	uint16_t type;
	uint16_t len;
};

struct credit {
	uint32_t type;		/* FRAME_STDIN, FRAME_STDOUT or FRAME_STDERR */
	uint32_t bytes;
};

struct window {
	uint16_t rows, cols;
};

/* A request is this head, then NUL-terminated strings: working directory, argv, environment additions (NAME=value). */
struct request {
	uint32_t tty;		/* 0, 1 */
	uint32_t cwd_optional;	/* 1: where the directory does not exist inside, start in / and say so */
	struct window window;
	uint32_t argc, envc;
};

/* A byte queue. Memory grows and stays; wire_buf_free() gives it back. */
struct wire_buf {
	char *data;
	size_t start, end, size;
};

static inline size_t wire_buf_len(const struct wire_buf *b)
{
	return b->end - b->start;
}

/* Appends. Running out of memory ends the program: none of the three programs can go on without. */
void wire_buf_add(struct wire_buf *b, const void *data, size_t len);
void wire_buf_free(struct wire_buf *b);

/* Appends one frame; len at most WIRE_PAYLOAD. */
void wire_put(struct wire_buf *b, uint32_t stream, enum frame_type type, const void *data, size_t len);

/*
 * Takes the first complete frame: true, *ret is its head and *ret_data points to ret->len bytes inside the buffer, valid until
 * the buffer is added to. The caller drops it with wire_drop(). A head with an impossible length sets *ret_bad.
 */
bool wire_peek(const struct wire_buf *b, struct frame *ret, const char **ret_data, bool *ret_bad);
void wire_drop(struct wire_buf *b, const struct frame *f);

/* One read or write without blocking. 1: moved bytes; 0: would block; -1: end of file or error. */
int wire_fill(struct wire_buf *b, int fd);
int wire_flush(struct wire_buf *b, int fd);

#endif
