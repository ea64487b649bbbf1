/* SPDX-License-Identifier: Apache-2.0 */
#include "images/inflate.h"
#include "runtime/base/mem.h"
#include "tests/unit/tap.h"

#include <errno.h>

/* Two gzip members of "hello" and nothing: the first has every part that a header may have, the second none. */
static const uint8_t members[] = {
	0x1f, 0x8b, 8,	  0x1e, 0,    0,    0,	  0,	0,    3,			/* flags: comment, name, extra, crc */
	4,    0,    'A',  'B',	0,    0,					/* extra */
	'n',  0,    'c',  0,	0x12, 0x34,					/* name, comment, crc of the header */
	1,    5,    0,	  0xfa, 0xff, 'h',  'e',  'l',	'l',  'o',		/* one stored block */
	0x86, 0xa6, 0x10, 0x36, 5,    0,    0,	  0,				/* crc and size */
	0x1f, 0x8b, 8,	  0,	0,    0,    0,	  0,	0,    3,    3,	  0,	/* an empty block */
	0,    0,    0,	  0,	0,    0,    0,	  0,
};

struct sink {
	uint8_t out[64], one[8];
	size_t n;
};

static uint8_t *sink_buffer(void *ctx, size_t *ret_room)
{
	struct sink *s = ctx;

	*ret_room = sizeof(s->one);
	return s->one;
}

static void sink_produced(void *ctx, size_t n)
{
	struct sink *s = ctx;

	if (s->n + n <= sizeof(s->out))
		memcpy(s->out + s->n, s->one, n);
	s->n += n;
}

/* All of data, but that of the bytes up to cut come in pieces of step, the rest at once. */
static int run(const uint8_t *data, size_t n, size_t cut, size_t step, struct sink *s, struct err *err)
{
	struct inflate_sink sink = { sink_buffer, sink_produced, s };
	struct inflate *f = inflate_new(&sink);
	int r = 0;

	*s = (struct sink){ 0 };
	for (size_t at = 0, m; at < n && r == 0; at += m) {
		m = at < cut ? (cut - at < step ? cut - at : step) : n - at;
		r = inflate_push(f, data + at, m, err);
	}
	if (r == 0)
		r = inflate_finish(f, err);
	inflate_free(f);
	return r;
}

static bool is_hello(const struct sink *s)
{
	return s->n == 5 && memcmp(s->out, "hello", 5) == 0;
}

static void test_pieces(void)
{
	struct err err = { 0 };
	struct sink s;

	for (size_t cut = 0; cut <= sizeof(members); cut++) {
		int r = run(members, sizeof(members), cut, cut ? cut : 1, &s, &err);

		ok(r == 0 && is_hello(&s), "gzip: cut in two at byte %zu", cut);
	}
	for (size_t step = 1; step < 12; step++) {
		int r = run(members, sizeof(members), sizeof(members), step, &s, &err);

		ok(r == 0 && is_hello(&s), "gzip: in pieces of %zu", step);
	}
}

static void test_damage(void)
{
	uint8_t bad[sizeof(members)];
	struct err err = { 0 };
	struct sink s;

	is_int(run(members, sizeof(members) - 1, 0, 1, &s, &err), -EBADMSG, "gzip: the last byte is missing");
	like(err.msg, "cut short", "gzip: says so");
	is_int(run(members, 14, 0, 1, &s, &err), -EBADMSG, "gzip: nothing but a part of the header");
	memcpy(bad, members, sizeof(bad));
	bad[3] |= 0x80;
	is_int(run(bad, sizeof(bad), 0, 1, &s, &err), -EBADMSG, "gzip: a reserved flag");
	memcpy(bad, members, sizeof(bad));
	bad[28] ^= 1;
	is_int(run(bad, sizeof(bad), 0, 1, &s, &err), -EBADMSG, "gzip: another byte than was compressed");
	like(err.msg, "checksum", "gzip: the checksum tells");
}

static void test_sniff(void)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum inflate_kind want;
	} cases[] = {
		{ "\x1f\x8b", 2, INFLATE_GZIP },
		{ "\x28\xb5\x2f\xfd", 4, INFLATE_ZSTD },
		{ "\x5a\x2a\x4d\x18", 4, INFLATE_ZSTD },
		{ "\xfd"
		  "7zXZ\0",
		  6, INFLATE_XZ },
		{ "BZh91AY&SY", 10, INFLATE_BZIP2 },
		{ "BZh9 notes", 10, INFLATE_PLAIN }, /* a tar whose first file is called so */
		{ "BZh9", 4, INFLATE_PLAIN },
		{ "", 0, INFLATE_PLAIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_int(inflate_sniff(cases[i].bytes, cases[i].n), cases[i].want, "sniff: case %zu", i);
}

int main(void)
{
	test_pieces();
	test_damage();
	test_sniff();
	return done();
}
