/* SPDX-License-Identifier: Apache-2.0 */
#include "images/layer.h"

#include "images/hash.h"
#include "images/layer_tar.h"
#include "images/pages.h"
#include "images/tarlog.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <pthread.h>

enum { RING_BUFFERS = 6, RING_BUFFER_BYTES = 1 << 20 };

const struct layer_limits layer_default_limits = {
	.max_tar_bytes = 64ULL << 30,
	.max_data_bytes = 64ULL << 30,
	.max_entries = 4 << 20,
	.max_ratio = 1100, /* deflate ends at 1032 */
};

struct slot {
	uint8_t *p; /* in the ring's memory */
	size_t len;
};

struct layer {
	struct layer_options o;
	struct inflate *inflate;
	struct hash *blob_hash;
	uint64_t blob_bytes, tar_bytes;

	/* The ring. Producer: the caller's thread; consumer: the tar thread. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	uint8_t *memory; /* owned; of all slots */
	struct slot ring[RING_BUFFERS];
	unsigned head, tail; /* slots filled and slots freed so far */
	bool no_more, abandoned, consumer_gone;

	pthread_t thread;
	bool thread_runs, slot_is_held;
	struct layer_tar tar;
	struct hash *diff_hash;
	struct tarlog *log; /* NULL: none */
	bool logged;
	struct digest diff_id;
	struct err tar_err;
	int tar_result;
};

/* Consumer: give the slot back that was handed out last, and wait for the next. */
static ssize_t ring_read(void *ctx, const void **ret)
{
	struct layer *l = ctx;
	struct slot *s = NULL;
	ssize_t n = 0;

	pthread_mutex_lock(&l->lock);
	if (l->slot_is_held) {
		l->tail++;
		l->slot_is_held = false;
		pthread_cond_broadcast(&l->wake);
	}
	while (l->head == l->tail && !l->no_more && !l->abandoned)
		pthread_cond_wait(&l->wake, &l->lock);
	if (l->abandoned) {
		n = -1;
	} else if (l->head != l->tail) {
		s = &l->ring[l->tail % RING_BUFFERS];
		l->slot_is_held = true;
	}
	pthread_mutex_unlock(&l->lock);
	if (!s)
		return n;
	hash_update(l->diff_hash, s->p, s->len);
	l->tar.tar_bytes += s->len;
	if (l->log)
		tarlog_push(l->log, s->p, s->len);
	*ret = s->p;
	return (ssize_t)s->len;
}

