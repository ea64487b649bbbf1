/* SPDX-License-Identifier: Apache-2.0 */
#include "images/entry.h"

#include <endian.h>
#include <errno.h>
#include <isa-l/crc64.h>

static const char magic[8] = "BRIGENT1";

/* A record: this, then path NUL link NUL inline bytes, extents (u64 pairs), xattrs (u32 value length, name NUL, value). */
struct record {
	uint32_t bytes; /* of the whole record */
	uint8_t type, has_inline;
	uint16_t n_xattrs;
	uint32_t mode, uid, gid, rdev_major, rdev_minor, mtime_ns;
	uint32_t path_len, link_len, n_extents, inline_len;
	uint64_t mtime_s, size, data_offset, crc64;
} __attribute__((packed));
_Static_assert(sizeof(struct record) == 80, "part of the format");

uint64_t entry_crc64(uint64_t crc, const void *data, size_t n)
{
	/* The library's prototype lacks a const that its function keeps. */
	return crc64_ecma_refl(crc, (const unsigned char *)data, n);
}

void entry_header_encode(const struct entry_header *h, uint8_t out[ENTRY_HEADER_BYTES])
{
	uint64_t words[] = { htole64(h->n_entries), htole64(h->table_bytes), htole64(h->table_crc64),
			     htole64(h->data_bytes), htole64(h->tar_bytes) };

	memset(out, 0, ENTRY_HEADER_BYTES);
	memcpy(out, magic, sizeof(magic));
	memcpy(out + sizeof(magic), words, sizeof(words));
}

void entry_encode(const struct entry *e, struct buf *b)
{
	size_t path_len = strlen(e->path), link_len = strlen(e->link), start = b->len;
	struct record r = {
		.type = (uint8_t)e->type,
		.has_inline = e->inline_data != NULL,
		.n_xattrs = htole16((uint16_t)e->n_xattrs),
		.mode = htole32(e->mode),
		.uid = htole32(e->uid),
		.gid = htole32(e->gid),
		.rdev_major = htole32(e->rdev_major),
		.rdev_minor = htole32(e->rdev_minor),
		.mtime_ns = htole32(e->mtime_ns),
		.path_len = htole32((uint32_t)path_len),
		.link_len = htole32((uint32_t)link_len),
		.n_extents = htole32((uint32_t)e->n_extents),
		.inline_len = e->inline_data ? htole32((uint32_t)e->size) : 0,
		.mtime_s = htole64((uint64_t)e->mtime_s),
		.size = htole64(e->size),
		.data_offset = htole64(e->data_offset),
		.crc64 = htole64(e->crc64),
	};

	buf_add_n(b, (const char *)&r, sizeof(r));
	buf_add_n(b, e->path, path_len + 1);
	buf_add_n(b, e->link, link_len + 1);
	if (e->inline_data)
		buf_add_n(b, e->inline_data, (size_t)e->size);
	if (e->n_extents)
		buf_add_n(b, e->extents, e->n_extents * sizeof(struct entry_extent));
	for (size_t i = 0; i < e->n_xattrs; i++) {
		uint32_t len = htole32(e->xattrs[i].value_len);

		buf_add_n(b, (const char *)&len, sizeof(len));
		buf_add_n(b, e->xattrs[i].name, strlen(e->xattrs[i].name) + 1);
		buf_add_n(b, e->xattrs[i].value, e->xattrs[i].value_len);
	}
	r.bytes = htole32((uint32_t)(b->len - start));
	memcpy(b->p + start, &r.bytes, sizeof(r.bytes));
}

int entry_reader_init(struct entry_reader *r, const void *data, size_t n, bool check_crc, struct err *err)
{
	uint64_t words[5];

	if (n < ENTRY_HEADER_BYTES || memcmp(data, magic, sizeof(magic)) != 0)
		return err_set(err, EBADMSG, "entry table: not a table of this version");
	memcpy(words, (const uint8_t *)data + sizeof(magic), sizeof(words));
	*r = (struct entry_reader){
		.p = (const uint8_t *)data + ENTRY_HEADER_BYTES,
		.end = (const uint8_t *)data + n,
		.header = { le64toh(words[0]), le64toh(words[1]), le64toh(words[2]), le64toh(words[3]), le64toh(words[4]) },
	};
	if (r->header.table_bytes != n - ENTRY_HEADER_BYTES)
		return err_set(err, EBADMSG, "entry table: the file has the wrong length");
	if (check_crc && entry_crc64(0, r->p, n - ENTRY_HEADER_BYTES) != r->header.table_crc64)
		return err_set(err, EBADMSG, "entry table: checksum does not match");
	return 0;
}

/* A piece of the record: n bytes at *p, or NULL when they would reach over the end. */
static const uint8_t *take(const uint8_t **p, const uint8_t *end, uint64_t n)
{
	const uint8_t *at = *p;

	if (n > (uint64_t)(end - at))
		return NULL;
	*p += n;
	return at;
}

