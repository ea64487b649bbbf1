/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/json.h"

#include "tests/unit/tap.h"

#include <errno.h>

static const struct json *parse(struct arena *a, const char *text)
{
	struct json *root = NULL;
	struct err err = { 0 };
	int r = json_parse(a, "t", text, strlen(text), &root, &err);

	if (r < 0)
		printf("# %s\n", err.msg);
	return r < 0 ? NULL : root;
}

static void test_tree(void)
{
	struct arena a = { 0 };
	const struct json *t = parse(&a, "{\n  \"a\": [1, -2.5e3, \"x\\\"y\", true],\n  \"b\": { \"c\": null, \"d\": {} },\n"
					 "  \"e.f\": \"\\u00e9\\ud83d\\ude00\"\n}\n");
	const struct json *x;
	char *place;

	if (!ok(t != NULL, "json: parses an object"))
		return;
	is_int(t->type, JSON_OBJECT, "json: the root is an object");
	is_int(t->u.kids.n, 3, "json: counts members");
	x = json_get(t, "a");
	is_int(x->u.kids.n, 4, "json: counts elements");
	is_int(x->line, 2, "json: knows the line");
	is_int(x->col, 8, "json: knows the column of a bracket");
	x = x->u.kids.first;
	is_str(x->u.string, "1", "json: keeps a number's text");
	is_int(x->col, 9, "json: knows the column of a number");
	x = x->next;
	is_str(x->u.string, "-2.5e3", "json: keeps any number's text");
	x = x->next;
	is_str(x->u.string, "x\"y", "json: unescapes");
	is_int(x->col, 20, "json: knows the column of an escaped string");
	is_int(x->index, 2, "json: numbers the elements");
	x = x->next;
	ok(x->type == JSON_BOOL && x->u.boolean, "json: reads true");
	is_int(x->col, 28, "json: knows the column of a word");
	ok(!x->next, "json: the list ends");
	x = json_get(json_get(t, "b"), "c");
	ok(x && x->type == JSON_NULL, "json: reads null");
	place = json_place(x);
	is_str(place, "b.c", "json: names a member's place");
	free(place);
	place = json_place(json_get(t, "a")->u.kids.first->next);
	is_str(place, "a[1]", "json: names an element's place");
	free(place);
	place = json_place(t);
	is_str(place, ".", "json: names the root's place");
	free(place);
	x = json_get(t, "e.f");
	place = json_place(x);
	is_str(place, "[\"e.f\"]", "json: quotes keys that are no words");
	free(place);
	is_str(x->u.string, "\xc3\xa9\xf0\x9f\x98\x80", "json: reads escapes and surrogate pairs");
	is_int(x->line, 4, "json: still knows the line");
	ok(!json_get(t, "zz") && !json_get(NULL, "a") && !json_get(x, "a"), "json: get of what is not there is NULL");
	arena_done(&a);
}

static void test_scalars(void)
{
	struct arena a = { 0 };
	const struct json *t = parse(&a, "  12");

	ok(t && t->type == JSON_NUMBER && strcmp(t->u.string, "12") == 0, "json: a bare number at the end of the text");
	t = parse(&a, "\"\"");
	ok(t && t->type == JSON_STRING && t->u.string[0] == '\0', "json: an empty string");
	t = parse(&a, "[]");
	ok(t && t->type == JSON_ARRAY && !t->u.kids.first, "json: an empty array");
	t = parse(&a, "\"\\\\\\\"\"");
	ok(t && strcmp(t->u.string, "\\\"") == 0 && t->col == 1, "json: a string of escapes begins where it begins");
	t = parse(&a, "\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\"");
	ok(t != NULL, "json: the borders of UTF-8 are accepted");
	arena_done(&a);
}

