/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

struct events_options {
	const char *interval;
	bool stats;
};

#define T struct events_options
static const struct option_row rows[] = {
	OPT_STRING(T, interval, "interval", 0, "DURATION", "time between two lines of statistics, as 500ms or 1m (5s)"),
	OPT_FLAG(T, stats, "stats", 0, "print the statistics once, and end"),
	OPT_END,
};
#undef T

static int print_stats(struct container *c, struct err *err)
{
	AUTO_BUF struct buf line = { 0 };
	struct json_writer w = { .out = &line };
	int r;

	json_begin_object(&w);
	json_kv_string(&w, "type", "stats");
	json_kv_string(&w, "id", c->id);
	json_key(&w, "data");
	r = container_stats_json(c, &w, err);
	if (r < 0)
		return r;
	json_end_object(&w);
	buf_add(&line, "\n");
	return oci_print(&line, err);
}

/* count: of the event "memory.high"; an OOM kill has no data, as engines know it. */
static int print_memory_event(const struct container *c, const char *type, uint64_t count, struct err *err)
{
	AUTO_BUF struct buf line = { 0 };
	struct json_writer w = { .out = &line };

	json_begin_object(&w);
	json_kv_string(&w, "type", type);
	json_kv_string(&w, "id", c->id);
	if (count) {
		json_key(&w, "data");
		json_begin_object(&w);
		json_kv_u64(&w, "count", count);
		json_end_object(&w);
	}
	json_end_object(&w);
	buf_add(&line, "\n");
	return oci_print(&line, err);
}

static int start_timer(uint64_t ns, struct err *err)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
	struct itimerspec every = { .it_interval = t, .it_value = t };
	AUTO_CLOSE int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0)
		return err_sys(err, -errno, "start the interval timer");
	return TAKE_FD(fd);
}

/* What was reported so far, and the descriptor that tells of more. */
struct memory_watch {
	int fd;
	short events;
	uint64_t oom, high;
	struct timespec high_at; /* when memory.high was reported last */
	int looks;
	const struct backend *backend; /* its own source of news, or NULL: the cgroup is one */
};

/* cgroup v1 wakes us when memory is out, and counts the kill a moment later: look again for a while. */
#define LOOK_MS 20
#define LOOKS	100

static void memory_watch_init(struct memory_watch *m, struct container *c)
{
	struct err why;
	struct stat st;

	if (c->backend->oom_fd) {
		m->backend = c->backend;
		m->fd = c->backend->oom_fd(c, &why); /* -1: the machine is about to end */
		m->events = POLLIN;
		return;
	}
	m->fd = c->cgroup ? cgroup_oom_fd(c->cgroup, &why) : -1; /* without a memory controller there is nothing to report */
	if (m->fd < 0)
		return;
	/* A file of cgroup v2 is always readable; that it changed is POLLPRI. v1 has an eventfd. */
	m->events = fstat(m->fd, &st) == 0 && S_ISREG(st.st_mode) ? POLLPRI : POLLIN;
	if (cgroup_oom_count(c->cgroup, &m->oom) < 0)
		m->oom = 0;
	if (cgroup_high_count(c->cgroup, &m->high) < 0)
		m->high = 0;
}

static void swallow(int fd)
{
	char drop[4096];

	/* eventfd, timerfd: a counter that has to be taken; a file of cgroup v2 is read from its start */
	(void)lseek(fd, 0, SEEK_SET);
	(void)!read(fd, drop, sizeof(drop));
}

/* One line for each kill, however many a single wake-up stands for. */
static int report_oom(struct container *c, struct memory_watch *m, struct err *err)
{
	uint64_t count = m->oom;
	int r = m->backend ? m->backend->oom_count(c, &count) : cgroup_oom_count(c->cgroup, &count);

	if (r < 0 && m->backend)
		m->fd = -1; /* the machine is gone: the container will be, too */
	else if (r < 0)
		return 0; /* the cgroup is gone: so is the container */
	for (r = 0; m->oom < count && r == 0; ++m->oom)
		r = print_memory_event(c, "oom", 0, err);
	return r;
}

/* A container at its memory.high is throttled hundreds of times a second: one line a second says how often. */
static int report_high(struct container *c, struct memory_watch *m, struct err *err)
{
	uint64_t count = m->high;
	struct timespec now;

	if (m->backend)
		return 0; /* the limit is not the cgroup's */
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	if (now.tv_sec == m->high_at.tv_sec || cgroup_high_count(c->cgroup, &count) < 0 || count <= m->high)
		return 0;
	m->high_at = now;
	m->high = count;
	return print_memory_event(c, "memory.high", count, err);
}

enum { WATCH_EXIT, WATCH_TIMER, WATCH_MEMORY, WATCHES };

static int watch_once(struct container *c, struct memory_watch *m, int timer, bool *ended, struct err *err)
{
	struct pollfd p[WATCHES] = {
		[WATCH_EXIT] = { .fd = c->pidfd, .events = POLLIN },
		[WATCH_TIMER] = { .fd = timer, .events = POLLIN },
		[WATCH_MEMORY] = { .fd = m->fd, .events = m->events },
	};
	int r = 0;

	if (poll(p, WATCHES, m->looks ? LOOK_MS : -1) < 0 && errno != EINTR)
		return err_sys(err, -errno, "poll");
	if (p[WATCH_MEMORY].revents) {
		if (!m->backend)
			swallow(m->fd);
		m->looks = m->backend ? 1 : LOOKS;
	}
	*ended = p[WATCH_EXIT].revents;
	if (m->looks || (*ended && m->fd >= 0)) {
		m->looks -= m->looks > 0;
		r = report_oom(c, m, err);
		if (r == 0)
			r = report_high(c, m, err);
	}
	if (r == 0 && !*ended && p[WATCH_TIMER].revents) {
		swallow(timer);
		r = print_stats(c, err);
	}
	return r;
}

static int watch(struct container *c, uint64_t interval_ns, struct err *err)
{
	AUTO_CLOSE int timer = start_timer(interval_ns, err);
	struct memory_watch m = { 0 };
	bool ended = false;
	int r = 0;

	if (timer < 0)
		return timer;
	memory_watch_init(&m, c);
	while (r == 0 && !ended)
		r = watch_once(c, &m, timer, &ended, err);
	if (!m.backend)
		fd_close(&m.fd);
	return r;
}

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	AUTO_CONTAINER struct container *c = NULL;
	const struct events_options *o = target;
	uint64_t interval_ns;
	int r;

	if (option_duration(o->interval, &interval_ns) < 0 || interval_ns == 0)
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --interval: must be a duration above 0 such as 5s",
			       o->interval);
	r = container_load(&c, global, operands[0], false, err);
	if (r < 0)
		return r;
	if (container_status(c) == CONTAINER_STOPPED)
		return err_set(err, ESRCH, "container \"%s\" is not running", c->id);
	return o->stats ? print_stats(c, err) : watch(c, interval_ns, err);
}

const struct oci_command cmd_events = {
	.name = "events",
	.operands = "ID",
	.help = "print statistics and out-of-memory kills of a container as lines of JSON",
	.options = rows,
	.target_size = sizeof(struct events_options),
	.defaults = &(const struct events_options){ .interval = "5s" },
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
