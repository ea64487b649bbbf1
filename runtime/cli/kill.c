/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/events.h"
#include "runtime/cli/launch.h"
#include "runtime/cli/select.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

/* ---- kill ---- */

struct kill_options {
	struct selection select;
	const char *signal;
};
#define T struct kill_options
static const struct option_row rows[] = {
	OPT_FLAG(T, select.all, "all", 'a', "all that run"),
	OPT_LIST(T, select.cidfile, "cidfile", 0, "FILE", "the container whose ID is in FILE (may be repeated)"),
	OPT_FLAG(T, select.latest, "latest", 'l', "the newest container"),
	OPT_STRING(T, signal, "signal", 's', "SIGNAL", "signal to send (KILL)"),
	OPT_END,
};
#undef T

static int load_running(struct record *r, const char *verb, struct container **ret, struct err *err)
{
	enum record_state s = record_state(r, ret);

	if (s == RECORD_RUNNING || s == RECORD_PAUSED)
		return 0;
	container_free(*ret);
	*ret = NULL;
	return err_set(err, ESRCH, "cannot %s container %s: it is not running, but %s (container state improper)", verb, r->name,
		       record_state_name(s));
}

static int kill_one(struct record *r, void *arg, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	const struct kill_options *o = arg;
	int sig = str_to_signal(o->signal), x;

	if (sig <= 0)
		return err_set(err, EINVAL, "--signal '%s': not a signal", o->signal);
	x = load_running(r, "kill", &c, err);
	if (x == 0 && (sig == SIGKILL || sig == stop_signal_of(r)))
		x = mark_stopped_by_hand(r, err);
	if (x == 0)
		x = container_kill(c, sig, false, err);
	if (x == 0)
		event_container_with(r, "kill", "signal", o->signal);
	return x < 0 ? x : 1;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct kill_options *o = target;

	o->select.running = true;
	return for_each_selected(cli, &o->select, operands, kill_one, o, err);
}

const struct cli_command cli_kill = {
	.name = "kill",
	.operands = "[OPTIONS] CONTAINER [CONTAINER...]",
	.help = "send a signal to containers",
	.options = rows,
	.target_size = sizeof(struct kill_options),
	.defaults = &(const struct kill_options){ .signal = "KILL" },
	.max_operands = -1,
	.container = true,
	.run = run,
};

/* ---- pause, unpause ---- */

#define T struct selection
static const struct option_row select_rows[] = {
	OPT_FLAG(T, all, "all", 'a', "all that run"),
	OPT_LIST(T, cidfile, "cidfile", 0, "FILE", "the container whose ID is in FILE (may be repeated)"),
	OPT_LIST(T, filter, "filter", 'f', "KEY=VALUE", "those that match"),
	OPT_FLAG(T, latest, "latest", 'l', "the newest container"),
	OPT_END,
};
#undef T

static int pause_one(struct record *r, void *arg UNUSED, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	int x = load_running(r, "pause", &c, err);

	if (x == 0)
		x = container_pause(c, err);
	if (x == 0)
		event_container(r, "pause");
	return x < 0 ? x : 1;
}

static int unpause_one(struct record *r, void *arg UNUSED, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	int x = load_running(r, "unpause", &c, err);

	if (x == 0)
		x = container_resume(c, err);
	if (x == 0)
		event_container(r, "unpause");
	return x < 0 ? x : 1;
}

static int run_pause(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct selection *s = target;

	s->running = true;
	return for_each_selected(cli, s, operands, pause_one, NULL, err);
}

/* --all means those that are paused. */
static int run_unpause(struct cli *cli, void *target, char **operands, struct err *err)
{
	static const char *paused[] = { "status=paused" };
	struct selection *s = target, chosen = { .filter = { .v = paused, .n = 1 } };

	return for_each_selected(cli, s->all ? &chosen : s, operands, unpause_one, NULL, err);
}

const struct cli_command cli_pause = {
	.name = "pause",
	.operands = "CONTAINER [CONTAINER...]",
	.help = "freeze the processes of containers",
	.options = select_rows,
	.target_size = sizeof(struct selection),
	.max_operands = -1,
	.container = true,
	.run = run_pause,
};

