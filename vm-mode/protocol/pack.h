/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_PROTOCOL_PACK_H
#define BRIG_VM_MODE_PROTOCOL_PACK_H

#include "runtime/base/str.h"

/*
 * Payloads are a sequence of fields: numbers are little-endian; a string is u32 length (with its NUL), then the bytes and a
 * NUL; bytes are u32 length, then the bytes.
 */
void pack_u16(struct buf *b, uint16_t v);
void pack_u32(struct buf *b, uint32_t v);
void pack_u64(struct buf *b, uint64_t v);
void pack_bytes(struct buf *b, const void *p, size_t n);
void pack_string(struct buf *b, const char *s); /* NULL is "" */

/* Reading never goes past n; after the first fault everything reads as 0, "" and no bytes, and bad stays set. */
struct unpack {
	const uint8_t *p;
	size_t n;
	bool bad;
};
uint16_t unpack_u16(struct unpack *u);
uint32_t unpack_u32(struct unpack *u);
uint64_t unpack_u64(struct unpack *u);
/* Points into the message: at most max bytes, without the NUL for strings, which have none inside. */
const char *unpack_string(struct unpack *u, size_t max) __attribute__((returns_nonnull));
const uint8_t *unpack_bytes(struct unpack *u, size_t max, size_t *ret_n);
/* -EPROTO unless everything was well-formed and nothing is left. */
int unpack_end(const struct unpack *u) MUST_CHECK;

#endif
