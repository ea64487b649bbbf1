/* SPDX-License-Identifier: Apache-2.0 */
#include "images/registries.h"
#include "runtime/base/toml.h"
#include "tests/unit/tap.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- TOML ---- */

static const char *lookup(const char *text, const char *a, const char *b, struct arena *arena, struct err *err)
{
	struct json *root = NULL;
	const struct json *v;

	if (toml_parse(arena, "t", text, &root, err) < 0)
		return NULL;
	v = json_get(root, a);
	if (v && b)
		v = json_get(v, b);
	return v && (v->type == JSON_STRING || v->type == JSON_NUMBER) ? v->u.string : NULL;
}

static void test_toml(void)
{
	static const struct {
		const char *text, *a, *b, *want;
	} cases[] = {
		{ "a = \"b\"", "a", NULL, "b" },
		{ "# c\n\n a='b\\n' # d\r\n", "a", NULL, "b\\n" },
		{ "a = \"x\\ty\\u00e4\\\"\"", "a", NULL, "x\ty\xc3\xa4\"" },
		{ "a = \"\"\"\nx\ny\"\"\"", "a", NULL, "x\ny" },
		{ "a = \"\"\"x \\\n   y\"\"\"", "a", NULL, "x y" },
		{ "a = '''\nx'y'''", "a", NULL, "x'y" },
		{ "[t]\nb = 1_000", "t", "b", "1_000" },
		{ "t.b = 'x'", "t", "b", "x" },
		{ "[\"t\"]\n\"b\" = 'x'", "t", "b", "x" },
		{ "t = { a = 1, b = 'x' }", "t", "b", "x" },
		{ "x = [ 1,\n 2, # c\n ]\n[t]\nb='y'", "t", "b", "y" },
		{ "d = 1979-05-27T07:32:00Z", "d", NULL, "1979-05-27T07:32:00Z" },
	};
	static const char *const bad[] = {
		"a", "a =", "a = b", "a = \"x", "a = 'x\n'", "a = 1\na = 2", "[t", "[[t]", "a = [1", "a = {b=1", "= 1", "a = 1 b = 2",
		"a = \"\\q\"", "a = \"\\ud800\"", "a = 1\n[a]\n", "[t]\nb=1\n[[t]]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena arena = { 0 };
		struct err err = { 0 };

		is_str(lookup(cases[i].text, cases[i].a, cases[i].b, &arena, &err), cases[i].want, "toml: case %zu %s", i, err.msg);
		arena_done(&arena);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena arena = { 0 };
		struct json *root = NULL;
		struct err err = { 0 };

		ok(toml_parse(&arena, "t", bad[i], &root, &err) < 0 && str_starts(err.msg, "t:"), "toml: refuses case %zu: %s", i, err.msg);
		arena_done(&arena);
	}
}

/* ---- registries.conf ---- */

static const char conf[] = "unqualified-search-registries = [\"quay.io\", \"docker.io\"]\n"
			   "[aliases]\n\"debian\" = \"docker.io/library/debian\"\n\"gone\" = \"\"\n"
			   "[[registry]]\nprefix = \"mirrored.io\"\nlocation = \"mirrored.io\"\n"
			   "[[registry.mirror]]\nlocation = \"m1.example/proxy\"\ninsecure = true\n"
			   "[[registry.mirror]]\nlocation = \"m2.example\"\npull-from-mirror = \"digest-only\"\n"
			   "[[registry]]\nprefix = \"mirrored.io/special\"\nlocation = \"special.example/x\"\n"
			   "[[registry]]\nprefix = \"*.wild.io\"\nlocation = \"tame.io\"\ninsecure = true\n"
			   "[[registry]]\nlocation = \"evil.io\"\nblocked = true\n";

static void load(struct registries *r)
{
	struct err err = { 0 };

	ok(registries_add(r, "conf", conf, &err) == 0, "registries: reads the file %s", err.msg);
}

