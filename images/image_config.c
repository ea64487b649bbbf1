/* SPDX-License-Identifier: Apache-2.0 */
#include "images/image_config.h"

#include <errno.h>

enum { MAX_LIST = 65536, MAX_LAYERS = 512 };

struct reader {
	const char *name;
	struct image_config *c;
	struct err *err;
};

typedef int (*read_fn)(struct reader *, const struct json *, void *field);

static int read_string(struct reader *r, const struct json *v, void *field)
{
	if (v->type != JSON_STRING)
		return json_err(r->err, r->name, v, EINVAL, "must be a string");
	*(const char **)field = v->u.string;
	return 0;
}

static int check_list(struct reader *r, const struct json *v, enum json_type type, size_t max)
{
	if (v->type != type)
		return json_err(r->err, r->name, v, EINVAL, "must be an %s", type == JSON_ARRAY ? "array" : "object");
	if (v->u.kids.n > max)
		return json_err(r->err, r->name, v, EFBIG, "has more than %zu elements", max);
	return 0;
}

static int read_strings(struct reader *r, const struct json *v, void *field)
{
	struct string_list *l = field;
	int x = check_list(r, v, JSON_ARRAY, MAX_LIST);

	if (x < 0)
		return x;
	l->v = arena_alloc(&r->c->arena, (v->u.kids.n + 1) * sizeof(char *));
	for (const struct json *k = v->u.kids.first; k; k = k->next) {
		x = read_string(r, k, &l->v[l->n++]);
		if (x < 0)
			return x;
	}
	return 0;
}

static int read_keys(struct reader *r, const struct json *v, void *field)
{
	struct string_list *l = field;
	int x = check_list(r, v, JSON_OBJECT, MAX_LIST);

	if (x < 0)
		return x;
	l->v = arena_alloc(&r->c->arena, (v->u.kids.n + 1) * sizeof(char *));
	for (const struct json *k = v->u.kids.first; k; k = k->next)
		l->v[l->n++] = k->key;
	return 0;
}

static int read_labels(struct reader *r, const struct json *v, void *field)
{
	struct image_config *c = field;
	int x = check_list(r, v, JSON_OBJECT, MAX_LIST);

	if (x < 0)
		return x;
	c->labels = arena_alloc(&c->arena, (v->u.kids.n + 1) * sizeof(*c->labels));
	for (const struct json *k = v->u.kids.first; k; k = k->next) {
		struct label *l = &c->labels[c->n_labels++];

		l->key = k->key;
		x = read_string(r, k, &l->value);
		if (x < 0)
			return x;
	}
	return 0;
}

static int read_number(struct reader *r, const struct json *v, void *field)
{
	return json_to_i64(v, r->name, 0, INT64_MAX, field, r->err);
}

static int read_bool(struct reader *r, const struct json *v, void *field)
{
	if (v->type != JSON_BOOL)
		return json_err(r->err, r->name, v, EINVAL, "must be true or false");
	*(bool *)field = v->u.boolean;
	return 0;
}

/* One row a member; null is the same as absent. */
struct row {
	const char *key;
	size_t offset;
	read_fn read;
};

static int read_rows(struct reader *r, const struct json *object, const struct row *rows, size_t n, void *base)
{
	if (object->type != JSON_OBJECT)
		return json_err(r->err, r->name, object, EINVAL, "must be an object");
	for (size_t i = 0; i < n; i++) {
		const struct json *v = json_get(object, rows[i].key);
		int x = v && v->type != JSON_NULL ? rows[i].read(r, v, (char *)base + rows[i].offset) : 0;

		if (x < 0)
			return x;
	}
	return 0;
}

static int read_health(struct reader *r, const struct json *v, void *field)
{
	static const struct row rows[] = {
		{ "Test", offsetof(struct health_check, test), read_strings },
		{ "Interval", offsetof(struct health_check, interval_ns), read_number },
		{ "Timeout", offsetof(struct health_check, timeout_ns), read_number },
		{ "StartPeriod", offsetof(struct health_check, start_period_ns), read_number },
		{ "Retries", offsetof(struct health_check, retries), read_number },
	};

	return read_rows(r, v, rows, ARRAY_SIZE(rows), field);
}

