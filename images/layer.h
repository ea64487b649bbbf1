/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_LAYER_H
#define BRIG_IMAGES_LAYER_H

#include "images/digest.h"
#include "images/inflate.h"

/*
 * DOC: the layer stream
 *
 * One pass over a layer's bytes, in whatever pieces they come (a download, a file, a member of an archive):
 *
 *   layer_push ─ digest of the blob ─ inflate ─> ring of buffers ─> second thread: diffID ─ tar ─> data file + entry table
 *
 * Two threads because the two halves cost about the same (inflate; SHA-256 + tar + writes), and layers that are pulled
 * side by side fill further cores. Memory is the ring and the table's write buffer, whatever the layer's size.
 */
struct layer_limits {
	uint64_t max_tar_bytes;	 /* of the decompressed stream */
	uint64_t max_data_bytes; /* of the data file: counts the holes of sparse files */
	uint64_t max_entries;
	uint64_t max_ratio; /* decompressed to compressed bytes, looked at from 256 MiB on */
};
extern const struct layer_limits layer_default_limits;

struct layer_options {
	int data_fd, entries_fd; /* borrowed; new empty files */
	int keep_fd;		 /* borrowed; a copy of the blob goes here; -1: none */
	int log_fd;		 /* borrowed; new empty file for the tar's log (images/tarlog.h); -1: none */
	bool direct;		 /* the data file is synced afterwards: see data_writer_init() */
	struct digest blob;	 /* expected digest of the bytes pushed; DIGEST_NONE: unknown */
	uint64_t blob_size;	 /* expected; UINT64_MAX: unknown */
	struct digest diff_id;	 /* expected; DIGEST_NONE: unknown */
	struct layer_limits limits;
};

struct layer_result {
	struct digest blob, diff_id; /* in the expected algorithm, else sha256 */
	uint64_t blob_size, tar_bytes, data_bytes, n_entries;
	enum inflate_kind kind;
	bool logged; /* the log is complete */
};

struct layer; /* opaque */
int layer_begin(const struct layer_options *options, struct layer **ret, struct err *err) MUST_CHECK;
/* -EFBIG over a limit or the expected size, -EBADMSG bad data, -EINVAL a tar that must not be taken. After an error only
 * layer_free() is allowed. */
int layer_push(struct layer *l, const void *data, size_t n, struct err *err) MUST_CHECK;
/* The stream is complete: waits for the second thread, verifies size and digests, writes the table's header. The files
 * are valid only when this returned 0; they are not synced. */
int layer_finish(struct layer *l, struct layer_result *ret, struct err *err) MUST_CHECK;
/* Ends the second thread when it still runs. Accepts NULL. */
void layer_free(struct layer *l);
void cleanup_layer(struct layer **l);
#define AUTO_LAYER CLEANUP(cleanup_layer)

#endif
