/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_SYNC_H
#define BRIG_RUNTIME_SYNC_H

#include "runtime/base/err.h"

/*
 * DOC: how the parent and the init child talk
 *
 *   parent (create, run, exec)                      init child
 *     clone3 ------------------------------------->  waits
 *     id maps, systemd scope, net devices
 *     GO {state for hooks} ------------------------>  namespaces, mounts, devices
 *     <--------------------------------- HOOKS        (only when there are host hooks)
 *     prestart, createRuntime
 *     HOOKS_DONE ---------------------------------->  createContainer hooks, pivot, process phases
 *     <--------------------------------- READY        at the gate
 *     state.json
 *     START (run, exec; create: closes)  ---------->  or START over the gate socket, from the start command
 *     <--------------------------------- NOTIFY {fd}  (seccomp listener, when the filter has one)
 *     NOTIFY_DONE --------------------------------->
 *     <--------------------------------- end of file  execve closed the socket: the program runs
 *     <--------------------------------- FAILED {err} instead of any message of the child
 *
 * `run` mostly does without all of it (namespaces/lend.h).
 *
 * One SOCK_SEQPACKET message each: a header and up to SYNC_MAX_DATA bytes; more data of a GO (a state with large annotations)
 * travels as a file in memory. The parent treats the child's
 * messages as hostile once the child has entered the container.
 */
enum sync_kind {
	SYNC_GO = 1,
	SYNC_HOOKS,
	SYNC_HOOKS_DONE,
	SYNC_READY,
	SYNC_START,
	SYNC_NOTIFY,
	SYNC_NOTIFY_DONE,
	SYNC_FAILED,
	SYNC_NAMESPACES, /* a byte (enum ns_type) and a fd each */
	SYNC_NIC, /* vm-mode: one of the machine's network interfaces, with its tap */
	SYNC_KINDS
};

#define SYNC_MAX_DATA (120u << 10)
#define SYNC_MAX_FILE (64u << 20)

/* fd < 0: none is sent. */
int sync_send(int sock, enum sync_kind kind, const void *data, size_t n, int fd) MUST_CHECK;

/* Wait for one message. Returns its kind, 0 at end of file, or -errno with err; SYNC_FAILED becomes the error it carries. A kind
 * that is not in the mask of (1 << kind) is an error naming both. *ret_data (may be NULL) is a new buffer,
 * NUL-terminated; *ret_fd (may be NULL) a received fd or -1. */
int sync_recv(int sock, unsigned allowed, char **ret_data, size_t *ret_n, int *ret_fd, struct err *err) MUST_CHECK;

/* Send SYNC_FAILED with this error; nothing can be done when that fails. */
void sync_fail(int sock, const struct err *err);

#endif
