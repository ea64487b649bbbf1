/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/commands.h"
#include "runtime/cli/inspect.h"
#include "runtime/cli/template.h"

#include "runtime/base/mem.h"

#include <errno.h>

struct inspect_options {
	bool latest, size;
	const char *format, *type;
};
#define T struct inspect_options
static const struct option_row rows[] = {
	OPT_STRING(T, format, "format", 'f', "FORMAT", "json, or a Go template"),
	OPT_FLAG(T, latest, "latest", 'l', "the newest container"),
	OPT_FLAG(T, size, "size", 's', "also how much each has written"),
	OPT_STRING(T, type, "type", 't', "TYPE", "container, image or all (all)"),
	OPT_END,
};
#undef T

/* An image, then: brig-images knows those, and says what it does not know. */
static int inspect_image(struct cli *cli, const struct inspect_options *o, char **operands, struct err *err)
{
	AUTO_FREE const char **words = NULL;
	size_t n = 0, globals = 0, names = 0;
	char *const *argv;

	while (cli->globals[globals])
		globals++;
	while (operands[names])
		names++;
	words = xcalloc(globals + names + 8, sizeof(*words));
	words[n++] = "brig-images";
	for (size_t i = 0; i < globals; i++)
		words[n++] = cli->globals[i];
	words[n++] = "image";
	words[n++] = "inspect";
	if (o->format) {
		words[n++] = "--format";
		words[n++] = o->format;
	}
	for (size_t i = 0; i < names; i++)
		words[n++] = operands[i];
	memcpy(&argv, &words, sizeof(argv));
	return cli_exec("brig-images", argv, err);
}

static int print(const struct inspect_options *o, const struct buf *text, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_BUF struct buf out = { 0 };
	AUTO_TEMPLATE struct template *t = NULL;
	struct json *tree;
	int r = json_parse(&a, "inspect", text->p, text->len, &tree, err);

	if (r < 0)
		return r;
	if (!o->format || str_eq(o->format, "json")) {
		template_json(tree, true, &out);
		buf_add(&out, "\n");
		return cli_print(out.p, err);
	}
	r = template_parse(o->format, &t, err);
	for (const struct json *k = tree->u.kids.first; k && r == 0; k = k->next) {
		r = template_run(t, k, &out, err);
		buf_add(&out, "\n");
	}
	return r < 0 ? r : cli_print(out.p, err);
}

static int newest(struct cli *cli, struct json_writer *w, const struct inspect_options *o, struct err *err)
{
	struct record **list = NULL;
	size_t n = 0;
	int r = record_list(cli, &list, &n, err);

	if (r == 0 && !n)
		r = err_set(err, ENOENT, "--latest: there is no container");
	if (r == 0)
		r = inspect_container(list[0], o->size, w, err);
	record_list_free(list, n);
	return r;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct inspect_options *o = target;
	bool images = !o->type || str_eq(o->type, "all"), found = false;
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	struct err one = { 0 };
	int code = 0, r = 0;

	if (o->type && str_eq(o->type, "image"))
		return inspect_image(cli, o, operands, err);
	if (o->type && !images && !str_eq(o->type, "container"))
		return err_set(err, EINVAL, "--type '%s': must be container, image or all", o->type);
	if (!*operands && !o->latest)
		return err_set(err, EINVAL, "brig inspect needs the name or ID of a container or image");
	json_begin_array(&w);
	if (o->latest)
		r = newest(cli, &w, o, err);
	for (char **name = operands; *name && r == 0; name++) {
		AUTO_RECORD struct record *rec = NULL;
		int x = record_load(cli, *name, false, &rec, &one);

		if (x == -ENOENT && images && !found)
			return inspect_image(cli, o, name, err);
		if (x == 0)
			x = inspect_container(rec, o->size, &w, &one);
		found |= x == 0;
		if (x < 0)
			cli_report(&one, &code);
	}
	json_end_array(&w);
	if (r == 0)
		r = print(o, &text, err);
	return r < 0 ? r : code;
}

const struct cli_command cli_inspect = {
	.name = "inspect",
	.operands = "[OPTIONS] CONTAINER|IMAGE [CONTAINER|IMAGE...]",
	.help = "show all about containers or images",
	.options = rows,
	.target_size = sizeof(struct inspect_options),
	.max_operands = -1,
	.container = true,
	.run = run,
};
