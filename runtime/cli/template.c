/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/template_priv.h"

#include <errno.h>
#include <strings.h>

enum { MAX_VARIABLES = 32 };

struct run {
	struct arena arena; /* values made on the way */
	const struct json *root;
	struct {
		const char *name;
		const struct json *value;
	} vars[MAX_VARIABLES];
	size_t n_vars;
	struct buf *out;
	struct err *err;
};

/* What a map has under a key that it lacks. */
static const struct json no_value = { .type = JSON_NULL };

static int run_pipe(struct run *r, const struct template_pipe *p, const struct json *dot, const struct json **ret);
static int run_list(struct run *r, const struct template_node *n, const struct json *dot);

bool template_truth(const struct json *v)
{
	switch (v->type) {
	case JSON_NULL:
		return false;
	case JSON_BOOL:
		return v->u.boolean;
	case JSON_NUMBER:
		return strspn(v->u.string, "-0.") != strlen(v->u.string);
	case JSON_STRING:
		return *v->u.string != '\0';
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return v->u.kids.n != 0;
}

const struct json *template_member(const struct json *object, const char *name)
{
	const struct json *exact = object->type == JSON_OBJECT ? json_get(object, name) : NULL;

	if (exact || object->type != JSON_OBJECT)
		return exact;
	for (const struct json *k = object->u.kids.first; k; k = k->next)
		if (strcasecmp(k->key, name) == 0)
			return k;
	return NULL;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

const struct json **template_items(struct arena *arena, const struct json *v)
{
	bool list = v->type == JSON_ARRAY || v->type == JSON_OBJECT;
	const struct json **items = arena_alloc(arena, ((list ? v->u.kids.n : 0) + 1) * sizeof(*items));
	size_t n = 0;

	if (!list)
		return items;
	for (const struct json *k = v->u.kids.first; k; k = k->next)
		items[n++] = k;
	if (n > 1 && v->type == JSON_OBJECT)
		qsort(items, n, sizeof(*items), compare_keys);
	return items;
}

/* ---- values ---- */

void template_print(const struct json *v, struct buf *out)
{
	struct arena arena = { 0 };

	switch (v->type) {
	case JSON_NULL:
		buf_add(out, v == &no_value ? "<no value>" : "<nil>");
		return;
	case JSON_BOOL:
		buf_add(out, v->u.boolean ? "true" : "false");
		return;
	case JSON_NUMBER:
	case JSON_STRING:
		buf_add(out, v->u.string);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	buf_add(out, v->type == JSON_ARRAY ? "[" : "map[");
	for (const struct json **k = template_items(&arena, v), **first = k; *k; k++) {
		if (k != first)
			buf_add(out, " ");
		if (v->type == JSON_OBJECT)
			buf_addf(out, "%s:", (*k)->key);
		template_print(*k, out);
	}
	buf_add(out, "]");
	arena_done(&arena);
}

static void write_json(struct json_writer *w, const struct json *v)
{
	switch (v->type) {
	case JSON_NULL:
		json_null(w);
		return;
	case JSON_BOOL:
		json_bool(w, v->u.boolean);
		return;
	case JSON_NUMBER:
		json_raw(w, v->u.string);
		return;
	case JSON_STRING:
		json_string(w, v->u.string);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	if (v->type == JSON_ARRAY)
		json_begin_array(w);
	else
		json_begin_object(w);
	for (const struct json *k = v->u.kids.first; k; k = k->next) {
		if (v->type == JSON_OBJECT)
			json_key(w, k->key);
		write_json(w, k);
	}
	if (v->type == JSON_ARRAY)
		json_end_array(w);
	else
		json_end_object(w);
}

void template_json(const struct json *v, bool pretty, struct buf *out)
{
	struct json_writer w = { .out = out, .pretty = pretty };

	write_json(&w, v);
}

/* ---- words ---- */

static int read_variable(struct run *r, const char *name, const struct json **ret)
{
	*ret = r->root;
	if (!*name)
		return 0;
	for (size_t i = r->n_vars; i > 0; i--) {
		if (str_eq(r->vars[i - 1].name, name)) {
			*ret = r->vars[i - 1].value;
			return 0;
		}
	}
	return err_set(r->err, EINVAL, "template: undefined variable \"$%s\"", name);
}

static int set_variable(struct run *r, const char *name, const struct json *value)
{
	if (r->n_vars == MAX_VARIABLES)
		return err_set(r->err, EINVAL, "template: more than %d variables", MAX_VARIABLES);
	r->vars[r->n_vars].name = name;
	r->vars[r->n_vars++].value = value;
	return 0;
}

/* Members that are maps in docker's and podman's types: a key that they lack is no error there. */
static bool is_map(const char *member)
{
	static const char *const maps[] = { "Labels", "Annotations", "Ports", "Networks", "Options", "Sysctls", "Tmpfs", "Volumes", "ExposedPorts",
					    "PortBindings", "Attributes", NULL };
	bool hit = false;

	for (const char *const *m = maps; *m; m++)
		hit |= str_eq(*m, member);
	return hit;
}

static int read_fields(struct run *r, const struct template_word *w, const struct json **v)
{
	for (size_t i = 0; i < w->n_fields; i++) {
		/* A field of nothing is nothing: an object that is not always there (.State.Health) must not end the output. */
		if ((*v)->type == JSON_NULL)
			return 0;
		*v = template_member(*v, w->fields[i]);
		if (!*v && i && is_map(w->fields[i - 1]))
			*v = &no_value;
		if (!*v)
			return err_set(r->err, EINVAL, "template: can't evaluate field %s", w->fields[i]);
	}
	return 0;
}

static int read_word(struct run *r, const struct template_word *w, const struct json *dot, const struct json **ret)
{
	struct template_call call = { .name = w->name, .arena = &r->arena };
	int x = 0;

	switch (w->base) {
	case BASE_DOT:
		*ret = dot;
		break;
	case BASE_VARIABLE:
		x = read_variable(r, w->name, ret);
		break;
	case BASE_LITERAL:
		*ret = w->literal;
		break;
	case BASE_PIPE:
		x = run_pipe(r, w->pipe, dot, ret);
		break;
	case BASE_FUNCTION: /* one that stands alone as an argument */
		x = template_call(&call, ret, r->err);
		break;
	}
	return x < 0 ? x : read_fields(r, w, ret);
}

/* docker's lists have one method: {{.Label "key"}}. */
static bool is_label_method(const struct template_word *w)
{
	return w->base == BASE_DOT && w->n_fields == 1 && str_eq(w->fields[0], "Label");
}

/* The value of key in "key=value,key=value", as those lists write labels. */
static const char *label_in(struct arena *a, const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, key, n) == 0 && p[n] == '=')
			return arena_printf(a, "%.*s", (int)strcspn(p + n + 1, ","), p + n + 1);
	return "";
}

static int call_label(struct run *r, const struct template_command *c, const struct json *dot, const struct json **ret)
{
	const struct json *labels = template_member(dot, "Labels"), *key, *value;

	if (read_word(r, &c->words[1], dot, &key) < 0)
		return -EINVAL;
	if (!labels || key->type != JSON_STRING)
		return err_set(r->err, EINVAL, "template: can't evaluate field Label");
	value = labels->type == JSON_OBJECT ? json_get(labels, key->u.string) : NULL;
	*ret = value ? value : template_new_string(&r->arena, labels->type == JSON_STRING ? label_in(&r->arena, labels->u.string, key->u.string) : "");
	return 0;
}

/* A function with its arguments, or a single word. piped: the value from before the '|', or NULL. */
static int run_command(struct run *r, const struct template_command *c, const struct json *dot, const struct json *piped,
		       const struct json **ret)
{
	struct template_call call = { .name = c->words[0].name, .arena = &r->arena };
	int x;

	if (c->words[0].base != BASE_FUNCTION) {
		if (c->n == 2 && !piped && is_label_method(&c->words[0]))
			return call_label(r, c, dot, ret);
		if (c->n > 1 || piped)
			return err_set(r->err, EINVAL, "template: can't give argument to non-function");
		return read_word(r, &c->words[0], dot, ret);
	}
	for (size_t i = 1; i < c->n; i++) {
		x = read_word(r, &c->words[i], dot, &call.args[call.n]);
		if (x < 0)
			return x;
		call.n++;
	}
	if (piped)
		call.args[call.n++] = piped;
	return template_call(&call, ret, r->err);
}

static int run_pipe(struct run *r, const struct template_pipe *p, const struct json *dot, const struct json **ret)
{
	const struct json *v = dot; /* a pipe has one command at least */
	bool piped = false;

	for (const struct template_command *c = p->first; c; c = c->next) {
		int x = run_command(r, c, dot, piped ? v : NULL, &v);

		if (x < 0)
			return x;
		piped = true;
	}
	*ret = v;
	return 0;
}

/* ---- nodes ---- */

static int run_range(struct run *r, const struct template_node *n, const struct json *dot UNUSED, const struct json *list)
{
	const struct json **k = template_items(&r->arena, list);
	int64_t index = 0;
	int x = 0;

	for (; x == 0 && *k; k++, index++) {
		size_t vars = r->n_vars;

		if (n->pipe->key)
			x = set_variable(r, n->pipe->key, list->type == JSON_OBJECT ? template_new_string(&r->arena, (*k)->key) :
										      template_new_number(&r->arena, index));
		if (x == 0 && n->pipe->variable)
			x = set_variable(r, n->pipe->variable, *k);
		if (x == 0)
			x = run_list(r, n->body, *k);
		r->n_vars = vars;
	}
	return x;
}

static int run_node(struct run *r, const struct template_node *n, const struct json *dot)
{
	const struct json *v = NULL;
	size_t vars = r->n_vars;
	int x;

	if (n->kind == NODE_TEXT) {
		buf_add(r->out, n->text);
		return 0;
	}
	x = run_pipe(r, n->pipe, dot, &v);
	if (x < 0)
		return x;
	if (n->kind == NODE_PIPE) {
		if (n->pipe->variable)
			return set_variable(r, n->pipe->variable, v);
		template_print(v, r->out);
		return 0;
	}
	if (!template_truth(v))
		return run_list(r, n->otherwise, dot);
	if (n->kind == NODE_RANGE)
		return run_range(r, n, dot, v);
	if (n->pipe->variable)
		x = set_variable(r, n->pipe->variable, v);
	if (x == 0)
		x = run_list(r, n->body, n->kind == NODE_WITH ? v : dot);
	r->n_vars = vars;
	return x;
}

static int run_list(struct run *r, const struct template_node *n, const struct json *dot)
{
	int x = 0;

	for (; x == 0 && n; n = n->next)
		x = run_node(r, n, dot);
	return x;
}

int template_run(const struct template *t, const struct json *value, struct buf *out, struct err *err)
{
	struct run r = { .root = value, .out = out, .err = err };
	int x = run_list(&r, t->first, value);

	arena_done(&r.arena);
	return x;
}
