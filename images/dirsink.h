/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_DIRSINK_H
#define BRIG_IMAGES_DIRSINK_H

#include "images/tree.h"

/* n owners from `inside` on are written as those from `outside` on. */
struct dirsink_ids {
	uint32_t inside, outside, n;
};

struct dirsink_options {
	int root_fd;		  /* borrowed: an empty directory */
	const int *data_fds;	  /* borrowed; one per layer of the tree */
	bool keep_going_on_eperm; /* rootless: owners, device nodes and attributes that the kernel refuses are skipped */
	const struct dirsink_ids *uids, *gids; /* borrowed; with none owners stay as they are, else one that is in no range is an error */
	size_t n_uids, n_gids;
};

struct dirsink_result {
	uint64_t n_files, skipped_devices, skipped_owners, skipped_xattrs;
};

/* Write the tree below root_fd as plain files. On error what was made stays; the caller removes the directory. */
int dirsink_write(struct tree *t, const struct dirsink_options *o, struct dirsink_result *ret, struct err *err) MUST_CHECK;

#endif
