/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte: which end reads, and in what pieces the bytes come. The rest: what the other end sent. */
#include "runtime/base/mem.h"
#include "vm-mode/protocol/message.h"
#include "vm-mode/protocol/stream.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Strings of a good message end where they say. */
static void check_text(int r, const char *const *s, size_t n)
{
	if (r == 0 && strlen(*s) >= n)
		abort();
}

static void unpack(const struct frame *f)
{
	union {
		struct proto_hello hello;
		struct proto_create create;
		struct proto_exec exec;
		struct proto_kill kill;
		struct proto_window_size size;
		struct proto_update update;
		struct proto_time time;
		struct proto_pids pids;
		struct proto_exit exit;
		struct proto_oom oom;
		struct proto_balloon balloon;
		struct proto_log log;
		struct err error;
		const char *text;
	} m;
	struct err err;

	switch (f->type) {
	case PROTO_HELLO:
		(void)!proto_unpack_hello(f->data, f->len, "us", &m.hello, &err);
		break;
	case PROTO_REPLY:
		(void)!proto_unpack_pids(f->data, f->len, &m.pids, &err);
		break;
	case PROTO_ERROR:
		if (proto_unpack_error(f->data, f->len, &m.error, &err) == 0 && (m.error.code <= 0 || strlen(m.error.msg) > 507))
			abort();
		break;
	case PROTO_CREATE:
		check_text(proto_unpack_create(f->data, f->len, &m.create, &err), (const char *const *)&m.create.config, f->len);
		break;
	case PROTO_EXEC:
		check_text(proto_unpack_exec(f->data, f->len, &m.exec, &err), (const char *const *)&m.exec.process, f->len);
		break;
	case PROTO_KILL:
		(void)!proto_unpack_kill(f->data, f->len, &m.kill, &err);
		break;
	case PROTO_RESIZE:
		(void)!proto_unpack_resize(f->data, f->len, &m.size, &err);
		break;
	case PROTO_UPDATE:
		check_text(proto_unpack_update(f->data, f->len, &m.update, &err), (const char *const *)&m.update.resources, f->len);
		break;
	case PROTO_TIME:
		(void)!proto_unpack_time(f->data, f->len, &m.time, &err);
		break;
	case PROTO_EXIT:
		(void)!proto_unpack_exit(f->data, f->len, &m.exit, &err);
		break;
	case PROTO_OOM:
		check_text(proto_unpack_oom(f->data, f->len, &m.oom, &err), (const char *const *)&m.oom.container, f->len);
		break;
	case PROTO_BALLOON:
		check_text(proto_unpack_balloon(f->data, f->len, &m.balloon, &err), (const char *const *)&m.balloon.container, f->len);
		break;
	case PROTO_LOG:
		check_text(proto_unpack_log(f->data, f->len, &m.log, &err), (const char *const *)&m.log.text, f->len);
		break;
	default:
		check_text(proto_unpack_text(f->type, f->data, f->len, &m.text, &err), (const char *const *)&m.text, f->len);
	}
}

static void streams(const struct frame *f, struct stream_rx *rx, struct stream_tx *tx)
{
	struct proto_window win;
	struct err err;
	size_t n;

	if (proto_stream_index(f->type) >= 0 && stream_rx_put(rx, f->data, f->len, f->flags & PROTO_EOF, &err) == 0) {
		if (rx->len > PROTO_WINDOW)
			abort();
		while (stream_rx_peek(rx, &n))
			stream_rx_take(rx, n > 100 ? n / 2 : n);
	}
	if (f->type == PROTO_WINDOW_UPDATE && proto_unpack_window(f->data, f->len, &win, &err) == 0)
		(void)!stream_tx_window(tx, win.bytes, f->flags & PROTO_EOF, &err);
	if (tx->credit > PROTO_WINDOW)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct frame_reader r;
	struct stream_rx rx;
	struct stream_tx tx;
	struct err err = { 0 };
	size_t piece;
	int got = 0;

	if (n < 1 || frame_reader_init(&r, data[0] & 1 ? PROTO_TO_GUEST : PROTO_TO_HOST) < 0)
		return 0;
	piece = 1 + (size_t)(data[0] >> 1) * 50;
	data++;
	n--;
	stream_rx_init(&rx);
	stream_tx_init(&tx);
	while (n && got >= 0) {
		size_t taken = frame_reader_feed(&r, data, n < piece ? n : piece);
		struct frame f;

		data += taken;
		n -= taken;
		while ((got = frame_next(&r, &f, &err)) > 0) {
			unpack(&f);
			streams(&f, &rx, &tx);
		}
	}
	stream_rx_done(&rx);
	frame_reader_done(&r);
	return 0;
}
