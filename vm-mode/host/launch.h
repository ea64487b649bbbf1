/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_LAUNCH_H
#define BRIG_VM_MODE_HOST_LAUNCH_H

#include "runtime/container.h"
#include "runtime/plan.h"
#include "runtime/seccomp_prog.h"
#include "vm-mode/host/keeper.h"
#include "vm-mode/host/settings.h"

/*
 * DOC: create in vm-mode
 *
 *   parent (create, run)                            child: the machine's process, state.pid
 *     settings, sources, kernel, cgroup
 *     clone3 ------------------------------------->  waits
 *     id maps, systemd scope
 *     GO {state for hooks} ----------------------->  cgroup, namespaces, export root
 *     <---------------------------------- HOOKS
 *     prestart, createRuntime
 *     looks at the network namespace: taps
 *     NIC {mac, mtu} tap, for each interface ------->
 *     HOOKS_DONE {net} ---------------------------->  createContainer hooks, machine, confinement
 *                                                    guest boots; HELLO, NET, CREATE
 *     <---------------------------------- READY      the container is at its gate, in the guest
 *     state.json
 *     READY --------------------------------------->  serves commands (keeper.h) until the container ends
 *
 * FAILED {err} in place of any message of the child.
 */
struct vm_launch {
	struct container *container;
	struct vm_settings settings;
	struct plan plan;
	struct seccomp_prog seccomp;
	char *config; /* text of config.json */
	uint32_t create_flags;
	bool run;
	bool privileged, in_v2_cgroup;
	bool own_network; /* its network namespace is not the host's */
	int sync_fd, parent_sync_fd;
	int ns_fds[NS_TYPES];
	int root_tree_fd;
	int kernel_fd, initramfs_fd, kvm_fd;
	int control_fd, gate_fd;
	int tty_fd, own_console_fd; /* slave for the child; the socket that brings the master */
	uint64_t tsc_start, tsc_start_ns; /* emulation: the first of two readings of the clock */
};

/* An empty one, for vm_launch_done(). */
void vm_launch_init(struct vm_launch *l);
/* Everything up to READY. c->pid and c->pidfd are filled. */
int vm_launch(struct vm_launch *l, struct container *c, const struct create_opts *o, struct err *err) MUST_CHECK;
void vm_launch_done(struct vm_launch *l);

/* The child. Never returns. */
NORETURN void vm_init_main(struct vm_launch *l);

#endif
