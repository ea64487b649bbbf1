/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of ids: flags, keep-id, free ranges. */
#include "runtime/base/mem.h"
#include "runtime/cli/userns.h"
#include "runtime/idmap.h"
#include "tests/unit/tap.h"

#include <errno.h>

static struct spec_id_maps user_maps(struct arena *a)
{
	struct spec_id_maps m = { 0 };

	idmap_add(a, &m, (struct spec_id_map){ 0, 1000, 1 });
	idmap_add(a, &m, (struct spec_id_map){ 1, 100000, 2000 });
	idmap_add(a, &m, (struct spec_id_map){ 2001, 500000, 1000 });
	return m;
}

static const char *text_of(const struct spec_id_maps *m, struct arena *a)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < m->n; i++)
		buf_addf(&b, "%s%u:%u:%u", i ? " " : "", m->v[i].container_id, m->v[i].host_id, m->v[i].size);
	return arena_strdup(a, b.p ? b.p : "");
}

static void test_keep_id(void)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct spec_id_maps base = user_maps(&a), m = { 0 }, root = { 0 }, far = { 0 };

	userns_keep_id(&base, 1000, &a, &m);
	is_str(text_of(&m, &a), "0:100000:1000 1000:1000:1 1001:101000:1000 2001:500000:1000", "userns: keep-id, the other ids around the own one");
	userns_keep_id(&base, 0, &a, &root);
	is_str(text_of(&root, &a), "0:1000:1 1:100000:2000 2001:500000:1000", "userns: keep-id of root is the default");
	userns_keep_id(&base, 5000, &a, &far);
	is_str(text_of(&far, &a), "0:100000:2000 2000:500000:1000 5000:1000:1", "userns: keep-id above all other ids");
	ok(userns_to_host(&m, 1000) == 1000 && userns_to_host(&m, 1001) == 101000 && userns_to_host(&m, 9999) == 65534,
	   "userns: the host's id of one inside");
}

static int parse(const char *const *words, size_t n, const struct spec_id_maps *base, struct arena *a, struct spec_id_maps *ret, struct err *err)
{
	struct option_list l = { .n = n, .v = arena_alloc(a, (n + 1) * sizeof(*l.v)) };

	memcpy(l.v, words, n * sizeof(*l.v));
	return userns_parse_maps("uidmap", &l, base, a, ret, err);
}

static void test_flags(void)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct spec_id_maps base = user_maps(&a), m = { 0 }, through = { 0 }, bad = { 0 };
	static const char *const wrong[] = { "x:0:1", "0:1", "0:0:0", "0:4294967295:2", "1:@5:1", "" };
	struct err err = { 0 };

	ok(parse((const char *const[]){ "0:5000:10", "10:7000:1" }, 2, NULL, &a, &m, &err) == 0, "userns: two maps");
	is_str(text_of(&m, &a), "0:5000:10 10:7000:1", "userns: maps of root are the host's ids");
	ok(parse((const char *const[]){ "0:0:1", "5:1500:1000" }, 2, &base, &a, &through, &err) == 0, "userns: maps of a user");
	is_str(text_of(&through, &a), "0:1000:1 5:101499:501 506:500000:499", "userns: a user's maps go through the subordinate ranges");
	ok(parse((const char *const[]){ "0:3000:2" }, 1, &base, &a, &bad, &err) == -ERANGE, "userns: more than a user has");
	ok(parse((const char *const[]){ "0:10:5", "4:90:1" }, 2, NULL, &a, &bad, &err) == -EINVAL, "userns: overlapping maps");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ok((i == 1) == (parse(&wrong[i], 1, NULL, &a, &bad, &err) == 0), "userns: '%s' is %s", wrong[i], i == 1 ? "one id" : "no map");
}

static void test_free(void)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct spec_id_maps base = { 0 }, used = { 0 };
	uint32_t at = 0;

	idmap_add(&a, &base, (struct spec_id_map){ 0, 1000, 100 });
	idmap_add(&a, &base, (struct spec_id_map){ 0, 4294967000u, 200 });
	ok(userns_find_free(&base, &used, 100, &at) == 0 && at == 1000, "userns: the first free range");
	idmap_add(&a, &used, (struct spec_id_map){ 0, 1040, 10 });
	ok(userns_find_free(&base, &used, 40, &at) == 0 && at == 1000, "userns: before a used one");
	ok(userns_find_free(&base, &used, 50, &at) == 0 && at == 1050, "userns: after a used one");
	ok(userns_find_free(&base, &used, 200, &at) == 0 && at == 4294967000u, "userns: at the end of all ids");
	ok(userns_find_free(&base, &used, 201, &at) == -ENOSPC, "userns: too much");
}

int main(void)
{
	test_keep_id();
	test_flags();
	test_free();
	return done();
}
