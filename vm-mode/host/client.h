/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_CLIENT_H
#define BRIG_VM_MODE_HOST_CLIENT_H

#include "runtime/container.h"
#include "vm-mode/protocol/frame.h"
#include "vm-mode/protocol/message.h"

/* A command's connection to the machine's process (vm-mode/host/keeper.h). What comes from there is checked as if it came from
 * the guest, which it mostly does. */
struct client_conn {
	int fd; /* non-blocking */
	struct frame_reader in;
	struct frame_writer out;
	uint32_t last_seq;
};

/* Connect and greet. -ESRCH with "container not running" when the machine is gone. */
int client_connect(struct client_conn *cc, struct container *c, struct err *err) MUST_CHECK;
void client_done(struct client_conn *cc);

/* Send a request and wait for its answer; its payload is copied to *ret (may be NULL). The guest's error becomes ours.
 * timeout_ms -1: for ever. */
int client_request(struct client_conn *cc, uint16_t type, uint32_t id, const struct buf *payload, int timeout_ms, struct buf *ret,
		   struct err *err) MUST_CHECK;
/* The next message: 1, or 0 when time is up; timeout_ms 0: only what is there. */
int client_next(struct client_conn *cc, struct frame *f, int timeout_ms, struct err *err) MUST_CHECK;
/* What a REPLY or ERROR says, as client_request() gives it. */
int client_answer(const struct frame *f, struct buf *ret, struct err *err) MUST_CHECK;
/* Connect, one request, done. */
int client_call(struct container *c, uint16_t type, uint32_t id, const struct buf *payload, int timeout_ms, struct buf *ret,
		struct err *err) MUST_CHECK;

/* For HELLO and messages: "brig 0.1.0 (abc1234)". New string. */
char *client_program(void);

#endif
