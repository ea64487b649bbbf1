/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_STORE_H
#define BRIG_IMAGES_STORE_H

#include "images/digest.h"
#include "images/layer.h"
#include "images/rootfs.h"
#include "images/tree.h"

/*
 * DOC: the store
 *
 *   ROOT/lock                 flock: shared while something is added, exclusive for gc
 *   ROOT/tmp/                 files in the making; whatever is here belongs to nobody once the exclusive lock is held
 *   ROOT/blobs/sha256/HEX     manifests and configs as fetched; compressed layers only when asked for
 *   ROOT/layers/HEX.data      file contents of the layer with this diffID, each at a multiple of 4096
 *   ROOT/layers/HEX.entries   its entry table; the layer exists when this file does (renamed last)
 *   ROOT/chains/HEX.erofs     EROFS metadata of the chain with this ChainID
 *   ROOT/images/HEX           record of the image whose manifest has this digest (renamed last of all)
 *   ROOT/names/ESCAPED        one file per name: the manifest's digest
 *   ROOT/refs/OWNER           one file per container: the manifest's digest that it uses
 *
 * Everything comes to its name by rename(2), after fsync, children before what refers to them. So a crash at any
 * point leaves complete things, and temporary files that gc takes away. Files are never changed afterwards, readers
 * take no lock.
 */
struct store {
	int root_fd; /* owned */
	int lock_fd; /* owned */
	char *root;  /* owned; absolute path: EROFS mounts need path names of the data files */
	bool sync;   /* fsync before rename; on by default */
	bool keep_blobs;
};

/* Open the store at root (NULL: the user's default place), making it where it is missing. */
int store_open(const char *root, struct store *ret, struct err *err) MUST_CHECK;
void store_close(struct store *s);
#define AUTO_STORE CLEANUP(store_close)

/* Hold the store against gc from the first thing added until the image is committed. Counts are not kept: one holder a
 * struct store. */
int store_hold(struct store *s, struct err *err) MUST_CHECK;
void store_release(struct store *s);

/* ---- blobs ---- */

/* Store a small blob (manifest, config, index) under its digest, after checking it. */
int store_put_blob(struct store *s, const struct digest *d, const void *data, size_t n, struct err *err) MUST_CHECK;
/* Read a blob of at most max bytes and check its digest; the buffer is the caller's and NUL-terminated. -ENOENT. */
int store_read_blob(struct store *s, const struct digest *d, size_t max, char **ret, size_t *ret_n, struct err *err) MUST_CHECK;
bool store_has_blob(struct store *s, const struct digest *d);
/* Open a blob for reading: an fd or -errno. */
int store_open_blob(struct store *s, const struct digest *d) MUST_CHECK;

/* ---- layers ---- */

bool store_has_layer(struct store *s, const struct digest *diff_id);

/* A layer on its way in. expected->{data_fd,entries_fd,keep_fd} are set by the store; blob, blob_size and diff_id may be
 * unknown. Two processes may bring the same layer at once: the later rename finds the first one's result and keeps it. */
struct store_import; /* opaque */
int store_import_begin(struct store *s, const struct layer_options *expected, struct store_import **ret, struct err *err) MUST_CHECK;
int store_import_push(struct store_import *i, const void *data, size_t n, struct err *err) MUST_CHECK;
int store_import_finish(struct store_import *i, struct layer_result *ret, struct err *err) MUST_CHECK;
/* Without store_import_finish() before: nothing of it stays. Accepts NULL. */
void store_import_free(struct store_import *i);
void cleanup_store_import(struct store_import **i);
#define AUTO_IMPORT CLEANUP(cleanup_store_import)

/* A whole file or pipe as one layer. */
int store_import_fd(struct store *s, const struct layer_options *expected, int fd, struct layer_result *ret, struct err *err) MUST_CHECK;

/* ---- chains ---- */

#define STORE_MAX_LAYERS 512

/* Layers of a chain, mapped; the tree points into them. */
struct store_chain {
	struct tree tree;
	size_t n;
	struct chain_layer *layers; /* owned */
};
int store_chain_open(struct store *s, const struct digest *diff_ids, size_t n, struct store_chain *ret, struct err *err) MUST_CHECK;
void store_chain_close(struct store_chain *c);

/* Make ROOT/chains/HEX.erofs of the layers unless it is there. */
int store_build_chain(struct store *s, const struct digest *diff_ids, size_t n, struct digest *ret_chain, struct err *err) MUST_CHECK;

/* Write the chain as plain files into the empty directory dir_fd. */
int store_unpack(struct store *s, const struct digest *diff_ids, size_t n, int dir_fd, bool rootless, struct err *err) MUST_CHECK;

/* Mount a chain read-only: a detached mount's fd. */
int store_mount_chain(struct store *s, const struct digest *chain, struct err *err) MUST_CHECK;

/* The files that make up the flat device of a chain, in order, for a guest. */
int store_chain_files(struct store *s, const struct digest *chain, struct rootfs_files *ret, struct err *err) MUST_CHECK;

#endif
