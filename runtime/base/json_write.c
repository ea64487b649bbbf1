/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/json.h"

#include "runtime/base/mem.h"

static void newline(struct json_writer *w)
{
	static const char spaces[] = "                                ";

	if (!w->pretty)
		return;
	buf_add_n(w->out, "\n", 1);
	for (unsigned left = w->depth * 2; left;) {
		unsigned n = left < sizeof(spaces) - 1 ? left : (unsigned)sizeof(spaces) - 1;

		buf_add_n(w->out, spaces, n);
		left -= n;
	}
}

/* What stands before any value or key. */
static void separate(struct json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->need_comma)
		buf_add_n(w->out, ",", 1);
	if (w->depth)
		newline(w);
}

static void begin(struct json_writer *w, const char *bracket)
{
	separate(w);
	buf_add_n(w->out, bracket, 1);
	w->depth++;
	w->need_comma = false;
}

static void end(struct json_writer *w, const char *bracket)
{
	w->depth--;
	if (w->need_comma)
		newline(w);
	buf_add_n(w->out, bracket, 1);
	w->need_comma = true;
}

void json_begin_object(struct json_writer *w)
{
	begin(w, "{");
}

void json_end_object(struct json_writer *w)
{
	end(w, "}");
}

void json_begin_array(struct json_writer *w)
{
	begin(w, "[");
}

void json_end_array(struct json_writer *w)
{
	end(w, "]");
}

void json_raw(struct json_writer *w, const char *text)
{
	separate(w);
	buf_add(w->out, text);
	w->need_comma = true;
}

static void write_special(struct buf *out, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add(out, "\\\"");
		return;
	case '\\':
		buf_add(out, "\\\\");
		return;
	case '\n':
		buf_add(out, "\\n");
		return;
	case '\r':
		buf_add(out, "\\r");
		return;
	case '\t':
		buf_add(out, "\\t");
		return;
	default:
		buf_addf(out, "\\u%04x", c);
	}
}

static void quoted(struct buf *out, const char *str)
{
	const unsigned char *s = (const unsigned char *)str;
	size_t n = strlen(str), plain = 0;

	buf_add_n(out, "\"", 1);
	for (size_t i = 0; i < n;) {
		size_t len = json_utf8_len(s + i, n - i);

		if (len && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\') {
			i += len;
			continue;
		}
		buf_add_n(out, str + plain, i - plain);
		if (len)
			write_special(out, s[i]);
		else
			buf_add(out, "\xef\xbf\xbd");
		plain = ++i;
	}
	buf_add_n(out, str + plain, n - plain);
	buf_add_n(out, "\"", 1);
}

void json_key(struct json_writer *w, const char *key)
{
	separate(w);
	quoted(w->out, key);
	buf_add(w->out, w->pretty ? ": " : ":");
	w->after_key = true;
}

void json_string(struct json_writer *w, const char *s)
{
	if (!s) {
		json_null(w);
		return;
	}
	separate(w);
	quoted(w->out, s);
	w->need_comma = true;
}

void json_i64(struct json_writer *w, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)v);
	json_raw(w, text);
}

void json_u64(struct json_writer *w, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	json_raw(w, text);
}

void json_decimal(struct json_writer *w, unsigned whole, unsigned hundredths)
{
	char text[32];

	snprintf(text, sizeof(text), "%u.%02u", whole, hundredths);
	json_raw(w, text);
}

void json_bool(struct json_writer *w, bool v)
{
	json_raw(w, v ? "true" : "false");
}

void json_null(struct json_writer *w)
{
	json_raw(w, "null");
}

void json_kv_string(struct json_writer *w, const char *key, const char *s)
{
	json_key(w, key);
	json_string(w, s);
}

void json_kv_i64(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_i64(w, v);
}

void json_kv_u64(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_u64(w, v);
}

void json_kv_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_bool(w, v);
}

void json_kv_pairs(struct json_writer *w, const char *key, char *const *list)
{
	json_key(w, key);
	json_begin_object(w);
	for (size_t i = 0; list && list[i]; i++) {
		const char *eq = strchr(list[i], '=');
		AUTO_FREE char *name = eq ? xstrndup(list[i], (size_t)(eq - list[i])) : xstrdup(list[i]);

		json_kv_string(w, name, eq ? eq + 1 : "");
	}
	json_end_object(w);
}

void json_copy(struct json_writer *w, const struct json *n)
{
	switch (n->type) {
	case JSON_NULL:
		json_null(w);
		break;
	case JSON_BOOL:
		json_bool(w, n->u.boolean);
		break;
	case JSON_NUMBER:
		json_raw(w, n->u.string);
		break;
	case JSON_STRING:
		json_string(w, n->u.string);
		break;
	case JSON_ARRAY:
		json_begin_array(w);
		for (const struct json *k = n->u.kids.first; k; k = k->next)
			json_copy(w, k);
		json_end_array(w);
		break;
	case JSON_OBJECT:
		json_begin_object(w);
		for (const struct json *k = n->u.kids.first; k; k = k->next) {
			json_key(w, k->key);
			json_copy(w, k);
		}
		json_end_object(w);
		break;
	}
}
