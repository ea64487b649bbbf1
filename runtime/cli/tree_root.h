/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_TREE_ROOT_H
#define BRIG_RUNTIME_CLI_TREE_ROOT_H

#include "runtime/cli/record.h"
#include "runtime/cli/userns_helper.h"

/*
 * DOC: root file systems without EROFS
 *
 * A user without privileges cannot mount EROFS, and a kernel may lack it. Then the image is written once as plain files to
 * DATA/trees/CHAIN (by brig-images; under a temporary name first), and an overlay is put above it.
 *
 * Rootless, files have owners of the user's subordinate ids, so this happens in a user namespace with them: a helper process makes
 * it, mounts there, and sends us the mount. Where the container's map is not the
 * user's default one, two helpers do that: one with the default map, which has all ids, mounts, the other makes the namespace.
 */
struct tree_root {
	int root_fd;		     /* owned: the detached overlay */
	int userns_fd;		     /* owned: the container's user namespace */
	struct userns_helper helper; /* root of the user's default map, with the mount namespace that the overlay is of; pid 0: none */
	struct spec_id_maps uids, gids; /* the container's ids as ids of the helper; n is 0 when they are the same */
};

/* Privileged: the container's overlay over plain files, with ids mapped by *userns_fd unless that is NULL. The detached mount's fd. */
int tree_root_open(struct record *r, const struct store_image *image, const int *userns_fd, struct err *err) MUST_CHECK;
/* Rootless, for the namespace u, which is made or joined. ret was { .root_fd = -1, .userns_fd = -1, .helper.fd = -1 }; maps in a. */
int tree_root_rootless(struct record *r, const struct store_image *image, const struct userns *u, struct arena *a, struct tree_root *ret,
		       struct err *err) MUST_CHECK;
void tree_root_close(struct tree_root *t);

/* tree_sweep.c: remove trees of images that are gone, and what is left of an unpacking that was killed. */
int tree_sweep(struct cli *cli, struct err *err) MUST_CHECK;
bool tree_any(struct cli *cli);

#endif
