/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/cli/record.h"

#include <errno.h>

static const struct option_row rows[] = { OPT_END };

/* The OCI layer's ps shows the host's ps(1) of the container's processes; what stands behind the name is ps' own. */
static int run(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	AUTO_RECORD struct record *r = NULL;
	AUTO_FREE char **argv = NULL;
	size_t n = 0, k = 0;
	static char program[] = "brig-oci", root[] = "--root", ps[] = "ps";
	int x = record_load(cli, operands[0], false, &r, err);
	enum record_state s;

	if (x < 0)
		return x;
	s = record_state(r, &c);
	if (s != RECORD_RUNNING && s != RECORD_PAUSED)
		return err_set(err, ESRCH, "container %s is not running, but %s", r->name, record_state_name(s));
	while (operands[n])
		n++;
	argv = xcalloc(n + 6, sizeof(*argv));
	argv[k++] = program;
	argv[k++] = root;
	argv[k++] = cli->oci.root;
	argv[k++] = ps;
	argv[k++] = r->id;
	for (size_t i = 1; i < n; i++)
		argv[k++] = operands[i];
	return cli_exec(program, argv, err);
}

const struct cli_command cli_top = {
	.name = "top",
	.operands = "CONTAINER [PS OPTION...]",
	.help = "show the processes of a container",
	.options = rows,
	.min_operands = 1,
	.max_operands = -1,
	.stop_at_operand = true,
	.container = true,
	.run = run,
};
