/* SPDX-License-Identifier: Apache-2.0 */
#include "images/inflate.h"

#include "runtime/base/mem.h"

#include <bzlib.h>
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>

enum { MAGIC_BYTES = 10, GZIP_FIXED_BYTES = 10, ZSTD_WINDOW_LOG = 27, XZ_MEMORY = 256 << 20 };

/* Where in a member's header (RFC 1952) the stream is. */
enum gzip_step { GZIP_FIXED, GZIP_EXTRA_LEN, GZIP_EXTRA, GZIP_NAME, GZIP_COMMENT, GZIP_CRC, GZIP_BODY };
enum gzip_flag { GZIP_HAS_CRC = 2, GZIP_HAS_EXTRA = 4, GZIP_HAS_NAME = 8, GZIP_HAS_COMMENT = 16, GZIP_RESERVED = 0xe0 };

struct inflate {
	struct inflate_sink sink;
	enum inflate_kind kind;
	uint8_t magic[MAGIC_BYTES];
	size_t n_magic;
	bool between_members; /* gzip: a member has ended; zstd: a frame has ended; bzip2: a stream has ended */
	bool padding;	      /* gzip: zeros after the last member */
	struct {
		enum gzip_step step;
		uint8_t flags;
		unsigned left; /* bytes of the step */
		unsigned extra;
	} head;
	struct inflate_state gzip;
	ZSTD_DStream *zstd;
	lzma_stream xz;
	bz_stream bzip2;
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
	if (f->kind == INFLATE_XZ)
		lzma_end(&f->xz);
	if (f->kind == INFLATE_BZIP2)
		(void)BZ2_bzDecompressEnd(&f->bzip2);
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
	f->gzip.crc_flag = ISAL_GZIP_NO_HDR_VER;
	f->head.step = GZIP_FIXED;
	f->head.left = GZIP_FIXED_BYTES;
	f->between_members = false;
}

/* The step after one that has ended: the next whose part the flags announce. */
static void gzip_next_step(struct inflate *f)
{
	static const uint8_t flag_of[] = { [GZIP_EXTRA_LEN] = GZIP_HAS_EXTRA, [GZIP_EXTRA] = GZIP_HAS_EXTRA, [GZIP_NAME] = GZIP_HAS_NAME,
					   [GZIP_COMMENT] = GZIP_HAS_COMMENT, [GZIP_CRC] = GZIP_HAS_CRC };

	do {
		f->head.step++;
		f->head.left = f->head.step == GZIP_EXTRA ? f->head.extra : 2;
	} while (f->head.step < GZIP_BODY &&
		 (!(f->head.flags & flag_of[f->head.step]) || (f->head.step == GZIP_EXTRA && !f->head.extra)));
}

