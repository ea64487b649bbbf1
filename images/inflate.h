/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_INFLATE_H
#define BRIG_IMAGES_INFLATE_H

#include "runtime/base/err.h"

/*
 * DOC: decompression of a stream that is pushed in
 *
 * The kind is read from the first bytes, never from a media type (docker's "tar" layers may be compressed all the
 * same). gzip goes through ISA-L, any number of members; zstd any number of frames, skippable ones included, with
 * windows up to 128 MiB. xz and bzip2 are for root file systems and archives that people have; no layer's media type names
 * them. Everything else is passed on as it is.
 */
enum inflate_kind { INFLATE_UNKNOWN, INFLATE_PLAIN, INFLATE_GZIP, INFLATE_ZSTD, INFLATE_XZ, INFLATE_BZIP2 };

/* Where the bytes go. buffer() gives at least one byte of room, or NULL when the other side failed (it keeps the
 * error); produced() says that the first n bytes of it are filled. */
struct inflate_sink {
	uint8_t *(*buffer)(void *ctx, size_t *ret_room);
	void (*produced)(void *ctx, size_t n);
	void *ctx;
};

/* The kind that a stream with these first bytes has; 10 are enough for all. */
enum inflate_kind inflate_sniff(const void *data, size_t n);

struct inflate; /* opaque */
struct inflate *inflate_new(const struct inflate_sink *sink) __attribute__((returns_nonnull));
/* -EBADMSG: the stream is damaged; -EPIPE: the sink gave no buffer. */
int inflate_push(struct inflate *f, const void *data, size_t n, struct err *err) MUST_CHECK;
/* No more input: -EBADMSG when the stream is cut short. */
int inflate_finish(struct inflate *f, struct err *err) MUST_CHECK;
enum inflate_kind inflate_get_kind(const struct inflate *f);
void inflate_free(struct inflate *f); /* accepts NULL */

#endif
