/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_ENTRY_H
#define BRIG_IMAGES_ENTRY_H

#include "runtime/base/err.h"
#include "runtime/base/str.h"

/*
 * DOC: the entry table of a layer
 *
 * One file per layer, DIFFID.entries: a header and one record for each tar entry, in the tar's order. With the data
 * file next to it the layer can be merged into any chain without the tar. All numbers are little endian. The file's
 * format is in images/README.md.
 */
enum entry_type {
	ENTRY_FILE = 1,
	ENTRY_DIR,
	ENTRY_SYMLINK,
	ENTRY_HARDLINK,
	ENTRY_CHAR,
	ENTRY_BLOCK,
	ENTRY_FIFO,
	ENTRY_WHITEOUT, /* path is the name that is hidden in the layers below */
	ENTRY_OPAQUE,	/* path is the directory whose lower children are hidden */
	ENTRY_TYPE_END
};

#define ENTRY_PATH_MAX	   4095
#define ENTRY_NAME_MAX	   255
#define ENTRY_INLINE_MAX   1024 /* contents up to here live in the table, and later inside the EROFS inode */
#define ENTRY_XATTRS_MAX   128
#define ENTRY_BLOCK_SIZE   4096
#define ENTRY_VALUE_MAX	   65535 /* EROFS counts a value's bytes in 16 bits */
#define ENTRY_SPARSE_MAX   (1 << 20)

struct entry_xattr {
	const char *name; /* NUL-terminated, with its name space: "user.x" */
	const void *value;
	uint32_t value_len;
};

/* Extent of a sparse file that holds data; both numbers in bytes. */
struct entry_extent {
	uint64_t offset, len;
};

/* A record in memory. Strings and arrays are borrowed: from the caller when written, from the mapped file when read. */
struct entry {
	enum entry_type type;
	uint32_t mode; /* 07777 */
	uint32_t uid, gid;
	uint32_t rdev_major, rdev_minor;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size;	      /* of a file's contents */
	uint64_t data_offset; /* in the data file, a multiple of ENTRY_BLOCK_SIZE; unused when inline_data is set */
	uint64_t crc64;	      /* of a file's contents without its holes */
	const char *path;     /* relative, clean: no "." or "..", no slash at either end; "" is the root */
	const char *link;     /* symlink: the text; hardlink: a clean path; else "" */
	const void *inline_data;
	size_t n_xattrs, n_extents; /* n_extents 0: the file is not sparse */
	struct entry_xattr xattrs[ENTRY_XATTRS_MAX];
	const void *extents; /* packed pairs of 64-bit numbers: entry_extent_at() */
};

/* The file's header, 64 bytes. */
struct entry_header {
	uint64_t n_entries, table_bytes, table_crc64, data_bytes, tar_bytes;
};
#define ENTRY_HEADER_BYTES 64

void entry_header_encode(const struct entry_header *h, uint8_t out[ENTRY_HEADER_BYTES]);

/* Append the record to b. The caller has checked every limit. */
void entry_encode(const struct entry *e, struct buf *b);

/* Walk over a table. Every number is checked against the file's length. */
struct entry_reader {
	const uint8_t *p, *end;
	struct entry_header header;
	uint64_t index;
};

/* data is the whole file and stays the caller's. check_crc reads all of it once. -EBADMSG when it is damaged. */
int entry_reader_init(struct entry_reader *r, const void *data, size_t n, bool check_crc, struct err *err) MUST_CHECK;
/* 1: *ret is the next record; 0: end. -EBADMSG. */
int entry_next(struct entry_reader *r, struct entry *ret, struct err *err) MUST_CHECK;

struct entry_extent entry_extent_at(const struct entry *e, size_t i);

uint64_t entry_crc64(uint64_t crc, const void *data, size_t n);

#endif
