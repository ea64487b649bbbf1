/* SPDX-License-Identifier: Apache-2.0 */
/* brig volume ... */
#include "runtime/base/mem.h"
#include "runtime/cli/events.h"
#include "runtime/cli/output.h"
#include "runtime/cli/volume.h"
#include "runtime/net/network.h"

#include <errno.h>

/* ---- create ---- */

struct create_options_volume {
	const char *driver, *name;
	struct option_list label, opt;
	bool ignore;
};
#define T struct create_options_volume
static const struct option_row create_rows[] = {
	OPT_STRING(T, driver, "driver", 'd', "NAME", "local is the only one"),
	OPT_FLAG(T, ignore, "ignore", 0, "one that is there already is no error"),
	OPT_LIST(T, label, "label", 'l', "KEY=VALUE", "label of the volume"),
	OPT_STRING(T, name, "name", 0, "NAME", "name of the volume"),
	OPT_LIST(T, opt, "opt", 'o', "KEY=VALUE", "type=, device= and o= as for mount(8)"),
	OPT_END,
};
#undef T

static int run_create(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct create_options_volume *o = target;
	AUTO_FREE char **labels = output_list(&o->label), **options = output_list(&o->opt);
	AUTO_FREE char *dir = NULL;
	struct volume v = { 0 };
	int r = cli_volume_dir(cli, &dir, err);

	if (r < 0)
		return r;
	if (o->driver && !str_eq(o->driver, "local"))
		return err_set(err, EINVAL, "--driver %s: unknown; local is the only one", o->driver);
	r = volume_create(dir, operands[0] ? operands[0] : o->name, labels, options, false, &v, err);
	/* As in docker, a second create of the same name says the name again. */
	if (r == -EEXIST) {
		printf("%s\n", operands[0] ? operands[0] : o->name);
		return 0;
	}
	if (r == 0) {
		event_other(cli, "volume", "create", v.name, v.name);
		printf("%s\n", v.name);
	}
	volume_done(&v);
	return r;
}

const struct cli_command cli_volume_create = {
	.name = "volume create",
	.operands = "[OPTIONS] [NAME]",
	.help = "make a volume",
	.options = create_rows,
	.target_size = sizeof(struct create_options_volume),
	.max_operands = 1,
	.run = run_create,
};

/* ---- ls ---- */

struct ls_options_volume {
	bool quiet, no_heading;
	const char *format;
	struct option_list filter;
};
#define T struct ls_options_volume
static const struct option_row ls_rows[] = {
	OPT_LIST(T, filter, "filter", 'f', "KEY=VALUE", "those that match: name, label, driver, dangling"),
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, table, or a Go template"),
	OPT_FLAG(T, no_heading, "noheading", 'n', "without the line of headings"),
	OPT_FLAG(T, quiet, "quiet", 'q', "names only"),
	OPT_END,
};
#undef T

/* 1: matches all, 0: does not. */
static int filter(const struct volume *v, const struct option_list *l, struct err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *f = l->v[i];
		bool hit;

		if (str_starts(f, "name="))
			hit = strstr(v->name, f + 5) != NULL;
		else if (str_starts(f, "label="))
			hit = output_has_label(v->labels, f + 6);
		else if (str_starts(f, "driver="))
			hit = str_eq(v->driver, f + 7);
		else if (str_eq(f, "dangling=true") || str_eq(f, "dangling=1"))
			hit = !v->users;
		else if (str_eq(f, "dangling=false") || str_eq(f, "dangling=0"))
			hit = v->users != NULL;
		else
			return err_set(err, EINVAL, "--filter '%s': must be KEY=VALUE with one of the keys name, label, driver, dangling", f);
		if (!hit)
			return 0;
	}
	return 1;
}

static int run_ls(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	static const struct table_heading headings[] = { { "Name", "VOLUME NAME" }, { NULL, NULL } };
	const struct ls_options_volume *o = target;
	struct table_style style = { .columns = "{{.Driver}}\t{{.Name}}", .headings = headings, .no_heading = o->no_heading };
	AUTO_BUF struct buf rows = { 0 };
	struct json_writer w = { .out = &rows };
	AUTO_FREE char *dir = NULL;
	struct volume *v = NULL;
	size_t n = 0;
	int r = cli_volume_dir(cli, &dir, err);

	if (r == 0)
		r = volume_all(dir, &v, &n, err);
	json_begin_array(&w);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = filter(&v[i], &o->filter, err);
		if (r > 0)
			volume_json(&v[i], &w);
	}
	json_end_array(&w);
	volume_all_done(v, n);
	return r < 0 ? r : output_rows(&style, o->quiet ? "{{.Name}}" : o->format, &rows, err);
}

