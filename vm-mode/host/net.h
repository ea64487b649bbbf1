/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_NET_H
#define BRIG_VM_MODE_HOST_NET_H

#include "runtime/base/err.h"
#include "vm-mode/machine.h"

/*
 * DOC: the machine's network
 *
 * CNI, netavark or an engine's hook has put interfaces into the container's network namespace. Each gets a tap beside it, and tc
 * redirects all that comes in at one to the other, both ways. The guest's interface has the name, MAC address, MTU, addresses,
 * routes and neighbours of the one outside, which are read here and sent as the NET message (vm-mode/protocol/README.md).
 *
 * Some engines make the interface after create (podman with a user namespace, newer docker). So a machine whose namespace has none
 * gets a spare device with a tap that is joined to nothing, and `start` looks again.
 */
struct vm_net {
	struct machine_nic nics[MACHINE_MAX_NICS]; /* the tap descriptors are owned */
	size_t n;
	char *json; /* NULL: nothing to tell */
};
void vm_net_done(struct vm_net *n);

/* In the network namespace of pid. userns: it belongs to the user namespace of pid, which has to be entered first. */
int vm_net_make(pid_t pid, bool userns, struct vm_net *ret, struct err *err) MUST_CHECK;

/* In that of the caller: without privilege nobody else may enter it. */
int vm_net_make_here(struct vm_net *ret, struct err *err) MUST_CHECK;

/* At start: join the interface that has come since to the spare tap. json: what the guest has to know, or NULL. No nics. */
int vm_net_late(pid_t pid, bool userns, struct vm_net *ret, struct err *err) MUST_CHECK;

#endif
