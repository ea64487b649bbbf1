/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include <errno.h>
#include <fnmatch.h>
#include <time.h>

/* brig images: a row for each name of an image, and one for an image without. */
struct options {
	bool all, quiet, no_trunc, digests, no_heading, history;
	const char *format, *sort;
	struct option_list filters;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_FLAG(T, all, "all", 'a', "accepted: brig has no intermediate images to hide"),
	OPT_FLAG(T, digests, "digests", 0, "show digests"),
	OPT_LIST(T, filters, "filter", 'f', "FILTER", "dangling=BOOL, reference=PATTERN, label=KEY[=VALUE], id=ID, before=IMAGE, since=IMAGE, until=TIME"),
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, table, or a Go template"),
	OPT_FLAG(T, no_trunc, "no-trunc", 0, "show whole ids"),
	OPT_FLAG(T, no_heading, "noheading", 'n', "no headings"),
	OPT_FLAG(T, quiet, "quiet", 'q', "show ids only"),
	OPT_STRING(T, sort, "sort", 0, "KEY", "created, id, repository, size or tag (created)"),
	OPT_FLAG(T, history, "history", 0, "accepted and ignored"),
	OPT_END,
};
#undef T

struct row {
	const struct image_view *view; /* borrowed */
	char *repository;	       /* owned; "<none>" */
	const char *tag, *name;	       /* borrowed; tag "<none>", name NULL */
};

struct listing {
	struct store_image *images;
	struct image_view *views;
	size_t n, n_views;
	struct row *rows;
	size_t n_rows;
};

static void listing_done(struct listing *l)
{
	for (size_t i = 0; i < l->n_views; i++)
		image_view_done(&l->views[i]);
	for (size_t i = 0; i < l->n_rows; i++)
		free(l->rows[i].repository);
	free(l->views);
	free(l->rows);
	store_list_done(l->images, l->n);
}

/* ---- filters ---- */

static bool has_tag(const struct store_image *i)
{
	for (size_t k = 0; k < i->n_names; k++)
		if (!lookup_is_digest_name(i->names[k]))
			return true;
	return false;
}

/* podman's and docker's "reference" filter: a pattern of a name, or of the end of one behind a '/', with or without the tag. */
static bool name_matches(const char *name, const char *pattern)
{
	AUTO_FREE char *repository = image_repository(name);
	bool with_tag = image_tag(pattern) != NULL || lookup_is_digest_name(pattern);
	const char *s = with_tag ? name : repository;

	for (; s; s = strchr(s, '/'), s = s ? s + 1 : NULL)
		if (fnmatch(pattern, s, FNM_PATHNAME) == 0)
			return true;
	return false;
}

static bool any_name_matches(const struct store_image *i, const char *pattern)
{
	for (size_t k = 0; k < i->n_names; k++)
		if (name_matches(i->names[k], pattern))
			return true;
	return false;
}

static int created_of(struct image_cli *cli, const char *name, int64_t *ret, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_VIEW struct image_view v = { 0 };
	int r = image_find(cli, name, &image, NULL, err);

	if (r == 0)
		r = image_view_load(&cli->store, &image, &v, err);
	*ret = v.created_s;
	return r;
}

/* Positive when the view passes. */
static int filter_one(struct image_cli *cli, const struct image_view *v, const char *key, const char *value, struct err *err)
{
	char hex[DIGEST_HEX_LEN];
	int64_t when = 0;
	bool dangling;
	int r;

	if (str_eq(key, "dangling")) {
		if (option_bool(value, &dangling) < 0)
			return err_set(err, EINVAL, "invalid filter 'dangling=%s': must be true or false", value);
		return has_tag(&v->image) != dangling;
	}
	if (str_eq(key, "reference"))
		return any_name_matches(&v->image, value);
	if (str_eq(key, "label"))
		return image_label_matches(&v->config, value);
	if (str_eq(key, "id"))
		return str_starts(digest_hex(&v->image.config, hex), str_starts(value, "sha256:") ? value + 7 : value);
	if (str_eq(key, "before") || str_eq(key, "since") || str_eq(key, "after")) {
		r = created_of(cli, value, &when, err);
		if (r < 0)
			return r;
		return key[0] == 'b' ? v->created_s < when : v->created_s > when;
	}
	if (str_eq(key, "until")) {
		r = image_until(value, &when, err);
		return r < 0 ? r : v->created_s < when;
	}
	return err_set(err, EINVAL, "invalid filter '%s'", key);
}

