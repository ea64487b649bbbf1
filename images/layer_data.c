/* SPDX-License-Identifier: Apache-2.0 */
#include "images/layer_data.h"

#include "images/pages.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { ALIGNMENT = 4096, DIRECT_FROM = 64 << 20, BUFFER_BYTES = 1 << 20, FILL_BYTES = 64 << 10, WRITEBACK_BYTES = 16 << 20 };

void data_writer_init(struct data_writer *w, int fd, bool direct)
{
	*w = (struct data_writer){ .fd = fd, .direct = direct, .memory = pages_alloc((size_t)2 * BUFFER_BYTES) };
	w->buf = w->memory;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
}

static void set_direct(struct data_writer *w, bool on)
{
	int flags = w->is_direct == on ? -1 : fcntl(w->fd, F_GETFL);

	if (flags >= 0 && fcntl(w->fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0)
		w->is_direct = on;
	else if (on && !w->is_direct)
		w->direct = false; /* a file system without it */
}

static int write_buffer(struct data_writer *w, const uint8_t *buf, size_t len, uint64_t pos)
{
	size_t done = 0;

	set_direct(w, w->direct && pos >= DIRECT_FROM && pos % ALIGNMENT == 0 && len == BUFFER_BYTES);
	while (done < len) {
		ssize_t n = pwrite(w->fd, buf + done, len - done, (off_t)(pos + done));

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
	/* Start write-back early, so that the fsync at the end finds little left to do. A hint only. */
	if (pos + len - w->synced >= WRITEBACK_BYTES) {
		(void)sync_file_range(w->fd, (off_t)w->synced, (off_t)(pos + len - w->synced), SYNC_FILE_RANGE_WRITE);
		w->synced = pos + len;
	}
	return 0;
}

/* ---- the thread ---- */

static void *write_jobs(void *ctx)
{
	struct data_writer *w = ctx;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		int r;

		while (!w->job && !w->end)
			pthread_cond_wait(&w->wake, &w->lock);
		if (!w->job)
			break;
		pthread_mutex_unlock(&w->lock);
		r = write_buffer(w, w->job, BUFFER_BYTES, w->job_pos);
		pthread_mutex_lock(&w->lock);
		w->job = NULL;
		w->result = w->result < 0 ? w->result : r;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Until the thread has written what it was given; what became of that. */
static int wait_written(struct data_writer *w)
{
	int r;

	pthread_mutex_lock(&w->lock);
	while (w->job)
		pthread_cond_wait(&w->wake, &w->lock);
	r = w->result;
	pthread_mutex_unlock(&w->lock);
	return r;
}

static void end_thread(struct data_writer *w)
{
	if (!w->thread_runs)
		return;
	pthread_mutex_lock(&w->lock);
	w->end = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->thread_runs = false;
}

/* Give the full buffer to the thread, and go on with the other one. */
static int hand_over(struct data_writer *w)
{
	int r = wait_written(w);

	if (r < 0)
		return r;
	if (!w->thread_runs && pthread_create(&w->thread, NULL, write_jobs, w) == 0)
		w->thread_runs = true;
	if (!w->thread_runs) {
		r = write_buffer(w, w->buf, w->buf_len, w->buf_pos);
	} else {
		pthread_mutex_lock(&w->lock);
		w->job = w->buf;
		w->job_pos = w->buf_pos;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		w->buf = w->buf == w->memory ? w->memory + BUFFER_BYTES : w->memory;
	}
	w->buf_pos += w->buf_len;
	w->buf_len = 0;
	return r;
}

void data_writer_done(struct data_writer *w)
{
	if (!w->memory)
		return;
	end_thread(w);
	free(w->memory);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	w->memory = NULL;
}

/* ---- the caller's side ---- */

static int flush(struct data_writer *w)
{
	int r = wait_written(w);

	if (r == 0)
		r = write_buffer(w, w->buf, w->buf_len, w->buf_pos);
	w->buf_pos += w->buf_len;
	w->buf_len = 0;
	return r;
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
			r = hand_over(w);
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
