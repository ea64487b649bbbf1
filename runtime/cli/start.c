/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/attach.h"
#include "runtime/cli/launch.h"
#include "runtime/cli/relay.h"
#include "runtime/cli/select.h"

#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <signal.h>
#include <strings.h>
#include <unistd.h>

/* ---- create ---- */

static int run_create(struct cli *cli, void *target, char **operands, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	int x = create_container(cli, target, operands, &r, err);

	if (x == 0)
		printf("%s\n", r->id);
	return x;
}

const struct cli_command cli_create = {
	.name = "create",
	.operands = "[OPTIONS] IMAGE [COMMAND [ARGUMENT...]]",
	.help = "create a container from an image, to be started later",
	.options = create_option_rows,
	.target_size = sizeof(struct run_options),
	.defaults = &run_option_defaults,
	.min_operands = 1,
	.max_operands = -1,
	.stop_at_operand = true,
	.container = true,
	.run = run_create,
};

/* ---- with a monitor, and attached from the first byte on ---- */

int start_attached(struct record *r, const struct run_options *o, struct attach *a, struct err *err)
{
	struct err ignored = { 0 };
	int x = monitor_create(r, o, err);

	if (x == 0)
		x = attach_open(a, err);
	if (x == 0)
		x = start_created(r, err);
	if (x == 0) {
		record_unlock(r);
		x = attach_run(a, err);
		attach_close(a);
		return x;
	}
	attach_close(a);
	r->error = arena_strdup(&r->arena, err->msg);
	if (finish_container(r, launch_exit_code(err), &ignored) < 0)
		log_warn("clean up container %s: %s", r->name, ignored.msg);
	return x;
}

/* ---- start ---- */

struct start_options {
	struct selection select;
	bool attach, interactive, sig_proxy;
	const char *detach_keys;
};
#define T struct start_options
static const struct option_row start_rows[] = {
	OPT_FLAG(T, select.all, "all", 0, "all that do not run"),
	OPT_FLAG(T, attach, "attach", 'a', "stay with it: its output, and its exit code"),
	OPT_STRING(T, detach_keys, "detach-keys", 0, "KEYS", "keys that leave the container alone (ctrl-p,ctrl-q)"),
	OPT_LIST(T, select.filter, "filter", 'f', "KEY=VALUE", "those that match"),
	OPT_FLAG(T, interactive, "interactive", 'i', "and its input"),
	OPT_FLAG(T, select.latest, "latest", 'l', "the newest container"),
	OPT_FLAG(T, sig_proxy, "sig-proxy", 0, "with --attach: pass signals on to the container (true)"),
	OPT_END,
};
#undef T

/* Lock it, and read its options again. 1: it runs already. */
static int prepare_start(struct record *r, struct run_options *o, struct err *err)
{
	enum record_state s;
	int x = record_lock(r, err);

	if (x < 0)
		return x;
	s = record_state(r, NULL);
	if (s == RECORD_RUNNING)
		return 1;
	if (s == RECORD_PAUSED)
		return err_set(err, EBUSY, "container %s is paused: unpause it", r->name);
	r->restarts = 0;
	/* what a crash left of its last run */
	x = r->started && !r->finished ? finish_container(r, -1, err) : discard_state(r, err);
	return x < 0 ? x : run_options_thaw(&r->flags, o, err);
}

static int start_one(struct record *r, void *arg UNUSED, struct err *err)
{
	AUTO_RUN_OPTIONS struct run_options o = { 0 };
	int x = prepare_start(r, &o, err);

	if (x == 0) {
		o.detach = true;
		x = start_detached(r, &o, err);
	}
	return x < 0 ? x : 1;
}

static int start_and_stay(struct cli *cli, const struct start_options *s, const char *what, struct err *err)
{
	AUTO_RUN_OPTIONS struct run_options o = { 0 };
	AUTO_RECORD struct record *r = NULL;
	struct attach a = { .stdin_on = s->interactive, .stdout_on = true, .stderr_on = true, .sig_proxy = s->sig_proxy,
			    .detach_keys = s->detach_keys, .socket_fd = -1, .ctl_fd = -1 };
	struct foreground f = { .o = &o };
	sigset_t old;
	int x = record_load(cli, what, false, &r, err);

	if (x == 0)
		x = prepare_start(r, &o, err);
	if (x > 0)
		return err_set(err, EBUSY, "container %s is running: attach to it with brig attach", r->name);
	if (x < 0)
		return x;
	a.record = f.record = r;
	a.tty = r->tty;
	if (!s->attach)
		a.stdout_on = a.stderr_on = s->interactive;
	if (monitor_available()) {
		x = start_attached(r, &o, &a, err);
	} else {
		o.interactive &= s->interactive;
		relay_block(&old);
		x = run_foreground(&f, err);
		relay_unblock(&old);
	}
	if (x >= 0)
		return x == ATTACH_DETACHED ? 0 : x;
	fprintf(stderr, "Error: %s\n", err->msg);
	return launch_exit_code(err);
}

