/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define ROUND	      16
#define QUEUE_MAX     (PROTO_MAX_MESSAGE + (4u << 20))

int source_watch(struct agent *a, struct source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data = { .ptr = s } };
	int op = s->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (s->fd < 0 || s->armed == events)
		return 0;
	if (!events)
		op = EPOLL_CTL_DEL;
	if (epoll_ctl(a->epoll_fd, op, s->fd, &e) < 0)
		return -errno;
	s->armed = events;
	return 0;
}

void source_close(struct agent *a, struct source *s)
{
	(void)!source_watch(a, s, 0); /* closing removes it, too, unless a child holds a copy */
	fd_close(&s->fd);
	s->armed = 0;
}

void agent_defer_free(struct agent *a, void *p)
{
	memcpy(p, &a->garbage, sizeof(void *));
	a->garbage = p;
}

static void collect_garbage(struct agent *a)
{
	while (a->garbage) {
		void *p = a->garbage;

		memcpy(&a->garbage, p, sizeof(void *));
		free(p);
	}
}

void agent_fail(struct agent *a, const struct err *e)
{
	if (!a->end)
		a->failure = *e;
	a->end = true;
}

static void send_or_fail(struct agent *a, uint16_t type, uint32_t id, uint32_t seq, const void *p, size_t n)
{
	struct err err;
	int r = frame_send(&a->out, type, 0, id, seq, p, n);

	if (r < 0) {
		(void)err_sys(&err, r, "queue message '%s' of %zu bytes", proto_type_name(type), n);
		agent_fail(a, &err);
	}
}

void agent_reply(struct agent *a, uint32_t id, uint32_t seq, const void *p, size_t n)
{
	send_or_fail(a, PROTO_REPLY, id, seq, p, n);
}

void agent_reply_error(struct agent *a, uint32_t id, uint32_t seq, const struct err *e)
{
	AUTO_BUF struct buf b = { 0 };

	proto_pack_error(&b, e);
	send_or_fail(a, PROTO_ERROR, id, seq, b.p, b.len);
}

void agent_event(struct agent *a, uint16_t type, uint32_t id, const struct buf *payload)
{
	send_or_fail(a, type, id, 0, payload->p, payload->len);
}

void agent_close_in_child(struct agent *a)
{
	fd_close(&a->epoll_fd);
	fd_close(&a->port.fd);
	fd_close(&a->signals.fd);
	fd_close(&a->log.fd);
	for (struct guest_process *p = a->processes; p; p = p->next) {
		int *const fds[] = { &p->sync.fd, &p->console_fd, &p->pty_fd, &p->in.fd, &p->out[0].fd, &p->out[1].fd };

		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			fd_close(fds[i]);
	}
	for (struct guest_container *g = a->containers; g; g = g->next)
		fd_close(&g->oom.fd);
}

static void send_hello(struct agent *a)
{
	AUTO_FREE char *kernel = NULL, *meminfo = NULL;
	AUTO_BUF struct buf b = { 0 };
	struct proto_hello m = { .magic = PROTO_MAGIC, .version = PROTO_VERSION, .program = a->program };
	unsigned long long kib = 0;
	struct timespec now;

	if (fd_read_file(AT_FDCWD, "/proc/sys/kernel/osrelease", 256, &kernel, NULL) == 0)
		kernel[strcspn(kernel, "\n")] = '\0';
	if (fd_read_file(AT_FDCWD, "/proc/meminfo", 1 << 16, &meminfo, NULL) == 0 && sscanf(meminfo, "MemTotal: %llu", &kib) != 1)
		kib = 0;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	m.kernel = kernel;
	m.boot_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	m.memory_bytes = kib << 10;
	m.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	proto_pack_hello(&b, &m);
	send_or_fail(a, PROTO_HELLO, 0, 0, b.p, b.len);
}

static int take_hello(struct agent *a, const struct frame *f, struct err *err)
{
	struct proto_hello m;
	int r = proto_unpack_hello(f->data, f->len, a->program, &m, err);

	if (r < 0)
		return r;
	a->greeted = true;
	boot_mark(STAGE_HELLO);
	if (a->is_init)
		boot_take_hello(&m);
	return 0;
}

