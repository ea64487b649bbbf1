/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "tests/unit/tap.h"
#include "vm-mode/protocol/message.h"
#include "vm-mode/protocol/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct ends {
	int fd[2];
	struct frame_reader r;
	struct frame_writer w;
};

static void ends_open(struct ends *e, enum proto_side side)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, e->fd) < 0 || frame_reader_init(&e->r, side) < 0)
		abort();
	frame_writer_init(&e->w, PROTO_MAX_MESSAGE + (1u << 20));
}

static void ends_close(struct ends *e)
{
	close(e->fd[0]);
	close(e->fd[1]);
	frame_reader_done(&e->r);
	frame_writer_done(&e->w);
}

/* Move bytes until the next message is there. */
static int next(struct ends *e, struct frame *f, struct err *err)
{
	for (;;) {
		int r = frame_next(&e->r, f, err);
		ssize_t n;

		if (r)
			return r;
		if (frame_writer_flush(&e->w, e->fd[0]) < 0)
			return -EPIPE;
		n = frame_reader_fill(&e->r, e->fd[1]);
		if (n <= 0)
			return n ? (int)n : 0;
	}
}

static void send_hello(struct frame_writer *w, uint32_t magic, uint16_t version)
{
	AUTO_BUF struct buf b = { 0 };
	struct proto_hello m = { .magic = magic, .version = version, .program = "brig 9.9", .seed = (const uint8_t *)"0123", .seed_n = 4,
				 .kernel = "6.1.0", .memory_bytes = 1u << 30, .cpus = 2, .time_sec = 1700000000 };

	proto_pack_hello(&b, &m);
	is_int(frame_send(w, PROTO_HELLO, 0, 0, 0, b.p, b.len), 0, "protocol: send hello");
}

static void greet(struct ends *e)
{
	struct proto_hello hello;
	struct frame f;
	struct err err = { 0 };

	send_hello(&e->w, PROTO_MAGIC, PROTO_VERSION);
	is_int(next(e, &f, &err), 1, "protocol: receive hello");
	is_int(proto_unpack_hello(f.data, f.len, "brig 1", &hello, &err), 0, "protocol: which is good");
	ok(hello.seed_n == 4 && hello.cpus == 2 && strcmp(hello.kernel, "6.1.0") == 0, "protocol: and whole");
}

static void test_hello(void)
{
	struct ends e;
	struct frame f;
	struct err err = { 0 };
	struct proto_hello hello;

	ends_open(&e, PROTO_TO_HOST);
	greet(&e);
	send_hello(&e.w, PROTO_MAGIC, PROTO_VERSION);
	is_int(next(&e, &f, &err), -EPROTO, "protocol: a second hello is refused");
	like(err.msg, "came twice", "protocol: by name");
	ends_close(&e);

	ends_open(&e, PROTO_TO_HOST);
	send_hello(&e.w, PROTO_MAGIC, 77);
	is_int(next(&e, &f, &err), 1, "protocol: hello of another version arrives");
	is_int(proto_unpack_hello(f.data, f.len, "brig 1", &hello, &err), -EPROTO, "protocol: and is refused");
	is_str(err.msg, "protocol version 77 of 'brig 9.9' and version 1 of 'brig 1' do not fit together", "protocol: naming both");
	ends_close(&e);

	ends_open(&e, PROTO_TO_HOST);
	send_hello(&e.w, 0x12345678, PROTO_VERSION);
	is_int(next(&e, &f, &err), 1, "protocol: hello of something else arrives");
	is_int(proto_unpack_hello(f.data, f.len, "brig 1", &hello, &err), -EPROTO, "protocol: and is refused, too");
	ends_close(&e);

	ends_open(&e, PROTO_TO_GUEST);
	is_int(frame_send(&e.w, PROTO_PING, 0, 0, 1, NULL, 0), 0, "protocol: a request");
	is_int(next(&e, &f, &err), -EPROTO, "protocol: before hello is refused");
	like(err.msg, "'ping' came before hello", "protocol: by name");
	ends_close(&e);
}

