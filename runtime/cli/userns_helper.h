/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_USERNS_HELPER_H
#define BRIG_RUNTIME_CLI_USERNS_HELPER_H

#include "runtime/cli/userns.h"

/*
 * A child process that is root of a user namespace: a new one with the maps of a struct userns, which newuidmap and newgidmap write, or
 * one that exists. It has a mount namespace of its own. The user namespace lives as long as the child, at least.
 */
struct userns_helper {
	pid_t pid;
	int fd; /* owned: the child's other end */
};

/* Run fn there. fn returns an fd to send, 0 or negative with err. *ret_fd gets the fd, or -1; the child then serves until
 * userns_helper_end(). */
int userns_helper_run(const struct userns *u, int (*fn)(void *arg, struct err *err), void *arg, struct userns_helper *ret, int *ret_fd,
		      struct err *err) MUST_CHECK;
/* open_tree(2) with the child's rights, in its mount namespace: a detached tree's fd or -errno. */
int userns_helper_open_tree(struct userns_helper *h, const char *path, unsigned flags) MUST_CHECK;
/* The same, without a helper, in the mount namespace (and user namespace) of the process pid. */
int userns_open_tree_of(pid_t pid, const char *path, unsigned flags) MUST_CHECK;
void userns_helper_end(struct userns_helper *h);

/* remove_tree(), by a helper of a user without privileges where files of subordinate ids are in the way. */
int userns_remove_tree(const char *path, struct err *err) MUST_CHECK;

#endif