/* One byte of a header. ISA-L's own reader gets lost when a header does not come in one piece. */
static int gzip_header_byte(struct inflate *f, uint8_t c, struct err *err)
{
	static const uint8_t first[] = { 0x1f, 0x8b, 8 };
	unsigned at = GZIP_FIXED_BYTES - f->head.left;
	bool ended;

	if (f->head.step == GZIP_FIXED && ((at < sizeof(first) && c != first[at]) || (at == 3 && (c & GZIP_RESERVED))))
		return err_set(err, EBADMSG, "gzip: damaged header");
	if (f->head.step == GZIP_FIXED && at == 3)
		f->head.flags = c;
	if (f->head.step == GZIP_EXTRA_LEN)
		f->head.extra = f->head.left == 2 ? c : f->head.extra | (unsigned)c << 8;
	ended = f->head.step == GZIP_NAME || f->head.step == GZIP_COMMENT ? c == 0 : --f->head.left == 0;
	if (ended)
		gzip_next_step(f);
	return 0;
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
		uint32_t avail;
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
		for (; n && f->head.step < GZIP_BODY; p++, n--) {
			r = gzip_header_byte(f, *p, err);
			if (r < 0)
				return r;
		}
		if (f->head.step < GZIP_BODY)
			return 0;
		avail = (uint32_t)(n < UINT32_MAX ? n : UINT32_MAX);
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

static int xz_error(lzma_ret r, struct err *err)
{
	return r == LZMA_MEMLIMIT_ERROR ? err_set(err, EFBIG, "xz: the stream needs more than %d MiB of memory", XZ_MEMORY >> 20) :
	       r == LZMA_MEM_ERROR	? err_set(err, ENOMEM, "xz: out of memory") :
					  err_set(err, EBADMSG, "xz: damaged stream");
}

/* action LZMA_FINISH: there is no more input. */
static int push_xz(struct inflate *f, const uint8_t *p, size_t n, lzma_action action, struct err *err)
{
	lzma_ret r = LZMA_OK;

	f->xz.next_in = p;
	f->xz.avail_in = n;
	do {
		size_t room;

		f->xz.next_out = f->sink.buffer(f->sink.ctx, &room);
		if (!f->xz.next_out)
			return no_buffer(err);
		f->xz.avail_out = room;
		r = lzma_code(&f->xz, action);
		f->sink.produced(f->sink.ctx, room - f->xz.avail_out);
		if (r == LZMA_BUF_ERROR && action == LZMA_RUN) /* has to see more input first */
			break;
		if (r == LZMA_BUF_ERROR)
			return err_set(err, EBADMSG, "xz: stream is cut short");
		if (r != LZMA_OK && r != LZMA_STREAM_END)
			return xz_error(r, err);
	} while (r != LZMA_STREAM_END && (action == LZMA_FINISH || f->xz.avail_in || !f->xz.avail_out));
	return 0;
}

static int bzip2_start(struct inflate *f, struct err *err)
{
	f->bzip2 = (bz_stream){ 0 };
	f->between_members = false;
	return BZ2_bzDecompressInit(&f->bzip2, 0, 0) == BZ_OK ? 0 : err_set(err, ENOMEM, "bzip2: cannot start the decoder");
}

static int push_bzip2(struct inflate *f, const uint8_t *p, size_t n, struct err *err)
{
	/* next_in lacks a const in the library; it only reads. */
	union {
		const uint8_t *in;
		char *lib;
	} u;
	bool more = n > 0;

	u.in = p;
	f->bzip2.next_in = u.lib;
	f->bzip2.avail_in = (unsigned)n;
	while (more) {
		size_t room;
		int r = 0;

		if (f->between_members) {
			u.lib = f->bzip2.next_in;
			n = f->bzip2.avail_in;
			(void)BZ2_bzDecompressEnd(&f->bzip2);
			r = bzip2_start(f, err);
			if (r < 0)
				return r;
			f->bzip2.next_in = u.lib;
			f->bzip2.avail_in = (unsigned)n;
		}
		u.in = f->sink.buffer(f->sink.ctx, &room);
		if (!u.in)
			return no_buffer(err);
		f->bzip2.next_out = u.lib;
		f->bzip2.avail_out = (unsigned)(room < UINT32_MAX ? room : UINT32_MAX);
		room = f->bzip2.avail_out;
		r = BZ2_bzDecompress(&f->bzip2);
		f->sink.produced(f->sink.ctx, room - f->bzip2.avail_out);
		if (r != BZ_OK && r != BZ_STREAM_END)
			return err_set(err, EBADMSG, "bzip2: damaged stream");
		f->between_members = r == BZ_STREAM_END;
		more = f->bzip2.avail_in || (!f->between_members && !f->bzip2.avail_out);
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
	case INFLATE_XZ:
		return push_xz(f, p, n, LZMA_RUN, err);
	case INFLATE_BZIP2:
		return push_bzip2(f, p, n, err);
	case INFLATE_PLAIN:
	case INFLATE_UNKNOWN:
		break;
	}
	return push_plain(f, p, n, err);
}

enum inflate_kind inflate_sniff(const void *data, size_t n)
{
	static const struct {
		enum inflate_kind kind;
		size_t n;
		uint8_t bytes[6];
	} magics[] = {
		{ INFLATE_GZIP, 2, { 0x1f, 0x8b } },
		{ INFLATE_ZSTD, 4, { 0x28, 0xb5, 0x2f, 0xfd } },
		{ INFLATE_XZ, 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
	};
	/* of a bzip2 stream's first block, and of the end of one without any */
	static const uint8_t block[] = { 0x31, 0x41, 0x59, 0x26, 0x53, 0x59 }, end[] = { 0x17, 0x72, 0x45, 0x38, 0x50, 0x90 };
	const uint8_t *m = data;

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (n >= magics[i].n && memcmp(m, magics[i].bytes, magics[i].n) == 0)
			return magics[i].kind;
	/* A zstd stream may begin with a skippable frame: 0x184d2a50 to 0x184d2a5f. */
	if (n >= 4 && (m[0] & 0xf0) == 0x50 && m[1] == 0x2a && m[2] == 0x4d && m[3] == 0x18)
		return INFLATE_ZSTD;
	if (n >= MAGIC_BYTES && memcmp(m, "BZh", 3) == 0 && (memcmp(m + 4, block, 6) == 0 || memcmp(m + 4, end, 6) == 0))
		return INFLATE_BZIP2;
	return INFLATE_PLAIN;
}

static int start(struct inflate *f, struct err *err)
{
	int r = 0;

	if (f->kind == INFLATE_GZIP) {
		gzip_start(f);
	} else if (f->kind == INFLATE_ZSTD) {
		f->zstd = ZSTD_createDStream();
		if (!f->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
			r = err_set(err, ENOMEM, "zstd: cannot start the decoder");
	} else if (f->kind == INFLATE_XZ) {
		f->xz = (lzma_stream)LZMA_STREAM_INIT;
		if (lzma_stream_decoder(&f->xz, XZ_MEMORY, LZMA_CONCATENATED) != LZMA_OK)
			r = err_set(err, ENOMEM, "xz: cannot start the decoder");
	} else if (f->kind == INFLATE_BZIP2) {
		r = bzip2_start(f, err);
	}
	return r;
}

/* Choose the kind by the bytes seen, and decode them. */
static int sniff(struct inflate *f, struct err *err)
{
	int r;

	f->kind = inflate_sniff(f->magic, f->n_magic);
	r = start(f, err);
	return r < 0 ? r : push_known(f, f->magic, f->n_magic, err);
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
	if (f->kind == INFLATE_XZ)
		return push_xz(f, NULL, 0, LZMA_FINISH, err);
	if (f->kind != INFLATE_PLAIN && f->kind != INFLATE_UNKNOWN && !f->between_members)
		return err_set(err, EBADMSG, "%s: stream is cut short",
			       f->kind == INFLATE_GZIP ? "gzip" : f->kind == INFLATE_ZSTD ? "zstd" : "bzip2");
	return 0;
}
