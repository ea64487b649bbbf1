/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/protocol/pack.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

void pack_u16(struct buf *b, uint16_t v)
{
	v = htole16(v);
	buf_add_n(b, (const char *)&v, sizeof(v));
}

void pack_u32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_add_n(b, (const char *)&v, sizeof(v));
}

void pack_u64(struct buf *b, uint64_t v)
{
	v = htole64(v);
	buf_add_n(b, (const char *)&v, sizeof(v));
}

void pack_bytes(struct buf *b, const void *p, size_t n)
{
	pack_u32(b, (uint32_t)n);
	if (n)
		buf_add_n(b, p, n);
}

void pack_string(struct buf *b, const char *s)
{
	s = s ? s : "";
	pack_bytes(b, s, strlen(s) + 1);
}

static const uint8_t *take(struct unpack *u, size_t n)
{
	const uint8_t *p = u->p;

	if (u->bad || n > u->n) {
		u->bad = true;
		return NULL;
	}
	u->p += n;
	u->n -= n;
	return p;
}

uint16_t unpack_u16(struct unpack *u)
{
	const uint8_t *p = take(u, sizeof(uint16_t));
	uint16_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

uint32_t unpack_u32(struct unpack *u)
{
	const uint8_t *p = take(u, sizeof(uint32_t));
	uint32_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

uint64_t unpack_u64(struct unpack *u)
{
	const uint8_t *p = take(u, sizeof(uint64_t));
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

const uint8_t *unpack_bytes(struct unpack *u, size_t max, size_t *ret_n)
{
	uint32_t n = unpack_u32(u);
	const uint8_t *p;

	if (n > max)
		u->bad = true;
	p = take(u, n);
	*ret_n = p ? n : 0;
	return p;
}

const char *unpack_string(struct unpack *u, size_t max)
{
	size_t n = 0;
	const char *s = (const char *)unpack_bytes(u, max + 1, &n);

	if (!s || n == 0 || strnlen(s, n) != n - 1) {
		u->bad = true;
		return "";
	}
	return s;
}

int unpack_end(const struct unpack *u)
{
	return u->bad || u->n ? -EPROTO : 0;
}
