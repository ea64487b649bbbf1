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

/*
 * The stub alone, for whoever has a process of the guest to stand for: an exec, or the init of a pod's container. Sends `type` (PROTO_EXEC
 * or PROTO_CREATE) with process number id and this payload to the machine of c, whose cgroup the stub enters; relays 0, 1, 2
 * or the terminal; accepts at gate_fd (or -1). Comes back when the guest has answered.
 */
struct stub_launch {
	struct container *c;
	uint16_t type;
	uint32_t id;
	const struct buf *payload;
	int tty_fd, gate_fd;   /* closed in the parent */
	int console_fd;	       /* of the parent */
	int sync_fd, parent_sync_fd;
	bool in_v2_cgroup;
};
#define STUB_LAUNCH(...) ((struct stub_launch){ .tty_fd = -1, .gate_fd = -1, .console_fd = -1, .sync_fd = -1, .parent_sync_fd = -1, __VA_ARGS__ })
void vm_stub_launch_done(struct stub_launch *l);
int vm_stub_spawn(struct stub_launch *l, const char *pid_file, pid_t *ret_pid, int *ret_pidfd, struct err *err) MUST_CHECK;

/* A process object of config.json (config.md "Process") from the parsed form: what the command line changed is in it. */
void vm_process_json(const struct spec_process *p, struct json_writer *w);

#endif
