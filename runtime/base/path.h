/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_PATH_H
#define BRIG_RUNTIME_BASE_PATH_H

#include "runtime/base/attr.h"

/*
 * DOC: paths inside a root that somebody else controls
 *
 * Whoever owns a rootfs can swap any name in it at any time. So nothing here returns a path: every look-up
 * returns an fd, resolved by openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, and callers go on with the fd.
 * Where openat2 is missing (ENOSYS, or EPERM from an old seccomp profile) a walk by hand with O_NOFOLLOW does
 * the same, component by component; after it, the result is checked to be below the root still.
 */

/* Open path below root_fd as if root_fd were "/". flags as open(2); O_CLOEXEC is always added.
 * Returns an fd or -errno (-ELOOP, -ENOENT, -EXDEV ...). */
int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode) MUST_CHECK;

/* Make the directory path below root_fd with all its parents, and return an O_PATH fd of it. Symlinks that exist are
 * followed inside the root; a dangling one is -ENOENT, a path with ".." that is not there yet is -EINVAL. */
int path_mkdir_in_root(int root_fd, const char *path, mode_t mode) MUST_CHECK;

/* Make an empty regular file (with its parent directories) unless something is there; returns an O_PATH fd of it. */
int path_mkfile_in_root(int root_fd, const char *path, mode_t dir_mode, mode_t file_mode) MUST_CHECK;

/* Open the parent directory of path below root_fd, making it when make is set; *ret_name is path's last
 * component (never "", "." or ".."), a new string. Returns an O_PATH fd. -EINVAL when path has no last component. */
int path_open_parent_in_root(int root_fd, const char *path, bool make, mode_t mode, char **ret_name) MUST_CHECK;

/* Lexical: collapse "//", "." and ".." of an absolute path ("/../a" is "/a"). New string. */
char *path_clean(const char *path) __attribute__((returns_nonnull));

/* True when path has ".." as a component. */
bool path_has_dotdot(const char *path);

#endif
