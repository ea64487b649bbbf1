/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/events.h"
#include "runtime/cli/record.h"

#include <errno.h>

static const struct option_row rows[] = { OPT_END };

static int run(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	const char *name = operands[1];
	int x = record_check_name(name, err);

	if (x == 0)
		x = record_load(cli, operands[0], true, &r, err);
	if (x < 0 || !r)
		return x;
	if (str_eq(r->name, name))
		return err_set(err, EINVAL, "container %s has the name '%s' already", r->id, name);
	x = record_rename(r, name, err);
	if (x == 0)
		event_container(r, "rename");
	return x;
}

const struct cli_command cli_rename = {
	.name = "rename",
	.operands = "CONTAINER NAME",
	.help = "give a container another name",
	.options = rows,
	.min_operands = 2,
	.max_operands = 2,
	.container = true,
	.run = run,
};
