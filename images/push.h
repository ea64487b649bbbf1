/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_PUSH_H
#define BRIG_IMAGES_PUSH_H

#include "images/registry.h"
#include "images/store.h"
#include "images/transfer.h"

/*
 * DOC: push
 *
 * For each layer, the first that works: the registry has it; it can be mounted from another repository there that the image has a name
 * in; its compressed blob was kept; it is made again (images/export.h) as gzip. Then the config, and last the manifest: the
 * original bytes when every layer is, so that its digest stays; else a new one, which *ret_changed says.
 */
struct push_options {
	unsigned parallel;
	uint64_t chunk_bytes; /* 0: whole blobs */
	struct registry_options registry;
	const struct transfer_observer *observer; /* may be NULL */
};

/* dest is qualified, with a tag or a digest. image->names says what may be mounted. *ret: the digest in the registry. */
int push_image(struct store *s, const struct store_image *image, const struct reference *dest, const struct push_options *o,
	       struct digest *ret, bool *ret_changed, struct err *err) MUST_CHECK;

#endif
