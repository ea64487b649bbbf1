/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/spec.h"
#include "tests/unit/tap.h"

#include <fcntl.h>

/*
 * Each case of bad-configs.json is a patch on a good configuration (objects are merged, anything else replaces) with the
 * place and the words that the error must have. tests/integration/bad-configs.bats runs the same cases through create.
 */
static void write_merged(struct json_writer *w, const struct json *base, const struct json *patch)
{
	if (patch && (patch->type != JSON_OBJECT || base->type != JSON_OBJECT)) {
		json_copy(w, patch);
		return;
	}
	if (base->type != JSON_OBJECT) {
		json_copy(w, base);
		return;
	}
	json_begin_object(w);
	for (const struct json *k = base->u.kids.first; k; k = k->next) {
		json_key(w, k->key);
		write_merged(w, k, json_get(patch, k->key));
	}
	for (const struct json *k = patch ? patch->u.kids.first : NULL; k; k = k->next) {
		if (json_get(base, k->key))
			continue;
		json_key(w, k->key);
		json_copy(w, k);
	}
	json_end_object(w);
}

static void run_case(const struct json *base, const struct json *c)
{
	const char *name = json_get(c, "name")->u.string, *place = json_get(c, "place")->u.string;
	AUTO_BUF struct buf text = { 0 };
	AUTO_FREE char *where = xasprintf(": %s", place);
	struct json_writer w = { .out = &text };
	struct err err = { 0 };
	struct spec s = { 0 };
	int r;

	write_merged(&w, base, json_get(c, "patch"));
	r = spec_parse(&s, "config.json", text.p, text.len, false, &err);
	ok(r < 0 && !s.arena.head, "bad config: %s: is refused", name);
	ok(str_starts(err.msg, "config.json:1:") && strstr(err.msg, where), "bad config: %s: the place is '%s'", name, place);
	if (!like(err.msg, json_get(c, "words")->u.string, "bad config: %s: the words", name))
		printf("# %s\n", err.msg);
	if (r >= 0)
		spec_done(&s);
}

static void test_deep(void)
{
	AUTO_BUF struct buf text = { 0 };
	struct err err;
	struct spec s;

	buf_add(&text, "{\"annotations\":");
	for (int i = 0; i < 100000; i++)
		buf_add(&text, "[");
	ok(spec_parse(&s, "c", text.p, text.len, false, &err) < 0, "bad config: a hundred thousand levels are refused");
	like(err.msg, "nested too deep", "bad config: too deep says so");
	ok(spec_parse(&s, "c", "{\"root\":{\"path\":\"a\\u0000b\"}}", 26, false, &err) < 0, "bad config: NUL in a path is refused");
	like(err.msg, "c:1:17: NUL in a string", "bad config: NUL in a path says so");
}

/* What no patch can make. */
static void test_raw(const struct json *base)
{
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	struct err err;
	struct spec s;

	write_merged(&w, base, NULL);
	ok(spec_parse(&s, "config.json", text.p, text.len, true, &err) == 0, "bad config: the base is good");
	spec_done(&s);
	for (size_t n = 0; n < text.len; n += 7)
		if (spec_parse(&s, "c", text.p, n, false, &err) >= 0)
			ok(false, "bad config: the first %zu bytes are refused", n);
	ok(true, "bad config: every cut-off text is refused");
	ok(spec_parse(&s, "c", "\x7f" "ELF\x02\x01\x01\0\0", 9, false, &err) < 0, "bad config: a program is refused");
	test_deep();
	ok(spec_parse(&s, "c", "[]", 2, false, &err) < 0, "bad config: an array is refused");
	like(err.msg, "c:1:1: .: must be an object, not an array", "bad config: an array has its message");
	ok(spec_parse(&s, "c", "{}", 2, false, &err) < 0, "bad config: an empty object is refused");
}

int main(void)
{
	struct arena a = { 0 };
	AUTO_FREE char *text = NULL;
	struct json *root = NULL;
	struct err err = { 0 };
	size_t n = 0;

	log_setup(2, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	if (!ok(fd_read_file(AT_FDCWD, "tests/unit/bad-configs.json", 4 << 20, &text, &n) == 0 &&
			json_parse(&a, "bad-configs.json", text, n, &root, &err) == 0,
		"bad config: the cases can be read"))
		return done();
	for (const struct json *c = json_get(root, "cases")->u.kids.first; c; c = c->next)
		run_case(json_get(root, "base"), c);
	test_raw(json_get(root, "base"));
	arena_done(&a);
	return done();
}
