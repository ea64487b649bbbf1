/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/template_priv.h"

#include <ctype.h>
#include <errno.h>

struct json *template_new_string(struct arena *arena, const char *s)
{
	struct json *v = arena_alloc(arena, sizeof(*v));

	v->type = JSON_STRING;
	v->u.string = arena_strdup(arena, s);
	return v;
}

struct json *template_new_number(struct arena *arena, int64_t n)
{
	struct json *v = arena_alloc(arena, sizeof(*v));

	v->type = JSON_NUMBER;
	v->u.string = arena_printf(arena, "%lld", (long long)n);
	return v;
}

struct json *template_new_bool(struct arena *arena, bool b)
{
	struct json *v = arena_alloc(arena, sizeof(*v));

	v->type = JSON_BOOL;
	v->u.boolean = b;
	return v;
}

/* Take a buffer's text over into a string value. */
static const struct json *string_of(struct template_call *c, struct buf *b)
{
	const struct json *v = template_new_string(c->arena, b->p ? b->p : "");

	buf_done(b);
	return v;
}

static const char *text_of(struct template_call *c, const struct json *v)
{
	AUTO_BUF struct buf b = { 0 };

	if (v->type == JSON_STRING)
		return v->u.string;
	template_print(v, &b);
	return arena_strdup(c->arena, b.p ? b.p : "");
}

static int bad_type(struct template_call *c, const struct json *v, struct err *err)
{
	return err_set(err, EINVAL, "template: %s of %s", c->name, json_type_name(v->type));
}

static int fn_json(struct template_call *c, const struct json **ret, struct err *err UNUSED)
{
	struct buf b = { 0 };

	template_json(c->args[0], false, &b);
	*ret = string_of(c, &b);
	return 0;
}

static int fn_len(struct template_call *c, const struct json **ret, struct err *err)
{
	const struct json *v = c->args[0];

	if (v->type == JSON_STRING)
		*ret = template_new_number(c->arena, (int64_t)strlen(v->u.string));
	else if (v->type == JSON_ARRAY || v->type == JSON_OBJECT)
		*ret = template_new_number(c->arena, (int64_t)v->u.kids.n);
	else if (v->type == JSON_NULL) /* an empty list, written so */
		*ret = template_new_number(c->arena, 0);
	else
		return bad_type(c, v, err);
	return 0;
}

/* One step of index: a list's element, or an object's member ("" when it has none, as Go's map of strings). */
static int index_once(struct template_call *c, const struct json *v, const struct json *key, const struct json **ret, struct err *err)
{
	int64_t i;

	if (v->type == JSON_OBJECT && key->type == JSON_STRING) {
		*ret = json_get(v, key->u.string);
		if (!*ret)
			*ret = template_new_string(c->arena, "");
		return 0;
	}
	if (v->type == JSON_NULL && key->type == JSON_STRING) {
		*ret = template_new_string(c->arena, "");
		return 0;
	}
	if (v->type != JSON_ARRAY || key->type != JSON_NUMBER || str_to_i64(key->u.string, &i) < 0)
		return bad_type(c, v, err);
	if (i >= 0 && (size_t)i < v->u.kids.n) {
		const struct json *k = v->u.kids.first;

		while (i-- > 0)
			k = k->next;
		*ret = k;
		return 0;
	}
	return err_set(err, EINVAL, "template: index out of range: %lld", (long long)i);
}

static int fn_index(struct template_call *c, const struct json **ret, struct err *err)
{
	const struct json *v = c->args[0];
	int r = 0;

	for (size_t i = 1; r == 0 && i < c->n; i++)
		r = index_once(c, v, c->args[i], &v, err);
	*ret = v;
	return r;
}

static int fn_slice(struct template_call *c, const struct json **ret, struct err *err)
{
	const struct json *v = c->args[0];
	size_t n = v->type == JSON_STRING ? strlen(v->u.string) : 0;
	int64_t from = 0, to = (int64_t)n;

	if (v->type != JSON_STRING)
		return bad_type(c, v, err);
	if ((c->n > 1 && str_to_i64(text_of(c, c->args[1]), &from) < 0) || (c->n > 2 && str_to_i64(text_of(c, c->args[2]), &to) < 0) ||
	    from < 0 || from > to || to > (int64_t)n)
		return err_set(err, EINVAL, "template: slice out of range");
	*ret = template_new_string(c->arena, arena_strndup(c->arena, v->u.string + from, (size_t)(to - from)));
	return 0;
}

