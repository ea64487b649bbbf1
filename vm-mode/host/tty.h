/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_TTY_H
#define BRIG_VM_MODE_HOST_TTY_H

#include "runtime/spec.h"

/*
 * The host's half of a process's terminal. The line discipline is the guest's: here it is raw. The slave becomes the controlling
 * terminal of the process that relays it, so that a change of the window's size comes as SIGWINCH, and the end of the master as SIGHUP.
 */

/* Make a pair; send the master to the console socket (a path), or, when that is NULL, leave it to be received from *ret_socket. */
int vm_tty_open(const struct spec_process *p, const char *console_socket, int *ret_slave, int *ret_socket, struct err *err) MUST_CHECK;

/* In the process that relays: lead a session; take the slave (when it is >= 0) as its terminal, and let go of 0, 1 and 2. */
int vm_tty_take(int slave_fd, struct err *err) MUST_CHECK;

#endif