#define STR(s) s, sizeof(s) - 1
static const struct bad {
	const char *title, *text;
	size_t n;
	const char *words;
} bad[] = {
	{ "an empty text", STR(""), "t:1:1: " },
	{ "blanks only", STR(" \n "), "t:2:2: " },
	{ "half an object", STR("{\"a\":"), "t:1:" },
	{ "half a string", STR("\"abc"), "t:1:" },
	{ "trailing bytes", STR("{} x"), "trailing garbage" },
	{ "a second value", STR("{}{}"), "trailing garbage" },
	{ "a trailing comma", STR("[1,]"), "parse error" },
	{ "a comment", STR("/* x */ {}"), "error" },
	{ "a byte order mark", STR("\xef\xbb\xbf{}"), "error" },
	{ "single quotes", STR("{'a':1}"), "error" },
	{ "a leading zero", STR("[01]"), "parse error" },
	{ "a plus sign", STR("[+1]"), "error" },
	{ "NaN", STR("[NaN]"), "error" },
	{ "a raw newline in a string", STR("\"a\nb\""), "t:1:" },
	{ "a bad escape", STR("\"\\x41\""), "error" },
	{ "a short \\u escape", STR("\"\\u12\""), "error" },
	{ "a NUL byte", STR("{\"a\":\0}"), "error" },
	{ "a duplicate key", STR("{\"a\":1,\n\"b\":2,\n \"a\":3}"), "t:3:6: a: duplicate key" },
	{ "a duplicate key below", STR("{\"x\":[{\"a\":1,\"a\":3}]}"), "x[0].a: duplicate key" },
	{ "a duplicate key by escape", STR("{\"a\":1,\"\\u0061\":3}"), "duplicate key" },
	{ "NUL in a string", STR("{\n \"a\": \"x\\u0000y\"}"), "t:2:7: NUL in a string" },
	{ "NUL in a key", STR("{\"x\\u0000y\":1}"), "NUL in a string" },
	{ "Latin-1", STR("{\"a\":\n\"\xe9\"}"), "t:2:2: invalid UTF-8" },
	{ "an overlong form", STR("\"\xc0\xaf\""), "invalid UTF-8" },
	{ "an overlong form of three", STR("\"\xe0\x80\xaf\""), "invalid UTF-8" },
	{ "an overlong form of four", STR("\"\xf0\x80\x80\xaf\""), "invalid UTF-8" },
	{ "a surrogate in UTF-8", STR("\"\xed\xa0\x80\""), "invalid UTF-8" },
	{ "a value above Unicode", STR("\"\xf4\x90\x80\x80\""), "invalid UTF-8" },
	{ "half a sequence", STR("\"\xf0\x9f\x98\""), "invalid UTF-8" },
	{ "half a sequence at the end", STR("\xf0\x9f"), "invalid UTF-8" },
	{ "half a surrogate pair", STR("\"\\ud83d\""), "invalid UTF-8" },
	{ "a low surrogate alone", STR("\"\\ude00\""), "invalid UTF-8" },
	{ "two high surrogates", STR("\"\\ud83d\\ud83d\""), "invalid UTF-8" },
};

static void test_bad(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena a = { 0 };
		struct err err = { 0 };
		struct json *root = NULL;
		int r = json_parse(&a, "t", bad[i].text, bad[i].n, &root, &err);

		ok(r < 0 && r == -err.code, "json: %s is refused", bad[i].title);
		like(err.msg, bad[i].words, "json: %s has its message", bad[i].title);
		ok(!root, "json: %s leaves no tree", bad[i].title);
		arena_done(&a);
	}
	ok(json_parse(&(struct arena){ 0 }, "t", "", 0, &(struct json *){ NULL }, NULL) < 0, "json: err may be NULL");
}

static int parse_buf(struct buf *b, struct err *err)
{
	struct arena a = { 0 };
	struct json *root;
	int r = json_parse(&a, "t", b->p, b->len, &root, err);

	arena_done(&a);
	buf_done(b);
	return r;
}

static void nest(struct buf *b, int depth)
{
	for (int i = 0; i < depth; i++)
		buf_add(b, i % 2 ? "[" : "{\"k\":");
	buf_add(b, "1");
	for (int i = depth; i-- > 0;)
		buf_add(b, i % 2 ? "]" : "}");
}

static void test_bounds(void)
{
	struct buf b = { 0 };
	struct err err = { 0 };
	struct arena a = { 0 };
	struct json *root;
	AUTO_FREE char *huge = NULL;

	nest(&b, JSON_MAX_DEPTH);
	ok(parse_buf(&b, &err) == 0, "json: the greatest depth is accepted");
	nest(&b, JSON_MAX_DEPTH + 1);
	ok(parse_buf(&b, &err) < 0, "json: one level more is refused");
	like(err.msg, "nested too deep", "json: too deep says so");
	nest(&b, 100000);
	ok(parse_buf(&b, &err) < 0, "json: a hundred thousand levels are refused");

	buf_add(&b, "[0");
	for (unsigned i = 0; i <= JSON_MAX_NODES; i++)
		buf_add(&b, ",0");
	buf_add(&b, "]");
	ok(parse_buf(&b, &err) < 0, "json: too many values are refused");
	like(err.msg, "too many values", "json: too many values says so");

	huge = xmalloc(JSON_MAX_BYTES + 1);
	memset(huge, ' ', JSON_MAX_BYTES + 1);
	ok(json_parse(&a, "t", huge, JSON_MAX_BYTES + 1, &root, &err) == -EFBIG, "json: too many bytes are refused");

	buf_add(&b, "{");
	for (int i = 0; i < 50000; i++)
		buf_addf(&b, "\"k%d\":0,", i);
	buf_add(&b, "\"k77\":1}");
	ok(parse_buf(&b, &err) < 0, "json: a duplicate among very many keys is found");
	like(err.msg, "k77: duplicate key", "json: and is named");
	buf_add(&b, "{");
	for (int i = 0; i < 50000; i++)
		buf_addf(&b, "\"k%d\":0,", i);
	buf_add(&b, "\"z\":1}");
	ok(parse_buf(&b, &err) == 0, "json: very many different keys are accepted");
	arena_done(&a);
}