static int run_start(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct start_options *s = target;

	if (!s->attach && !s->interactive)
		return for_each_selected(cli, &s->select, operands, start_one, s, err);
	if (!*operands || operands[1])
		return err_set(err, EINVAL, "--attach and --interactive need the name of exactly one container");
	return start_and_stay(cli, s, operands[0], err);
}

const struct cli_command cli_start = {
	.name = "start",
	.operands = "[OPTIONS] CONTAINER [CONTAINER...]",
	.help = "start containers",
	.options = start_rows,
	.target_size = sizeof(struct start_options),
	.defaults = &(const struct start_options){ .sig_proxy = true },
	.max_operands = -1,
	.enters = CLI_ENTERS_NEW,
	.container = true,
	.run = run_start,
};

/* ---- restart ---- */

struct restart_options {
	struct selection select;
	struct opt_i64 time;
};
#define T struct restart_options
static const struct option_row restart_rows[] = {
	OPT_LIST(T, select.cidfile, "cidfile", 0, "FILE", "the container whose ID is in FILE (may be repeated)"),
	OPT_FLAG(T, select.all, "all", 'a', "all containers"),
	OPT_LIST(T, select.filter, "filter", 'f', "KEY=VALUE", "those that match"),
	OPT_FLAG(T, select.latest, "latest", 'l', "the newest container"),
	OPT_FLAG(T, select.running, "running", 0, "only those that run"),
	OPT_I64(T, time, "time", 't', "SECONDS", "how long to wait before killing, -1: for ever (10)"),
	OPT_END,
};
#undef T

static int restart_one(struct record *r, void *arg, struct err *err)
{
	const struct restart_options *o = arg;
	int x = stop_container(r, o->time.set ? (int)o->time.v : (int)r->stop_timeout, true, err);

	return x < 0 ? x : start_one(r, NULL, err);
}

static int run_restart(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct restart_options *o = target;

	if (o->select.running && !*operands && !o->select.cidfile.n)
		o->select.all = true;
	return for_each_selected(cli, &o->select, operands, restart_one, o, err);
}

const struct cli_command cli_restart = {
	.name = "restart",
	.operands = "[OPTIONS] CONTAINER [CONTAINER...]",
	.help = "stop containers and start them again",
	.options = restart_rows,
	.target_size = sizeof(struct restart_options),
	.max_operands = -1,
	.enters = CLI_ENTERS_NEW,
	.container = true,
	.run = run_restart,
};

/* ---- attach ---- */

struct attach_options {
	bool latest, no_stdin, sig_proxy;
	const char *detach_keys;
};
#define T struct attach_options
static const struct option_row attach_rows[] = {
	OPT_STRING(T, detach_keys, "detach-keys", 0, "KEYS", "keys that leave the container alone (ctrl-p,ctrl-q)"),
	OPT_FLAG(T, latest, "latest", 'l', "the newest container"),
	OPT_FLAG(T, no_stdin, "no-stdin", 0, "only its output"),
	OPT_FLAG(T, sig_proxy, "sig-proxy", 0, "pass signals on to the container (true)"),
	OPT_END,
};
#undef T

static int run_attach(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct attach_options *o = target;
	AUTO_RUN_OPTIONS struct run_options flags = { 0 };
	AUTO_RECORD struct record *r = NULL;
	struct attach a = { .stdout_on = true, .stderr_on = true, .sig_proxy = o->sig_proxy, .detach_keys = o->detach_keys,
			    .socket_fd = -1, .ctl_fd = -1 };
	int x = load_one(cli, operands[0], o->latest, &r, err);

	if (x == 0)
		x = run_options_thaw(&r->flags, &flags, err);
	if (x < 0)
		return x;
	if (record_state(r, NULL) != RECORD_RUNNING)
		return err_set(err, ESRCH, "you can only attach to running containers: %s is %s", r->name, record_state_name(record_state(r, NULL)));
	if (!r->detached)
		return err_set(err, ENOTSUP, "container %s runs in the foreground of the brig that started it: there is nothing to attach to",
			       r->name);
	a.record = r;
	a.tty = r->tty;
	a.stdin_on = !o->no_stdin && flags.interactive;
	x = attach_open(&a, err);
	if (x == 0)
		x = attach_run(&a, err);
	attach_close(&a);
	return x == ATTACH_DETACHED ? 0 : x;
}

const struct cli_command cli_attach = {
	.name = "attach",
	.operands = "[OPTIONS] CONTAINER",
	.help = "connect with a container's input and output",
	.options = attach_rows,
	.target_size = sizeof(struct attach_options),
	.defaults = &(const struct attach_options){ .sig_proxy = true },
	.max_operands = 1,
	.container = true,
	.run = run_attach,
};
