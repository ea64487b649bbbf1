/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_KEEPER_H
#define BRIG_VM_MODE_HOST_KEEPER_H

#include "runtime/base/err.h"
#include "runtime/base/str.h"
#include "vm-mode/machine.h"

/*
 * DOC: the machine's process
 *
 * One thread, one poll(2) loop, between
 *   the guest's agent    the protocol (vm-mode/protocol) over the machine's port
 *   commands             clients of the socket `control` in the state directory: exec, kill, start, stats ... They speak the same
 *                        protocol, with this process in the guest's place; it renumbers requests and processes and passes
 *                        frames on. Credit goes end to end, so what waits here for a client is bounded by its streams' credit.
 *   the parent           until create is committed (runtime/sync.h)
 *   the gate             its connections are closed at once: that it is there says "created"
 *   stdio                of the container's init: 0, 1, 2 or a terminal
 *   signals              sent to this process by hand: passed on to the container's init; SIGWINCH: its terminal's new size
 *   the machine's end
 *
 * In the numbers of a client, process 1 is the init of the container that it names; those that it makes by EXEC have the
 * numbers that it chose, from 2 on. A client that goes away takes the processes that it made with it.
 */
#define KEEPER_CONTROL "control"
#define KEEPER_INIT_ID 1u

struct keeper_config {
	struct machine *machine; /* running; owned by the caller */
	const char *container;	 /* id */
	const char *program;	 /* for HELLO */
	struct buf create;	 /* packed CREATE message */
	char *net;		 /* JSON, or NULL: no interface */
	int sync_fd;		 /* the parent */
	int control_fd, gate_fd; /* listening; gate_fd -1: run */
	int tty_fd;		 /* -1: stdio */
	bool emulated;		 /* boots take longer */
};

/* Until the container and its machine are gone. Returns the exit code. */
int keeper_main(struct keeper_config *c);

/* CLOCK_MONOTONIC. */
int64_t keeper_now_ms(void);

#endif
