/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_ATTACH_H
#define BRIG_RUNTIME_CLI_ATTACH_H

#include "runtime/cli/record.h"

/*
 * DOC: attaching to a container that conmon keeps
 *
 * run_dir/attach is a SOCK_SEQPACKET socket: each message to us is one byte (2 stdout, 3 stderr) and output; what we send is the
 * container's input as it is, and shutting our side down its end. run_dir/ctl is a fifo that takes "1 ROWS COLUMNS\n" for the
 * window's size.
 */
struct attach {
	struct record *record; /* borrowed, not locked while attached */
	bool tty;
	bool stdin_on, stdout_on, stderr_on;
	bool sig_proxy;
	const char *detach_keys; /* NULL: ctrl-p,ctrl-q; "": none */
	int socket_fd, ctl_fd;	 /* owned, -1 at first */
};

#define ATTACH_DETACHED 0x10000 /* instead of an exit code: the user left */

/* Connect, and tell the window's size; output from now on is not lost. */
int attach_open(struct attach *a, struct err *err) MUST_CHECK;
/* Copy until the container's end (or the user leaves); returns its exit code or ATTACH_DETACHED. */
int attach_run(struct attach *a, struct err *err) MUST_CHECK;
void attach_close(struct attach *a);

struct run_options;
/* Start a container by its monitor, attached from the first byte on. The record is locked at the beginning and unlocked when it runs.
 * Returns as attach_run(); on error nothing of it runs. */
int start_attached(struct record *r, const struct run_options *o, struct attach *a, struct err *err) MUST_CHECK;

/* "ctrl-p,ctrl-q", "a", "ctrl-@": up to 16 keys into bytes; the number, or -EINVAL. */
int attach_parse_keys(const char *text, unsigned char out[16], struct err *err) MUST_CHECK;

#endif
