/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include <sys/stat.h>
#include <time.h>

struct options {
	const char *format;
	bool human, no_trunc, quiet;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, table, or a Go template"),
	OPT_FLAG(T, human, "human", 'H', "sizes and times to read (true)"),
	OPT_FLAG(T, no_trunc, "no-trunc", 0, "show everything whole"),
	OPT_FLAG(T, quiet, "quiet", 'q', "show ids only"),
	OPT_END,
};
#undef T

enum { CREATED_BY_MAX = 45 };

/* What a layer takes in the store. */
static uint64_t layer_bytes(struct store *s, const struct digest *diff_id)
{
	static const char *const endings[] = { ".data", ".entries" };
	char hex[DIGEST_HEX_LEN];
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		AUTO_FREE char *path = xasprintf("layers/%s%s", digest_hex(diff_id, hex), endings[i]);
		struct stat st;

		if (fstatat(s->root_fd, path, &st, 0) == 0)
			sum += (uint64_t)st.st_size;
	}
	return sum;
}

static void write_times(struct json_writer *w, const struct history_entry *h, bool human)
{
	AUTO_FREE char *age = NULL, *since = NULL;
	int64_t created;

	if (table_parse_time(h->created, &created) == 0) {
		age = table_age((int64_t)time(NULL) - created);
		since = xasprintf("%s ago", age);
	}
	json_kv_string(w, "Created", since && human ? since : h->created);
	json_kv_string(w, "CreatedSince", since ? since : "");
	json_kv_string(w, "CreatedAt", h->created);
}

static void write_row(struct json_writer *w, const struct history_entry *h, uint64_t bytes, const char *id, const struct options *o)
{
	AUTO_FREE char *size = o->human ? table_size(bytes, " ") : xasprintf("%llu", (unsigned long long)bytes);
	AUTO_FREE char *by = strlen(h->created_by) > CREATED_BY_MAX && !o->no_trunc ?
				     xasprintf("%.*s...", CREATED_BY_MAX - 3, h->created_by) :
				     xstrdup(h->created_by);

	json_begin_object(w);
	json_kv_string(w, "ID", id);
	write_times(w, h, o->human);
	json_kv_string(w, "CreatedBy", by);
	json_kv_string(w, "Size", size);
	json_kv_string(w, "Comment", h->comment);
	json_end_object(w);
}

/* Newest first. Only the top one has an id: the others were images once, elsewhere. */
static void write_rows(struct image_cli *cli, struct json_writer *w, const struct image_view *v, const struct options *o)
{
	char hex[DIGEST_HEX_LEN];
	size_t layer = v->config.n_diff_ids;

	digest_hex(&v->image.config, hex);
	if (!o->no_trunc)
		hex[12] = '\0';
	json_begin_array(w);
	for (size_t i = v->config.n_history; i > 0; i--) {
		const struct history_entry *h = &v->config.history[i - 1];
		bool has_layer = !h->empty_layer && layer > 0;

		write_row(w, h, has_layer ? layer_bytes(&cli->store, &v->config.diff_ids[layer - 1]) : 0,
			  i == v->config.n_history ? hex : "<missing>", o);
		layer -= has_layer;
	}
	json_end_array(w);
}

static const struct table_heading history_headings[] = {
	{ "CreatedBy", "CREATED BY" }, { "CreatedSince", "CREATED" }, { "CreatedAt", "CREATED AT" }, { NULL, NULL },
};

static int print(const struct options *o, const struct buf *text, struct err *err)
{
	struct table_style style = {
		.columns = "{{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
		.headings = history_headings,
	};
	AUTO_BUF struct buf out = { 0 };
	struct arena arena = { 0 };
	struct json *tree = NULL;
	int r = image_json(&arena, text, &tree, err);

	if (r == 0)
		r = table_format(&style, o->quiet ? "{{.ID}}" : o->format, tree, &out, err);
	arena_done(&arena);
	return r == 0 ? image_print(&out, err) : r;
}

static int run(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_VIEW struct image_view v = { 0 };
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	int r = image_find(cli, operands[0], &image, NULL, err);

	if (r == 0)
		r = image_view_load(&cli->store, &image, &v, err);
	if (r < 0)
		return r;
	write_rows(cli, &w, &v, target);
	return print(target, &text, err);
}

const struct image_command image_cmd_history = {
	.names = { "history" },
	.image_names = { "history" },
	.operands = "IMAGE",
	.help = "show how an image was made",
	.options = rows,
	.target_size = sizeof(struct options),
	.defaults = &(const struct options){ .human = true },
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
