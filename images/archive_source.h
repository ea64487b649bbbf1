/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_ARCHIVE_SOURCE_H
#define BRIG_IMAGES_ARCHIVE_SOURCE_H

#include "images/store.h"

/*
 * DOC: members of an image archive
 *
 * A directory, or a tar file: then one pass notes where each member's bytes lie, and they are read from there, so
 * nothing is unpacked. A pipe, or a compressed tar, is first written to a temporary file of the store.
 */
struct source_member {
	char *name; /* owned; clean */
	char *link; /* owned; clean target of a link, or NULL */
	uint64_t offset, size;
};

struct source {
	int dir_fd;  /* owned; -1: a tar */
	int tar_fd;  /* owned */
	struct source_member *members; /* owned */
	size_t n;
};

/* path "-" is standard input. */
int source_open(struct store *s, const char *path, struct source *ret, struct err *err) MUST_CHECK;
void source_close(struct source *s);
#define AUTO_SOURCE CLEANUP(source_close)

/* A member that is being read. */
struct source_stream {
	int fd; /* owned when from a directory */
	bool owned;
	uint64_t offset, left;
};
int source_stream_open(const struct source *s, const char *name, struct source_stream *ret, struct err *err) MUST_CHECK;
ssize_t source_stream_read(struct source_stream *s, void *buf, size_t n) MUST_CHECK;
void source_stream_close(struct source_stream *s);
#define AUTO_STREAM CLEANUP(source_stream_close)

bool source_has(const struct source *s, const char *name);
/* A whole member of at most max bytes, NUL-terminated; the caller's. */
int source_read(const struct source *s, const char *name, size_t max, char **ret, size_t *ret_n, struct err *err) MUST_CHECK;

#endif
