/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"

#include "runtime/cli/events.h"
#include "runtime/cli/select.h"

#include <errno.h>
#include <poll.h>

int stop_signal_of(const struct record *r)
{
	int sig = r->stop_signal ? str_to_signal(r->stop_signal) : SIGTERM;

	return sig > 0 ? sig : SIGTERM;
}

static int mark_stopped(struct record *r, struct err *err)
{
	if (!r->restart_policy || r->stopped)
		return 0;
	r->stopped = true;
	return record_save(r, err);
}

int mark_stopped_by_hand(struct record *r, struct err *err)
{
	int x = r->restart_policy ? record_lock(r, err) : -ENOENT;

	if (x < 0)
		return x == -ENOENT ? 0 : x;
	x = mark_stopped(r, err);
	record_unlock(r);
	return x;
}

/* Send the stop signal; 1: it runs, and a wait has to follow; 0: there is nothing to stop. */
static int ask_to_stop(struct record *r, bool by_hand, struct container **ret, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	enum record_state s = record_state(r, &c);
	/* the restart policy reads it when the container has ended, or waits for its next start */
	int x = by_hand ? mark_stopped(r, err) : 0;

	if (x < 0 || !c || s == RECORD_CREATED || s == RECORD_EXITED)
		return x;
	if (s == RECORD_PAUSED)
		x = container_resume(c, err);
	if (x == 0)
		x = container_kill(c, stop_signal_of(r), false, err);
	*ret = c;
	c = NULL;
	return x == 0 || x == -ESRCH ? 1 : x;
}

static int wait_gone(const struct container *c, int timeout_s)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, timeout_s < 0 || timeout_s > 2000000 ? -1 : timeout_s * 1000);
	while (r < 0 && errno == EINTR);
	return r;
}

int stop_container(struct record *r, int timeout_s, bool by_hand, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	int x = record_lock(r, err), code;

	if (x < 0)
		return x == -ENOENT ? 0 : x;
	x = ask_to_stop(r, by_hand, &c, err);
	record_unlock(r);
	if (x <= 0 || !c)
		return x;
	if (c->pidfd >= 0 && wait_gone(c, timeout_s) == 0) {
		x = container_kill(c, SIGKILL, false, err);
		if (x < 0 && x != -ESRCH)
			return x;
	}
	x = wait_container(r, -1, &code, err);
	if (x == 0)
		event_container(r, "stop");
	return x;
}

/* ---- the verb ---- */

struct stop_options {
	struct selection select;
	bool ignore;
	const char *signal;
	struct opt_i64 time;
};
#define T struct stop_options
static const struct option_row rows[] = {
	OPT_FLAG(T, select.all, "all", 'a', "all that run"),
	OPT_LIST(T, select.cidfile, "cidfile", 0, "FILE", "the container whose ID is in FILE (may be repeated)"),
	OPT_LIST(T, select.filter, "filter", 'f', "KEY=VALUE", "those that match"),
	OPT_FLAG(T, ignore, "ignore", 'i', "containers that are not there are no error"),
	OPT_FLAG(T, select.latest, "latest", 'l', "the newest container"),
	OPT_I64(T, time, "time", 't', "SECONDS", "how long to wait before killing, -1: for ever (10)"),
	OPT_I64(T, time, "timeout", 0, "SECONDS", NULL),
	OPT_STRING(T, signal, "signal", 's', "SIGNAL", "signal to send (the container's stop signal)"),
	OPT_END,
};
#undef T

static int stop_one(struct record *r, void *arg, struct err *err)
{
	const struct stop_options *o = arg;
	int x;

	if (o->signal) {
		if (str_to_signal(o->signal) <= 0)
			return err_set(err, EINVAL, "--signal '%s': not a signal", o->signal);
		r->stop_signal = arena_strdup(&r->arena, o->signal);
	}
	x = stop_container(r, o->time.set ? (int)o->time.v : (int)r->stop_timeout, true, err);
	return x < 0 ? x : 1;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct stop_options *o = target;

	o->select.ignore_missing = o->ignore;
	o->select.running = true;
	return for_each_selected(cli, &o->select, operands, stop_one, o, err);
}

const struct cli_command cli_stop = {
	.name = "stop",
	.operands = "[OPTIONS] CONTAINER [CONTAINER...]",
	.help = "stop containers",
	.options = rows,
	.target_size = sizeof(struct stop_options),
	.max_operands = -1,
	.container = true,
	.run = run,
};
