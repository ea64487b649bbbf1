/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

struct kill_options {
	bool all, regex;
	int signal;
};

#define T struct kill_options
static const struct option_row rows[] = {
	OPT_FLAG(T, all, "all", 'a', "signal every process of the container, also when its first one has exited"),
	OPT_FLAG(T, regex, "regex", 'r', "ID is an extended regular expression: signal all containers that match"),
	OPT_END,
};
#undef T

static int kill_one(struct container *c, void *arg, struct err *err)
{
	const struct kill_options *o = arg;

	return container_kill(c, o->signal, o->all, err);
}

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	AUTO_CONTAINER struct container *c = NULL;
	struct kill_options *o = target;
	int r;

	o->signal = operands[1] ? str_to_signal(operands[1]) : SIGTERM;
	if (o->signal < 0)
		return err_set(err, EINVAL, "unknown signal \"%s\"", operands[1]);
	if (o->regex)
		return oci_for_each_match(global, operands[0], kill_one, o, err);
	r = container_load(&c, global, operands[0], true, err);
	return r < 0 ? r : kill_one(c, o, err);
}

const struct oci_command cmd_kill = {
	.name = "kill",
	.operands = "ID [SIGNAL]",
	.help = "send a signal (TERM) to a container",
	.options = rows,
	.target_size = sizeof(struct kill_options),
	.min_operands = 1,
	.max_operands = 2,
	.run = run,
};
