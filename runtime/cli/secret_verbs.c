/* SPDX-License-Identifier: Apache-2.0 */
/* brig secret ... */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/events.h"
#include "runtime/cli/output.h"
#include "runtime/cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

/* ---- create ---- */

struct create_options_secret {
	const char *driver;
	struct option_list label, driver_opts;
	bool env, replace;
};
#define T struct create_options_secret
static const struct option_row create_rows[] = {
	OPT_STRING(T, driver, "driver", 'd', "NAME", "file is the only one"),
	OPT_LIST(T, driver_opts, "driver-opts", 0, "KEY=VALUE", NULL),
	OPT_FLAG(T, env, "env", 0, "FILE is the name of a variable that has the data"),
	OPT_LIST(T, label, "label", 'l', "KEY=VALUE", "label of the secret"),
	OPT_FLAG(T, replace, "replace", 0, "take the place of a secret of that name"),
	OPT_END,
};
#undef T

/* Not by a path: who may read it need not be who may open it. */
static int read_stdin(char **ret, size_t *ret_n, struct err *err)
{
	AUTO_FREE char *text = xcalloc(SECRET_MAX + 2, 1);
	ssize_t n;

	if (isatty(STDIN_FILENO))
		return err_set(err, EINVAL, "'-' reads the secret from stdin, which must not be a terminal");
	n = fd_read_all(STDIN_FILENO, text, SECRET_MAX + 1);
	if (n < 0)
		return err_sys(err, (int)n, "read the secret from stdin");
	*ret_n = (size_t)n; /* one byte too many is told by secret_create() */
	*ret = TAKE_PTR(text);
	return 0;
}

/* FILE, "-" for stdin, or a variable. */
static int read_data(const struct create_options_secret *o, const char *from, char **ret, size_t *ret_n, struct err *err)
{
	const char *value = o->env ? getenv(from) : NULL;
	int r;

	if (o->env && !value)
		return err_set(err, ENOENT, "--env: there is no variable '%s'", from);
	if (value) {
		*ret = xstrdup(value);
		*ret_n = strlen(value);
		return 0;
	}
	if (str_eq(from, "-"))
		return read_stdin(ret, ret_n, err);
	r = fd_read_file(AT_FDCWD, from, SECRET_MAX, ret, ret_n);
	if (r == -EFBIG)
		return err_set(err, EINVAL, "the secret's data must be larger than 0 and at most %d bytes", SECRET_MAX);
	return r < 0 ? err_sys(err, r, "read the secret from '%s'", from) : 0;
}

static int run_create(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct create_options_secret *o = target;
	AUTO_FREE char **labels = output_list(&o->label);
	AUTO_SECRET struct secret s = { 0 };
	AUTO_FREE char *dir = NULL;
	AUTO_FREE char *data = NULL;
	size_t n = 0;
	int r;

	if (o->driver && !str_eq(o->driver, "file"))
		return err_set(err, EINVAL, "--driver %s: unknown; file is the only one", o->driver);
	r = read_data(o, operands[1], &data, &n, err);
	if (r == 0)
		r = cli_secret_dir(cli, &dir, err);
	if (r == 0)
		r = secret_create(dir, operands[0], data, n, labels, o->replace, &s, err);
	if (data)
		explicit_bzero(data, n);
	if (r < 0)
		return r;
	event_other(cli, "secret", "create", s.id, s.name);
	printf("%s\n", s.id);
	return 0;
}

const struct cli_command cli_secret_create = {
	.name = "secret create",
	.operands = "[OPTIONS] NAME FILE|-",
	.help = "keep a secret for containers",
	.options = create_rows,
	.target_size = sizeof(struct create_options_secret),
	.min_operands = 2,
	.max_operands = 2,
	.run = run_create,
};

/* ---- ls ---- */

struct ls_options_secret {
	bool quiet, no_heading;
	const char *format;
	struct option_list filter;
};
#define T struct ls_options_secret
static const struct option_row ls_rows[] = {
	OPT_LIST(T, filter, "filter", 'f', "KEY=VALUE", "those that match: name, id, label"),
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, table, or a Go template"),
	OPT_FLAG(T, no_heading, "noheading", 'n', "without the line of headings"),
	OPT_FLAG(T, quiet, "quiet", 'q', "IDs only"),
	OPT_END,
};
#undef T

/* 1: matches all, 0: does not. */
static int filter(const struct secret *s, const struct option_list *l, struct err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *f = l->v[i];
		bool hit;

		if (str_starts(f, "name="))
			hit = strstr(s->name, f + 5) != NULL;
		else if (str_starts(f, "id="))
			hit = str_starts(s->id, f + 3);
		else if (str_starts(f, "label="))
			hit = output_has_label(s->labels, f + 6);
		else
			return err_set(err, EINVAL, "--filter '%s': must be KEY=VALUE with one of the keys name, id, label", f);
		if (!hit)
			return 0;
	}
	return 1;
}

static void put_age(struct json_writer *w, const char *key, const char *when)
{
	int64_t at = 0;
	AUTO_FREE char *age = table_age(table_parse_time(when, &at) == 0 ? (int64_t)time(NULL) - at : 0);
	AUTO_FREE char *ago = xasprintf("%s ago", age);

	json_kv_string(w, key, ago);
}

static void put_row(const struct secret *s, struct json_writer *w)
{
	json_begin_object(w);
	json_kv_string(w, "ID", s->id);
	json_kv_string(w, "Name", s->name);
	json_kv_string(w, "Driver", "file");
	put_age(w, "CreatedAt", s->created);
	put_age(w, "UpdatedAt", s->updated);
	json_end_object(w);
}

