/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_SELF_H
#define BRIG_RUNTIME_SELF_H

#include "runtime/base/err.h"
#include "runtime/base/program_move.h"

/*
 * DOC: the runtime's own program file (CVE-2019-5736)
 *
 * A process that enters a container keeps the runtime as its /proc/PID/exe until execve; a container that can open that
 * link for writing replaces the host's runtime. So a command that makes such a process runs from a file that nobody can
 * write: the program on a read-only mount, or a sealed memfd.
 *
 * self_protect() returns 0 when that is the case already. Else the program moves to a detached read-only clone of its mount
 * (no change of the host's mount table, no copy). Where it may not move it is executed again from the clone, or, where that
 * is not allowed (rootless, kernels before 5.12), from a sealed memfd copy; argv, argv[0] and the environment stay as they are,
 * and self_protect() comes back only to fail.
 *
 * later: whoever enters the container will move, before it can be seen there (program_move()); *later is filled when that is possible
 * and necessary, and its fd then belongs to the caller. NULL: move now.
 */
int self_protect(char **argv, struct program_move *later, struct err *err) MUST_CHECK;

/* True when the file behind fd (opened for reading) cannot be written through any descriptor of it. */
bool self_is_sealed(int fd);

/* A sealed, executable memfd copy of the file behind fd; CLOEXEC. Returns an fd or -errno. */
int self_sealed_copy(int fd) MUST_CHECK;

#endif