const struct cli_command cli_volume_ls = {
	.name = "volume ls",
	.operands = "[OPTIONS]",
	.help = "list volumes",
	.options = ls_rows,
	.target_size = sizeof(struct ls_options_volume),
	.max_operands = 0,
	.run = run_ls,
};

/* ---- inspect ---- */

struct inspect_options_volume {
	const char *format;
};
static const struct option_row inspect_rows[] = {
	OPT_STRING(struct inspect_options_volume, format, "format", 'f', "FORMAT", "json, or a Go template"),
	OPT_END,
};

static int run_inspect(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct inspect_options_volume *o = target;
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	AUTO_FREE char *dir = NULL;
	int code = 0, r = cli_volume_dir(cli, &dir, err);

	if (r < 0)
		return r;
	json_begin_array(&w);
	for (; *operands; operands++) {
		struct volume v = { 0 };
		struct err e = { 0 };

		if (volume_load(dir, *operands, &v, &e) < 0)
			cli_report(&e, &code);
		else
			volume_json(&v, &w);
		volume_done(&v);
	}
	json_end_array(&w);
	r = output_objects(o->format, &out, err);
	return r < 0 ? r : code;
}

const struct cli_command cli_volume_inspect = {
	.name = "volume inspect",
	.operands = "[OPTIONS] VOLUME [VOLUME...]",
	.help = "show all about volumes",
	.options = inspect_rows,
	.target_size = sizeof(struct inspect_options_volume),
	.min_operands = 1,
	.max_operands = -1,
	.run = run_inspect,
};

/* ---- rm, prune ---- */

struct rm_options_volume {
	bool force, all;
	struct option_list filter;
};
#define T struct rm_options_volume
static const struct option_row rm_rows[] = {
	OPT_FLAG(T, all, "all", 'a', "all that no container uses"),
	OPT_FLAG(T, force, "force", 'f', "one that is not there is no error"),
	OPT_END,
};
static const struct option_row prune_rows[] = {
	OPT_FLAG(T, all, "all", 'a', "also those with a name"),
	OPT_LIST(T, filter, "filter", 0, "KEY=VALUE", "those that match"),
	OPT_FLAG(T, force, "force", 'f', "do not ask"),
	OPT_END,
};
#undef T

static int remove_unused(struct cli *cli, const char *dir, const struct option_list *filters, bool named, int *code, struct err *err)
{
	struct volume *v = NULL;
	size_t n = 0;
	int r = volume_all(dir, &v, &n, err);

	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct err e = { 0 };

		r = filter(&v[i], filters, err);
		if (r <= 0 || v[i].users || (!named && !v[i].anonymous))
			continue;
		if (volume_remove(dir, v[i].name, &e) < 0) {
			cli_report(&e, code);
			continue;
		}
		event_other(cli, "volume", "destroy", v[i].name, v[i].name);
		printf("%s\n", v[i].name);
	}
	volume_all_done(v, n);
	return r < 0 ? r : 0;
}

static int run_rm(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct rm_options_volume *o = target;
	AUTO_FREE char *dir = NULL;
	int code = 0, r = cli_volume_dir(cli, &dir, err);

	if (r < 0)
		return r;
	if (!o->all && !*operands)
		return err_set(err, EINVAL, "you must give the name of at least one volume, or --all");
	if (o->all)
		r = remove_unused(cli, dir, &o->filter, true, &code, err);
	for (; r == 0 && *operands; operands++) {
		struct err e = { 0 };
		int x = volume_remove(dir, *operands, &e);

		if (x == 0) {
			event_other(cli, "volume", "destroy", *operands, *operands);
			printf("%s\n", *operands);
		} else if (!(x == -ENOENT && o->force))
			cli_report(&e, &code);
	}
	return r < 0 ? r : code;
}

const struct cli_command cli_volume_rm = {
	.name = "volume rm",
	.operands = "[OPTIONS] VOLUME [VOLUME...]",
	.help = "remove volumes",
	.options = rm_rows,
	.target_size = sizeof(struct rm_options_volume),
	.max_operands = -1,
	.run = run_rm,
};

static int run_prune(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	const struct rm_options_volume *o = target;
	AUTO_FREE char *dir = NULL;
	int code = 0, r = cli_volume_dir(cli, &dir, err);

	if (r < 0)
		return r;
	if (!output_confirm(o->all ? "Remove all volumes that no container uses?" : "Remove all anonymous volumes that no container uses?",
			    o->force))
		return 0;
	r = remove_unused(cli, dir, &o->filter, o->all, &code, err);
	return r < 0 ? r : code;
}

const struct cli_command cli_volume_prune = {
	.name = "volume prune",
	.operands = "[OPTIONS]",
	.help = "remove volumes that no container uses",
	.options = prune_rows,
	.target_size = sizeof(struct rm_options_volume),
	.max_operands = 0,
	.run = run_prune,
};
