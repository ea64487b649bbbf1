/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_TREE_ROOT_H
#define BRIG_RUNTIME_CLI_TREE_ROOT_H

#include "runtime/cli/record.h"

/*
 * DOC: root file systems without EROFS
 *
 * A user without privileges cannot mount EROFS, and a kernel may lack it. Then the image is written once as plain files to
 * DATA/trees/CHAIN (by brig-images; under a temporary name first), and an overlay is put above it.
 *
 * Rootless, files have owners of the user's subordinate ids, so this happens in a user namespace with them: a helper process makes
 * it, mounts there, sends us the mount, and waits until the container has joined the namespace.
 */
struct tree_root {
	int root_fd;	/* owned: the detached overlay */
	pid_t helper;	/* 0: none (privileged) */
	int helper_fd;	/* owned: the helper ends when it is closed */
};

/* The container's overlay over plain files. rootless: in a helper's user namespace; config.json is to join /proc/HELPER/ns/user. */
int tree_root_open(struct record *r, const struct store_image *image, bool rootless, struct tree_root *ret, struct err *err) MUST_CHECK;
void tree_root_close(struct tree_root *t);

/* Remove a directory tree that has files of subordinate ids. */
int tree_remove_rootless(const char *path, struct err *err) MUST_CHECK;

#endif
