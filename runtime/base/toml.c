/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/toml.h"

#include <ctype.h>
#include <errno.h>

struct parser {
	struct arena *arena;
	const char *name, *p;
	uint32_t line;
	unsigned depth;
	struct err *err;
};

static int parse_value(struct parser *p, struct json **ret);

static int fail(struct parser *p, const char *why)
{
	return err_set(p->err, EINVAL, "%s:%u: %s", p->name, p->line, why);
}

static struct json *new_node(struct parser *p, enum json_type type)
{
	struct json *n = arena_alloc(p->arena, sizeof(*n));

	n->type = type;
	n->line = p->line;
	n->col = 1;
	return n;
}

static void append(struct json *parent, struct json *kid)
{
	struct json **at = &parent->u.kids.first;

	while (*at)
		at = &(*at)->next;
	*at = kid;
	kid->parent = parent;
	kid->index = (uint32_t)parent->u.kids.n++;
}

static struct json *find(struct json *object, const char *key)
{
	for (struct json *k = object->u.kids.first; k; k = k->next)
		if (str_eq(k->key, key))
			return k;
	return NULL;
}

static void skip_blank(struct parser *p)
{
	while (*p->p == ' ' || *p->p == '\t')
		p->p++;
}

/* White space, line ends and comments: between statements and inside of arrays. */
static void skip_lines(struct parser *p)
{
	for (;;) {
		if (*p->p == '#')
			p->p += strcspn(p->p, "\n");
		else if (*p->p == '\n')
			p->line++, p->p++;
		else if (*p->p == ' ' || *p->p == '\t' || *p->p == '\r')
			p->p++;
		else
			return;
	}
}

static int end_of_line(struct parser *p)
{
	skip_blank(p);
	if (*p->p && *p->p != '\n' && *p->p != '\r' && *p->p != '#')
		return fail(p, "unexpected text behind a value");
	return 0;
}

/* ---- strings ---- */

