/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_DIR_H
#define BRIG_RUNTIME_BASE_DIR_H

#include "runtime/base/attr.h"

#include <dirent.h>

/*
 * Directories by fd. The stream has a fd of its own (AUTO_DIR closes it), so that dir_fd stays the caller's, and reading starts at the
 * first entry whatever was read of dir_fd before.
 */

/* The entries of directory `name` in dir_fd, "." for that directory itself; a symlink is not followed. NULL with errno. */
DIR *dir_open(int dir_fd, const char *name);

/* The next entry that is neither "." nor "..", or NULL at the end. */
struct dirent *dir_next(DIR *d);

/* Remove every plain file in the directory dir_fd; sub-directories stay. */
int dir_remove_files(int dir_fd) MUST_CHECK;

#endif