static void test_numbers(void)
{
	struct arena a = { 0 };
	struct err err = { 0 };
	int64_t i = 7;
	uint64_t u = 7;
	const struct json *t = parse(&a, "{\"a\":[9223372036854775807,-9223372036854775808,9223372036854775808,"
					 "18446744073709551615,18446744073709551616,1.0,1e3,-0,\"1\"]}");
	const struct json *n[9], *k = json_get(t, "a")->u.kids.first;

	for (size_t j = 0; j < ARRAY_SIZE(n); j++, k = k->next)
		n[j] = k;
	ok(json_to_i64(n[0], "t", INT64_MIN, INT64_MAX, &i, &err) == 0 && i == INT64_MAX, "json: the greatest int64");
	ok(json_to_i64(n[1], "t", INT64_MIN, INT64_MAX, &i, &err) == 0 && i == INT64_MIN, "json: the least int64");
	ok(json_to_i64(n[2], "t", INT64_MIN, INT64_MAX, &i, &err) == -ERANGE, "json: above int64");
	like(err.msg, "a[2]: 9223372036854775808 is out of range (-9223372036854775808 to", "json: range error names place and range");
	ok(json_to_u64(n[3], "t", UINT64_MAX, &u, &err) == 0 && u == UINT64_MAX, "json: the greatest uint64");
	ok(json_to_u64(n[4], "t", UINT64_MAX, &u, &err) == -ERANGE, "json: above uint64");
	ok(json_to_u64(n[1], "t", UINT64_MAX, &u, &err) == -ERANGE, "json: negative for unsigned");
	ok(json_to_u64(n[3], "t", 255, &u, &err) == -ERANGE && u == UINT64_MAX, "json: nothing is written on error");
	ok(json_to_i64(n[5], "t", 0, 10, &i, &err) == -EINVAL, "json: 1.0 is no integer");
	like(err.msg, "a[5]: must be a whole number, not 1.0", "json: and says so");
	ok(json_to_i64(n[6], "t", 0, 10000, &i, &err) == -EINVAL, "json: 1e3 is no integer");
	ok(json_to_i64(n[7], "t", -1, 1, &i, &err) == 0 && i == 0, "json: -0 is 0");
	ok(json_to_i64(n[8], "t", -1, 1, &i, &err) == -EINVAL, "json: a string is no number");
	like(err.msg, "t:1:121: a[8]: must be a number, not a string", "json: and says what it is");
	arena_done(&a);
}

static void write_sample(struct json_writer *w)
{
	json_begin_object(w);
	json_kv_string(w, "s", "q\"\\\n\t\x01é\x80");
	json_kv_i64(w, "i", INT64_MIN);
	json_kv_u64(w, "u", UINT64_MAX);
	json_kv_bool(w, "b", true);
	json_kv_string(w, "n", NULL);
	json_key(w, "empty");
	json_begin_array(w);
	json_end_array(w);
	json_key(w, "o");
	json_begin_object(w);
	json_end_object(w);
	json_key(w, "l");
	json_begin_array(w);
	json_i64(w, 1);
	json_begin_object(w);
	json_kv_bool(w, "x", false);
	json_end_object(w);
	json_end_array(w);
	json_end_object(w);
}

static void test_writer(void)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };
	struct arena a = { 0 };
	const struct json *t;

	write_sample(&w);
	is_str(b.p,
	       "{\"s\":\"q\\\"\\\\\\n\\t\\u0001é\xef\xbf\xbd\",\"i\":-9223372036854775808,\"u\":18446744073709551615,"
	       "\"b\":true,\"n\":null,\"empty\":[],\"o\":{},\"l\":[1,{\"x\":false}]}",
	       "json: writes compactly");
	t = parse(&a, b.p);
	ok(t && t->u.kids.n == 8, "json: reads what it wrote");
	buf_done(&b);
	w = (struct json_writer){ .out = &b, .pretty = true };
	json_begin_object(&w);
	json_kv_i64(&w, "a", 1);
	json_key(&w, "l");
	json_begin_array(&w);
	json_string(&w, "x");
	json_string(&w, "y");
	json_end_array(&w);
	json_key(&w, "e");
	json_begin_object(&w);
	json_end_object(&w);
	json_end_object(&w);
	is_str(b.p, "{\n  \"a\": 1,\n  \"l\": [\n    \"x\",\n    \"y\"\n  ],\n  \"e\": {}\n}", "json: writes with indentation");
	buf_done(&b);
	arena_done(&a);
}

static void test_err(void)
{
	struct arena a = { 0 };
	struct err err = { 0 };
	const struct json *t = parse(&a, "{\"a\\n\\u001b[31m\":1}");

	ok(json_err(&err, "t", t->u.kids.first, EDOM, "bad '%s'", "x\ny") == -EDOM, "json: json_err returns the code");
	is_str(err.msg, "t:1:18: [\"a??[31m\"]: bad 'x?y'", "json: control characters do not reach the terminal");
	arena_done(&a);
}

int main(void)
{
	test_tree();
	test_scalars();
	test_bad();
	test_bounds();
	test_numbers();
	test_writer();
	test_err();
	return done();
}