/* Filters of the same key are alternatives (reference=a or b), but labels; different ones must all hold. */
static int passes(struct image_cli *cli, const struct options *o, const struct image_view *v, struct err *err)
{
	for (size_t i = 0; i < o->filters.n; i++) {
		AUTO_FREE char *key = NULL;
		const char *value;
		int r = image_filter_split(o->filters.v[i], &key, &value, err), hit;

		if (r < 0)
			return r;
		hit = filter_one(cli, v, key, value, err);
		for (size_t k = 0; hit == 0 && !str_eq(key, "label") && k < o->filters.n; k++) {
			AUTO_FREE char *other = NULL;

			r = image_filter_split(o->filters.v[k], &other, &value, err);
			if (r < 0)
				return r;
			if (k != i && str_eq(other, key))
				hit = filter_one(cli, v, key, value, err);
		}
		if (hit <= 0)
			return hit;
	}
	return 1;
}

/* ---- rows ---- */

static void add_row(struct listing *l, const struct image_view *v, const char *name, const char *tag)
{
	l->rows = xreallocarray(l->rows, l->n_rows + 1, sizeof(*l->rows));
	l->rows[l->n_rows++] = (struct row){
		.view = v,
		.repository = name ? image_repository(name) : xstrdup("<none>"),
		.tag = tag ? tag : "<none>",
		.name = name,
	};
}

/* Patterns ask for names, not for the other names of an image that has one of them. */
static bool name_wanted(const char *name, const char *pattern, const struct option_list *filters)
{
	bool asked = false, hit = false;

	for (size_t i = 0; i < filters->n; i++) {
		if (!str_starts(filters->v[i], "reference="))
			continue;
		asked = true;
		hit |= name_matches(name, filters->v[i] + strlen("reference="));
	}
	return (!asked || hit) && (!pattern || name_matches(name, pattern));
}

static void add_rows(struct listing *l, const struct image_view *v, const char *pattern, const struct option_list *filters)
{
	size_t before = l->n_rows;

	for (size_t k = 0; k < v->image.n_names; k++)
		if (!lookup_is_digest_name(v->image.names[k]) && name_wanted(v->image.names[k], pattern, filters))
			add_row(l, v, v->image.names[k], image_tag(v->image.names[k]));
	if (l->n_rows == before)
		add_row(l, v, v->image.n_names ? v->image.names[0] : NULL, NULL);
}

/* The digest under which the row's repository knows the image; of the manifest when it was never pulled. */
static void row_digest(const struct row *r, struct buf *out)
{
	const struct store_image *i = &r->view->image;
	char text[DIGEST_TEXT_LEN];
	size_t n = strlen(r->repository);

	for (size_t k = 0; k < i->n_names; k++) {
		if (strncmp(i->names[k], r->repository, n) == 0 && i->names[k][n] == '@') {
			buf_add(out, i->names[k] + n + 1);
			return;
		}
	}
	buf_add(out, digest_text(&i->manifest, text));
}

