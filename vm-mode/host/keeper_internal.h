/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_KEEPER_INTERNAL_H
#define BRIG_VM_MODE_HOST_KEEPER_INTERNAL_H

#include "vm-mode/host/keeper.h"
#include "vm-mode/host/stdio.h"
#include "vm-mode/protocol/frame.h"
#include "vm-mode/protocol/message.h"

/* Shared by keeper.c and switch.c only. */
enum keeper_state { KEEPER_BOOT, KEEPER_NET, KEEPER_CREATE, KEEPER_CREATED, KEEPER_RUNNING, KEEPER_EXITED, KEEPER_SHUTDOWN, KEEPER_END };

struct client {
	int fd;
	struct frame_reader in;
	struct frame_writer out;
	bool dead;
};

/* A request on its way. client NULL: our own, or its client is gone. */
struct pending {
	uint32_t seq; /* at the guest */
	struct client *client;
	uint32_t client_seq;
	uint16_t type;
	uint32_t id;	/* EXEC, CREATE: the process, at the guest */
	bool is_start;	/* of our own container */
	bool own;	/* the keeper's */
};

/* A process of a client. */
struct proc {
	uint32_t id; /* at the guest */
	struct client *client;
	uint32_t client_id;
	char *container; /* whose it is */
	bool is_init;	 /* made by CREATE */
	bool exited;
};

struct keeper {
	const struct keeper_config *config;
	enum keeper_state state;
	bool committed;
	struct frame_reader in; /* the guest */
	struct frame_writer out;
	struct stdio stdio;
	struct client **clients;
	struct pending *pending;
	struct proc *procs;
	size_t n_clients, n_pending, n_procs;
	uint32_t last_seq, last_id;
	int signal_fd, sync_fd, gate_fd;
	int code; /* of the container's init */
	int64_t kill_at, end_at; /* monotonic ms; 0: none */
	uint64_t last_output; /* bytes that went out, to see progress */
	char console[2048]; /* the last of what the guest's kernel said */
	size_t console_n;
	struct err failure; /* why the connection to the guest is of no more use */
};

/* ---- switch.c: between clients and guest ---- */

/* A request of our own. */
int switch_request(struct keeper *k, uint16_t type, uint32_t id, const void *p, size_t n) MUST_CHECK;
/* From a client: its frames, read and passed on. A client that breaks the rules is marked dead. */
void switch_client_input(struct keeper *k, struct client *c);
/* From the guest: an answer, or a frame of a client's process. False: it is not for a client. */
bool switch_guest_frame(struct keeper *k, const struct frame *f, struct pending *ret_own);
/* Accept a client; too many are closed. */
void switch_accept(struct keeper *k, int listen_fd);
/* Write what waits; take dead clients and their processes away. */
void switch_flush(struct keeper *k);
void switch_done(struct keeper *k);

/* SIGKILL was sent to the container's init: if the guest does not obey, the machine goes. */
void keeper_expect_death(struct keeper *k);

#endif
