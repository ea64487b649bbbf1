/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_LAUNCH_H
#define BRIG_RUNTIME_CLI_LAUNCH_H

#include "images/image_config.h"
#include "runtime/cli/record.h"
#include "runtime/cli/run_options.h"

/*
 * DOC: starting and ending a container
 *
 * launch_create() puts together what the OCI layer needs (root file system, network, volumes, configuration) and has it make the
 * container; nothing of that outlives the container's own namespaces: the root file system is a detached mount, the network
 * namespace an open fd, so that a kill at any point leaves no mount behind. Two ways lead there:
 *
 *   in the foreground    brig itself is the parent: create, start, wait, finish.
 *   with a monitor       conmon runs `brig monitor create`, which does the same as its child; brig waits for conmon's word,
 *			  attaches when asked to, and opens the gate. When the container ends, conmon runs `brig cleanup ID`.
 *
 * finish_container() is the one way back: after the end, after a failed start, by rm and by prune.
 */
struct launch {
	struct record *record;		/* borrowed, locked */
	const struct run_options *o;	/* borrowed */
	const char *pid_file, *console_socket; /* or NULL */
	bool foreground;		/* the caller is the parent and waits */
};
int launch_create(const struct launch *l, struct container **ret, struct err *err) MUST_CHECK;

/* `create`: find the image (pulling it as --pull says) and make the record, which comes back locked. operands: image, command. On
 * error nothing stays. */
int create_container(struct cli *cli, const struct run_options *o, char **operands, struct record **ret, struct err *err) MUST_CHECK;

/* How a foreground process is connected with us. */
struct foreground {
	struct record *record;
	const struct run_options *o;
};
/* From create to finish. Returns the exit code to use. The record is locked at the beginning and unlocked in between. */
int run_foreground(const struct foreground *f, struct err *err) MUST_CHECK;

/* With conmon: the container is created and waits at its gate, the record's run_dir has conmon's attach socket. */
bool monitor_available(void);
int monitor_create(struct record *r, const struct run_options *o, struct err *err) MUST_CHECK;
/* Open the gate and note that it runs. */
int start_created(struct record *r, struct err *err) MUST_CHECK;
/* monitor_create() and start_created(), undone on error. */
int start_detached(struct record *r, const struct run_options *o, struct err *err) MUST_CHECK;

/* The exit code for an error of a start: 127 and 126 for a program that is not there or cannot be executed, else 125. */
int launch_exit_code(const struct err *err);

/* It has ended, or never began: remove the OCI layer's state and the network, write down exit_code (-1: not known), and with --rm remove
 * everything. The record is locked. Idempotent. */
int finish_container(struct record *r, int exit_code, struct err *err) MUST_CHECK;
/* Remove the OCI layer's state, whole or half made. No error if there is none. */
int discard_state(struct record *r, struct err *err) MUST_CHECK;
/* Hold, for as long as the fd (owned by the caller; -1: it is not to be had) is open, the promise to write down the container's end:
 * those who wait for it stop waiting when its holder was killed. The run directory exists. */
int keep_container(const struct record *r);
/* Remove a container that does not run: finish_container() and the record; volumes: anonymous volumes, too. */
int remove_container(struct record *r, bool volumes, struct err *err) MUST_CHECK;

/* Wait until the container has ended and its end is written down; *ret is its exit code. The record must not be locked.
 * timeout_ms -1: for ever; -ETIMEDOUT without err. */
int wait_container(struct record *r, int timeout_ms, int *ret, struct err *err) MUST_CHECK;
/* Stop signal, timeout, SIGKILL; by_hand: the restart policy is to let it be. Unlocked record. */
int stop_container(struct record *r, int timeout_s, bool by_hand, struct err *err) MUST_CHECK;
int stop_signal_of(const struct record *r);
/* A person ends it in another way: the restart policy is to let it be. Unlocked record. */
int mark_stopped_by_hand(struct record *r, struct err *err) MUST_CHECK;

/* The image of a record, from the store. */
int launch_image(struct record *r, struct store_image *image, struct image_config *config, struct err *err) MUST_CHECK;

/* Exit codes of containers that removed themselves. */
int exit_file_read(struct cli *cli, const char *id, int *ret);

#endif