static char *candidates(const struct registries *r, const char *text)
{
	AUTO_REFERENCE struct reference ref = { 0 };
	struct reference *list;
	struct buf b = { 0 };
	size_t n;

	if (reference_parse(text, &ref, NULL) < 0)
		return NULL;
	registries_candidates(r, &ref, &list, &n);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *one = reference_text(&list[i]);

		buf_addf(&b, "%s ", one);
		reference_done(&list[i]);
	}
	free(list);
	return buf_take(&b);
}

static char *sources(const struct registries *r, const char *text)
{
	AUTO_REFERENCE struct reference ref = { 0 };
	struct registry_source *list;
	struct buf b = { 0 };
	struct err err = { 0 };
	size_t n;

	if (reference_parse(text, &ref, NULL) < 0)
		return NULL;
	if (registries_sources(r, &ref, &list, &n, &err) < 0)
		return xstrdup(err.msg);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *one = reference_text(&list[i].ref);

		buf_addf(&b, "%s%s ", one, list[i].insecure ? "!" : "");
	}
	registry_sources_done(list, n);
	return buf_take(&b);
}

static void test_conf(void)
{
	static const struct {
		const char *text, *want;
	} names[] = {
		{ "debian", "docker.io/library/debian:latest " },
		{ "debian:12", "docker.io/library/debian:12 " },
		{ "gone", "quay.io/gone:latest docker.io/library/gone:latest " },
		{ "a/b", "quay.io/a/b:latest docker.io/a/b:latest " },
		{ "x.io/a", "x.io/a:latest " },
	};
	static const struct {
		const char *text, *want;
	} places[] = {
		{ "plain.io/x:1", "plain.io/x:1 " },
		{ "mirrored.io/a:1", "m1.example/proxy/a:1! mirrored.io/a:1 " },
		{ "mirrored.io/a@sha256:" HEX64, "m1.example/proxy/a@sha256:" HEX64 "! m2.example/a@sha256:" HEX64 " mirrored.io/a@sha256:" HEX64 " " },
		{ "mirrored.io/special/y:2", "special.example/x/y:2 " },
		{ "mirrored.io/specially:2", "m1.example/proxy/specially:2! mirrored.io/specially:2 " },
		{ "a.wild.io/x:1", "tame.io/x:1! " },
		{ "wild.io/x:1", "wild.io/x:1 " },
		{ "evil.io/x:1", "registry 'evil.io' is blocked by registries.conf" },
	};
	AUTO_REGISTRIES struct registries r = { 0 }, none = { 0 };
	AUTO_FREE char *fallback = candidates(&none, "x");

	load(&r);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *got = candidates(&r, names[i].text);

		is_str(got, names[i].want, "registries: candidates of %s", names[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		AUTO_FREE char *got = sources(&r, places[i].text);

		is_str(got, places[i].want, "registries: sources of %s", places[i].text);
	}
	is_str(fallback, "docker.io/library/x:latest ", "registries: docker.io without a configuration");
}

static void test_later_files(void)
{
	AUTO_REGISTRIES struct registries r = { 0 };
	struct err err = { 0 };

	load(&r);
	ok(registries_add(&r, "b", "[[registry]]\nprefix='evil.io'\nlocation='good.io'\n[aliases]\ndebian='h.io/d'\n", &err) == 0, "registries: a second file");
	{
		AUTO_FREE char *place = sources(&r, "evil.io/x:1"), *name = candidates(&r, "debian");

		is_str(place, "good.io/x:1 ", "registries: a later rule wins");
		is_str(name, "h.io/d:latest ", "registries: a later alias wins");
	}
	ok(registries_add(&r, "c", "[[registry]]\ninsecure='yes'\n", &err) < 0, "registries: names a wrong type: %s", err.msg);
	ok(registries_add(&r, "c", "unqualified-search-registries='x'\n", &err) < 0, "registries: names a wrong type: %s", err.msg);
	ok(registries_add(&r, "c", "[[registry]]\nlocation='x'\n[[registry.mirror]]\nlocation='m'\npull-from-mirror='now'\n", &err) < 0,
	   "registries: a wrong word: %s", err.msg);
}

int main(void)
{
	test_toml();
	test_conf();
	test_later_files();
	return done();
}