const struct cli_command cli_unpause = {
	.name = "unpause",
	.operands = "CONTAINER [CONTAINER...]",
	.help = "let frozen processes go on",
	.options = select_rows,
	.target_size = sizeof(struct selection),
	.max_operands = -1,
	.container = true,
	.run = run_unpause,
};

/* ---- wait ---- */

struct wait_options {
	struct selection select;
	bool ignore;
	struct option_list condition;
	const char *interval;
};
#define T struct wait_options
static const struct option_row wait_rows[] = {
	OPT_LIST(T, condition, "condition", 0, "STATE", "stopped, exited, removed, created, running or paused (stopped)"),
	OPT_FLAG(T, ignore, "ignore", 0, "containers that are not there are no error"),
	OPT_STRING(T, interval, "interval", 'i', "TIME", "how often to look for a state that is no end (250ms)"),
	OPT_FLAG(T, select.latest, "latest", 'l', "the newest container"),
	OPT_END,
};
#undef T

/* States of life; the others are ends. */
static const struct name_value states[] = {
	{ "created", RECORD_CREATED }, { "configured", RECORD_CREATED }, { "running", RECORD_RUNNING }, { "paused", RECORD_PAUSED }, { NULL, 0 },
};
static const char *const ends[] = { "stopped", "exited", "not-running", "next-exit", "removed", NULL };

static bool is_end(const char *condition)
{
	bool hit = false;

	for (const char *const *e = ends; *e; e++)
		hit |= str_eq(*e, condition);
	return hit;
}

static void pause_for(const struct wait_options *o)
{
	uint64_t ns = 250000000;
	struct timespec t;

	if (o->interval)
		(void)!option_duration(o->interval, &ns); /* was checked */
	t = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
	(void)nanosleep(&t, NULL);
}

/* Only states of life are waited for: look again and again, until it is in one, or gone. */
static int wait_state(struct record *r, const struct wait_options *o, struct err *err)
{
	for (;;) {
		AUTO_RECORD struct record *now = NULL;
		int x = record_load(r->cli, r->id, false, &now, err);
		enum record_state s;

		if (x < 0)
			return x;
		s = record_state(now, NULL);
		for (size_t i = 0; i < o->condition.n; i++)
			if (s == (enum record_state)name_find(states, o->condition.v[i])->value) {
				printf("-1\n");
				return 0;
			}
		pause_for(o);
	}
}

static int wait_removed(struct record *r, const struct wait_options *o)
{
	for (;;) {
		AUTO_RECORD struct record *now = NULL;
		struct err gone = { 0 };

		if (record_load(r->cli, r->id, false, &now, &gone) < 0)
			return 0;
		pause_for(o);
	}
}

static int wait_one(struct record *r, void *arg, struct err *err)
{
	const struct wait_options *o = arg;
	int code, x;

	if (o->condition.n && !is_end(o->condition.v[0]))
		return wait_state(r, o, err);
	x = wait_container(r, -1, &code, err);
	if (x == 0 && o->condition.n && str_eq(o->condition.v[0], "removed"))
		x = wait_removed(r, o);
	if (x == 0)
		printf("%d\n", code);
	(void)fflush(stdout);
	return x;
}

static int run_wait(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct wait_options *o = target;
	uint64_t ns;

	for (size_t i = 0; i < o->condition.n; i++) {
		bool end = is_end(o->condition.v[i]);

		if (!end && !name_find(states, o->condition.v[i]))
			return err_set(err, EINVAL, "--condition '%s': must be stopped, exited, removed, created, running or paused",
				       o->condition.v[i]);
		if (end != is_end(o->condition.v[0]))
			return err_set(err, EINVAL, "--condition: '%s' and '%s' cannot be waited for together", o->condition.v[0],
				       o->condition.v[i]);
	}
	if (o->interval && option_duration(o->interval, &ns) < 0)
		return err_set(err, EINVAL, "--interval '%s': must be a time such as 250ms", o->interval);
	o->select.ignore_missing = o->ignore;
	return for_each_selected(cli, &o->select, operands, wait_one, o, err);
}

const struct cli_command cli_wait = {
	.name = "wait",
	.operands = "[OPTIONS] CONTAINER [CONTAINER...]",
	.help = "wait until containers have ended, and print their exit codes",
	.options = wait_rows,
	.target_size = sizeof(struct wait_options),
	.max_operands = -1,
	.container = true,
	.run = run_wait,
};
