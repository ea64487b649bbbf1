/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_TARLOG_H
#define BRIG_IMAGES_TARLOG_H

#include "runtime/base/err.h"

/*
 * DOC: the log of a tar
 *
 * The data file and the table of a layer hold what a file system needs, not what the tar looked like: the diffID could not
 * be made from them again. The log holds the rest: headers, padding and ends, everything but the contents of plain files, and
 * where those go. With it `save` and `push` give back the very bytes of the tar, so an image keeps its config and its ID
 * when the compressed layers were not kept.
 *
 * Format: "BRIGTAR1", then one zstd frame of items: a 64-bit little-endian number, length << 2 | kind, and for a
 * literal that many bytes.
 */
enum tarlog_kind {
	TARLOG_LITERAL,	 /* bytes of the tar */
	TARLOG_CONTENTS, /* the contents of the table's next file that is not empty */
	TARLOG_SKIP,	 /* length 0: the table's next file is in the literals already (a sparse one) */
};

struct tarlog; /* opaque */
struct tarlog *tarlog_new(int fd) __attribute__((returns_nonnull)); /* fd is borrowed */
/* The tar's bytes in any pieces. Errors are kept for the end: a layer without a log is a good layer. */
void tarlog_push(struct tarlog *t, const void *data, size_t n);
/* 0: the log is complete. -ENODATA: the tar is too odd; -errno of a write. */
int tarlog_finish(struct tarlog *t) MUST_CHECK;
void tarlog_free(struct tarlog *t); /* accepts NULL */

/* Give the tar's bytes to sink, from the log, the mapped table and the data file. The caller checks their digest. */
int tarlog_replay(int log_fd, const void *table, size_t table_bytes, int data_fd,
		  int (*sink)(void *ctx, const void *data, size_t n, struct err *err), void *ctx, struct err *err) MUST_CHECK;

#endif
