/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/io_thread.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/fd.h"

#define EVENTS_AT_ONCE 16

int io_thread_init(struct io_thread *t, const char *name, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	*t = (struct io_thread){ .name = name, .timeout_ms = -1, .epoll_fd = -1, .stop_fd = -1 };
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll_fd < 0)
		return err_sys(err, -errno, "make an epoll descriptor");
	t->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->stop_fd < 0)
		return err_sys(err, -errno, "make an eventfd");
	if (epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->stop_fd, &ev) < 0)
		return err_sys(err, -errno, "watch an eventfd");
	return 0;
}

void io_thread_done(struct io_thread *t)
{
	if (!t->name) /* zeroed: never made */
		return;
	if (t->running) {
		uint64_t one = 1;

		__atomic_store_n(&t->stop, true, __ATOMIC_RELEASE);
		if (write(t->stop_fd, &one, sizeof(one)) == sizeof(one)) /* a new eventfd always takes 1 */
			(void)pthread_join(t->thread, NULL);
		t->running = false;
	}
	fd_close(&t->epoll_fd);
	fd_close(&t->stop_fd);
}

static int control(struct io_thread *t, int op, struct io_source *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	return epoll_ctl(t->epoll_fd, op, src->fd, &ev) < 0 ? -errno : 0;
}

int io_source_add(struct io_thread *t, struct io_source *src, uint32_t events)
{
	return control(t, EPOLL_CTL_ADD, src, events);
}

int io_source_mod(struct io_thread *t, struct io_source *src, uint32_t events)
{
	return control(t, EPOLL_CTL_MOD, src, events);
}

void io_source_del(struct io_thread *t, struct io_source *src)
{
	(void)control(t, EPOLL_CTL_DEL, src, 0);
}

void io_thread_loop(struct io_thread *t)
{
	struct epoll_event ev[EVENTS_AT_ONCE];

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		int n = epoll_wait(t->epoll_fd, ev, EVENTS_AT_ONCE, t->timeout_ms);

		if (n < 0 && errno != EINTR)
			return;
		for (int i = 0; i < n; i++) {
			struct io_source *src = ev[i].data.ptr;

			if (src)
				src->ready(src, ev[i].events);
		}
		if (t->tick && t->timeout_ms >= 0)
			t->tick(t->tick_arg);
	}
}
