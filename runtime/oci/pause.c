/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

static const struct option_row rows[] = { OPT_END };

static int run(const struct runtime_opts *global, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_CONTAINER struct container *c = NULL;
	int r = container_load(&c, global, operands[0], true, err);

	return r < 0 ? r : container_pause(c, err);
}

const struct oci_command cmd_pause = {
	.name = "pause",
	.operands = "ID",
	.help = "stop all processes of a container for a while",
	.options = rows,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
