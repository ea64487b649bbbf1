/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_TRANSFER_H
#define BRIG_IMAGES_TRANSFER_H

#include "images/digest.h"

#include <pthread.h>

/*
 * DOC: several blobs at a time
 *
 * What pull and push share: a list of blobs, worker threads that take one after the other, the largest first, and an observer that the
 * caller's own thread tells of the progress at most ten times a second. The first error ends all.
 */
enum transfer_state { TRANSFER_WAITING, TRANSFER_RUNNING, TRANSFER_DONE, TRANSFER_EXISTS, TRANSFER_MOUNTED };

struct transfer_item {
	struct digest digest;
	uint64_t size, done; /* bytes; done is written by a worker */
	enum transfer_state state;
};

struct transfer_observer {
	/* "Trying to pull docker.io/library/x:latest" */
	void (*start)(void *ctx, const char *name);
	/* Progress; last: all is done, or failed. */
	void (*progress)(void *ctx, const struct transfer_item *items, size_t n, bool last);
	/* A step behind the blobs: "Copying config", "Writing manifest". */
	void (*step)(void *ctx, const char *what, const struct digest *digest);
	/* Something for the user to read. From any thread. */
	void (*note)(void *ctx, const char *text);
	void *ctx;
};

struct transfer; /* opaque */
struct transfer_work {
	/* Called in each worker before its first item: *ret is the worker's own state. */
	int (*open)(void *ctx, void **ret, struct err *err);
	void (*close)(void *worker);
	/* Move item i. Report bytes by transfer_add(). */
	int (*move)(struct transfer *t, void *worker, size_t i, struct err *err);
	void *ctx;
};

struct transfer {
	struct transfer_item *items; /* the caller's */
	size_t n;
	const struct transfer_work *work;
	const struct transfer_observer *observer; /* may be NULL */
	bool *cancel;				  /* set by the first error: who waits looks at it */

	pthread_mutex_t lock; /* of the rest, and of items[].state */
	pthread_cond_t wake;
	size_t *order, next, running;
	int result;
	struct err err;
};

/* Move every item whose state is TRANSFER_WAITING, by at most parallel workers. */
int transfer_run(struct transfer *t, unsigned parallel, struct err *err) MUST_CHECK;
/* For move(): more bytes of item i went through; its state. */
void transfer_add(struct transfer *t, size_t i, uint64_t bytes);
void transfer_set_state(struct transfer *t, size_t i, enum transfer_state state);

#endif
