/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_IMAGE_USER_H
#define BRIG_RUNTIME_CLI_IMAGE_USER_H

#include "runtime/base/err.h"

/*
 * "user[:group]", names or numbers, looked up in the image's own /etc/passwd and /etc/group, never in the host's
 * (image-spec, conversion.md). The files are opened inside the root (no way out by symlinks), must be regular, and are bounded
 * in size; missing ones are empty.
 */
struct image_user {
	uint32_t uid, gid;
	uint32_t *groups; /* owned; supplementary groups, each once */
	size_t n_groups;
	char *home, *name; /* owned; "" when the file does not say */
};

/* text "" or NULL: uid 0. group_add: further groups by name or number, n of them. A name that is not there is an error; a number
 * need not be. An explicit group leaves out the supplementary groups of /etc/group. */
int image_user_resolve(int root_fd, const char *text, const char *const *group_add, size_t n, struct image_user *ret,
		       struct err *err) MUST_CHECK;
void image_user_done(struct image_user *u);
#define AUTO_IMAGE_USER CLEANUP(image_user_done)

#endif
