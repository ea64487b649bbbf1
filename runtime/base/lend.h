/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_LEND_H
#define BRIG_RUNTIME_BASE_LEND_H

#include "runtime/base/attr.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * DOC: a child that works in its parent's memory
 *
 * vfork(2) with the flags of clone3(2): the child has its own files, credentials and namespaces, but the memory and the stack of
 * the parent, which the kernel holds still until the child executes a program or dies. No page table is copied, no page is
 * touched or copied a second time, and nobody has to be woken for a message. It is half of what a fork costs a `run`.
 *
 * What the child writes, the parent finds: a file descriptor in a shared variable is the parent's, so the child closes it without
 * noting that (close(2), not fd_close()), or has a copy of the variable.
 */

/* The child calls run(arg), which must not return. flags, cgroup_fd, *ret_pidfd: as in sys_clone3(). *ret_pid is set before the child
 * runs, so that the child can read its own number in the parent's pid namespace. Returns the pid when the memory is ours
 * again. -errno: no child was made; -ENOSYS: this machine or build cannot. */
pid_t sys_clone_lend(uint64_t flags, int cgroup_fd, pid_t *ret_pid, int *ret_pidfd, void (*run)(void *arg), void *arg) MUST_CHECK;

#endif
