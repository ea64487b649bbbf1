/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backend.h"
#include "runtime/base/mem.h"
#include "runtime/cli/select.h"
#include "runtime/cli/top_fields.h"

#include <errno.h>

struct top_options {
	bool latest;
};
static const struct option_row rows[] = {
	OPT_FLAG(struct top_options, latest, "latest", 'l', "the newest container"),
	OPT_END,
};

/* The OCI layer's ps shows the host's ps(1) of the container's processes; the words are ps' own. */
static int run_ps(struct cli *cli, const struct record *r, char **words, struct err *err)
{
	static char program[] = "brig-oci", root[] = "--root", ps[] = "ps";
	AUTO_FREE char **argv = NULL;
	size_t n = 0, k = 0;

	while (words[n])
		n++;
	argv = xcalloc(n + 6, sizeof(*argv));
	argv[k++] = program;
	argv[k++] = root;
	argv[k++] = cli->oci.root;
	argv[k++] = ps;
	argv[k++] = r->id;
	for (size_t i = 0; i < n; i++)
		argv[k++] = words[i];
	return cli_exec(program, argv, err);
}

static int print_fields(struct container *c, const struct top_field *const *fields, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	int r;

	if (c->backend->ps_table)
		return err_set(err, ENOTSUP, "the processes of a virtual machine are not this kernel's: top shows them without columns to choose");
	r = top_fields_print(c, fields, &out, err);
	return r < 0 ? r : cli_print(out.p, err);
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct top_options *o = target;
	CLEANUP(cleanup_container) struct container *c = NULL;
	AUTO_RECORD struct record *r = NULL;
	AUTO_FREE const struct top_field **fields = NULL;
	char **words = o->latest || !*operands ? operands : operands + 1;
	int x = load_one(cli, o->latest ? NULL : operands[0], o->latest, &r, err);
	enum record_state s;

	if (x < 0)
		return x;
	s = record_state(r, &c);
	if (s != RECORD_RUNNING && s != RECORD_PAUSED)
		return err_set(err, ESRCH, "container %s is not running, but %s", r->name, record_state_name(s));
	fields = top_fields_find(words);
	return fields ? print_fields(c, fields, err) : run_ps(cli, r, words, err);
}

const struct cli_command cli_top = {
	.name = "top",
	.operands = "[OPTIONS] CONTAINER [COLUMN...|PS OPTION...]",
	.help = "show the processes of a container",
	.options = rows,
	.target_size = sizeof(struct top_options),
	.max_operands = -1,
	.stop_at_operand = true,
	.container = true,
	.run = run,
};
