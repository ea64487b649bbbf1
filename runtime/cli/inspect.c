/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/inspect.h"

#include "images/lookup.h"
#include "runtime/base/mem.h"
#include "runtime/cli/output.h"
#include "runtime/cli/template.h"
#include "runtime/cli/volume.h"
#include "runtime/net/helper.h"
#include "runtime/net/network.h"

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
	OPT_STRING(T, type, "type", 't', "TYPE", "container, image, volume, network or all (all)"),
	OPT_END,
};
#undef T

/* ---- what a name may mean, in this order. Each writes one object; -ENOENT: there is none ---- */

static int one_container(struct cli *cli, const struct inspect_options *o, const char *name, struct json_writer *w, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	int x = record_load(cli, name, false, &r, err);

	return x < 0 ? x : inspect_container(r, o->size, w, err);
}

/* brig-images writes an array with the one. */
static int take_image(const struct buf *out, struct json_writer *w, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_BUF struct buf text = { 0 };
	struct json *tree;

	if (json_parse(&a, "brig-images", out->p ? out->p : "", out->len, &tree, err) < 0)
		return -EINVAL;
	if (tree->type != JSON_ARRAY || !tree->u.kids.n)
		return err_set(err, EPROTO, "brig-images inspect wrote no image");
	template_json(tree->u.kids.first, false, &text);
	json_raw(w, text.p);
	return 0;
}

static int one_image(struct cli *cli, const struct inspect_options *o UNUSED, const char *name, struct json_writer *w, struct err *err)
{
	struct helper_io io = { .max = 32U << 20, .extra_fd = -1, .timeout_ms = 60000 };
	AUTO_FREE char *program = NULL;
	struct store_image image = { 0 };
	char **argv;
	int r = cli_open_store(cli, err);

	/* quickly, and without the program, when there is none */
	if (r == 0)
		r = lookup_image(&cli->store, name, &image, NULL, err);
	store_image_done(&image);
	if (r == 0)
		r = cli_find_program("brig-images", &program, err);
	if (r < 0)
		return r;
	argv = cli_argv(cli, "brig-images");
	strings_add(&argv, "image");
	strings_add(&argv, "inspect");
	strings_add(&argv, name);
	io.argv = (const char *const *)argv;
	r = helper_talk(program, &io);
	if (r != 0)
		r = err_set(err, r < 0 ? -r : EIO, "inspect image '%s': %s", name, helper_words(io.err.p ? io.err.p : (char[]){ "" }));
	else
		r = take_image(&io.out, w, err);
	strings_free(argv);
	buf_done(&io.out);
	buf_done(&io.err);
	return r;
}

static int one_volume(struct cli *cli, const struct inspect_options *o UNUSED, const char *name, struct json_writer *w, struct err *err)
{
	AUTO_FREE char *dir = NULL;
	struct volume v = { 0 };
	int r = cli_volume_dir(cli, &dir, err);

	if (r < 0)
		return r;
	r = volume_load(dir, name, &v, err);
	if (r == 0)
		volume_json(&v, w);
	volume_done(&v);
	return r;
}

static int one_network(struct cli *cli, const struct inspect_options *o UNUSED, const char *name, struct json_writer *w, struct err *err)
{
	AUTO_NETWORK struct network n = { 0 };
	struct net_env env;
	int r;

	net_env_init(&env, cli->run_dir, cli->oci.rootless);
	r = network_mode(name, &n) ? 0 : network_find(&env, name, &n, err);
	if (r == 0)
		network_json(&env, &n, w);
	net_env_done(&env);
	return r;
}

static const struct kind {
	const char *name;
	int (*inspect)(struct cli *cli, const struct inspect_options *o, const char *name, struct json_writer *w, struct err *err);
} kinds[] = {
	{ "container", one_container }, { "image", one_image }, { "volume", one_volume }, { "network", one_network },
};

static int any_kind(struct cli *cli, const struct inspect_options *o, const char *name, struct json_writer *w, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int r = kinds[i].inspect(cli, o, name, w, err);

		if (r != -ENOENT && r != -EINVAL) /* -EINVAL: no name for one of these */
			return r;
	}
	return err_set(err, ENOENT, "no such object: \"%s\"", name);
}

static int one(struct cli *cli, const struct inspect_options *o, const char *name, struct json_writer *w, struct err *err)
{
	for (size_t i = 0; o->type && i < ARRAY_SIZE(kinds); i++)
		if (str_eq(o->type, kinds[i].name))
			return kinds[i].inspect(cli, o, name, w, err);
	return any_kind(cli, o, name, w, err);
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

static int check_type(const char *type, struct err *err)
{
	bool known = !type || str_eq(type, "all");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		known |= type && str_eq(type, kinds[i].name);
	return known ? 0 : err_set(err, EINVAL, "--type '%s': must be container, image, volume, network or all", type);
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct inspect_options *o = target;
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	int code = 0, r = check_type(o->type, err);

	if (r < 0)
		return r;
	if (!*operands && !o->latest)
		return err_set(err, EINVAL, "brig inspect needs the name or ID of a container, image, volume or network");
	json_begin_array(&w);
	if (o->latest)
		r = newest(cli, &w, o, err);
	for (char **name = operands; *name && r == 0; name++) {
		struct err e = { 0 };

		if (one(cli, o, *name, &w, &e) < 0)
			cli_report(&e, &code);
	}
	json_end_array(&w);
	if (r == 0)
		r = output_objects(o->format, &text, err);
	return r < 0 ? r : code;
}

const struct cli_command cli_inspect = {
	.name = "inspect",
	.operands = "[OPTIONS] NAME [NAME...]",
	.help = "show all about containers, images, volumes or networks",
	.options = rows,
	.target_size = sizeof(struct inspect_options),
	.max_operands = -1,
	.run = run,
};

static const struct inspect_options of_containers = { .type = "container" };

const struct cli_command cli_container_inspect = {
	.name = "container inspect",
	.operands = "[OPTIONS] CONTAINER [CONTAINER...]",
	.help = "show all about containers",
	.options = rows,
	.target_size = sizeof(struct inspect_options),
	.defaults = &of_containers,
	.max_operands = -1,
	.run = run,
};