/* join LIST SEP, and SEP first when a list is piped in */
static int fn_join(struct template_call *c, const struct json **ret, struct err *err)
{
	bool list_first = c->args[0]->type != JSON_STRING;
	const struct json *list = c->args[list_first ? 0 : 1], *sep = c->args[list_first ? 1 : 0];
	struct buf b = { 0 };

	if ((list->type != JSON_ARRAY && list->type != JSON_NULL) || sep->type != JSON_STRING)
		return bad_type(c, list, err);
	for (const struct json *k = list->type == JSON_ARRAY ? list->u.kids.first : NULL; k; k = k->next) {
		template_print(k, &b);
		if (k->next)
			buf_add(&b, sep->u.string);
	}
	*ret = string_of(c, &b);
	return 0;
}

static int fn_split(struct template_call *c, const struct json **ret, struct err *err UNUSED)
{
	const char *s = text_of(c, c->args[0]), *sep = text_of(c, c->args[1]);
	struct json *list = arena_alloc(c->arena, sizeof(*list)), **at = &list->u.kids.first;

	list->type = JSON_ARRAY;
	for (;;) {
		const char *hit = *sep ? strstr(s, sep) : NULL;

		*at = template_new_string(c->arena, arena_strndup(c->arena, s, hit ? (size_t)(hit - s) : strlen(s)));
		at = &(*at)->next;
		list->u.kids.n++;
		if (!hit)
			break;
		s = hit + strlen(sep);
	}
	*ret = list;
	return 0;
}

static int fn_case(struct template_call *c, const struct json **ret, struct err *err UNUSED)
{
	char *s = arena_strdup(c->arena, text_of(c, c->args[0]));
	bool up = c->name[0] != 'l';

	for (char *p = s; *p; p++) {
		*p = (char)(up ? toupper((unsigned char)*p) : tolower((unsigned char)*p));
		if (c->name[0] == 't')
			up = *p == ' ';
		if (c->name[0] == 't' && !up)
			while (p[1] && p[1] != ' ')
				p++;
	}
	*ret = template_new_string(c->arena, s);
	return 0;
}

static int fn_truncate(struct template_call *c, const struct json **ret, struct err *err)
{
	const char *s = text_of(c, c->args[0]);
	uint64_t n;

	if (str_to_u64(text_of(c, c->args[1]), &n) < 0)
		return bad_type(c, c->args[1], err);
	*ret = template_new_string(c->arena, arena_strndup(c->arena, s, n < strlen(s) ? (size_t)n : strlen(s)));
	return 0;
}

static int fn_pad(struct template_call *c, const struct json **ret, struct err *err)
{
	int before, after;

	if (str_to_int(text_of(c, c->args[1]), &before) < 0 || str_to_int(text_of(c, c->args[2]), &after) < 0 || before < 0 || after < 0 ||
	    before > 4096 || after > 4096)
		return bad_type(c, c->args[1], err);
	*ret = template_new_string(c->arena, arena_printf(c->arena, "%*s%s%*s", before, "", text_of(c, c->args[0]), after, ""));
	return 0;
}

static int fn_print(struct template_call *c, const struct json **ret, struct err *err UNUSED)
{
	bool line = str_eq(c->name, "println");
	struct buf b = { 0 };

	for (size_t i = 0; i < c->n; i++) {
		bool strings = i && (c->args[i]->type == JSON_STRING || c->args[i - 1]->type == JSON_STRING);

		if (i && (line || !strings))
			buf_add(&b, " ");
		template_print(c->args[i], &b);
	}
	if (line)
		buf_add(&b, "\n");
	*ret = string_of(c, &b);
	return 0;
}

/* One verb of printf, "%" with flags, width and precision before it. Returns what follows. */
static const char *print_verb(struct template_call *c, const char *f, const struct json *v, struct buf *out)
{
	bool left = false, zero = false;
	unsigned width = 0, precision = 1 << 20;
	const char *text = v ? text_of(c, v) : "%!(MISSING)";
	int64_t n;

	for (; *f == '-' || *f == '0' || *f == '+' || *f == ' '; f++) {
		left |= *f == '-';
		zero |= *f == '0';
	}
	for (; isdigit((unsigned char)*f) && width < 4096; f++)
		width = width * 10 + (unsigned)(*f - '0');
	if (*f == '.')
		for (precision = 0, f++; isdigit((unsigned char)*f) && precision < 4096; f++)
			precision = precision * 10 + (unsigned)(*f - '0');
	if (*f == 'q' && v) {
		AUTO_BUF struct buf quoted = { 0 };
		struct json_writer w = { .out = &quoted };

		json_string(&w, text);
		text = arena_strdup(c->arena, quoted.p);
	} else if (*f == 'x' && v && str_to_i64(text, &n) == 0) {
		text = arena_printf(c->arena, "%llx", (unsigned long long)n);
	}
	if (zero && !left && v && v->type == JSON_NUMBER)
		for (size_t len = strlen(text); len < width; len++)
			buf_add(out, "0");
	buf_addf(out, left ? "%-*.*s" : "%*.*s", zero && !left && v && v->type == JSON_NUMBER ? 0 : (int)width, (int)precision, text);
	return *f ? f + 1 : f;
}

