/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_TREE_COPY_H
#define BRIG_RUNTIME_CLI_TREE_COPY_H

#include "runtime/base/err.h"

/*
 * DOC: copying trees
 *
 * Between directories that are given by descriptors and may belong to somebody hostile: no path is ever walked, each name is opened
 * below its directory without following links, and what is there decides, not what was there. Types, modes, owners, times, extended
 * attributes and hardlinks within the tree are kept; file data is shared where the file system can, holes stay holes.
 */
enum copy_flags {
	COPY_NO_OWNER = 1 << 0,  /* what is made belongs to the caller */
	COPY_MERGE = 1 << 1,	 /* go on in directories that are there, replace files that are there */
	COPY_ONE_FS = 1 << 2,	 /* directories of other mounts stay empty */
};

/* Copy from_fd/from (any type, or "." for the directory's contents only) to to_fd/to. Errors name the path below the top. */
int tree_copy(int from_fd, const char *from, int to_fd, const char *to, enum copy_flags flags, struct err *err) MUST_CHECK;

/* Give everything in the tree below fd, and itself, to uid:gid. Not across mounts. */
int tree_chown(int fd, uint32_t uid, uint32_t gid, struct err *err) MUST_CHECK;

/* Remove a directory tree that is ours alone. A missing one is no error. -errno. */
int remove_tree(int dir_fd, const char *name);

#endif