static int run_ls(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	static const struct table_heading headings[] = { { "CreatedAt", "CREATED" }, { "UpdatedAt", "UPDATED" }, { NULL, NULL } };
	const struct ls_options_secret *o = target;
	struct table_style style = { .columns = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}", .headings = headings,
				     .no_heading = o->no_heading };
	AUTO_BUF struct buf rows = { 0 };
	struct json_writer w = { .out = &rows };
	AUTO_FREE char *dir = NULL;
	struct secret *v = NULL;
	size_t n = 0;
	int r = cli_secret_dir(cli, &dir, err);

	if (r < 0)
		return r;
	secret_all(dir, &v, &n);
	json_begin_array(&w);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = filter(&v[i], &o->filter, err);
		if (r > 0)
			put_row(&v[i], &w);
	}
	json_end_array(&w);
	secret_all_done(v, n);
	return r < 0 ? r : output_rows(&style, o->quiet ? "{{.ID}}" : o->format, &rows, err);
}

const struct cli_command cli_secret_ls = {
	.name = "secret ls",
	.operands = "[OPTIONS]",
	.help = "list secrets",
	.options = ls_rows,
	.target_size = sizeof(struct ls_options_secret),
	.max_operands = 0,
	.run = run_ls,
};

/* ---- inspect ---- */

struct inspect_options_secret {
	const char *format;
	bool show;
};
#define T struct inspect_options_secret
static const struct option_row inspect_rows[] = {
	OPT_STRING(T, format, "format", 'f', "FORMAT", "json, or a Go template"),
	OPT_FLAG(T, show, "showsecret", 0, "also the data"),
	OPT_END,
};
#undef T

static int put_secret(const char *dir, const struct secret *s, bool show, struct json_writer *w, struct err *err)
{
	AUTO_FREE char *data = NULL;
	int r = show ? secret_read(dir, s, &data, NULL, err) : 0;

	if (r < 0)
		return r;
	json_begin_object(w);
	json_kv_string(w, "ID", s->id);
	json_kv_string(w, "CreatedAt", s->created);
	json_kv_string(w, "UpdatedAt", s->updated);
	json_key(w, "Spec");
	json_begin_object(w);
	json_kv_string(w, "Name", s->name);
	json_key(w, "Driver");
	json_begin_object(w);
	json_kv_string(w, "Name", "file");
	json_key(w, "Options");
	json_begin_object(w);
	json_kv_string(w, "path", dir);
	json_end_object(w);
	json_end_object(w);
	json_kv_pairs(w, "Labels", s->labels);
	json_end_object(w);
	if (data)
		json_kv_string(w, "SecretData", data);
	json_end_object(w);
	return 0;
}

static int run_inspect(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct inspect_options_secret *o = target;
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	AUTO_FREE char *dir = NULL;
	int code = 0, r = cli_secret_dir(cli, &dir, err);

	if (r < 0)
		return r;
	json_begin_array(&w);
	for (; *operands; operands++) {
		AUTO_SECRET struct secret s = { 0 };
		struct err e = { 0 };

		if (secret_load(dir, *operands, &s, &e) < 0 || put_secret(dir, &s, o->show, &w, &e) < 0)
			cli_report(&e, &code);
	}
	json_end_array(&w);
	r = output_objects(o->format, &out, err);
	return r < 0 ? r : code;
}

const struct cli_command cli_secret_inspect = {
	.name = "secret inspect",
	.operands = "[OPTIONS] SECRET [SECRET...]",
	.help = "show all about secrets but the data",
	.options = inspect_rows,
	.target_size = sizeof(struct inspect_options_secret),
	.min_operands = 1,
	.max_operands = -1,
	.run = run_inspect,
};

/* ---- rm ---- */

struct rm_options_secret {
	bool all, ignore;
};
#define T struct rm_options_secret
static const struct option_row rm_rows[] = {
	OPT_FLAG(T, all, "all", 'a', "all secrets"),
	OPT_FLAG(T, ignore, "ignore", 'i', "one that is not there is no error"),
	OPT_END,
};
#undef T

static int remove_one(struct cli *cli, const char *dir, const char *what, struct err *err)
{
	AUTO_SECRET struct secret s = { 0 };
	int r = secret_load(dir, what, &s, err);

	if (r == 0)
		r = secret_remove(dir, &s, err);
	if (r < 0)
		return r;
	event_other(cli, "secret", "remove", s.id, s.name);
	printf("%s\n", s.id);
	return 0;
}

static int remove_all(struct cli *cli, const char *dir)
{
	struct secret *v = NULL;
	size_t n = 0;
	int code = 0;

	secret_all(dir, &v, &n);
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };

		if (remove_one(cli, dir, v[i].name, &e) < 0)
			cli_report(&e, &code);
	}
	secret_all_done(v, n);
	return code;
}

static int run_rm(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct rm_options_secret *o = target;
	AUTO_FREE char *dir = NULL;
	int code = 0, r = cli_secret_dir(cli, &dir, err);

	if (r < 0)
		return r;
	if (o->all == (*operands != NULL))
		return err_set(err, EINVAL, "give either the names of secrets, or --all");
	if (o->all)
		return remove_all(cli, dir);
	for (; *operands; operands++) {
		struct err e = { 0 };

		r = remove_one(cli, dir, *operands, &e);
		if (r < 0 && !(r == -ENOENT && o->ignore))
			cli_report(&e, &code);
	}
	return code;
}

const struct cli_command cli_secret_rm = {
	.name = "secret rm",
	.operands = "[OPTIONS] SECRET [SECRET...]",
	.help = "remove secrets",
	.options = rm_rows,
	.target_size = sizeof(struct rm_options_secret),
	.max_operands = -1,
	.run = run_rm,
};
