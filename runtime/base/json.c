/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <yajl/yajl_parse.h>

/* What the callbacks of one parse share. */
struct reader {
	struct arena *arena;
	const char *name;
	const unsigned char *text;
	size_t n;
	yajl_handle yajl;
	struct err *err;

	struct json *root;
	struct json *open;			  /* the innermost unfinished container */
	struct json *last[JSON_MAX_DEPTH + 1]; /* its last child, and those of its parents */
	unsigned depth;
	size_t nodes;
	bool at_end; /* all text was fed */
	char *key; /* of the next member */
	/* where line counting got to */
	size_t counted, line_start;
	uint32_t line;
};

static const char *const type_names[] = {
	[JSON_NULL] = "null",	    [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
	[JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
};

const char *json_type_name(enum json_type type)
{
	return type_names[type];
}

size_t json_utf8_len(const unsigned char *s, size_t n)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (n < len || s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* Move the line counter on to offset, which never goes back by more than a token (tokens hold no newline). */
static void count_lines(struct reader *r, size_t offset)
{
	while (r->counted < offset) {
		const unsigned char *nl = memchr(r->text + r->counted, '\n', offset - r->counted);

		if (!nl) {
			r->counted = offset;
			return;
		}
		r->line++;
		r->counted = r->line_start = (size_t)(nl - r->text) + 1;
	}
}

static uint32_t column(const struct reader *r, size_t offset)
{
	size_t col = offset >= r->line_start ? offset - r->line_start + 1 : 1;

	return (uint32_t)col;
}

/* Error without a node. */
static int fail_at(struct reader *r, size_t offset, int code, const char *what)
{
	count_lines(r, offset);
	err_set(r->err, code, "%s:%u:%u: %s", r->name, r->line, column(r, offset), what);
	return 0; /* what cancels yajl */
}

static size_t consumed(const struct reader *r)
{
	/* A bare number at the end of the text is completed by a space that yajl feeds to itself. */
	return r->at_end ? r->n : yajl_get_bytes_consumed(r->yajl);
}

/* Where the token that ends before `end` began; len is its length without quotes when it is known. */
static size_t string_start(const struct reader *r, const unsigned char *s, size_t len, size_t end)
{
	size_t at = end;

	if (s >= r->text && s < r->text + r->n)
		return end - len - 2;
	/* It had escapes, so s is yajl's copy. The opening quote is the nearest one before that no backslash escapes;
	 * inside the string every quote is escaped. */
	for (at = end - 2; at > 0; at--) {
		size_t slashes = 0;

		if (r->text[at] != '"')
			continue;
		while (slashes < at && r->text[at - slashes - 1] == '\\')
			slashes++;
		if (slashes % 2 == 0)
			break;
	}
	return at;
}

static struct json *add_node(struct reader *r, enum json_type type, size_t token_start)
{
	struct json *n;

	if (++r->nodes > JSON_MAX_NODES) {
		fail_at(r, token_start, E2BIG, "too many values");
		return NULL;
	}
	n = arena_alloc(r->arena, sizeof(*n));
	count_lines(r, token_start);
	n->type = type;
	n->line = r->line;
	n->col = column(r, token_start);
	n->key = TAKE_PTR(r->key);
	n->parent = r->open;
	if (!r->open) {
		r->root = n;
		return n;
	}
	if (r->last[r->depth])
		r->last[r->depth]->next = n;
	else
		r->open->u.kids.first = n;
	r->last[r->depth] = n;
	n->index = (uint32_t)r->open->u.kids.n++;
	return n;
}

static char *copy_text(struct reader *r, const void *s, size_t len, size_t token_start)
{
	char *copy;

	if (len && memchr(s, '\0', len)) {
		fail_at(r, token_start, EINVAL, "NUL in a string");
		return NULL;
	}
	copy = arena_alloc(r->arena, len + 1);
	if (len)
		memcpy(copy, s, len);
	return copy;
}

static int on_null(void *ctx)
{
	struct reader *r = ctx;

	return add_node(r, JSON_NULL, consumed(r) - 4) != NULL;
}

static int on_bool(void *ctx, int value)
{
	struct reader *r = ctx;
	struct json *n = add_node(r, JSON_BOOL, consumed(r) - (value ? 4 : 5));

	if (!n)
		return 0;
	n->u.boolean = value;
	return 1;
}

static int on_number(void *ctx, const char *s, size_t len)
{
	struct reader *r = ctx;
	size_t start = consumed(r) - len;
	struct json *n = add_node(r, JSON_NUMBER, start);

	if (!n)
		return 0;
	n->u.string = copy_text(r, s, len, start);
	return n->u.string != NULL;
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
	struct reader *r = ctx;
	size_t start = string_start(r, s, len, consumed(r));
	struct json *n = add_node(r, JSON_STRING, start);

	if (!n)
		return 0;
	n->u.string = copy_text(r, s, len, start);
	return n->u.string != NULL;
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
	struct reader *r = ctx;

	r->key = copy_text(r, s, len, string_start(r, s, len, consumed(r)));
	return r->key != NULL;
}

static int enter(struct reader *r, enum json_type type)
{
	size_t start = consumed(r) - 1;
	struct json *n;

	if (r->depth == JSON_MAX_DEPTH)
		return fail_at(r, start, E2BIG, "nested too deep");
	n = add_node(r, type, start);
	if (!n)
		return 0;
	r->open = n;
	r->last[++r->depth] = NULL;
	return 1;
}

static int on_start_map(void *ctx)
{
	return enter(ctx, JSON_OBJECT);
}

static int on_start_array(void *ctx)
{
	return enter(ctx, JSON_ARRAY);
}

static int on_end_array(void *ctx)
{
	struct reader *r = ctx;

	r->open = r->open->parent;
	r->depth--;
	return 1;
}

static int by_key(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;
	int c = strcmp((*x)->key, (*y)->key);

	return c ? c : (*x)->index < (*y)->index ? -1 : 1;
}

/* Sorting keeps an object with a million members from being compared a million times a million. */
static const struct json *find_duplicate_sorted(const struct json *object)
{
	AUTO_FREE const struct json **v = xcalloc(object->u.kids.n, sizeof(*v));
	size_t n = 0;

	for (const struct json *k = object->u.kids.first; k; k = k->next)
		v[n++] = k;
	qsort(v, n, sizeof(*v), by_key);
	for (size_t i = 1; i < n; i++)
		if (strcmp(v[i - 1]->key, v[i]->key) == 0)
			return v[i];
	return NULL;
}

static const struct json *find_duplicate(const struct json *object)
{
	if (object->u.kids.n > 32)
		return find_duplicate_sorted(object);
	for (const struct json *k = object->u.kids.first; k; k = k->next)
		for (const struct json *other = object->u.kids.first; other != k; other = other->next)
			if (strcmp(other->key, k->key) == 0)
				return k;
	return NULL;
}

static int on_end_map(void *ctx)
{
	struct reader *r = ctx;
	const struct json *twice = find_duplicate(r->open);

	if (twice) {
		json_err(r->err, r->name, twice, EINVAL, "duplicate key");
		return 0;
	}
	return on_end_array(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end_map,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end_array,
};

/* Four hex digits at s, or -1. */
static int hex4(const unsigned char *s, size_t n)
{
	int v = 0;

	if (n < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = s[i], d;

		if (c >= '0' && c <= '9')
			d = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			d = (c | 0x20) - 'a' + 10;
		else
			return -1;
		v = v * 16 + d;
	}
	return v;
}

/* Length of the escape at s ("\" first), 0 when it makes half a surrogate pair. Other faults are left to yajl. */
static size_t escape_len(const unsigned char *s, size_t n)
{
	int v, low;

	if (n < 2)
		return n;
	if (s[1] != 'u')
		return 2;
	v = hex4(s + 2, n - 2);
	if (v < 0xd800 || v > 0xdfff)
		return 2;
	if (v > 0xdbff || n < 12 || s[6] != '\\' || s[7] != 'u')
		return 0;
	low = hex4(s + 8, n - 8);
	return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* yajl lets overlong forms and surrogates pass, so the text is checked here, before it. Backslashes have no
 * meaning outside strings, where yajl refuses them. */
static bool check_utf8(struct reader *r)
{
	for (size_t i = 0; i < r->n;) {
		unsigned char c = r->text[i];
		size_t len = 1;

		if (c >= 0x80)
			len = json_utf8_len(r->text + i, r->n - i);
		else if (c == '\\')
			len = escape_len(r->text + i, r->n - i);
		if (!len) {
			fail_at(r, i, EILSEQ, "invalid UTF-8");
			return false;
		}
		i += len;
	}
	return true;
}

/* yajl's own words ("parse error: ...", with a newline at the end). */
static int syntax_error(struct reader *r)
{
	unsigned char *text = yajl_get_error(r->yajl, 0, r->text, r->n);
	size_t at = consumed(r);
	char what[160];

	snprintf(what, sizeof(what), "%.*s", text ? (int)strcspn((const char *)text, "\n") : 12,
		 text ? (const char *)text : "syntax error");
	if (text)
		yajl_free_error(r->yajl, text);
	fail_at(r, at > r->n ? r->n : at, EINVAL, what);
	return -EINVAL;
}

static int parse_all(struct reader *r)
{
	yajl_status status = yajl_parse(r->yajl, r->text, r->n);

	r->at_end = status == yajl_status_ok;
	if (r->at_end)
		status = yajl_complete_parse(r->yajl);
	if (status == yajl_status_client_canceled)
		return r->err->code > 0 ? -r->err->code : -EINVAL;
	if (status != yajl_status_ok)
		return syntax_error(r);
	if (!r->root) {
		fail_at(r, r->n, EINVAL, "no value");
		return -EINVAL;
	}
	return 0;
}

int json_parse(struct arena *arena, const char *name, const char *text, size_t n, struct json **ret, struct err *err)
{
	struct err own;
	struct reader r = {
		.arena = arena,
		.name = name,
		.text = (const unsigned char *)text,
		.n = n,
		.err = err ? err : &own,
		.line = 1,
	};
	int result;

	if (n > JSON_MAX_BYTES)
		return err_set(err, EFBIG, "%s: longer than %u bytes", name, JSON_MAX_BYTES);
	if (!check_utf8(&r))
		return -EILSEQ;
	r.counted = r.line_start = 0;
	r.line = 1;
	r.yajl = yajl_alloc(&callbacks, NULL, &r);
	if (!r.yajl)
		return err_set(err, ENOMEM, "%s: allocate a parser", name);
	yajl_config(r.yajl, yajl_dont_validate_strings, 1); /* done, and more strictly */
	result = parse_all(&r);
	yajl_free(r.yajl);
	if (result < 0)
		return result;
	*ret = r.root;
	return 0;
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (const struct json *k = object->u.kids.first; k; k = k->next)
		if (strcmp(k->key, key) == 0)
			return k;
	return NULL;
}

static bool is_word(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z') && !(*s >= '0' && *s <= '9') && *s != '_' &&
		    *s != '-')
			return false;
	return true;
}

char *json_place(const struct json *node)
{
	const struct json *path[JSON_MAX_DEPTH + 1];
	struct buf b = { 0 };
	size_t n = 0;

	for (; node && node->parent && n < ARRAY_SIZE(path); node = node->parent)
		path[n++] = node;
	if (!n)
		return xstrdup(".");
	while (n--) {
		const struct json *k = path[n];

		if (k->parent->type == JSON_ARRAY)
			buf_addf(&b, "[%u]", k->index);
		else if (is_word(k->key))
			buf_addf(&b, "%s%s", b.len ? "." : "", k->key);
		else
			buf_addf(&b, "[\"%s\"]", k->key);
	}
	return buf_take(&b);
}

int json_err(struct err *err, const char *name, const struct json *node, int code, const char *fmt, ...)
{
	AUTO_FREE char *place = json_place(node);
	struct err what;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what.msg, sizeof(what.msg), fmt, ap);
	va_end(ap);
	/* A hostile key must not push the place and the reason out of the message. */
	err_set(err, code, "%s:%u:%u: %.200s: %.250s", name, node->line, node->col, place, what.msg);
	if (err)
		err_sanitize(err);
	return -code;
}

static int check_number(const struct json *n, const char *name, struct err *err)
{
	if (n->type != JSON_NUMBER)
		return json_err(err, name, n, EINVAL, "must be a number, not %s", type_names[n->type]);
	if (strpbrk(n->u.string, ".eE"))
		return json_err(err, name, n, EINVAL, "must be a whole number, not %.32s", n->u.string);
	return 0;
}

int json_to_i64(const struct json *n, const char *name, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	int r = check_number(n, name, err);
	int64_t v;

	if (r < 0)
		return r;
	if (str_to_i64(n->u.string, &v) < 0 || v < min || v > max)
		return json_err(err, name, n, ERANGE, "%.32s is out of range (%lld to %lld)", n->u.string, (long long)min,
				(long long)max);
	*ret = v;
	return 0;
}

int json_to_u64(const struct json *n, const char *name, uint64_t max, uint64_t *ret, struct err *err)
{
	int r = check_number(n, name, err);
	uint64_t v;

	if (r < 0)
		return r;
	if (str_to_u64(n->u.string, &v) < 0 || v > max)
		return json_err(err, name, n, ERANGE, "%.32s is out of range (0 to %llu)", n->u.string,
				(unsigned long long)max);
	*ret = v;
	return 0;
}