/* What is on the wire, one bad header at a time. */
static void test_bad_headers(void)
{
	static const struct {
		struct proto_header h;
		const char *what, *text;
	} bad[] = {
		{ { 0, 999, 0, 0, 0 }, "an unknown type", "type 999" },
		{ { 12, PROTO_EXIT, 0, 1, 0 }, "a message for the other side", "not for this side" },
		{ { PROTO_MAX_PAYLOAD + 1, PROTO_CREATE, 0, 1, 1 }, "a frame that is too long", "'create' of 65537 bytes" },
		{ { 9, PROTO_RESIZE, 0, 1, 1 }, "a message that is too long", "'resize' of 9 bytes" },
		{ { 0, PROTO_PING, 8, 0, 1 }, "an unknown flag", "flags 0x8" },
		{ { 0, PROTO_PING, PROTO_EOF, 0, 1 }, "EOF on a request", "flags 0x2" },
		{ { 8, PROTO_RESIZE, PROTO_MORE, 1, 1 }, "a small message in parts", "flags 0x1" },
		{ { 0, PROTO_PING, 0, 0, 0 }, "a request without a number", "number 0" },
		{ { 8, PROTO_RESIZE, 0, 0, 1 }, "no process where one is needed", "id 0" },
		{ { 0, PROTO_STDIN, 0, 1, 5 }, "a stream with a request number", "number 5" },
		{ { 0, PROTO_CREATE, PROTO_MORE, 1, 5 }, "an empty part", "empty part" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t head[PROTO_HEADER];
		struct err err = { 0 };
		struct frame f;
		struct ends e;

		ends_open(&e, PROTO_TO_GUEST);
		greet(&e);
		proto_header_pack(&bad[i].h, head);
		is_int(frame_reader_feed(&e.r, head, sizeof(head)), PROTO_HEADER, "protocol: feed a header");
		is_int(frame_next(&e.r, &f, &err), -EPROTO, "protocol: %s is refused", bad[i].what);
		like(err.msg, bad[i].text, "protocol: with a reason");
		ends_close(&e);
	}
}

static void test_parts(void)
{
	size_t n = 3 * PROTO_MAX_PAYLOAD + 17;
	AUTO_FREE uint8_t *big = xcalloc(1, PROTO_MAX_MESSAGE + 1);
	struct err err = { 0 };
	struct frame f;
	struct ends e;

	for (size_t i = 0; i < n; i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	ends_open(&e, PROTO_TO_GUEST);
	greet(&e);
	is_int(frame_send(&e.w, PROTO_CREATE, 0, 3, 4, big, n), 0, "protocol: a message in four parts");
	is_int(next(&e, &f, &err), 1, "protocol: comes out whole");
	ok(f.len == n && memcmp(f.data, big, n) == 0 && f.id == 3 && f.seq == 4 && !f.flags, "protocol: with all its bytes");
	is_int(frame_send(&e.w, PROTO_CREATE, 0, 3, 5, big, 2 * PROTO_MAX_PAYLOAD), 0, "protocol: a multiple of the frame's size");
	is_int(next(&e, &f, &err), 1, "protocol: comes out whole, too");
	is_int(f.len, 2 * PROTO_MAX_PAYLOAD, "protocol: at its length");
	is_int(frame_send(&e.w, PROTO_CREATE, 0, 3, 6, big, PROTO_MAX_MESSAGE), 0, "protocol: the largest message");
	is_int(next(&e, &f, &err), 1, "protocol: comes out");
	is_int(f.len, PROTO_MAX_MESSAGE, "protocol: at its length");
	is_int(frame_send(&e.w, PROTO_CREATE, 0, 3, 6, big, PROTO_MAX_MESSAGE + 1), -EMSGSIZE, "protocol: a larger one is not sent");
	is_int(frame_send(&e.w, PROTO_CREATE, 0, 3, 7, big, 31), 0, "protocol: one that is too short");
	is_int(next(&e, &f, &err), -EPROTO, "protocol: is refused");
	ends_close(&e);
}

static void put_frame(struct ends *e, struct proto_header h, const uint8_t *data)
{
	uint8_t head[PROTO_HEADER];

	proto_header_pack(&h, head);
	if (fd_write_all(e->fd[0], head, sizeof(head)) < 0 || fd_write_all(e->fd[0], data, h.len) < 0)
		abort();
}

/* Streams may come between the parts of a message; a second message in parts may not; and the sum is bounded. */
static void test_interleaved(void)
{
	AUTO_FREE uint8_t *data = xcalloc(1, PROTO_MAX_PAYLOAD);
	struct err err = { 0 };
	struct frame f;
	struct ends e;
	int r = 0;

	ends_open(&e, PROTO_TO_GUEST);
	greet(&e);
	put_frame(&e, (struct proto_header){ 100, PROTO_EXEC, PROTO_MORE, 5, 9 }, data);
	put_frame(&e, (struct proto_header){ 10, PROTO_STDIN, 0, 6, 0 }, data);
	put_frame(&e, (struct proto_header){ 50, PROTO_EXEC, 0, 5, 9 }, data);
	ok(next(&e, &f, &err) == 1 && f.type == PROTO_STDIN && f.len == 10, "protocol: a stream between parts");
	ok(next(&e, &f, &err) == 1 && f.type == PROTO_EXEC && f.len == 150, "protocol: and then the message");
	put_frame(&e, (struct proto_header){ 100, PROTO_EXEC, PROTO_MORE, 5, 10 }, data);
	put_frame(&e, (struct proto_header){ 100, PROTO_EXEC, PROTO_MORE, 5, 11 }, data);
	is_int(next(&e, &f, &err), -EPROTO, "protocol: two messages in parts");
	like(err.msg, "within message 'exec' in parts", "protocol: are one too many");
	ends_close(&e);

	ends_open(&e, PROTO_TO_GUEST);
	greet(&e);
	for (size_t i = 0; i <= PROTO_MAX_MESSAGE / PROTO_MAX_PAYLOAD && r == 0; i++) {
		put_frame(&e, (struct proto_header){ PROTO_MAX_PAYLOAD, PROTO_CREATE, PROTO_MORE, 1, 1 }, data);
		r = next(&e, &f, &err);
		r = r == -EAGAIN ? 0 : r;
	}
	is_int(r, -EPROTO, "protocol: parts without an end");
	like(err.msg, "of more than 16777216 bytes", "protocol: come to one");
	ends_close(&e);
}

static void test_messages(void)
{
	AUTO_BUF struct buf b = { 0 };
	uint8_t filter[16] = { 6, 0, 0, 0, 0, 0, 0xff, 0x7f, 6, 0, 0, 0, 0, 0, 0xff, 0x7f };
	struct proto_create c = { .container = "web", .bundle = "/b", .config = "{}", .seccomp = filter, .seccomp_n = sizeof(filter),
				  .seccomp_flags = 1, .flags = 1, .stdio = 5, .size = { 24, 80, 1, 2 }, .ns = { 0, 1, 2 }, .sandbox = "pod" };
	struct err err = { 0 }, e;
	struct proto_create got;
	const char *text;

	proto_pack_create(&b, &c);
	is_int(proto_unpack_create(b.p, b.len, &got, &err), 0, "protocol: create");
	ok(strcmp(got.container, "web") == 0 && strcmp(got.config, "{}") == 0 && strcmp(got.sandbox, "pod") == 0 && got.seccomp_n == 16 &&
		   memcmp(got.seccomp, filter, 16) == 0 && got.size.cols == 80 && got.ns[2] == 2 && got.stdio == 5,
	   "protocol: as it was");
	for (size_t n = 0; n < b.len; n++)
		if (proto_unpack_create(b.p, n, &got, &err) == 0)
			ok(false, "protocol: create cut at %zu", n);
	b.len--;
	c.sandbox = "";
	b.len = 0;
	proto_pack_create(&b, &c);
	is_int(proto_unpack_create(b.p, b.len, &got, &err), -EPROTO, "protocol: a sandbox's namespace without a sandbox");
	for (size_t i = 0; i < 4; i++) {
		static const char *const ids[] = { "..", ".", "a/b", "" };

		b.len = 0;
		proto_pack_text(&b, ids[i]);
		is_int(proto_unpack_text(PROTO_START, b.p, b.len, &text, &err), -EPROTO, "protocol: container '%s'", ids[i]);
	}
	b.len = 0;
	pack_u32(&b, 4);
	buf_add_n(&b, "a\0b", 4);
	is_int(proto_unpack_text(PROTO_START, b.p, b.len, &text, &err), -EPROTO, "protocol: NUL in a string");
	(void)err_set(&e, ENOENT, "exec: \"x\": \033[2J");
	b.len = 0;
	proto_pack_error(&b, &e);
	is_int(proto_unpack_error(b.p, b.len, &e, &err), 0, "protocol: an error");
	ok(e.code == ENOENT && strcmp(e.msg, "exec: \"x\": ?[2J") == 0, "protocol: without its control characters");
}

static void test_streams(void)
{
	AUTO_FREE uint8_t *data = xcalloc(1, PROTO_MAX_PAYLOAD);
	struct proto_window win;
	struct stream_tx tx;
	struct stream_rx rx;
	struct err err = { 0 };
	struct frame f;
	struct ends e;
	size_t n, sent = 0;

	ends_open(&e, PROTO_TO_HOST);
	greet(&e);
	stream_tx_init(&tx);
	stream_rx_init(&rx);
	ok(!stream_rx_peek(&rx, &n), "protocol: an empty stream");
	while ((n = stream_tx_room(&tx, &e.w)) > 0) {
		is_int(stream_tx_send(&tx, &e.w, PROTO_STDOUT, 7, data, n, false), 0, "protocol: send %zu", n);
		sent += n;
	}
	is_int(sent, PROTO_WINDOW, "protocol: the credit is used up");
	while (next(&e, &f, &err) == 1)
		ok(f.type == PROTO_STDOUT && stream_rx_put(&rx, f.data, f.len, f.flags & PROTO_EOF, &err) == 0, "protocol: received");
	is_int(stream_rx_put(&rx, data, 1, false, &err), -EPROTO, "protocol: one byte more is refused");
	stream_rx_take(&rx, 1000);
	is_int(stream_rx_put(&rx, data, 1, false, &err), -EPROTO, "protocol: until credit was announced");
	is_int(stream_rx_credit(&rx, &e.w, PROTO_STDOUT, 7), 0, "protocol: little credit");
	is_int(frame_writer_waiting(&e.w), 0, "protocol: is not worth a message");
	stream_rx_take(&rx, PROTO_WINDOW / 4);
	is_int(stream_rx_credit(&rx, &e.w, PROTO_STDOUT, 7), 0, "protocol: more");
	ok(next(&e, &f, &err) == 1 && f.type == PROTO_WINDOW_UPDATE, "protocol: is");
	is_int(proto_unpack_window(f.data, f.len, &win, &err), 0, "protocol: window");
	is_int(win.bytes, PROTO_WINDOW / 4 + 1000, "protocol: all that was taken");
	is_int(stream_tx_window(&tx, win.bytes, false, &err), 0, "protocol: the sender has credit");
	is_int(stream_tx_window(&tx, PROTO_WINDOW, false, &err), -EPROTO, "protocol: but not more than there is");
	n = stream_tx_room(&tx, &e.w);
	is_int(n, PROTO_MAX_PAYLOAD, "protocol: a frame's worth");
	data[0] = 'x';
	is_int(stream_tx_send(&tx, &e.w, PROTO_STDOUT, 7, data, n, true), 0, "protocol: the last bytes");
	is_int(stream_tx_room(&tx, &e.w), 0, "protocol: after the end nothing is sent");
	ok(next(&e, &f, &err) == 1 && f.flags == PROTO_EOF && stream_rx_put(&rx, f.data, f.len, true, &err) == 0, "protocol: the end arrives");
	is_int(stream_rx_put(&rx, data, 0, false, &err), -EPROTO, "protocol: nothing comes after it");
	for (sent = 0; stream_rx_peek(&rx, &n); sent += n)
		stream_rx_take(&rx, n);
	is_int(sent, PROTO_WINDOW - 1000 - PROTO_WINDOW / 4 + PROTO_MAX_PAYLOAD, "protocol: all bytes come out, over the ring's seam");
	ok(stream_rx_finished(&rx), "protocol: finished");
	stream_rx_done(&rx);

	stream_rx_init(&rx);
	stream_tx_init(&tx);
	is_int(stream_rx_put(&rx, data, 10, false, &err), 0, "protocol: data for a destination");
	is_int(stream_rx_close(&rx, &e.w, PROTO_STDOUT, 8), 0, "protocol: that went away");
	ok(next(&e, &f, &err) == 1 && f.type == PROTO_WINDOW_UPDATE && f.flags == PROTO_EOF, "protocol: the sender is told");
	is_int(stream_tx_window(&tx, 0, true, &err), 0, "protocol: and");
	is_int(stream_tx_room(&tx, &e.w), 0, "protocol: stops");
	is_int(stream_rx_put(&rx, data, 10, false, &err), 0, "protocol: what was on its way is dropped");
	stream_rx_done(&rx);
	ends_close(&e);
}

/* One stream that nobody reads does not stop another. */
static void test_no_head_of_line_blocking(void)
{
	AUTO_FREE uint8_t *data = xcalloc(1, PROTO_MAX_PAYLOAD);
	struct stream_tx stalled, alive;
	struct err err = { 0 };
	struct frame f;
	struct ends e;
	size_t n, got = 0;

	ends_open(&e, PROTO_TO_HOST);
	greet(&e);
	stream_tx_init(&stalled);
	stream_tx_init(&alive);
	for (int round = 0; round < 40; round++) {
		while ((n = stream_tx_room(&stalled, &e.w)) > 0)
			if (stream_tx_send(&stalled, &e.w, PROTO_STDOUT, 1, data, n, false) < 0)
				abort();
		n = stream_tx_room(&alive, &e.w);
		if (n && stream_tx_send(&alive, &e.w, PROTO_STDOUT, 2, data, n, false) < 0)
			abort();
		while (next(&e, &f, &err) == 1)
			if (f.id == 2) {
				got += f.len;
				if (stream_tx_window(&alive, (uint32_t)f.len, false, &err) < 0)
					abort();
			}
	}
	ok(got > 30 * PROTO_MAX_PAYLOAD, "protocol: a stalled stream holds up no other (%zu bytes)", got);
	ends_close(&e);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	test_hello();
	test_bad_headers();
	test_parts();
	test_interleaved();
	test_messages();
	test_streams();
	test_no_head_of_line_blocking();
	return done();
}
