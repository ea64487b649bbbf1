/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_COMMIT_H
#define BRIG_IMAGES_COMMIT_H

#include "images/archive.h"

/* A new image: the layers of base, and one more of what the upper directory of an overlay above base has. The config is base's, with the
 * changes; o->created and o->comment go into its history, created_by and author (may be NULL) too. */
int image_commit(struct store *s, const struct digest *base, int upper_fd, const struct archive_import_options *o, const char *author,
		 const char *created_by, const char *const *names, size_t n_names, struct store_image *ret, struct err *err) MUST_CHECK;

#endif
