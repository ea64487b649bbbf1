/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_STATUS_H
#define BRIG_RUNTIME_CLI_STATUS_H

#include "runtime/cli/record.h"

/* "Up 3 minutes", "Up 3 minutes (Paused)", "Exited (0) 2 hours ago", "Created": as ps shows it. New string. */
char *status_text(const struct record *r, enum record_state s) __attribute__((returns_nonnull));
/* Bytes of the files below dir_fd/name; 0 when it is not there. */
uint64_t tree_bytes(int dir_fd, const char *name);
/* Bytes that the container has written into its layer. */
uint64_t status_size(const struct record *r);

#endif
