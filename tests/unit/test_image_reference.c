/* SPDX-License-Identifier: Apache-2.0 */
#include "images/reference.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "tests/unit/tap.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_good(void)
{
	static const struct {
		const char *text, *host, *path, *tag;
		bool digest;
	} cases[] = {
		{ "busybox", NULL, "busybox", NULL, false },
		{ "busybox:1.36", NULL, "busybox", "1.36", false },
		{ "a/b/c:t", NULL, "a/b/c", "t", false },
		{ "docker.io/busybox", "docker.io", "library/busybox", NULL, false },
		{ "index.docker.io/busybox", "docker.io", "library/busybox", NULL, false },
		{ "docker.io/a/b", "docker.io", "a/b", NULL, false },
		{ "localhost/x", "localhost", "x", NULL, false },
		{ "localhost:5000/x:y", "localhost:5000", "x", "y", false },
		{ "127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", NULL, false },
		{ "[::1]:5000/a", "[::1]:5000", "a", NULL, false },
		{ "Host/x", "Host", "x", NULL, false },
		{ "quay.io/ns/x@sha256:" HEX64, "quay.io", "ns/x", NULL, true },
		{ "quay.io/ns/x:v1@sha256:" HEX64, "quay.io", "ns/x", "v1", true },
		{ "x@sha256:" HEX64, NULL, "x", NULL, true },
		{ "a--b__c.d:T_.-1", NULL, "a--b__c.d", "T_.-1", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_REFERENCE struct reference r = { 0 };
		struct err err = { 0 };

		ok(reference_parse(cases[i].text, &r, &err) == 0 && str_eq(r.host, cases[i].host) && str_eq(r.path, cases[i].path) &&
			   str_eq(r.tag, cases[i].tag) && digest_is_set(&r.digest) == cases[i].digest,
		   "reference: %s %s", cases[i].text, err.msg);
	}
}

static void test_bad(void)
{
	static const char *const cases[] = {
		"", ":tag", "/x", "x/", "a//b", "Upper", "a/Upper:t", "-x", "x-", ".x", "x..y", "x___y", "x:", "x:-t", "x: y", "x y",
		"x@sha256:12", "x@md5:" HEX64, "x@", HEX64, "ho_st.com/x", "host:port/x", "-h.com/x", "h.com:123456/x", "a.b//x",
		"x:0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
		"90123456789012345678",
		"../x", "x/../y", "docker.io/", "x@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", "[::1/x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_REFERENCE struct reference r = { 0 };
		struct err err = { 0 };

		ok(reference_parse(cases[i], &r, &err) < 0 && err.code && *err.msg, "reference: refuses '%s'", cases[i]);
	}
}

static void test_qualify(void)
{
	static const struct {
		const char *text, *host, *want;
	} cases[] = {
		{ "busybox", "docker.io", "docker.io/library/busybox:latest" },
		{ "a/b:1", "docker.io", "docker.io/a/b:1" },
		{ "busybox", "quay.io", "quay.io/busybox:latest" },
		{ "busybox", "quay.io/ns", "quay.io/ns/busybox:latest" },
		{ "h.com/x", "docker.io", "h.com/x:latest" },
		{ "h.com/x:t@sha256:" HEX64, "docker.io", "h.com/x@sha256:" HEX64 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_REFERENCE struct reference r = { 0 }, full = { 0 };
		AUTO_FREE char *text = NULL;
		struct err err = { 0 };

		if (reference_parse(cases[i].text, &r, &err) == 0) {
			reference_qualify(&r, cases[i].host, &full);
			text = reference_text(&full);
		}
		is_str(text, cases[i].want, "reference: %s of %s", cases[i].text, cases[i].host);
	}
}

static void test_local(void)
{
	char *name = NULL;
	struct err err = { 0 };

	ok(reference_local_name("x", &name, &err) == 0 && str_eq(name, "localhost/x:latest"), "reference: a local name");
	free(name);
	name = NULL;
	ok(reference_local_name("x@sha256:" HEX64, &name, &err) < 0 && !name, "reference: no local name with a digest");
}

static void test_locations(void)
{
	static const struct {
		const char *text;
		enum transport transport;
		const char *path, *name;
	} cases[] = {
		{ "busybox", TRANSPORT_NONE, "busybox", NULL },
		{ "docker://h/x:t", TRANSPORT_REGISTRY, "h/x:t", NULL },
		{ "oci:/a/b", TRANSPORT_OCI, "/a/b", NULL },
		{ "oci:/a/b:v1", TRANSPORT_OCI, "/a/b", "v1" },
		{ "oci-archive:f.tar:h/x:t", TRANSPORT_OCI_ARCHIVE, "f.tar", "h/x:t" },
		{ "docker-archive:f.tar", TRANSPORT_DOCKER_ARCHIVE, "f.tar", NULL },
		{ "dir:d:e", TRANSPORT_DIR, "d:e", NULL },
		{ "oci/x:t", TRANSPORT_NONE, "oci/x:t", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_LOCATION struct location l = { 0 };
		struct err err = { 0 };

		ok(location_parse(cases[i].text, &l, &err) == 0 && l.transport == cases[i].transport && str_eq(l.path, cases[i].path) &&
			   str_eq(l.name, cases[i].name),
		   "location: %s", cases[i].text);
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const bad[] = { "oci:", "docker://", "docker-daemon:x" };
		AUTO_LOCATION struct location l = { 0 };
		struct err err = { 0 };

		ok(location_parse(bad[i], &l, &err) < 0, "location: refuses %s", bad[i]);
	}
}

int main(void)
{
	test_good();
	test_bad();
	test_qualify();
	test_local();
	test_locations();
	return done();
}