static void add_code_point(struct buf *b, uint32_t c)
{
	char s[4];
	size_t n = 0;

	if (c < 0x80) {
		s[n++] = (char)c;
	} else if (c < 0x800) {
		s[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		s[n++] = (char)(0xe0 | c >> 12);
		s[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		s[n++] = (char)(0xf0 | c >> 18);
		s[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		s[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		s[n++] = (char)(0x80 | (c & 0x3f));
	buf_add_n(b, s, n);
}

static int parse_escape(struct parser *p, struct buf *b)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\x1b\"\\";
	const char *hit = *p->p ? strchr(from, *p->p) : NULL;
	size_t digits = *p->p == 'u' ? 4 : *p->p == 'U' ? 8 : 0;
	uint32_t c = 0;

	if (hit) {
		buf_add_n(b, &to[hit - from], 1);
		p->p++;
		return 0;
	}
	if (!digits)
		return fail(p, "unknown escape in string");
	p->p++;
	for (; digits; digits--, p->p++) {
		if (!isxdigit((unsigned char)*p->p))
			return fail(p, "bad escape in string");
		c = c << 4 | (uint32_t)(isdigit((unsigned char)*p->p) ? *p->p - '0' : tolower((unsigned char)*p->p) - 'a' + 10);
	}
	if (!c || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return fail(p, "bad character in string");
	add_code_point(b, c);
	return 0;
}

/* A backslash at a line's end eats the white space up to the next text. */
static bool skip_line_end(struct parser *p)
{
	const char *q = p->p + strspn(p->p, " \t\r");

	if (*q != '\n')
		return false;
	p->p = q;
	while (isspace((unsigned char)*p->p)) {
		p->line += *p->p == '\n';
		p->p++;
	}
	return true;
}

static int parse_string(struct parser *p, char **ret)
{
	AUTO_BUF struct buf b = { 0 };
	char quote = *p->p;
	bool lines = p->p[1] == quote && p->p[2] == quote;
	size_t n = lines ? 3 : 1;

	p->p += n;
	if (lines && *p->p == '\n')
		p->line++, p->p++;
	for (;;) {
		if (!*p->p || (!lines && *p->p == '\n'))
			return fail(p, "unterminated string");
		if (*p->p == quote && (!lines || (p->p[1] == quote && p->p[2] == quote && p->p[3] != quote)))
			break;
		if (*p->p == '\\' && quote == '"') {
			int r = 0;

			p->p++;
			if (!lines || !skip_line_end(p))
				r = parse_escape(p, &b);
			if (r < 0)
				return r;
			continue;
		}
		p->line += *p->p == '\n';
		buf_add_n(&b, p->p++, 1);
	}
	p->p += n;
	*ret = arena_strdup(p->arena, b.p ? b.p : "");
	return 0;
}

/* ---- keys ---- */

static int parse_key_part(struct parser *p, char **ret)
{
	size_t n = 0;

	skip_blank(p);
	if (*p->p == '"' || *p->p == '\'') {
		int r = parse_string(p, ret);

		skip_blank(p);
		return r;
	}
	while (isalnum((unsigned char)p->p[n]) || p->p[n] == '_' || p->p[n] == '-')
		n++;
	if (!n)
		return fail(p, "a key is missing");
	*ret = arena_strndup(p->arena, p->p, n);
	p->p += n;
	skip_blank(p);
	return 0;
}

/* The table that a dotted key's part leads to, made when it is missing. Of an array of tables: its last one. */
static int descend(struct parser *p, struct json *at, char *key, struct json **ret)
{
	struct json *k = find(at, key);

	if (!k) {
		k = new_node(p, JSON_OBJECT);
		k->key = key;
		append(at, k);
	} else if (k->type == JSON_ARRAY && k->u.kids.n) {
		k = k->u.kids.first;
		while (k->next)
			k = k->next;
	}
	if (k->type != JSON_OBJECT)
		return fail(p, "a key is both a table and something else");
	*ret = k;
	return 0;
}

/* "a.b.c": table becomes where c belongs, *ret is c. */
static int parse_key(struct parser *p, struct json **table, char **ret)
{
	int r = parse_key_part(p, ret);

	for (unsigned depth = 0; r == 0 && *p->p == '.'; depth++) {
		p->p++;
		r = depth > JSON_MAX_DEPTH ? fail(p, "nested too deeply") : descend(p, *table, *ret, table);
		if (r == 0)
			r = parse_key_part(p, ret);
	}
	return r;
}

/* KEY = VALUE into table */
static int parse_pair(struct parser *p, struct json *table)
{
	struct json *v = NULL;
	char *key = NULL;
	int r = parse_key(p, &table, &key);

	if (r == 0 && *p->p != '=')
		r = fail(p, "'=' is missing behind a key");
	if (r < 0 || !key)
		return r;
	p->p++;
	if (find(table, key))
		return err_set(p->err, EINVAL, "%s:%u: '%.100s' is given twice", p->name, p->line, key);
	skip_blank(p);
	r = parse_value(p, &v);
	if (r < 0 || !v)
		return r;
	v->key = key;
	append(table, v);
	return 0;
}

/* ---- values ---- */

static int parse_array(struct parser *p, struct json **ret)
{
	struct json *list = new_node(p, JSON_ARRAY);

	for (p->p++;; p->p++) {
		struct json *v = NULL;
		int r;

		skip_lines(p);
		if (*p->p == ']')
			break;
		r = parse_value(p, &v);
		if (r < 0 || !v)
			return r;
		append(list, v);
		skip_lines(p);
		if (*p->p == ']')
			break;
		if (*p->p != ',')
			return fail(p, "',' or ']' is missing in an array");
	}
	p->p++;
	*ret = list;
	return 0;
}

static int parse_inline_table(struct parser *p, struct json **ret)
{
	struct json *table = new_node(p, JSON_OBJECT);

	for (p->p++;; p->p++) {
		int r;

		skip_lines(p);
		if (*p->p == '}')
			break;
		r = parse_pair(p, table);
		if (r < 0)
			return r;
		skip_lines(p);
		if (*p->p == '}')
			break;
		if (*p->p != ',')
			return fail(p, "',' or '}' is missing in an inline table");
	}
	p->p++;
	*ret = table;
	return 0;
}

static int parse_bare(struct parser *p, struct json **ret)
{
	size_t n = strcspn(p->p, ",]}# \t\r\n");
	char *text = arena_strndup(p->arena, p->p, n);

	p->p += n;
	if (str_eq(text, "true") || str_eq(text, "false")) {
		*ret = new_node(p, JSON_BOOL);
		(*ret)->u.boolean = text[0] == 't';
		return 0;
	}
	if (!isdigit((unsigned char)*text) && !strchr("+-in", *text))
		return fail(p, "a value is missing or has no quotes");
	if (!*text)
		return fail(p, "a value is missing");
	*ret = new_node(p, JSON_NUMBER);
	(*ret)->u.string = text;
	return 0;
}

static int parse_value(struct parser *p, struct json **ret)
{
	int r;

	if (++p->depth > JSON_MAX_DEPTH)
		return fail(p, "nested too deeply");
	if (*p->p == '"' || *p->p == '\'') {
		*ret = new_node(p, JSON_STRING);
		r = parse_string(p, &(*ret)->u.string);
	} else if (*p->p == '[') {
		r = parse_array(p, ret);
	} else if (*p->p == '{') {
		r = parse_inline_table(p, ret);
	} else {
		r = parse_bare(p, ret);
	}
	p->depth--;
	return r;
}

/* ---- the file ---- */

/* [a.b] or [[a.b]]; table becomes the one that the following pairs belong to. */
static int parse_header(struct parser *p, struct json *root, struct json **table)
{
	bool array = p->p[1] == '[';
	struct json *at = root, *list;
	char *key = NULL;
	int r;

	p->p += array ? 2 : 1;
	r = parse_key(p, &at, &key);
	if (r == 0 && (*p->p != ']' || (array && p->p[1] != ']')))
		r = fail(p, "']' is missing");
	if (r < 0 || !key)
		return r;
	p->p += array ? 2 : 1;
	if (!array)
		return descend(p, at, key, table);
	list = find(at, key);
	if (!list) {
		list = new_node(p, JSON_ARRAY);
		list->key = key;
		append(at, list);
	}
	if (list->type != JSON_ARRAY)
		return fail(p, "a key is both a list of tables and something else");
	*table = new_node(p, JSON_OBJECT);
	append(list, *table);
	return 0;
}

int toml_parse(struct arena *arena, const char *name, const char *text, struct json **ret, struct err *err)
{
	struct parser p = { .arena = arena, .name = name, .p = text, .line = 1, .err = err };
	struct json *root = new_node(&p, JSON_OBJECT), *table = root;
	int r = 0;

	for (skip_lines(&p); r == 0 && *p.p; skip_lines(&p)) {
		r = *p.p == '[' ? parse_header(&p, root, &table) : parse_pair(&p, table);
		if (r == 0)
			r = end_of_line(&p);
	}
	if (r == 0)
		*ret = root;
	return r;
}
