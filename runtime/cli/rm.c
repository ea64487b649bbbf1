/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"
#include "runtime/cli/select.h"

#include <errno.h>

struct rm_options {
	struct selection select;
	bool force, ignore, volumes, depend;
	struct opt_i64 time;
};
#define T struct rm_options
static const struct option_row rows[] = {
	OPT_FLAG(T, select.all, "all", 'a', "all containers"),
	OPT_LIST(T, select.cidfile, "cidfile", 0, "FILE", "the container whose ID is in FILE (may be repeated)"),
	OPT_LIST(T, select.filter, "filter", 0, "KEY=VALUE", "those that match"),
	OPT_FLAG(T, force, "force", 'f', "also those that run: they are killed; one that is not there is no error"),
	OPT_FLAG(T, ignore, "ignore", 'i', "containers that are not there are no error"),
	OPT_FLAG(T, select.latest, "latest", 'l', "the newest container"),
	OPT_I64(T, time, "time", 't', "SECONDS", "with --force: how long to wait before killing (0)"),
	OPT_FLAG(T, volumes, "volumes", 'v', "also the anonymous volumes that were made for it"),
	OPT_FLAG(T, depend, "depend", 0, NULL),
	OPT_END,
};
#undef T

static int rm_one(struct record *r, void *arg, struct err *err)
{
	const struct rm_options *o = arg;
	enum record_state s;
	int x;

	if (o->force) {
		x = stop_container(r, o->time.set ? (int)o->time.v : 0, true, err);
		if (x < 0)
			return x;
	}
	x = record_lock(r, err);
	if (x < 0)
		return x == -ENOENT && o->force ? 1 : x; /* it removed itself */
	s = record_state(r, NULL);
	if (!o->force && (s == RECORD_RUNNING || s == RECORD_PAUSED))
		return err_set(err, EBUSY,
			       "cannot remove container %s as it is %s: stop it first, or use --force (container state improper)",
			       r->name, record_state_name(s));
	x = remove_container(r, o->volumes || r->auto_remove, err);
	return x < 0 ? x : 1;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct rm_options *o = target;
	int r = o->select.all ? record_sweep(cli, err) : 0;

	if (r < 0)
		return r;
	o->select.ignore_missing = o->ignore || o->force;
	return for_each_selected(cli, &o->select, operands, rm_one, o, err);
}

const struct cli_command cli_rm = {
	.name = "rm",
	.operands = "[OPTIONS] CONTAINER [CONTAINER...]",
	.help = "remove containers",
	.options = rows,
	.target_size = sizeof(struct rm_options),
	.max_operands = -1,
	.container = true,
	.run = run,
};

/* ---- brig container prune ---- */

struct prune_options {
	bool force;
	struct option_list filter;
};
#define T struct prune_options
static const struct option_row prune_rows[] = {
	OPT_LIST(T, filter, "filter", 0, "KEY=VALUE", "only those that match: until, label, label!"),
	OPT_FLAG(T, force, "force", 'f', "accepted: brig never asks"),
	OPT_END,
};
#undef T

static int prune_one(struct record *r, struct err *err)
{
	enum record_state s;
	int x = record_lock(r, err);

	if (x < 0)
		return x == -ENOENT ? 0 : x;
	s = record_state(r, NULL);
	if (s != RECORD_EXITED && s != RECORD_CREATED)
		return 0;
	x = remove_container(r, r->auto_remove, err);
	return x < 0 ? x : 1;
}

static int run_prune(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	const struct prune_options *o = target;
	struct record **list = NULL;
	size_t n = 0;
	int code = 0, x = filters_check(&o->filter, err);

	if (x == 0)
		x = record_sweep(cli, err);
	if (x == 0)
		x = record_list(cli, &list, &n, err);
	if (x < 0)
		return x;
	for (size_t i = 0; i < n; i++) {
		enum record_state s = record_state(list[i], NULL);

		if (!filters_match(&o->filter, list[i], s, list, n))
			continue;
		x = prune_one(list[i], err);
		if (x > 0)
			printf("%s\n", list[i]->id);
		else if (x < 0)
			cli_report(err, &code);
	}
	record_list_free(list, n);
	return code;
}

const struct cli_command cli_container_prune = {
	.name = "container-prune",
	.operands = "[OPTIONS]",
	.help = "remove all containers that do not run",
	.options = prune_rows,
	.target_size = sizeof(struct prune_options),
	.max_operands = 0,
	.hidden = true,
	.container = true,
	.run = run_prune,
};
