/* SPDX-License-Identifier: Apache-2.0 */
#include "images/layer_data.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { ALIGNMENT = 4096, DIRECT_FROM = 64 << 20, BUFFER_BYTES = 1 << 20, FILL_BYTES = 64 << 10, WRITEBACK_BYTES = 16 << 20 };

void data_writer_init(struct data_writer *w, int fd, bool direct)
{
	*w = (struct data_writer){ .fd = fd, .direct = direct };
	if (posix_memalign((void **)&w->buf, ALIGNMENT, BUFFER_BYTES) != 0) {
		w->buf = xmalloc(BUFFER_BYTES);
		w->direct = false;
	}
}

void data_writer_done(struct data_writer *w)
{
	free(w->buf);
	w->buf = NULL;
}

static void set_direct(struct data_writer *w, bool on)
{
	int flags = w->is_direct == on ? -1 : fcntl(w->fd, F_GETFL);

	if (flags >= 0 && fcntl(w->fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0)
		w->is_direct = on;
	else if (on && !w->is_direct)
		w->direct = false; /* a file system without it */
}

static int flush(struct data_writer *w)
{
	size_t done = 0;

	set_direct(w, w->direct && w->buf_pos >= DIRECT_FROM && w->buf_pos % ALIGNMENT == 0 && w->buf_len == BUFFER_BYTES);
	while (done < w->buf_len) {
		ssize_t n = pwrite(w->fd, w->buf + done, w->buf_len - done, (off_t)(w->buf_pos + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EINVAL && w->is_direct) {
			w->direct = false;
			set_direct(w, false);
			continue;
		}
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	w->buf_pos += w->buf_len;
	w->buf_len = 0;
	/* Start write-back early, so that the fsync at the end finds little left to do. A hint only. */
	if (w->buf_pos - w->synced >= WRITEBACK_BYTES) {
		(void)sync_file_range(w->fd, (off_t)w->synced, (off_t)(w->buf_pos - w->synced), SYNC_FILE_RANGE_WRITE);
		w->synced = w->buf_pos;
	}
	return 0;
}

static int append(struct data_writer *w, const uint8_t *data, size_t n)
{
	while (n) {
		size_t m = BUFFER_BYTES - w->buf_len;
		int r;

		m = n < m ? n : m;
		if (data) {
			memcpy(w->buf + w->buf_len, data, m);
			data += m;
		} else {
			memset(w->buf + w->buf_len, 0, m);
		}
		w->buf_len += m;
		n -= m;
		if (w->buf_len == BUFFER_BYTES) {
			r = flush(w);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int data_writer_put(struct data_writer *w, uint64_t offset, const void *data, size_t n)
{
	uint64_t end = w->buf_pos + w->buf_len;
	int r;

	if (offset < end)
		return -EINVAL;
	if (offset - end <= FILL_BYTES) {
		r = append(w, NULL, (size_t)(offset - end));
	} else {
		r = flush(w);
		w->buf_pos = offset;
	}
	return r < 0 ? r : append(w, data, n);
}

int data_writer_finish(struct data_writer *w, uint64_t size)
{
	int r = flush(w);

	if (r < 0)
		return r;
	return ftruncate(w->fd, (off_t)size) < 0 ? -errno : 0;
}
