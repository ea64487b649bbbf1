/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tarlog.h"

#include "images/tarlog_priv.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <endian.h>
#include <errno.h>
#include <zstd.h>

enum { BLOCK = 512, PAX_MAX_BYTES = 1 << 20, FLUSH_BYTES = 64 << 10, LEVEL = 1 };
/* A tar whose odd parts are larger than this is not worth it. */
#define LITERALS_MAX_BYTES (1ULL << 30)

enum state {
	STATE_HEADER,	  /* a block of 512 bytes */
	STATE_SPARSE_MAP, /* further blocks of an old GNU sparse header */
	STATE_LITERAL,	  /* contents that are kept as they are */
	STATE_CONTENTS,	  /* contents that the data file has */
	STATE_PADDING,
	STATE_TAIL, /* behind the end of the archive */
};

struct tarlog {
	int fd, error;
	ZSTD_CCtx *zstd;
	uint8_t *out; /* owned; zstd's output */
	size_t out_bytes;

	enum state state;
	uint8_t block[BLOCK];
	size_t have;	     /* bytes of block */
	uint64_t left, size; /* of the contents */
	struct buf literal;
	uint64_t literals;

	bool is_pax, is_file, sparse; /* of this member; sparse and next_size come from a pax header before it */
	bool has_next_size;
	uint64_t next_size;
	struct buf pax;
};

struct tarlog *tarlog_new(int fd)
{
	struct tarlog *t = xcalloc(1, sizeof(*t));

	t->fd = fd;
	t->zstd = ZSTD_createCCtx();
	t->out_bytes = ZSTD_CStreamOutSize();
	t->out = xmalloc(t->out_bytes);
	if (!t->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(t->zstd, ZSTD_c_compressionLevel, LEVEL)))
		t->error = -ENOMEM;
	if (!t->error)
		t->error = fd_write_all(fd, TARLOG_MAGIC, TARLOG_MAGIC_BYTES);
	return t;
}

void tarlog_free(struct tarlog *t)
{
	if (!t)
		return;
	ZSTD_freeCCtx(t->zstd);
	buf_done(&t->literal);
	buf_done(&t->pax);
	free(t->out);
	free(t);
}

/* ---- writing ---- */

static void compress(struct tarlog *t, const void *data, size_t n, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = { data, n, 0 };
	size_t more = 1;

	while (!t->error && (in.pos < in.size || (how == ZSTD_e_end && more))) {
		ZSTD_outBuffer out = { t->out, t->out_bytes, 0 };

		more = ZSTD_compressStream2(t->zstd, &out, &in, how);
		if (ZSTD_isError(more))
			t->error = -EIO;
		else
			t->error = fd_write_all(t->fd, t->out, out.pos);
	}
}

static void add_item(struct tarlog *t, enum tarlog_kind kind, uint64_t n)
{
	uint64_t word = htole64(n << 2 | kind);

	compress(t, &word, sizeof(word), ZSTD_e_continue);
}

static void flush_literal(struct tarlog *t)
{
	if (!t->literal.len)
		return;
	add_item(t, TARLOG_LITERAL, t->literal.len);
	compress(t, t->literal.p, t->literal.len, ZSTD_e_continue);
	t->literal.len = 0;
}

static void add_literal(struct tarlog *t, const void *data, size_t n)
{
	t->literals += n;
	if (t->literals > LITERALS_MAX_BYTES)
		t->error = -ENODATA;
	buf_add_n(&t->literal, data, n);
	if (t->literal.len >= FLUSH_BYTES)
		flush_literal(t);
}

/* ---- reading headers ---- */