static const char *take_string(const uint8_t **p, const uint8_t *end, uint32_t len, uint32_t max)
{
	const uint8_t *s;

	if (len > max)
		return NULL;
	s = take(p, end, (uint64_t)len + 1);
	return s && s[len] == '\0' && strlen((const char *)s) == len ? (const char *)s : NULL;
}

static bool take_xattrs(const uint8_t **p, const uint8_t *end, struct entry *e)
{
	for (size_t i = 0; i < e->n_xattrs; i++) {
		const uint8_t *len_at = take(p, end, sizeof(uint32_t)), *nul;
		uint32_t len;

		if (!len_at)
			return false;
		memcpy(&len, len_at, sizeof(len));
		e->xattrs[i].value_len = le32toh(len);
		nul = memchr(*p, '\0', (size_t)(end - *p));
		if (!nul || nul - *p > ENTRY_NAME_MAX || e->xattrs[i].value_len > ENTRY_VALUE_MAX)
			return false;
		e->xattrs[i].name = (const char *)*p;
		*p = nul + 1;
		e->xattrs[i].value = take(p, end, e->xattrs[i].value_len);
		if (!e->xattrs[i].value)
			return false;
	}
	return true;
}

/* Extents ascend, do not touch the end of the file's size, and are not empty. */
static bool extents_are_sane(const struct entry *e)
{
	uint64_t at = 0;

	for (size_t i = 0; i < e->n_extents; i++) {
		struct entry_extent x = entry_extent_at(e, i);

		if (x.offset < at || x.offset > e->size || x.len > e->size - x.offset)
			return false;
		at = x.offset + x.len;
	}
	return true;
}

static bool record_decode(const struct record *r, const uint8_t *p, const uint8_t *end, uint64_t data_bytes, struct entry *e)
{
	uint32_t inline_len = le32toh(r->inline_len);

	e->type = (enum entry_type)r->type;
	e->mode = le32toh(r->mode);
	e->uid = le32toh(r->uid);
	e->gid = le32toh(r->gid);
	e->rdev_major = le32toh(r->rdev_major);
	e->rdev_minor = le32toh(r->rdev_minor);
	e->mtime_ns = le32toh(r->mtime_ns);
	e->mtime_s = (int64_t)le64toh(r->mtime_s);
	e->size = le64toh(r->size);
	e->data_offset = le64toh(r->data_offset);
	e->crc64 = le64toh(r->crc64);
	e->n_xattrs = le16toh(r->n_xattrs);
	e->n_extents = le32toh(r->n_extents);
	if (r->type == 0 || r->type >= ENTRY_TYPE_END || (e->mode & ~07777U) || e->mtime_ns > 999999999)
		return false;
	if (e->n_xattrs > ENTRY_XATTRS_MAX || e->n_extents > ENTRY_SPARSE_MAX || r->has_inline > 1)
		return false;
	e->path = take_string(&p, end, le32toh(r->path_len), ENTRY_PATH_MAX);
	e->link = e->path ? take_string(&p, end, le32toh(r->link_len), ENTRY_PATH_MAX) : NULL;
	if (!e->link)
		return false;
	e->inline_data = r->has_inline ? take(&p, end, inline_len) : NULL;
	if (r->has_inline && (!e->inline_data || inline_len > ENTRY_INLINE_MAX || inline_len != e->size))
		return false;
	e->extents = take(&p, end, e->n_extents * sizeof(struct entry_extent));
	if (!e->extents || !extents_are_sane(e) || !take_xattrs(&p, end, e) || p != end)
		return false;
	if (e->type != ENTRY_FILE)
		return e->size == 0 && !e->inline_data && !e->n_extents;
	if (!e->inline_data && e->size)
		return e->data_offset % ENTRY_BLOCK_SIZE == 0 && e->data_offset <= data_bytes &&
		       e->size <= data_bytes - e->data_offset;
	return true;
}

int entry_next(struct entry_reader *r, struct entry *ret, struct err *err)
{
	const uint8_t *start = r->p;
	struct record rec;
	uint32_t bytes;

	if (r->p == r->end) {
		if (r->index != r->header.n_entries)
			return err_set(err, EBADMSG, "entry table: wrong number of entries");
		return 0;
	}
	if ((size_t)(r->end - start) < sizeof(rec))
		return err_set(err, EBADMSG, "entry table: cut short at record %llu", (unsigned long long)r->index);
	memcpy(&rec, start, sizeof(rec));
	bytes = le32toh(rec.bytes);
	if (bytes < sizeof(rec) || bytes > (size_t)(r->end - start) ||
	    !record_decode(&rec, start + sizeof(rec), start + bytes, r->header.data_bytes, ret))
		return err_set(err, EBADMSG, "entry table: bad record %llu", (unsigned long long)r->index);
	r->p = start + bytes;
	r->index++;
	return 1;
}

struct entry_extent entry_extent_at(const struct entry *e, size_t i)
{
	uint64_t w[2];

	memcpy(w, (const uint8_t *)e->extents + i * sizeof(w), sizeof(w));
	return (struct entry_extent){ le64toh(w[0]), le64toh(w[1]) };
}
