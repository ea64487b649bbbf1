/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tarlog.h"

#include "images/entry.h"
#include "images/tarlog_priv.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <endian.h>
#include <errno.h>
#include <unistd.h>
#include <zstd.h>

enum { CHUNK_BYTES = 256 << 10 };

struct replay {
	int log_fd, data_fd;
	ZSTD_DCtx *zstd;
	uint8_t *in, *chunk; /* owned */
	ZSTD_inBuffer input;
	struct entry_reader table;
	struct entry *entry; /* owned; large */
	int (*sink)(void *ctx, const void *data, size_t n, struct err *err);
	void *ctx;
};

static int damaged(struct err *err)
{
	return err_set(err, EBADMSG, "the log of the layer's tar is damaged");
}

/* Exactly n bytes of the log into out; 1: done, 0: the log ends here and nothing was read. */
static int read_log(struct replay *r, void *out, size_t n, struct err *err)
{
	ZSTD_outBuffer o = { out, n, 0 };

	while (o.pos < n) {
		size_t x;

		if (r->input.pos == r->input.size) {
			ssize_t got = read(r->log_fd, r->in, CHUNK_BYTES);

			if (got < 0)
				return err_sys(err, -errno, "read the log of the layer's tar");
			if (got == 0)
				return o.pos ? damaged(err) : 0;
			r->input = (ZSTD_inBuffer){ r->in, (size_t)got, 0 };
		}
		x = ZSTD_decompressStream(r->zstd, &o, &r->input);
		if (ZSTD_isError(x))
			return damaged(err);
	}
	return 1;
}

static int give_literal(struct replay *r, uint64_t n, struct err *err)
{
	int x = 0;

	while (x == 0 && n) {
		size_t m = n < CHUNK_BYTES ? (size_t)n : CHUNK_BYTES;

		x = read_log(r, r->chunk, m, err);
		if (x == 1)
			x = r->sink(r->ctx, r->chunk, m, err);
		else if (x == 0)
			x = damaged(err);
		n -= m;
	}
	return x;
}

/* The table's next file with contents. */
static int next_file(struct replay *r, struct err *err)
{
	int x;

	do {
		x = entry_next(&r->table, r->entry, err);
		if (x == 0)
			return damaged(err);
	} while (x == 1 && (r->entry->type != ENTRY_FILE || !r->entry->size));
	return x < 0 ? x : 0;
}

static int give_contents(struct replay *r, uint64_t n, struct err *err)
{
	uint64_t at;
	int x = next_file(r, err);

	if (x == 0 && (r->entry->size != n || r->entry->n_extents))
		x = damaged(err);
	if (x < 0)
		return x;
	if (r->entry->inline_data)
		return r->sink(r->ctx, r->entry->inline_data, (size_t)n, err);
	for (at = r->entry->data_offset; x == 0 && n;) {
		ssize_t m = pread(r->data_fd, r->chunk, n < CHUNK_BYTES ? (size_t)n : CHUNK_BYTES, (off_t)at);

		if (m <= 0)
			return m < 0 ? err_sys(err, -errno, "read the layer's data") : damaged(err);
		x = r->sink(r->ctx, r->chunk, (size_t)m, err);
		at += (uint64_t)m;
		n -= (uint64_t)m;
	}
	return x;
}

static int run(struct replay *r, struct err *err)
{
	char magic[TARLOG_MAGIC_BYTES];
	uint64_t word;
	int x;

	if (fd_read_all(r->log_fd, magic, sizeof(magic)) != TARLOG_MAGIC_BYTES || memcmp(magic, TARLOG_MAGIC, sizeof(magic)) != 0)
		return damaged(err);
	while ((x = read_log(r, &word, sizeof(word), err)) == 1) {
		uint64_t n = le64toh(word) >> 2;

		switch (le64toh(word) & 3) {
		case TARLOG_LITERAL:
			x = give_literal(r, n, err);
			break;
		case TARLOG_CONTENTS:
			x = give_contents(r, n, err);
			break;
		case TARLOG_SKIP:
			x = next_file(r, err);
			break;
		default:
			x = damaged(err);
		}
		if (x < 0)
			return x;
	}
	return x;
}

int tarlog_replay(int log_fd, const void *table, size_t table_bytes, int data_fd,
		  int (*sink)(void *ctx, const void *data, size_t n, struct err *err), void *ctx, struct err *err)
{
	struct replay r = { .log_fd = log_fd, .data_fd = data_fd, .sink = sink, .ctx = ctx };
	int x = entry_reader_init(&r.table, table, table_bytes, false, err);

	if (x < 0)
		return x;
	r.zstd = ZSTD_createDCtx();
	r.in = xmalloc(CHUNK_BYTES);
	r.chunk = xmalloc(CHUNK_BYTES);
	r.entry = xmalloc(sizeof(*r.entry));
	x = r.zstd ? run(&r, err) : err_set(err, ENOMEM, "zstd does not start");
	ZSTD_freeDCtx(r.zstd);
	free(r.in);
	free(r.chunk);
	free(r.entry);
	return x;
}
