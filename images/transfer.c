/* SPDX-License-Identifier: Apache-2.0 */
#include "images/transfer.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <time.h>

enum { TICK_MS = 100, MAX_WORKERS = 16 };

void transfer_add(struct transfer *t, size_t i, uint64_t bytes)
{
	__atomic_fetch_add(&t->items[i].done, bytes, __ATOMIC_RELAXED);
}

void transfer_set_state(struct transfer *t, size_t i, enum transfer_state state)
{
	pthread_mutex_lock(&t->lock);
	t->items[i].state = state;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

/* The next item to move, or n. */
static size_t take(struct transfer *t)
{
	size_t i = t->n;

	pthread_mutex_lock(&t->lock);
	while (t->result == 0 && t->next < t->n && i == t->n) {
		size_t k = t->order[t->next++];

		if (t->items[k].state == TRANSFER_WAITING)
			i = k;
	}
	if (i < t->n)
		t->items[i].state = TRANSFER_RUNNING;
	pthread_mutex_unlock(&t->lock);
	return i;
}

static void fail(struct transfer *t, int r, const struct err *err)
{
	pthread_mutex_lock(&t->lock);
	if (t->result == 0) {
		t->result = r;
		t->err = *err;
		if (t->cancel)
			__atomic_store_n(t->cancel, true, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&t->lock);
}

static void *worker(void *ctx)
{
	struct transfer *t = ctx;
	void *own = NULL;
	struct err err = { 0 };
	int r = t->work->open(t->work->ctx, &own, &err);

	for (size_t i; r == 0 && (i = take(t)) < t->n;) {
		r = t->work->move(t, own, i, &err);
		if (r == 0 && t->items[i].state == TRANSFER_RUNNING)
			transfer_set_state(t, i, TRANSFER_DONE);
	}
	if (r < 0)
		fail(t, r, &err);
	if (own)
		t->work->close(own);
	pthread_mutex_lock(&t->lock);
	t->running--;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void tick(struct transfer *t, bool last)
{
	if (t->observer && t->observer->progress)
		t->observer->progress(t->observer->ctx, t->items, t->n, last);
}

/* Tell the observer until all workers are gone. The lock is held but while it is told. */
static void watch(struct transfer *t)
{
	while (t->running) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		pthread_cond_timedwait(&t->wake, &t->lock, &until);
		tick(t, false);
	}
}

/* Largest first: the last one to end should be a small one. */
static size_t *make_order(const struct transfer *t)
{
	size_t *order = xcalloc(t->n + 1, sizeof(*order));

	for (size_t i = 0; i < t->n; i++) {
		size_t k = i;

		for (; k > 0 && t->items[order[k - 1]].size < t->items[i].size; k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
	return order;
}

static size_t count_waiting(const struct transfer *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->items[i].state == TRANSFER_WAITING;
	return n;
}

static size_t start_workers(struct transfer *t, size_t n, pthread_t *threads)
{
	size_t started = 0;

	for (; started < n; started++) {
		int r = pthread_create(&threads[started], NULL, worker, t);

		if (r != 0) {
			if (!started) {
				err_set(&t->err, r, "start a thread: %s", strerror(r));
				t->result = -r;
			}
			break;
		}
		t->running++;
	}
	return started;
}

int transfer_run(struct transfer *t, unsigned parallel, struct err *err)
{
	size_t waiting = count_waiting(t), workers = waiting < parallel ? waiting : parallel, started;
	pthread_t threads[MAX_WORKERS];
	pthread_condattr_t attr;

	if (workers > MAX_WORKERS)
		workers = MAX_WORKERS;
	t->order = make_order(t);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&t->lock, NULL);
	pthread_mutex_lock(&t->lock);
	tick(t, false);
	started = start_workers(t, workers, threads);
	watch(t);
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	tick(t, true);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t->order);
	if (t->result < 0)
		*err = t->err;
	return t->result;
}
