/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/attach.h"
#include "runtime/cli/launch.h"

#include "runtime/base/log.h"
#include "runtime/cli/relay.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* In the background: all that is left to do here is to say its ID. */
static int run_detached(struct record *r, const struct run_options *o, struct err *err)
{
	int x = start_detached(r, o, err);

	if (x < 0)
		return x;
	printf("%s\n", r->id);
	return 0;
}

/* A person at a terminal may leave with the detach keys: somebody has to stay. */
static int run_interactive(struct record *r, const struct run_options *o, struct err *err)
{
	struct attach a = { .record = r, .tty = true, .stdin_on = true, .stdout_on = true, .stderr_on = true, .sig_proxy = o->sig_proxy,
			    .detach_keys = o->detach_keys, .socket_fd = -1, .ctl_fd = -1 };
	int x = start_attached(r, o, &a, err);

	return x == ATTACH_DETACHED ? 0 : x;
}

static int run_created(struct record *r, const struct run_options *o, struct err *err)
{
	struct foreground f = { .record = r, .o = o };

	if (o->detach)
		return run_detached(r, o, err);
	if (o->tty && o->interactive && isatty(STDIN_FILENO) && monitor_available())
		return run_interactive(r, o, err);
	return run_foreground(&f, err);
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct run_options *o = target;
	AUTO_RUN_OPTIONS struct run_options frozen = { 0 };
	AUTO_RECORD struct record *r = NULL;
	sigset_t old;
	int code;

	if (o->detach && o->attach.n)
		return err_set(err, EINVAL, "--detach and --attach contradict each other");
	if (o->tty && !o->detach && !isatty(STDIN_FILENO) && o->interactive)
		log_warn("the input device is not a TTY");
	code = create_container(cli, o, operands, &r, err);
	/* as every later start will have them: with what their files say */
	if (code == 0)
		code = run_options_thaw(&r->flags, &frozen, err);
	if (code < 0)
		return code;
	/* From here on there is something to clean up: a signal is the container's, or waits until it is there. */
	relay_block(&old);
	code = run_created(r, &frozen, err);
	relay_unblock(&old);
	if (code < 0) {
		fprintf(stderr, "Error: %s\n", err->msg);
		return launch_exit_code(err);
	}
	return code;
}

const struct cli_command cli_run = {
	.name = "run",
	.operands = "[OPTIONS] IMAGE [COMMAND [ARGUMENT...]]",
	.help = "create a container from an image and run it",
	.options = run_option_rows,
	.target_size = sizeof(struct run_options),
	.defaults = &run_option_defaults,
	.min_operands = 1,
	.max_operands = -1,
	.stop_at_operand = true,
	.enters = CLI_ENTERS_NEW,
	.container = true,
	.run = run,
};