static int fn_printf(struct template_call *c, const struct json **ret, struct err *err UNUSED)
{
	const char *f = text_of(c, c->args[0]);
	struct buf b = { 0 };
	size_t next = 1;

	while (*f) {
		if (*f != '%') {
			buf_add_n(&b, f++, 1);
		} else if (f[1] == '%') {
			buf_add(&b, "%");
			f += 2;
		} else {
			f = print_verb(c, f + 1, next < c->n ? c->args[next] : NULL, &b);
			next++;
		}
	}
	*ret = string_of(c, &b);
	return 0;
}

static int fn_logic(struct template_call *c, const struct json **ret, struct err *err UNUSED)
{
	bool wanted = c->name[0] == 'o'; /* or stops at the first true, and at the first false */

	*ret = c->args[0];
	for (size_t i = 0; i < c->n; i++) {
		*ret = c->args[i];
		if (template_truth(*ret) == wanted)
			break;
	}
	return 0;
}

static int fn_not(struct template_call *c, const struct json **ret, struct err *err UNUSED)
{
	*ret = template_new_bool(c->arena, !template_truth(c->args[0]));
	return 0;
}

static int compare(struct template_call *c, const struct json *a, const struct json *b)
{
	int64_t x, y;

	if (a->type == JSON_NUMBER && b->type == JSON_NUMBER && str_to_i64(a->u.string, &x) == 0 && str_to_i64(b->u.string, &y) == 0)
		return (x > y) - (x < y);
	return strcmp(text_of(c, a), text_of(c, b));
}

static int fn_compare(struct template_call *c, const struct json **ret, struct err *err UNUSED)
{
	int order = compare(c, c->args[0], c->args[1]);
	bool result = false;

	if (str_eq(c->name, "eq"))
		for (size_t i = 1; i < c->n; i++)
			result |= compare(c, c->args[0], c->args[i]) == 0;
	else if (str_eq(c->name, "ne"))
		result = order != 0;
	else if (str_eq(c->name, "lt"))
		result = order < 0;
	else if (str_eq(c->name, "le"))
		result = order <= 0;
	else if (str_eq(c->name, "gt"))
		result = order > 0;
	else
		result = order >= 0;
	*ret = template_new_bool(c->arena, result);
	return 0;
}

static const struct {
	const char *name;
	size_t min_args;
	int (*run)(struct template_call *c, const struct json **ret, struct err *err);
} functions[] = {
	{ "json", 1, fn_json },	      { "len", 1, fn_len },	    { "index", 1, fn_index }, { "slice", 1, fn_slice },
	{ "join", 2, fn_join },	      { "split", 2, fn_split },	    { "upper", 1, fn_case },  { "lower", 1, fn_case },
	{ "title", 1, fn_case },      { "truncate", 2, fn_truncate }, { "pad", 3, fn_pad },   { "print", 0, fn_print },
	{ "println", 0, fn_print },   { "printf", 1, fn_printf },   { "and", 1, fn_logic },   { "or", 1, fn_logic },
	{ "not", 1, fn_not },	      { "eq", 2, fn_compare },	    { "ne", 2, fn_compare },  { "lt", 2, fn_compare },
	{ "le", 2, fn_compare },      { "gt", 2, fn_compare },	    { "ge", 2, fn_compare },
};

bool template_has_function(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (str_eq(functions[i].name, name))
			return true;
	return false;
}

int template_call(struct template_call *c, const struct json **ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		if (!str_eq(functions[i].name, c->name))
			continue;
		if (c->n < functions[i].min_args)
			return err_set(err, EINVAL, "template: wrong number of args for %s: want %zu got %zu", c->name,
				       functions[i].min_args, c->n);
		return functions[i].run(c, ret, err);
	}
	return err_set(err, EINVAL, "template: function \"%s\" not defined", c->name);
}
