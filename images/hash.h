/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_HASH_H
#define BRIG_IMAGES_HASH_H

#include "images/digest.h"

/* Computing digests, by libcrypto (it uses the processor's SHA instructions). Apart from digest.h so that commands which
 * only name digests do not link libcrypto. */
struct hash; /* opaque */

struct hash *hash_new(enum digest_algorithm algorithm) __attribute__((returns_nonnull));
void hash_update(struct hash *h, const void *data, size_t n);
/* The digest of all bytes so far; the hash cannot be updated afterwards. */
void hash_final(struct hash *h, struct digest *ret);
void hash_free(struct hash *h);
void cleanup_hash(struct hash **h);
#define AUTO_HASH CLEANUP(cleanup_hash)

void hash_bytes(enum digest_algorithm algorithm, const void *data, size_t n, struct digest *ret);

/* -EBADMSG when data does not have the digest; what is named in the message. */
int hash_check(const struct digest *want, const void *data, size_t n, const char *what, struct err *err) MUST_CHECK;

/* ChainID of a chain whose newest layer is diff_id; parent is the chain below it, or NULL for the first layer. */
void chain_id(const struct digest *parent, const struct digest *diff_id, struct digest *ret);

#endif
