/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kvm-host/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void reserve(struct wire_buf *b, size_t len)
{
	if (b->start == b->end)
		b->start = b->end = 0;
	if (b->end + len <= b->size)
		return;
	if (b->start > 0) {
		memmove(b->data, b->data + b->start, b->end - b->start);
		b->end -= b->start;
		b->start = 0;
	}
	if (b->end + len <= b->size)
		return;
	b->size = (b->end + len) * 2;
	b->data = realloc(b->data, b->size);
	if (!b->data) {
		fputs("kvm-host: out of memory\n", stderr);
		_exit(1);
	}
}

void wire_buf_add(struct wire_buf *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	reserve(b, len);
	memcpy(b->data + b->end, data, len);
	b->end += len;
}

void wire_buf_free(struct wire_buf *b)
{
	free(b->data);
	*b = (struct wire_buf){ 0 };
}

void wire_put(struct wire_buf *b, uint32_t stream, enum frame_type type, const void *data, size_t len)
{
	struct frame f = { .stream = stream, .type = (uint16_t)type, .len = (uint16_t)len };

	wire_buf_add(b, &f, sizeof(f));
	wire_buf_add(b, data, len);
}

bool wire_peek(const struct wire_buf *b, struct frame *ret, const char **ret_data, bool *ret_bad)
{
	*ret_bad = false;
	if (wire_buf_len(b) < sizeof(*ret))
		return false;
	memcpy(ret, b->data + b->start, sizeof(*ret));
	if (ret->len > WIRE_PAYLOAD) {
		*ret_bad = true;
		return false;
	}
	if (wire_buf_len(b) < sizeof(*ret) + ret->len)
		return false;
	*ret_data = b->data + b->start + sizeof(*ret);
	return true;
}

void wire_drop(struct wire_buf *b, const struct frame *f)
{
	b->start += sizeof(*f) + f->len;
}

int wire_fill(struct wire_buf *b, int fd)
{
	ssize_t n;

	reserve(b, 65536);
	do
		n = read(fd, b->data + b->end, 65536);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	b->end += (size_t)n;
	return n == 0 ? -1 : 1;
}

int wire_flush(struct wire_buf *b, int fd)
{
	ssize_t n;

	if (wire_buf_len(b) == 0)
		return 0;
	do
		n = write(fd, b->data + b->start, wire_buf_len(b));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	b->start += (size_t)n;
	return n == 0 ? 0 : 1;
}
