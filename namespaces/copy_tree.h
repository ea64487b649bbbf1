/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_NAMESPACES_COPY_TREE_H
#define BRIG_NAMESPACES_COPY_TREE_H

#include "runtime/base/err.h"

/* Copy what is below the directory from_fd into the empty directory to_fd: files, directories, symlinks, nodes, with modes and
 * owners. Nothing is followed. For the mount option tmpcopyup. */
int copy_tree(int from_fd, int to_fd, struct err *err) MUST_CHECK;

#endif