static void write_row(struct json_writer *w, const struct row *r, const struct options *o)
{
	const struct image_view *v = r->view;
	AUTO_FREE char *age = table_age((int64_t)time(NULL) - v->created_s), *since = xasprintf("%s ago", age);
	AUTO_FREE char *size = table_size(v->image.size, " ");
	AUTO_BUF struct buf digest = { 0 };
	char text[DIGEST_TEXT_LEN], hex[DIGEST_HEX_LEN], created[64] = "";
	time_t t = (time_t)v->created_s;
	struct tm tm;

	digest_text(&v->image.config, text);
	digest_hex(&v->image.config, hex);
	if (!o->no_trunc)
		hex[12] = '\0';
	if (v->created_s && gmtime_r(&t, &tm))
		(void)strftime(created, sizeof(created), "%Y-%m-%d %H:%M:%S +0000 UTC", &tm);
	row_digest(r, &digest);
	json_begin_object(w);
	json_kv_string(w, "ID", o->no_trunc ? text : hex);
	json_kv_string(w, "Repository", r->repository);
	json_kv_string(w, "Tag", r->tag);
	json_kv_string(w, "Digest", digest.p);
	json_kv_string(w, "Created", v->created_s ? since : "N/A");
	json_kv_string(w, "CreatedSince", v->created_s ? since : "N/A");
	json_kv_string(w, "CreatedAt", v->created_s ? created : "N/A");
	json_kv_string(w, "CreatedTime", v->created_s ? created : "N/A");
	json_kv_string(w, "Size", size);
	json_kv_string(w, "VirtualSize", size);
	json_key(w, "Names");
	json_begin_array(w);
	for (size_t k = 0; k < v->image.n_names; k++)
		if (!lookup_is_digest_name(v->image.names[k]))
			json_string(w, v->image.names[k]);
	json_end_array(w);
	json_key(w, "Labels");
	json_begin_object(w);
	for (size_t k = 0; k < v->config.n_labels; k++)
		json_kv_string(w, v->config.labels[k].key, v->config.labels[k].value);
	json_end_object(w);
	json_kv_bool(w, "Dangling", !has_tag(&v->image));
	json_kv_bool(w, "ReadOnly", false);
	json_end_object(w);
}

/* ---- --format json: one object an image ---- */

static void write_names(struct json_writer *w, const char *key, const struct store_image *i, bool digests)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t k = 0; k < i->n_names; k++)
		if (lookup_is_digest_name(i->names[k]) == digests)
			json_string(w, i->names[k]);
	json_end_array(w);
}

static void write_image(struct json_writer *w, const struct image_view *v)
{
	char hex[DIGEST_HEX_LEN], text[DIGEST_TEXT_LEN];

	json_begin_object(w);
	json_kv_string(w, "Id", digest_hex(&v->image.config, hex));
	json_kv_string(w, "ParentId", "");
	write_names(w, "RepoTags", &v->image, false);
	write_names(w, "RepoDigests", &v->image, true);
	json_kv_u64(w, "Size", v->image.size);
	json_kv_u64(w, "SharedSize", 0);
	json_kv_u64(w, "VirtualSize", v->image.size);
	json_key(w, "Labels");
	json_begin_object(w);
	for (size_t k = 0; k < v->config.n_labels; k++)
		json_kv_string(w, v->config.labels[k].key, v->config.labels[k].value);
	json_end_object(w);
	write_names(w, "Names", &v->image, false);
	json_kv_string(w, "Digest", digest_text(&v->image.manifest, text));
	json_kv_i64(w, "Created", v->created_s);
	json_kv_string(w, "CreatedAt", v->config.created);
	json_kv_bool(w, "Dangling", !has_tag(&v->image));
	json_end_object(w);
}

/* ---- order ---- */

static int by_created(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->view->created_s != y->view->created_s)
		return x->view->created_s < y->view->created_s ? 1 : -1;
	return strcmp(x->name ? x->name : "", y->name ? y->name : "");
}
static int by_id(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return memcmp(x->view->image.config.bytes, y->view->image.config.bytes, DIGEST_MAX_BYTES);
}
static int by_repository(const void *a, const void *b)
{
	int c = strcmp(((const struct row *)a)->repository, ((const struct row *)b)->repository);

	return c ? c : by_created(a, b);
}
static int by_size(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->view->image.size > y->view->image.size) - (x->view->image.size < y->view->image.size);
}
static int by_tag(const void *a, const void *b)
{
	int c = strcmp(((const struct row *)a)->tag, ((const struct row *)b)->tag);

	return c ? c : by_created(a, b);
}

static int sort_rows(struct listing *l, const char *key, struct err *err)
{
	static const struct {
		const char *name;
		int (*compare)(const void *a, const void *b);
	} orders[] = { { "created", by_created }, { "id", by_id }, { "repository", by_repository }, { "size", by_size }, { "tag", by_tag } };

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		if (!str_eq(orders[i].name, key))
			continue;
		if (l->n_rows)
			qsort(l->rows, l->n_rows, sizeof(*l->rows), orders[i].compare);
		return 0;
	}
	return err_set(err, EINVAL, "invalid value \"%s\" for flag --sort: must be created, id, repository, size or tag", key);
}

