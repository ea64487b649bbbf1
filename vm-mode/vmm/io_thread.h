/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_IO_THREAD_H
#define BRIG_VM_MODE_VMM_IO_THREAD_H

#include <pthread.h>

#include "runtime/base/err.h"

/*
 * DOC: device threads
 *
 * One epoll loop in one thread. A busy device has a thread of its own; the quiet ones share one. A source is a
 * descriptor with a callback, kept in its owner's memory; it is added before the thread starts or by the
 * thread itself, so the loop needs no lock.
 */
struct io_source {
	int fd; /* borrowed; -1: not in use */
	void (*ready)(struct io_source *src, uint32_t events);
	void *arg;
};

struct io_thread {
	const char *name; /* at most 15 characters */
	int epoll_fd, stop_fd;
	int timeout_ms; /* tick() is called at least this often; -1: never. The thread may change it. */
	void (*tick)(void *arg);
	void *tick_arg;
	int (*enter)(void *arg, struct err *err); /* runs first in the thread; a failure ends the VM's start; may be NULL */
	void *enter_arg;
	pthread_t thread;
	bool running, stop;
};

int io_thread_init(struct io_thread *t, const char *name, struct err *err) MUST_CHECK;
/* Stop and join the thread if it runs, and release everything. Accepts a zeroed or half-built object. */
void io_thread_done(struct io_thread *t);

/* Watch src for epoll events; io_source_mod() changes them (0: none for now). -errno. */
int io_source_add(struct io_thread *t, struct io_source *src, uint32_t events) MUST_CHECK;
int io_source_mod(struct io_thread *t, struct io_source *src, uint32_t events);
void io_source_del(struct io_thread *t, struct io_source *src);

/* Serve sources until io_thread_done(). This is the thread's body; the VM starts it. */
void io_thread_loop(struct io_thread *t);

#endif
