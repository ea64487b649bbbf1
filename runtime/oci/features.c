/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/features.h"

#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

static const struct option_row rows[] = { OPT_END };

static int run(const struct runtime_opts *global, void *target UNUSED, char **operands UNUSED, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };

	features_print(global, &text);
	return oci_print(&text, err);
}

const struct oci_command cmd_features = {
	.name = "features",
	.operands = "",
	.help = "print what this program can do, as the runtime-spec's features document",
	.options = rows,
	.max_operands = 0,
	.run = run,
};
