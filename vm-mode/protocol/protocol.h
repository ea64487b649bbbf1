/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_PROTOCOL_PROTOCOL_H
#define BRIG_VM_MODE_PROTOCOL_PROTOCOL_H

#include "runtime/base/attr.h"

/*
 * DOC: the channel between host and guest
 *
 * One byte stream, a virtio-console port named PROTO_PORT. Everything on it is a frame: a header of 16 bytes and up to
 * PROTO_MAX_PAYLOAD bytes. All numbers are little-endian. vm-mode/protocol/README.md describes every message.
 *
 * The guest speaks first: HELLO when it has opened the port. The host answers with its HELLO; before that nothing else
 * is allowed. Afterwards the host asks (requests have a seq that is not 0), the guest replies to each request exactly once, in any
 * order, with PROTO_REPLY or PROTO_ERROR that carry the request's seq; events have seq 0.
 *
 * Processes have numbers that the host chooses; a container is known by its id and owns its init process's number.
 *
 * Both ends treat what they read as hostile: types have a direction and a largest size (proto_type_info), strings are bounded
 * and NUL-terminated, and a violation ends the connection.
 */
#define PROTO_PORT	  "brig"
#define PROTO_SHARE	  "brig" /* tag of the virtio-fs share: c/ID/rootfs, c/ID/binds/N */
#define PROTO_MAGIC	  0x47495242u /* "BRIG" */
#define PROTO_VERSION	  1
#define PROTO_HEADER	  16
#define PROTO_MAX_PAYLOAD (64u << 10)
#define PROTO_MAX_MESSAGE (16u << 20)
#define PROTO_WINDOW	  (256u << 10) /* credit of each stream at its start */
#define PROTO_MAX_ID	  1024	       /* bytes of a container id */
#define PROTO_MAX_PROCESSES 65536u     /* live at a time */

struct proto_header {
	uint32_t len;	/* of the payload of this frame */
	uint16_t type;	/* enum proto_type */
	uint16_t flags; /* enum proto_flags */
	uint32_t id;	/* process, or 0 */
	uint32_t seq;	/* request number, or 0 */
};

enum proto_flags {
	PROTO_MORE = 1,	 /* a fragment; the rest of the message follows in frames with the same type, id and seq */
	PROTO_EOF = 2,	 /* streams: nothing comes after this data. WINDOW: the receiver takes nothing any more */
	PROTO_ALL_FLAGS = 3
};

enum proto_type {
	PROTO_HELLO = 1,
	PROTO_REPLY = 2,
	PROTO_ERROR = 3,

	PROTO_CREATE = 16,
	PROTO_START,
	PROTO_EXEC,
	PROTO_KILL,
	PROTO_RESIZE,
	PROTO_PAUSE,
	PROTO_RESUME,
	PROTO_UPDATE,
	PROTO_STATS,
	PROTO_PS,
	PROTO_DELETE,
	PROTO_NET,
	PROTO_TIME,
	PROTO_SHUTDOWN,
	PROTO_PING,
	PROTO_BALLOON, /* for the machine's process on the host, from its commands; the guest knows no such request */

	PROTO_EXIT = 64,
	PROTO_OOM,
	PROTO_LOG,

	PROTO_STDIN = 80, /* the three streams of a process, and the credit for them */
	PROTO_STDOUT,
	PROTO_STDERR,
	PROTO_WINDOW_UPDATE,
};

enum proto_side { PROTO_TO_GUEST = 1, PROTO_TO_HOST = 2 };

struct proto_type_info {
	uint16_t type;
	const char *name;
	uint8_t sides;	  /* who may receive it: a set of enum proto_side */
	bool needs_id, needs_seq;
	uint32_t min, max; /* bytes of the whole message */
};

/* NULL: no such type. */
const struct proto_type_info *proto_type_info(uint16_t type);
/* Its name, or "unknown". */
const char *proto_type_name(uint16_t type);

/* The three streams of a process as an index, 0 to 2, or -1 when type is none of them. */
int proto_stream_index(uint16_t type);
#define PROTO_STREAMS 3

#endif