/* A number of a header: octal, or base 256 when the first bit is set. */
static bool read_number(const uint8_t *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	if (p[0] & 0x80) {
		v = p[0] & 0x3f;
		for (i = 1; i < n; i++) {
			if (v >> 56)
				return false;
			v = v << 8 | p[i];
		}
		*ret = v;
		return !(p[0] & 0x40);
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	*ret = v;
	return true;
}

static bool checksum_is_right(const uint8_t *h)
{
	uint64_t want, sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return read_number(h + 148, 8, &want) && want == sum;
}

static bool is_zero(const uint8_t *h)
{
	for (size_t i = 0; i < BLOCK; i++)
		if (h[i])
			return false;
	return true;
}

/* "LEN KEY=VALUE\n"...: what matters here is the size, and whether the file is sparse. */
static void read_pax(struct tarlog *t)
{
	const char *s = t->pax.p, *end = s + t->pax.len;

	while (s && s < end) {
		char *key;
		unsigned long len = strtoul(s, &key, 10);

		if (*key != ' ' || len < 5 || len > (size_t)(end - s))
			break;
		key++;
		if (str_starts(key, "size=")) {
			t->has_next_size = true;
			t->next_size = strtoull(key + 5, NULL, 10);
		}
		if (str_starts(key, "GNU.sparse."))
			t->sparse = true;
		s += len;
	}
	t->pax.len = 0;
}

static void end_member(struct tarlog *t)
{
	t->state = STATE_HEADER;
	if (t->is_pax)
		read_pax(t);
	if (t->is_file)
		t->sparse = t->has_next_size = false;
	t->is_pax = false;
}

/* Behind the header: how the contents are kept. */
static void begin_contents(struct tarlog *t)
{
	bool from_data = t->is_file && !t->sparse;

	if (t->is_file && t->sparse)
		add_item(t, TARLOG_SKIP, 0);
	if (t->left == 0) {
		end_member(t);
		return;
	}
	t->state = from_data ? STATE_CONTENTS : STATE_LITERAL;
	if (from_data) {
		flush_literal(t);
		add_item(t, TARLOG_CONTENTS, t->left);
	}
}

static void read_header(struct tarlog *t)
{
	const uint8_t *h = t->block;
	char type = (char)h[156];

	add_literal(t, h, BLOCK);
	if (is_zero(h)) {
		t->state = STATE_TAIL;
		return;
	}
	if (!checksum_is_right(h) || !read_number(h + 124, 12, &t->size)) {
		t->error = -ENODATA;
		return;
	}
	t->is_pax = type == 'x';
	t->is_file = !strchr("xgLKXNV", type) || type == '\0';
	/* Links, devices and directories have no contents, whatever the field says. */
	if (type >= '1' && type <= '6' && t->size) {
		t->error = -ENODATA;
		return;
	}
	if (t->is_file && t->has_next_size)
		t->size = t->next_size;
	if (type == 'S') {
		t->sparse = true;
		if (h[482]) {
			t->left = t->size;
			t->state = STATE_SPARSE_MAP;
			return;
		}
	}
	t->left = t->size;
	begin_contents(t);
}

static size_t fill_block(struct tarlog *t, const uint8_t *p, size_t n)
{
	size_t m = BLOCK - t->have < n ? BLOCK - t->have : n;

	memcpy(t->block + t->have, p, m);
	t->have += m;
	if (t->have < BLOCK)
		return m;
	t->have = 0;
	if (t->state == STATE_HEADER) {
		read_header(t);
	} else {
		add_literal(t, t->block, BLOCK);
		if (!t->block[504])
			begin_contents(t);
	}
	return m;
}

static size_t take_contents(struct tarlog *t, const uint8_t *p, size_t n)
{
	size_t m = t->left < n ? (size_t)t->left : n;

	if (t->state == STATE_LITERAL)
		add_literal(t, p, m);
	if (t->is_pax && t->pax.len + m <= PAX_MAX_BYTES)
		buf_add_n(&t->pax, (const char *)p, m);
	t->left -= m;
	if (t->left)
		return m;
	t->left = (BLOCK - t->size % BLOCK) % BLOCK;
	if (t->left)
		t->state = STATE_PADDING;
	else
		end_member(t);
	return m;
}

void tarlog_push(struct tarlog *t, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n && !t->error) {
		size_t m = n;

		switch (t->state) {
		case STATE_HEADER:
		case STATE_SPARSE_MAP:
			m = fill_block(t, p, n);
			break;
		case STATE_LITERAL:
		case STATE_CONTENTS:
			m = take_contents(t, p, n);
			break;
		case STATE_PADDING:
			m = t->left < n ? (size_t)t->left : n;
			add_literal(t, p, m);
			t->left -= m;
			if (!t->left)
				end_member(t);
			break;
		case STATE_TAIL:
			add_literal(t, p, m);
			break;
		}
		p += m;
		n -= m;
	}
}

int tarlog_finish(struct tarlog *t)
{
	/* A last header may be cut short where libarchive takes the archive all the same. */
	if (t->have)
		add_literal(t, t->block, t->have);
	if (t->state == STATE_CONTENTS)
		t->error = t->error ? t->error : -ENODATA;
	flush_literal(t);
	compress(t, NULL, 0, ZSTD_e_end);
	return t->error;
}
