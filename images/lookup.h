/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_LOOKUP_H
#define BRIG_IMAGES_LOOKUP_H

#include "images/reference.h"
#include "images/store.h"

/*
 * Find a stored image by what a person types: a reference (a short name may stand for localhost/NAME, its alias, or a name in any of
 * the search registries), NAME@DIGEST, or an id of at least 3 digits. *ret_name is the stored name that matched (new string),
 * NULL when it was an id; it may be NULL itself. -ENOENT: "NAME: image not known". Needs no network, libcurl or libcrypto.
 */
int lookup_image(struct store *s, const char *text, struct store_image *ret, char **ret_name, struct err *err) MUST_CHECK;

/* Is a stored name one with a digest ("HOST/PATH@DIGEST": where the image was pulled from), not a tag? */
bool lookup_is_digest_name(const char *name);

#endif
