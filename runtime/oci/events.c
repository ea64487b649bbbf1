/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

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

static int print_oom(const struct container *c, struct err *err)
{
	AUTO_BUF struct buf line = { 0 };
	struct json_writer w = { .out = &line };

	json_begin_object(&w);
	json_kv_string(&w, "type", "oom");
	json_kv_string(&w, "id", c->id);
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

/* One line for each kill, however many a single wake-up stands for. */
static int report_oom(struct container *c, uint64_t *seen, struct err *err)
{
	uint64_t count = *seen;
	int r = cgroup_oom_count(c->cgroup, &count);

	if (r < 0)
		return 0; /* the cgroup is gone: so is the container */
	for (r = 0; *seen < count && r == 0; ++*seen)
		r = print_oom(c, err);
	return r;
}

/* cgroup v1 wakes us when memory is out, and counts the kill a moment later: look again for a while. */
#define OOM_LOOK_MS 20
#define OOM_LOOKS   100

enum { WATCH_EXIT, WATCH_TIMER, WATCH_OOM, WATCHES };

static void swallow(int fd)
{
	uint64_t drop;

	(void)!read(fd, &drop, sizeof(drop)); /* eventfd of v1, timerfd: a counter that has to be taken */
}

static int watch(struct container *c, uint64_t interval_ns, struct err *err)
{
	AUTO_CLOSE int timer = start_timer(interval_ns, err);
	AUTO_CLOSE int oom = -1;
	struct err why = { 0 };
	uint64_t seen = 0;
	int r = 0, looks = 0;

	if (timer < 0)
		return timer;
	if (c->cgroup)
		oom = cgroup_oom_fd(c->cgroup, &why); /* without a memory controller there is nothing to report */
	if (oom >= 0 && cgroup_oom_count(c->cgroup, &seen) < 0)
		seen = 0;
	while (r == 0) {
		struct pollfd p[WATCHES] = {
			[WATCH_EXIT] = { .fd = c->pidfd, .events = POLLIN },
			[WATCH_TIMER] = { .fd = timer, .events = POLLIN },
			[WATCH_OOM] = { .fd = oom, .events = POLLIN | POLLPRI },
		};

		if (poll(p, WATCHES, looks ? OOM_LOOK_MS : -1) < 0 && errno != EINTR)
			return err_sys(err, -errno, "poll");
		if (p[WATCH_OOM].revents) {
			if (p[WATCH_OOM].revents & POLLIN)
				swallow(oom);
			looks = OOM_LOOKS;
		}
		if (looks) {
			looks--;
			r = report_oom(c, &seen, err);
		}
		if (p[WATCH_EXIT].revents)
			return r < 0 || oom < 0 ? r : report_oom(c, &seen, err);
		if (r == 0 && p[WATCH_TIMER].revents) {
			swallow(timer);
			r = print_stats(c, err);
		}
	}
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
