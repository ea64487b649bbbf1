/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

struct delete_options {
	bool force, regex;
};

#define T struct delete_options
static const struct option_row rows[] = {
	OPT_FLAG(T, force, "force", 'f', "kill the container first; a container that does not exist is no error"),
	OPT_FLAG(T, regex, "regex", 'r', "ID is an extended regular expression: delete all containers that match"),
	OPT_END,
};
#undef T

static int delete_one(struct container *c, void *arg, struct err *err)
{
	const struct delete_options *o = arg;

	return container_delete(c, o->force, err);
}

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	AUTO_CONTAINER struct container *c = NULL;
	const struct delete_options *o = target;
	int r;

	if (o->regex)
		return oci_for_each_match(global, operands[0], delete_one, target, err);
	r = container_check_id(operands[0], err);
	if (r < 0)
		return r;
	r = container_load(&c, global, operands[0], true, err);
	if (r == 0)
		return delete_one(c, target, err);
	if (!o->force)
		return r;
	/* a create that was killed half-way leaves a directory without a state that can be read */
	r = container_delete_remains(global, operands[0], err);
	return r == -ENOENT ? 0 : r;
}

const struct oci_command cmd_delete = {
	.name = "delete",
	.operands = "ID",
	.help = "delete a container that has stopped",
	.options = rows,
	.target_size = sizeof(struct delete_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
