/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_CONTAINER_ROOT_H
#define BRIG_RUNTIME_CLI_CONTAINER_ROOT_H

#include "runtime/cli/record.h"

/* The files of a container as a directory: of one that runs its init's root, with all that is mounted there; else its root file system,
 * mounted nowhere. The fd, which the caller owns. */
int container_root_open(struct cli *cli, const char *name, struct err *err) MUST_CHECK;

#endif
