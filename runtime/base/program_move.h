/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_PROGRAM_MOVE_H
#define BRIG_RUNTIME_BASE_PROGRAM_MOVE_H

#include "runtime/base/attr.h"

#include <linux/prctl.h>

/*
 * DOC: another program file without an exec
 *
 * prctl(PR_SET_MM_MAP) changes /proc/self/exe for a process with CAP_SYS_ADMIN, unless memory is still mapped from the old file.
 * So the segments of the program are mapped again from the new file, while they run: what cannot be written from the
 * file, whose bytes are the same, and what can as well, with the changed pages written back into it. An exec of the program would
 * do the same, and cost an address space with all its page faults: a fifth of the time of a whole `run`.
 *
 * It is cheapest in a child that was just cloned, which has no page of the program's text mapped yet.
 */
struct program_move {
	int fd; /* the new file, open for reading; -1: nothing to move to */
	struct prctl_mm_map map;
};
#define PROGRAM_MOVE_NONE ((struct program_move){ .fd = -1 })

/* path_fd: O_PATH fd of the same file on another mount. Finds out whether this process may move. -errno: it may not. */
int program_move_prepare(struct program_move *m, int path_fd) MUST_CHECK;

/* Move. -errno: /proc/self/exe is still the old one; the program works on. The fd stays open, and is the caller's. */
int program_move(struct program_move *m) MUST_CHECK;

#endif
