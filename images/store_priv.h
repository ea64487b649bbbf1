/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_STORE_PRIV_H
#define BRIG_IMAGES_STORE_PRIV_H

#include "images/store.h"

/* What the files of the store share among themselves. */

/* A file in the making; it vanishes at the end of its scope unless it was committed. */
struct store_temp {
	int root_fd; /* borrowed */
	int fd;	     /* owned */
	char name[32];
};
int store_temp_open(struct store *s, struct store_temp *ret) MUST_CHECK;
/* Rename it to path below the store, without a sync of the folder. */
int store_temp_rename(struct store *s, struct store_temp *t, const char *path) MUST_CHECK;
void store_temp_done(struct store_temp *t);
#define AUTO_TEMP CLEANUP(store_temp_done)

/*
 * Files that become visible together. All are written first, then all are synced, then renamed in the order in which they were added,
 * then the folders are synced in that order: the file system commits its journal twice, and not twice for each file. A crash leaves the
 * first so many of them, as with single files.
 */
struct store_batch {
	struct store *s; /* borrowed */
	struct store_batch_item {
		struct store_temp temp;
		char *path; /* owned; below the store */
		bool done;  /* is in place already, under path */
		int result; /* of its sync */
	} *items;	    /* owned */
	size_t n;
};
/* Takes the file over (*t is empty then) and a copy of path. */
void store_batch_take(struct store_batch *b, struct store_temp *t, const char *path);
/* Write a small file. -errno. */
int store_batch_add(struct store_batch *b, const char *path, const void *data, size_t n) MUST_CHECK;
/* A file that was written without a sync and is in place already: has to be durable before those that are added later. -errno. */
int store_batch_settle(struct store_batch *b, const char *path) MUST_CHECK;
int store_batch_commit(struct store_batch *b) MUST_CHECK; /* -errno */
/* What was not committed vanishes. */
void store_batch_done(struct store_batch *b);
#define AUTO_BATCH CLEANUP(store_batch_done)

/* A whole small file, by a temporary one. */
int store_write_file(struct store *s, const char *path, const void *data, size_t n) MUST_CHECK;

int store_lock(struct store *s, int how, struct err *err) MUST_CHECK;

/* Paths below the store; new strings. */
char *store_blob_path(const struct digest *d) __attribute__((returns_nonnull));
char *store_layer_path(const struct digest *d, const char *ending) __attribute__((returns_nonnull));
char *store_chain_path(const struct digest *d) __attribute__((returns_nonnull));

char *store_image_path(const struct digest *manifest) __attribute__((returns_nonnull));
char *store_name_path(const char *name) __attribute__((returns_nonnull));

int store_add_record(struct store_batch *b, const struct store_image *i) MUST_CHECK; /* -errno */
int store_add_name(struct store_batch *b, const char *name, const struct digest *manifest, struct err *err) MUST_CHECK;
/* As store_build_chain(), with the file in a batch: *ret_bytes is its size. */
int store_add_chain(struct store_batch *b, const struct digest *diff_ids, size_t n, struct digest *ret_chain, uint64_t *ret_bytes,
		    struct err *err) MUST_CHECK;
/* A file of names/ or refs/: the digest, and the name or owner (new string; ret_name may be NULL). -errno. */
int store_read_name(struct store *s, const char *path, struct digest *ret, char **ret_name) MUST_CHECK;
/* Call fn for each file of a folder until it returns non-zero. */
int store_for_each(struct store *s, const char *folder, int (*fn)(void *ctx, const char *path, const char *name),
		   void *ctx) MUST_CHECK;
/* Does a file of names/ or refs/ lead to the image? True when it cannot be known. */
bool store_is_referenced(struct store *s, const char *folder, const struct digest *manifest);

/* A layer's files, mapped and open. */
struct chain_layer {
	void *table; /* mapped */
	size_t table_bytes;
	int data_fd; /* owned */
	uint64_t data_bytes;
	char hex[DIGEST_HEX_LEN];
};

#endif
