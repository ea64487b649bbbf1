/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

static const struct option_row rows[] = { OPT_END };

static int run(const struct runtime_opts *global, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_CONTAINER struct container *c = NULL;
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text, .pretty = true };
	int r = container_load(&c, global, operands[0], false, err);

	if (r < 0)
		return r;
	container_state_json(c, container_status(c), true, &w);
	buf_add(&text, "\n");
	return oci_print(&text, err);
}

const struct oci_command cmd_state = {
	.name = "state",
	.operands = "ID",
	.help = "print the state of a container as JSON",
	.options = rows,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
