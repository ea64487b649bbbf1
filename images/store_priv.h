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
int store_temp_sync(struct store *s, const struct store_temp *t) MUST_CHECK;
/* Begin and wait for the writing of its data, where a sync follows. A hint. */
void store_temp_write_back(struct store *s, const struct store_temp *t);
/* Rename it to path below the store; without the sync of the folder, which a later commit into the same folder brings. */
int store_temp_rename(struct store *s, struct store_temp *t, const char *path) MUST_CHECK;
/* Rename it to path below the store; the folder is synced when the store syncs. */
int store_temp_commit(struct store *s, struct store_temp *t, const char *path) MUST_CHECK;
void store_temp_done(struct store_temp *t);
#define AUTO_TEMP CLEANUP(store_temp_done)

/* A whole small file, by a temporary one. */
int store_write_file(struct store *s, const char *path, const void *data, size_t n) MUST_CHECK;

int store_lock(struct store *s, int how, struct err *err) MUST_CHECK;

/* Paths below the store; new strings. */
char *store_blob_path(const struct digest *d) __attribute__((returns_nonnull));
char *store_layer_path(const struct digest *d, const char *ending) __attribute__((returns_nonnull));
char *store_chain_path(const struct digest *d) __attribute__((returns_nonnull));

char *store_image_path(const struct digest *manifest) __attribute__((returns_nonnull));
char *store_name_path(const char *name) __attribute__((returns_nonnull));

int store_write_record(struct store *s, const struct store_image *i) MUST_CHECK;
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
