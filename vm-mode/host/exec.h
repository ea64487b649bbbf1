/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_EXEC_H
#define BRIG_VM_MODE_HOST_EXEC_H

#include "runtime/container.h"

/*
 * DOC: exec in vm-mode
 *
 * The process in the guest has a stub on the host: the process whose pid engines get, in the container's cgroup. It relays
 * stdio or a terminal and signals, exits with the code, and takes the guest's process along when it dies.
 */
int vm_exec(struct container *c, const struct exec_opts *o, pid_t *ret_pid, int *ret_pidfd, int *ret_console_fd, struct err *err) MUST_CHECK;

/* A process object of config.json (config.md "Process") from the parsed form: what the command line changed is in it. */
void vm_process_json(const struct spec_process *p, struct json_writer *w);

#endif