static int handle_input(struct agent *a, struct err *err)
{
	struct frame f;
	int r;

	while (!a->end && (r = frame_next(&a->in, &f, err)) != 0) {
		if (r > 0)
			r = f.type == PROTO_HELLO ? take_hello(a, &f, err) : request_handle(a, &f, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The host opens its end when it likes; until it greets, a port without a host is no end. */
static void port_gone(struct agent *a)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	if (a->greeted)
		a->end = true;
	else
		(void)nanosleep(&pause, NULL);
}

static void port_ready(struct agent *a, struct source *s, uint32_t events)
{
	struct err err = { 0 };
	ssize_t n;
	int r = 0;

	if (!(events & (EPOLLIN | EPOLLHUP)))
		return;
	n = frame_reader_fill(&a->in, s->fd);
	if (n == 0)
		port_gone(a);
	else if (n < 0 && n != -EAGAIN && n != -ENOBUFS)
		r = err_sys(&err, (int)n, "read from the port");
	if (r == 0)
		r = handle_input(a, &err);
	if (r < 0)
		agent_fail(a, &err);
}

static void signals_ready(struct agent *a, struct source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD && !a->is_init)
			a->end = true; /* a test is interrupted; to process 1 only the host gives orders */
	process_reap(a);
}

static int watch_signals(struct agent *a, struct err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, -errno, "block signals");
	(void)signal(SIGPIPE, SIG_IGN);
	a->signals = (struct source){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = signals_ready };
	if (a->signals.fd < 0)
		return err_sys(err, -errno, "signalfd");
	return 0;
}

static int start(struct agent *a, int port_fd, struct err *err)
{
	int r = watch_signals(a, err);

	if (r < 0)
		return r;
	a->port = (struct source){ .fd = port_fd, .ready = port_ready };
	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll_fd < 0)
		return err_sys(err, -errno, "epoll");
	r = frame_reader_init(&a->in, PROTO_TO_GUEST);
	if (r < 0)
		return err_sys(err, r, "read buffer");
	frame_writer_init(&a->out, QUEUE_MAX);
	send_hello(a);
	r = source_watch(a, &a->signals, EPOLLIN);
	if (!r)
		r = source_watch(a, &a->port, EPOLLIN | EPOLLOUT);
	return r < 0 ? err_sys(err, r, "watch the port") : log_to_host(a, err);
}

/* Send what waits; ask for the port's word when it does not take everything. */
static void flush(struct agent *a)
{
	struct err err;
	int r = frame_writer_flush(&a->out, a->port.fd);

	if (a->port_starved && r >= 0 && frame_writer_waiting(&a->out) < PROTO_MAX_PAYLOAD) {
		a->port_starved = false;
		stdio_unstarve(a);
		r = frame_writer_flush(&a->out, a->port.fd);
	}
	if (r < 0 && r != -EPIPE) {
		(void)err_sys(&err, r, "write to the port");
		agent_fail(a, &err);
	} else if (r < 0) {
		port_gone(a);
	}
	r = source_watch(a, &a->port, r == 1 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (r < 0) {
		(void)err_sys(&err, r, "watch the port");
		agent_fail(a, &err);
	}
}

/* The answer to SHUTDOWN, for a host that still listens. */
static void flush_rest(struct agent *a)
{
	struct pollfd p = { .fd = a->port.fd, .events = POLLOUT };

	while (frame_writer_flush(&a->out, a->port.fd) == 1)
		if (poll(&p, 1, 500) <= 0 || !(p.revents & POLLOUT))
			return;
}

int agent_run(struct agent *a, int port_fd, struct err *err)
{
	struct epoll_event events[ROUND];
	int r = start(a, port_fd, err);

	while (r >= 0 && !a->end) {
		int n = epoll_wait(a->epoll_fd, events, ROUND, -1);

		if (n < 0 && errno != EINTR) {
			r = err_sys(err, -errno, "epoll_wait");
			break;
		}
		for (int i = 0; i < n; i++) {
			struct source *s = events[i].data.ptr;

			if (s->fd >= 0) /* an earlier one of this round may have closed it */
				s->ready(a, s, events[i].events);
		}
		flush(a);
		collect_garbage(a);
	}
	guest_destroy_all(a);
	flush_rest(a);
	collect_garbage(a);
	frame_reader_done(&a->in);
	frame_writer_done(&a->out);
	if (r < 0 || !a->failure.code)
		return r < 0 ? r : 0;
	*err = a->failure;
	return -err->code;
}
