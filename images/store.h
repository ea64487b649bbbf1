/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_STORE_H
#define BRIG_IMAGES_STORE_H

#include "images/digest.h"
#include "images/dirsink.h"
#include "images/layer.h"
#include "images/rootfs.h"
#include "images/tree.h"

struct manifest;
struct image_config;

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

/* Store a small blob (manifest, config, index) under its digest, after checking it. Durable once store_commit_image() refers to it. */
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

/* Write the chain as plain files into the empty directory o->root_fd; o->data_fds is filled in here. */
int store_unpack(struct store *s, const struct digest *diff_ids, size_t n, const struct dirsink_options *o, struct err *err) MUST_CHECK;

/* Mount a chain read-only: a detached mount's fd. */
int store_mount_chain(struct store *s, const struct digest *chain, struct err *err) MUST_CHECK;

/* The files that make up the flat device of a chain, in order, for a guest. */
int store_chain_files(struct store *s, const struct digest *chain, struct rootfs_files *ret, struct err *err) MUST_CHECK;

/* ---- images ---- */

/* A stored image: its record and, filled by store_list() and store_resolve(), its names. */
struct store_image {
	struct digest manifest, config, chain;
	int64_t stored_s;  /* when, in seconds since 1970 */
	uint64_t size;	   /* of manifest, config, layer data and metadata; layers count in every image that has them */
	char **names;	   /* owned; sorted */
	size_t n_names;
};
void store_image_done(struct store_image *i);
#define AUTO_IMAGE CLEANUP(store_image_done)

/* Everything of the image is stored: check that it is (config and every layer, diff_ids against the manifest), build the
 * chain, write the record, then the names. The caller holds the store. -ENOENT names what is missing. */
int store_commit_image(struct store *s, const struct digest *manifest, const char *const *names, size_t n_names,
		       struct store_image *ret, struct err *err) MUST_CHECK;

/* Manifest and config of a stored image, both checked against their digests. */
int store_load_image(struct store *s, const struct digest *manifest, struct manifest *ret_manifest, struct image_config *ret_config,
		     struct err *err) MUST_CHECK;
/* Only the config, quickly: what `run` needs. */
int store_image_config(struct store *s, const struct store_image *image, struct image_config *ret, struct err *err) MUST_CHECK;

/* A name as it was given to store_tag(), a manifest or config digest, or at least 3 hexadecimal digits of one with or without
 * "sha256:". -ENOENT; -ENOTUNIQ when several images begin so. */
int store_resolve(struct store *s, const char *what, struct store_image *ret, struct err *err) MUST_CHECK;
int store_read_image(struct store *s, const struct digest *manifest, struct store_image *ret, struct err *err) MUST_CHECK;

/* All images, newest first; the caller frees each element and the array. */
int store_list(struct store *s, struct store_image **ret, size_t *ret_n, struct err *err) MUST_CHECK;
void store_list_done(struct store_image *list, size_t n);

/* Names are opaque here (callers normalise references). A name moves to the new image when it exists. */
int store_tag(struct store *s, const char *name, const struct digest *manifest, struct err *err) MUST_CHECK;
int store_untag(struct store *s, const char *name, struct err *err) MUST_CHECK;

/* Remove the image's record and all its names; its files go with the next gc. -EBUSY while a container uses it. */
int store_remove_image(struct store *s, const struct digest *manifest, struct err *err) MUST_CHECK;

/* owner (a container's id) uses the image; gc and removal leave it alone until the reference is dropped. */
int store_add_ref(struct store *s, const char *owner, const struct digest *manifest, struct err *err) MUST_CHECK;
int store_drop_ref(struct store *s, const char *owner, struct err *err) MUST_CHECK;

/* The image's root file system as a detached mount's fd: the EROFS mount itself when upper is NULL (read-only), else a writable
 * overlay with upper and work, which exist. The lower mount lives as long as the overlay. */
struct store_rootfs_options {
	const char *upper, *work;
	bool userxattr, no_sync; /* as in struct rootfs_overlay */
	const int *userns_fd, *below_fd; /* as there */
};
int store_rootfs_mount(struct store *s, const struct store_image *image, const struct store_rootfs_options *o, struct err *err) MUST_CHECK;

/* ---- care ---- */

enum store_gc_mode {
	STORE_GC_GARBAGE,  /* what no image refers to */
	STORE_GC_DANGLING, /* also images without a name that no container uses */
	STORE_GC_UNUSED,   /* also images with names that no container uses */
};
struct store_gc_result {
	uint64_t n_images, n_files, bytes;
};
/* Waits for those who hold the store. */
int store_gc(struct store *s, enum store_gc_mode mode, struct store_gc_result *ret, struct err *err) MUST_CHECK;
/* Take garbage away unless somebody holds the store. */
int store_gc_if_idle(struct store *s, struct err *err) MUST_CHECK;

struct store_fsck_options {
	bool repair; /* remove what is damaged, rebuild chains; images that lost something are reported */
	/* One line for each finding: what, and why. */
	void (*report)(void *ctx, const char *what, const char *why);
	void *ctx;
};
/* Re-verify everything: blobs against their digests, tables and file contents against their checksums, chains against a
 * new build. Returns the number of findings that stay. */
int store_fsck(struct store *s, const struct store_fsck_options *o, struct err *err) MUST_CHECK;

#endif
