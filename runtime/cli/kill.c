/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/events.h"
#include "runtime/cli/launch.h"
#include "runtime/cli/select.h"

#include <errno.h>

/* ---- kill ---- */

struct kill_options {
	struct selection select;
	const char *signal;
};
#define T struct kill_options
static const struct option_row rows[] = {
	OPT_FLAG(T, select.all, "all", 'a', "all that run"),
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
	const char *condition;
};
#define T struct wait_options
static const struct option_row wait_rows[] = {
	OPT_STRING(T, condition, "condition", 0, "STATE", "stopped, exited or removed (stopped)"),
	OPT_FLAG(T, ignore, "ignore", 0, "containers that are not there are no error"),
	OPT_FLAG(T, select.latest, "latest", 'l', "the newest container"),
	OPT_IGNORE("interval", "TIME", NULL),
	OPT_END,
};
#undef T

static int wait_one(struct record *r, void *arg UNUSED, struct err *err)
{
	int code, x = wait_container(r, -1, &code, err);

	if (x == 0)
		printf("%d\n", code);
	(void)fflush(stdout);
	return x;
}

static int run_wait(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct wait_options *o = target;

	if (o->condition && !str_eq(o->condition, "stopped") && !str_eq(o->condition, "exited") && !str_eq(o->condition, "not-running") &&
	    !str_eq(o->condition, "removed"))
		return err_set(err, EINVAL, "--condition '%s': must be stopped, exited or removed", o->condition);
	o->select.ignore_missing = o->ignore;
	return for_each_selected(cli, &o->select, operands, wait_one, NULL, err);
}

const struct cli_command cli_wait = {
	.name = "wait",
	.operands = "CONTAINER [CONTAINER...]",
	.help = "wait until containers have ended, and print their exit codes",
	.options = wait_rows,
	.target_size = sizeof(struct wait_options),
	.max_operands = -1,
	.container = true,
	.run = run_wait,
};
