/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_TAR_STREAM_H
#define BRIG_RUNTIME_CLI_TAR_STREAM_H

#include "runtime/cli/commands.h"

enum tar_direction { TAR_OUT, TAR_IN };

/* Become the program that writes the tree at path below root_fd to standard output as a tar, or unpacks the tar on standard input there;
 * option: one more word for it, or NULL. It enters the directory before it reads a byte. Comes back only to fail. */
int tar_stream(enum tar_direction direction, int root_fd, const char *path, const char *option, struct err *err) MUST_CHECK;

#endif
