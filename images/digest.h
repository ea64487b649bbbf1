/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_DIGEST_H
#define BRIG_IMAGES_DIGEST_H

#include "runtime/base/err.h"

/*
 * DOC: digests
 *
 * "sha256:<64 hex>" or "sha512:<128 hex>", lower case only. A digest becomes a file name in the store, so every text
 * that comes from outside goes through digest_parse() before anything else looks at it.
 */
enum digest_algorithm { DIGEST_NONE, DIGEST_SHA256, DIGEST_SHA512 };

#define DIGEST_MAX_BYTES 64
#define DIGEST_TEXT_LEN	 (7 + 2 * DIGEST_MAX_BYTES + 1)
#define DIGEST_HEX_LEN	 (2 * DIGEST_MAX_BYTES + 1)

struct digest {
	enum digest_algorithm algorithm;
	uint8_t bytes[DIGEST_MAX_BYTES]; /* the unused end is zero */
};

/* Read "alg:hex". -EINVAL when the grammar is broken, -ENOTSUP when it holds but the algorithm is not known. */
int digest_parse(const char *text, struct digest *ret, struct err *err) MUST_CHECK;

/* Write "alg:hex" (digest_text) or only the hexadecimal part. Both return out. */
const char *digest_text(const struct digest *d, char out[DIGEST_TEXT_LEN]);
const char *digest_hex(const struct digest *d, char out[DIGEST_HEX_LEN]);

size_t digest_size(enum digest_algorithm algorithm); /* in bytes; 0 for DIGEST_NONE */
bool digest_eq(const struct digest *a, const struct digest *b);
bool digest_is_set(const struct digest *d);

#endif
