/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_POD_H
#define BRIG_VM_MODE_HOST_POD_H

#include "runtime/container.h"

/*
 * DOC: pods
 *
 * Engines name the sandbox that a container belongs to in annotations (containerd's CRI plugin, CRI-O, podman). The sandbox's
 * container has the machine; the others run in it: their trees are attached to its share under c/ID, their state.pid is a stub
 * (vm-mode/host/exec.h) in their own cgroup, and their `control` is a link to the sandbox's. They share the sandbox's network, IPC, host
 * name and, where their configuration joins one, pid namespace in the guest.
 *
 * A container that joins the network namespace of a running machine (podman run --network container:NAME) is treated the same without
 * annotations: an interface has one address, so two machines cannot share it.
 */

/* At create: the id of the sandbox, new string, or NULL: the container gets a machine of its own. */
char *pod_find_sandbox(const struct container *c);
/* Later: the same. */
char *pod_sandbox(const struct container *c);

/* create for such a container: up to its gate. *ret_console_fd: the socket that brings the terminal's master, or -1. */
int pod_create(struct container *c, const struct create_opts *o, const char *sandbox, int *ret_console_fd, struct err *err) MUST_CHECK;

/* Take its trees out of the machine's share, if that is still there. Idempotent. */
int pod_destroy(struct container *c, const char *sandbox, struct err *err) MUST_CHECK;

#endif
