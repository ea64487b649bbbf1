/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_LAYER_TAR_H
#define BRIG_IMAGES_LAYER_TAR_H

#include "images/layer.h"

/* The tar half of the layer stream: libarchive reads, every entry is checked and recorded. */
struct layer_tar {
	/* Next piece of the tar: its length, 0 at the end, or negative when the stream failed. */
	ssize_t (*read)(void *ctx, const void **ret_data);
	void *ctx;
	int data_fd, entries_fd;
	bool direct; /* see data_writer_init() */
	struct layer_limits limits;
	uint64_t tar_bytes; /* counted by read() */
	uint64_t data_bytes, n_entries; /* results */
};

int layer_tar_run(struct layer_tar *t, struct err *err) MUST_CHECK;

/* Make a name of an archive a clean path below the root, in out (ENTRY_PATH_MAX + 1 bytes): slashes at the ends, "." and
 * "//" go away, ".." takes one component back. -EINVAL when it would leave the root or a part is too long. */
int layer_clean_path(const char *name, char *out, struct err *err) MUST_CHECK;

#endif
