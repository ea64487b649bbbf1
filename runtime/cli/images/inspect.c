/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include <errno.h>

struct options {
	const char *format, *type;
	bool size;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_STRING(T, format, "format", 'f', "FORMAT", "json, or a Go template"),
	OPT_STRING(T, type, "type", 't', "TYPE", "image or all (all)"),
	OPT_FLAG(T, size, "size", 's', "accepted: the size is always there"),
	OPT_END,
};
#undef T

static void write_names(struct json_writer *w, const char *key, const struct store_image *i, bool digests)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t k = 0; k < i->n_names; k++)
		if (lookup_is_digest_name(i->names[k]) == digests)
			json_string(w, i->names[k]);
	json_end_array(w);
}

static void write_layers(struct json_writer *w, const struct image_config *c)
{
	char text[DIGEST_TEXT_LEN];

	json_key(w, "RootFS");
	json_begin_object(w);
	json_kv_string(w, "Type", "layers");
	json_key(w, "Layers");
	json_begin_array(w);
	for (size_t i = 0; i < c->n_diff_ids; i++)
		json_string(w, digest_text(&c->diff_ids[i], text));
	json_end_array(w);
	json_end_object(w);
}

/* A part of the config as it is, or empty. */
static void write_raw(struct json_writer *w, const char *key, const struct json *v, const char *otherwise)
{
	AUTO_BUF struct buf b = { 0 };

	json_key(w, key);
	if (v && v->type != JSON_NULL)
		template_json(v, false, &b);
	json_raw(w, b.len ? b.p : otherwise);
}

/* The config's "config" as it is, and what it lacks, empty: templates may ask for any of it. */
static void write_config(struct json_writer *w, const struct json *config)
{
	static const char *const empty[][2] = { { "User", "\"\"" }, { "ExposedPorts", "{}" }, { "Env", "[]" }, { "Entrypoint", "[]" },
						{ "Cmd", "[]" }, { "Volumes", "{}" }, { "WorkingDir", "\"\"" }, { "Labels", "{}" },
						{ "StopSignal", "\"\"" }, { "OnBuild", "[]" }, { "Healthcheck", "null" } };
	bool object = config && config->type == JSON_OBJECT;

	json_key(w, "Config");
	json_begin_object(w);
	for (const struct json *k = object ? config->u.kids.first : NULL; k; k = k->next)
		if (k->type != JSON_NULL)
			write_raw(w, k->key, k, "null");
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		const struct json *have = object ? json_get(config, empty[i][0]) : NULL;

		if (!have || have->type == JSON_NULL)
			write_raw(w, empty[i][0], NULL, empty[i][1]);
	}
	json_end_object(w);
}

static void write_driver(struct json_writer *w, const struct store *s, const struct store_image *i)
{
	char hex[DIGEST_HEX_LEN];
	AUTO_FREE char *path = xasprintf("%s/chains/%s.erofs", s->root, digest_hex(&i->chain, hex));

	json_key(w, "GraphDriver");
	json_begin_object(w);
	json_kv_string(w, "Name", "erofs");
	json_key(w, "Data");
	json_begin_object(w);
	json_kv_string(w, "Image", path);
	json_end_object(w);
	json_end_object(w);
}

/* raw: the config document */
static void write_image(struct json_writer *w, const struct store *s, const struct image_view *v, const struct json *raw)
{
	const struct image_config *c = &v->config;
	const struct json *config = json_get(raw, "config");
	const char *comment = c->n_history ? c->history[c->n_history - 1].comment : "";
	char hex[DIGEST_HEX_LEN], text[DIGEST_TEXT_LEN];

	json_begin_object(w);
	json_kv_string(w, "Id", digest_hex(&v->image.config, hex));
	json_kv_string(w, "Digest", digest_text(&v->image.manifest, text));
	write_names(w, "RepoTags", &v->image, false);
	write_names(w, "RepoDigests", &v->image, true);
	json_kv_string(w, "Parent", "");
	json_kv_string(w, "Comment", comment);
	json_kv_string(w, "Created", c->created);
	write_config(w, config);
	json_kv_string(w, "Version", "");
	json_kv_string(w, "Author", c->author);
	json_kv_string(w, "Architecture", c->architecture);
	json_kv_string(w, "Variant", c->variant);
	json_kv_string(w, "Os", c->os);
	json_kv_u64(w, "Size", v->image.size);
	json_kv_u64(w, "VirtualSize", v->image.size);
	write_driver(w, s, &v->image);
	write_layers(w, c);
	write_raw(w, "Labels", config && config->type == JSON_OBJECT ? json_get(config, "Labels") : NULL, "null");
	json_key(w, "Annotations");
	json_begin_object(w);
	json_end_object(w);
	json_kv_string(w, "ManifestType", v->manifest.media_type);
	json_kv_string(w, "User", c->user);
	write_raw(w, "History", json_get(raw, "history"), "[]");
	write_names(w, "NamesHistory", &v->image, false);
	json_end_object(w);
}

static int inspect_one(struct image_cli *cli, const char *name, struct json_writer *w, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_VIEW struct image_view v = { 0 };
	AUTO_FREE char *text = NULL;
	struct arena arena = { 0 };
	struct json *raw = NULL;
	size_t n;
	int r = image_find(cli, name, &image, NULL, err);

	if (r == 0)
		r = image_view_load(&cli->store, &image, &v, err);
	if (r == 0)
		r = store_read_blob(&cli->store, &image.config, IMAGE_CONFIG_MAX_BYTES, &text, &n, err);
	if (r == 0)
		r = json_parse(&arena, "config", text, n, &raw, err);
	if (r == 0)
		write_image(w, &cli->store, &v, raw);
	arena_done(&arena);
	return r;
}

static int print(const struct options *o, const struct buf *text, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	AUTO_TEMPLATE struct template *t = NULL;
	struct arena arena = { 0 };
	struct json *tree = NULL;
	int r = image_json(&arena, text, &tree, err);

	if (r == 0 && o->format && !str_eq(o->format, "json")) {
		r = template_parse(o->format, &t, err);
		for (const struct json *k = r == 0 ? tree->u.kids.first : NULL; r == 0 && k; k = k->next) {
			r = template_run(t, k, &out, err);
			buf_add(&out, "\n");
		}
	} else if (r == 0) {
		template_json(tree, true, &out);
		buf_add(&out, "\n");
	}
	arena_done(&arena);
	return r == 0 ? image_print(&out, err) : r;
}

static int run(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct options *o = target;
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	int code = 0, r;

	if (o->type && !str_eq(o->type, "image") && !str_eq(o->type, "all"))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --type: must be image or all", o->type);
	json_begin_array(&w);
	for (char **name = operands; *name; name++) {
		r = inspect_one(cli, *name, &w, err);
		if (r < 0)
			image_report(err, &code, IMAGES_EXIT_ERROR);
	}
	json_end_array(&w);
	r = print(o, &text, err);
	return r < 0 ? r : code;
}

const struct image_command image_cmd_inspect = {
	.names = { "inspect" },
	.image_names = { "inspect" },
	.operands = "IMAGE...",
	.help = "show all that is known of images",
	.options = rows,
	.target_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
};