/* ---- output ---- */

static const struct table_heading image_headings[] = {
	{ "ID", "IMAGE ID" }, { "CreatedSince", "CREATED" }, { "CreatedAt", "CREATED AT" }, { "VirtualSize", "SIZE" }, { NULL, NULL },
};

static int print_rows(const struct listing *l, const struct options *o, struct buf *out, struct err *err)
{
	struct table_style style = {
		.columns = o->digests ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}" :
					"{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
		.headings = image_headings,
		.no_heading = o->no_heading,
	};
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	struct arena arena = { 0 };
	struct json *tree = NULL;
	int r;

	json_begin_array(&w);
	for (size_t i = 0; i < l->n_rows; i++)
		write_row(&w, &l->rows[i], o);
	json_end_array(&w);
	r = image_json(&arena, &text, &tree, err);
	if (r == 0)
		r = table_format(&style, o->format, tree, out, err);
	arena_done(&arena);
	return r;
}

/* Each image once, in the order of its first row. */
static bool seen_before(const struct listing *l, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_eq(&l->rows[k].view->image.config, &l->rows[i].view->image.config))
			return true;
	return false;
}

static void print_ids(const struct listing *l, const struct options *o, struct buf *out)
{
	char text[DIGEST_TEXT_LEN], hex[DIGEST_HEX_LEN];

	for (size_t i = 0; i < l->n_rows; i++) {
		if (seen_before(l, i))
			continue;
		if (o->no_trunc)
			buf_addf(out, "%s\n", digest_text(&l->rows[i].view->image.config, text));
		else
			buf_addf(out, "%.12s\n", digest_hex(&l->rows[i].view->image.config, hex));
	}
}

static void print_json(const struct listing *l, struct buf *out)
{
	struct json_writer w = { .out = out, .pretty = true };

	json_begin_array(&w);
	for (size_t i = 0; i < l->n_rows; i++)
		if (!i || l->rows[i].view != l->rows[i - 1].view)
			write_image(&w, l->rows[i].view);
	json_end_array(&w);
	buf_add(out, "\n");
}

static int collect(struct image_cli *cli, const struct options *o, const char *pattern, struct listing *l, struct err *err)
{
	int r = store_list(&cli->store, &l->images, &l->n, err);

	if (r < 0)
		return r;
	l->views = xcalloc(l->n + 1, sizeof(*l->views));
	for (size_t i = 0; i < l->n; i++) {
		struct image_view *v = &l->views[l->n_views];
		struct err damaged = { 0 };

		/* One damaged image must not hide the others. */
		if (image_view_load(&cli->store, &l->images[i], v, &damaged) < 0) {
			fprintf(stderr, "Warning: %s\n", damaged.msg);
			continue;
		}
		l->n_views++;
		r = pattern && !any_name_matches(&v->image, pattern) ? 0 : passes(cli, o, v, err);
		if (r < 0)
			return r;
		if (r > 0)
			add_rows(l, v, pattern, &o->filters);
	}
	return sort_rows(l, o->sort, err);
}

static int run(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct options *o = target;
	CLEANUP(listing_done) struct listing l = { 0 };
	AUTO_BUF struct buf out = { 0 };
	int r = collect(cli, o, operands[0], &l, err);

	if (r < 0)
		return r;
	if (o->quiet)
		print_ids(&l, o, &out);
	else if (str_eq(o->format, "json"))
		print_json(&l, &out);
	else
		r = print_rows(&l, o, &out, err);
	return r == 0 ? image_print(&out, err) : r;
}

const struct image_command image_cmd_images = {
	.names = { "images" },
	.image_names = { "ls", "list" },
	.operands = "[IMAGE]",
	.help = "list images",
	.options = rows,
	.target_size = sizeof(struct options),
	.defaults = &(const struct options){ .sort = "created" },
	.max_operands = 1,
	.run = run,
};
