/* SPDX-License-Identifier: Apache-2.0 */
#include "images/inflate.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <zstd.h>

enum { MAGIC_BYTES = 4, ZSTD_WINDOW_LOG = 27 };

struct inflate {
	struct inflate_sink sink;
	enum inflate_kind kind;
	uint8_t magic[MAGIC_BYTES];
	size_t n_magic;
	bool between_members; /* gzip: a member has ended; zstd: a frame has ended */
	bool padding;	      /* gzip: zeros after the last member */
	struct inflate_state gzip;
	ZSTD_DStream *zstd;
};

struct inflate *inflate_new(const struct inflate_sink *sink)
{
	struct inflate *f = xcalloc(1, sizeof(*f));

	f->sink = *sink;
	return f;
}

void inflate_free(struct inflate *f)
{
	if (!f)
		return;
	ZSTD_freeDStream(f->zstd);
	free(f);
}

enum inflate_kind inflate_get_kind(const struct inflate *f)
{
	return f->kind;
}

static int no_buffer(struct err *err)
{
	return err_set(err, EPIPE, "the reader of the stream has stopped");
}

static int push_plain(struct inflate *f, const uint8_t *p, size_t n, struct err *err)
{
	while (n) {
		size_t room, m;
		uint8_t *out = f->sink.buffer(f->sink.ctx, &room);

		if (!out)
			return no_buffer(err);
		m = n < room ? n : room;
		memcpy(out, p, m);
		f->sink.produced(f->sink.ctx, m);
		p += m;
		n -= m;
	}
	return 0;
}

static void gzip_start(struct inflate *f)
{
	isal_inflate_init(&f->gzip);
	f->gzip.crc_flag = ISAL_GZIP;
	f->between_members = false;
}

/* After a member: another one, zeros up to a tape's block, or damage. Returns the bytes to skip. */
static int gzip_next_member(struct inflate *f, const uint8_t *p, size_t n, size_t *ret_skip, struct err *err)
{
	size_t zeros = 0;

	if (!f->padding && *p == 0x1f) {
		gzip_start(f);
		*ret_skip = 0;
		return 0;
	}
	while (zeros < n && p[zeros] == 0)
		zeros++;
	if (zeros < n)
		return err_set(err, EBADMSG, "gzip: garbage after the end of the stream");
	f->padding = true;
	*ret_skip = n;
	return 0;
}

static int push_gzip(struct inflate *f, const uint8_t *p, size_t n, struct err *err)
{
	/* next_in lacks a const in the library; it only reads. */
	union {
		const uint8_t *in;
		uint8_t *lib;
	} u;

	while (n || (!f->between_members && f->gzip.avail_out == 0)) {
		size_t room, skip = 0;
		uint32_t avail = (uint32_t)(n < UINT32_MAX ? n : UINT32_MAX);
		int r;

		if (f->between_members) {
			r = gzip_next_member(f, p, n, &skip, err);
			if (r < 0)
				return r;
			p += skip;
			n -= skip;
			if (skip)
				continue;
		}
		u.in = p;
		f->gzip.next_in = u.lib;
		f->gzip.avail_in = avail;
		f->gzip.next_out = f->sink.buffer(f->sink.ctx, &room);
		if (!f->gzip.next_out)
			return no_buffer(err);
		f->gzip.avail_out = (uint32_t)(room < UINT32_MAX ? room : UINT32_MAX);
		room = f->gzip.avail_out;
		r = isal_inflate(&f->gzip);
		if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT)
			return err_set(err, EBADMSG, "gzip: %s", r == ISAL_INCORRECT_CHECKSUM ? "checksum does not match" : "damaged stream");
		f->sink.produced(f->sink.ctx, room - f->gzip.avail_out);
		p += avail - f->gzip.avail_in;
		n -= avail - f->gzip.avail_in;
		if (f->gzip.block_state == ISAL_BLOCK_FINISH)
			f->between_members = true;
	}
	return 0;
}

static int push_zstd(struct inflate *f, const uint8_t *p, size_t n, struct err *err)
{
	ZSTD_inBuffer in = { .src = p, .size = n, .pos = 0 };
	bool flush = false;

	while (in.pos < in.size || flush) {
		size_t room, r;
		ZSTD_outBuffer out = { .dst = f->sink.buffer(f->sink.ctx, &room) };

		if (!out.dst)
			return no_buffer(err);
		out.size = room;
		r = ZSTD_decompressStream(f->zstd, &out, &in);
		if (ZSTD_isError(r))
			return err_set(err, EBADMSG, "zstd: %s", ZSTD_getErrorName(r));
		f->sink.produced(f->sink.ctx, out.pos);
		f->between_members = r == 0;
		flush = r != 0 && out.pos == out.size;
	}
	return 0;
}

static int push_known(struct inflate *f, const uint8_t *p, size_t n, struct err *err)
{
	switch (f->kind) {
	case INFLATE_GZIP:
		return push_gzip(f, p, n, err);
	case INFLATE_ZSTD:
		return push_zstd(f, p, n, err);
	case INFLATE_PLAIN:
	case INFLATE_UNKNOWN:
		break;
	}
	return push_plain(f, p, n, err);
}

/* Choose the kind by the bytes seen, and decode them. */
static int sniff(struct inflate *f, struct err *err)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	const uint8_t *m = f->magic;
	/* A zstd stream may begin with a skippable frame: 0x184d2a50 to 0x184d2a5f. */
	bool skippable = f->n_magic == 4 && (m[0] & 0xf0) == 0x50 && m[1] == 0x2a && m[2] == 0x4d && m[3] == 0x18;

	f->kind = INFLATE_PLAIN;
	if (f->n_magic >= sizeof(gzip) && memcmp(m, gzip, sizeof(gzip)) == 0) {
		f->kind = INFLATE_GZIP;
		gzip_start(f);
	} else if ((f->n_magic == 4 && memcmp(m, zstd, sizeof(zstd)) == 0) || skippable) {
		f->kind = INFLATE_ZSTD;
		f->zstd = ZSTD_createDStream();
		if (!f->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
			return err_set(err, ENOMEM, "zstd: cannot start the decoder");
	}
	return push_known(f, f->magic, f->n_magic, err);
}

int inflate_push(struct inflate *f, const void *data, size_t n, struct err *err)
{
	const uint8_t *p = data;

	if (f->kind == INFLATE_UNKNOWN) {
		size_t m = MAGIC_BYTES - f->n_magic;
		int r;

		m = n < m ? n : m;
		memcpy(f->magic + f->n_magic, p, m);
		f->n_magic += m;
		p += m;
		n -= m;
		if (f->n_magic < MAGIC_BYTES)
			return 0;
		r = sniff(f, err);
		if (r < 0)
			return r;
	}
	return n ? push_known(f, p, n, err) : 0;
}

int inflate_finish(struct inflate *f, struct err *err)
{
	if (f->kind == INFLATE_UNKNOWN && f->n_magic) {
		int r = sniff(f, err);

		if (r < 0)
			return r;
	}
	if ((f->kind == INFLATE_GZIP || f->kind == INFLATE_ZSTD) && !f->between_members)
		return err_set(err, EBADMSG, "%s: stream is cut short", f->kind == INFLATE_GZIP ? "gzip" : "zstd");
	return 0;
}