static void *tar_thread(void *ctx)
{
	struct layer *l = ctx;
	int r;

	r = layer_tar_run(&l->tar, &l->tar_err);
	hash_final(l->diff_hash, &l->diff_id);
	l->logged = r >= 0 && l->log && tarlog_finish(l->log) == 0;
	pthread_mutex_lock(&l->lock);
	l->tar_result = r;
	l->consumer_gone = true;
	pthread_cond_broadcast(&l->wake);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static int check_limits(const struct layer *l, struct err *err)
{
	if (l->o.blob_size != UINT64_MAX && l->blob_bytes > l->o.blob_size)
		return err_set(err, EFBIG, "layer is longer than the %llu bytes that its descriptor says",
			       (unsigned long long)l->o.blob_size);
	if (l->tar_bytes > l->o.limits.max_tar_bytes)
		return err_set(err, EFBIG, "layer decompresses to more than %llu bytes",
			       (unsigned long long)l->o.limits.max_tar_bytes);
	if (l->tar_bytes > 256 << 20 && l->tar_bytes / l->o.limits.max_ratio > l->blob_bytes)
		return err_set(err, EFBIG, "layer decompresses more than %llu-fold", (unsigned long long)l->o.limits.max_ratio);
	return 0;
}

/* Producer: room in the slot that is being filled; waits until the ring has one. */
static uint8_t *ring_buffer(void *ctx, size_t *ret_room)
{
	struct layer *l = ctx;
	struct slot *s = &l->ring[l->head % RING_BUFFERS];
	bool gone;

	/* Here too: a few bytes of zstd can stand for gigabytes. */
	if (check_limits(l, NULL) < 0)
		return NULL;
	pthread_mutex_lock(&l->lock);
	while (l->head - l->tail == RING_BUFFERS && !l->consumer_gone)
		pthread_cond_wait(&l->wake, &l->lock);
	gone = l->consumer_gone;
	pthread_mutex_unlock(&l->lock);
	if (gone)
		return NULL;
	*ret_room = RING_BUFFER_BYTES - s->len;
	return s->p + s->len;
}

static void ring_submit(struct layer *l, bool last)
{
	unsigned next;

	pthread_mutex_lock(&l->lock);
	if (l->head - l->tail < RING_BUFFERS && l->ring[l->head % RING_BUFFERS].len)
		l->head++;
	l->no_more = last;
	next = l->head % RING_BUFFERS;
	while (!last && l->head - l->tail == RING_BUFFERS && !l->consumer_gone)
		pthread_cond_wait(&l->wake, &l->lock);
	if (!last && !l->consumer_gone)
		l->ring[next].len = 0;
	pthread_cond_broadcast(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

static void ring_produced(void *ctx, size_t n)
{
	struct layer *l = ctx;
	struct slot *s = &l->ring[l->head % RING_BUFFERS];

	l->tar_bytes += n;
	s->len += n;
	if (s->len == RING_BUFFER_BYTES)
		ring_submit(l, false);
}

int layer_begin(const struct layer_options *options, struct layer **ret, struct err *err)
{
	AUTO_LAYER struct layer *l = xcalloc(1, sizeof(*l));
	struct inflate_sink sink = { ring_buffer, ring_produced, l };
	enum digest_algorithm blob = options->blob.algorithm, diff = options->diff_id.algorithm;
	int r;

	l->o = *options;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, NULL);
	l->memory = pages_alloc((size_t)RING_BUFFERS * RING_BUFFER_BYTES);
	for (size_t i = 0; i < RING_BUFFERS; i++)
		l->ring[i].p = l->memory + i * RING_BUFFER_BYTES;
	l->inflate = inflate_new(&sink);
	l->blob_hash = hash_new(blob ? blob : DIGEST_SHA256);
	l->diff_hash = hash_new(diff ? diff : DIGEST_SHA256);
	l->tar = (struct layer_tar){ .read = ring_read,
				     .ctx = l,
				     .data_fd = options->data_fd,
				     .entries_fd = options->entries_fd,
				     .direct = options->direct,
				     .limits = options->limits };
	l->log = options->log_fd >= 0 ? tarlog_new(options->log_fd) : NULL;
	r = pthread_create(&l->thread, NULL, tar_thread, l);
	if (r != 0)
		return err_set(err, r, "start the layer's thread: %s", strerror(r));
	l->thread_runs = true;
	*ret = TAKE_PTR(l);
	return 0;
}

/* Wait for the tar thread and return what it says. */
static int tar_join(struct layer *l, struct err *err)
{
	if (l->thread_runs) {
		pthread_join(l->thread, NULL);
		l->thread_runs = false;
	}
	if (l->tar_result < 0 && err)
		*err = l->tar_err;
	return l->tar_result;
}

int layer_push(struct layer *l, const void *data, size_t n, struct err *err)
{
	const uint8_t *p = data;

	/* Small steps, so that the limits are looked at before a bomb has filled the disk. */
	while (n) {
		size_t m = n < 64 << 10 ? n : 64 << 10;
		int r;

		l->blob_bytes += m;
		r = check_limits(l, err);
		if (r < 0)
			return r;
		hash_update(l->blob_hash, p, m);
		if (l->o.keep_fd >= 0) {
			r = fd_write_all(l->o.keep_fd, p, m);
			if (r < 0)
				return err_sys(err, r, "write blob");
		}
		r = inflate_push(l->inflate, p, m, err);
		if (r == -EPIPE) {
			r = check_limits(l, err);
			if (r == 0)
				r = tar_join(l, err);
			return r < 0 ? r : err_set(err, EBADMSG, "layer goes on behind its end");
		}
		if (r == 0)
			r = check_limits(l, err);
		if (r < 0)
			return r;
		p += m;
		n -= m;
	}
	return 0;
}

static int check_digest(const struct digest *want, const struct digest *got, const char *what, struct err *err)
{
	char a[DIGEST_TEXT_LEN], b[DIGEST_TEXT_LEN];

	if (!digest_is_set(want) || digest_eq(want, got))
		return 0;
	return err_set(err, EBADMSG, "%s is %s, expected %s", what, digest_text(got, a), digest_text(want, b));
}

int layer_finish(struct layer *l, struct layer_result *ret, struct err *err)
{
	struct layer_result res = { .blob_size = l->blob_bytes };
	int r;

	hash_final(l->blob_hash, &res.blob);
	if (l->o.blob_size != UINT64_MAX && l->blob_bytes != l->o.blob_size)
		return err_set(err, EBADMSG, "layer has %llu bytes, its descriptor says %llu", (unsigned long long)l->blob_bytes,
			       (unsigned long long)l->o.blob_size);
	r = check_digest(&l->o.blob, &res.blob, "layer's digest", err);
	if (r < 0)
		return r;
	r = inflate_finish(l->inflate, err);
	if (r < 0 && r != -EPIPE)
		return r;
	ring_submit(l, true);
	r = tar_join(l, err);
	if (r < 0)
		return r;
	r = check_digest(&l->o.diff_id, &l->diff_id, "layer's diffID", err);
	if (r < 0)
		return r;
	res.diff_id = l->diff_id;
	res.kind = inflate_get_kind(l->inflate);
	res.tar_bytes = l->tar_bytes;
	res.data_bytes = l->tar.data_bytes;
	res.n_entries = l->tar.n_entries;
	res.logged = l->logged;
	*ret = res;
	return 0;
}

void layer_free(struct layer *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->abandoned = true;
	pthread_cond_broadcast(&l->wake);
	pthread_mutex_unlock(&l->lock);
	(void)tar_join(l, NULL);
	free(l->memory);
	inflate_free(l->inflate);
	hash_free(l->blob_hash);
	hash_free(l->diff_hash);
	tarlog_free(l->log);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void cleanup_layer(struct layer **l)
{
	layer_free(*l);
}