static int read_config(struct reader *r, const struct json *v, void *field)
{
	static const struct row rows[] = {
		{ "User", offsetof(struct image_config, user), read_string },
		{ "WorkingDir", offsetof(struct image_config, working_dir), read_string },
		{ "StopSignal", offsetof(struct image_config, stop_signal), read_string },
		{ "Env", offsetof(struct image_config, env), read_strings },
		{ "Entrypoint", offsetof(struct image_config, entrypoint), read_strings },
		{ "Cmd", offsetof(struct image_config, cmd), read_strings },
		{ "Shell", offsetof(struct image_config, shell), read_strings },
		{ "Volumes", offsetof(struct image_config, volumes), read_keys },
		{ "ExposedPorts", offsetof(struct image_config, exposed_ports), read_keys },
		{ "Labels", 0, read_labels },
		{ "Healthcheck", offsetof(struct image_config, health), read_health },
	};

	return read_rows(r, v, rows, ARRAY_SIZE(rows), field);
}

static int read_diff_ids(struct reader *r, const struct json *v, void *field)
{
	struct image_config *c = field;
	int x = check_list(r, v, JSON_ARRAY, MAX_LAYERS);

	if (x < 0)
		return x;
	c->diff_ids = arena_alloc(&c->arena, (v->u.kids.n + 1) * sizeof(*c->diff_ids));
	for (const struct json *k = v->u.kids.first; k; k = k->next) {
		const char *text = "";

		x = read_string(r, k, &text);
		if (x == 0)
			x = digest_parse(text, &c->diff_ids[c->n_diff_ids++], r->err);
		if (x < 0)
			return x;
	}
	return 0;
}

static int read_rootfs(struct reader *r, const struct json *v, void *field)
{
	static const struct row rows[] = { { "diff_ids", 0, read_diff_ids } };
	const struct json *type = v->type == JSON_OBJECT ? json_get(v, "type") : NULL;

	if (type && (type->type != JSON_STRING || !str_eq(type->u.string, "layers")))
		return json_err(r->err, r->name, type, ENOTSUP, "must be \"layers\"");
	return read_rows(r, v, rows, ARRAY_SIZE(rows), field);
}

static int read_history(struct reader *r, const struct json *v, void *field)
{
	static const struct row rows[] = {
		{ "created", offsetof(struct history_entry, created), read_string },
		{ "created_by", offsetof(struct history_entry, created_by), read_string },
		{ "comment", offsetof(struct history_entry, comment), read_string },
		{ "empty_layer", offsetof(struct history_entry, empty_layer), read_bool },
	};
	struct image_config *c = field;
	int x = check_list(r, v, JSON_ARRAY, MAX_LIST);

	if (x < 0)
		return x;
	c->history = arena_alloc(&c->arena, (v->u.kids.n + 1) * sizeof(*c->history));
	for (const struct json *k = v->u.kids.first; k; k = k->next) {
		struct history_entry *h = &c->history[c->n_history++];

		h->created = h->created_by = h->comment = "";
		x = read_rows(r, k, rows, ARRAY_SIZE(rows), h);
		if (x < 0)
			return x;
	}
	return 0;
}

static const struct row top_rows[] = {
	{ "architecture", offsetof(struct image_config, architecture), read_string },
	{ "os", offsetof(struct image_config, os), read_string },
	{ "variant", offsetof(struct image_config, variant), read_string },
	{ "created", offsetof(struct image_config, created), read_string },
	{ "author", offsetof(struct image_config, author), read_string },
	{ "config", 0, read_config },
	{ "rootfs", 0, read_rootfs },
	{ "history", 0, read_history },
};

int image_config_parse(const char *name, const char *text, size_t n, struct image_config *ret, struct err *err)
{
	const char **none;
	struct image_config c = { .architecture = "", .os = "", .variant = "", .created = "", .author = "",
				  .user = "", .working_dir = "", .stop_signal = "" };
	struct reader r = { name, &c, err };
	struct json *root;
	int x;

	if (n > IMAGE_CONFIG_MAX_BYTES)
		return err_set(err, EFBIG, "%s: longer than %u bytes", name, IMAGE_CONFIG_MAX_BYTES);
	none = arena_alloc(&c.arena, sizeof(*none));
	c.env.v = c.entrypoint.v = c.cmd.v = c.shell.v = c.volumes.v = c.exposed_ports.v = c.health.test.v = none;
	x = json_parse(&c.arena, name, text, n, &root, err);
	if (x == 0)
		x = read_rows(&r, root, top_rows, ARRAY_SIZE(top_rows), &c);
	if (x < 0) {
		image_config_done(&c);
		return x;
	}
	*ret = c;
	return 0;
}

void image_config_done(struct image_config *c)
{
	arena_done(&c->arena);
	*c = (struct image_config){ 0 };
}
