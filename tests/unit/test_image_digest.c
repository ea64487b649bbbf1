/* SPDX-License-Identifier: Apache-2.0 */
#include "images/hash.h"
#include "images/layer_tar.h"
#include "images/entry.h"
#include "tests/unit/tap.h"

#include <errno.h>

static void test_parse(void)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{ "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0 },
		{ "sha256:E3B0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", -EINVAL },
		{ "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8", -EINVAL },
		{ "sha256:../../../../../../../../../../../../../../../../../../../../etc/pa", -EINVAL },
		{ "sha256", -EINVAL },
		{ ":00", -EINVAL },
		{ "SHA256:00", -EINVAL },
		{ "a..b:00", -EINVAL },
		{ "blake3:00", -ENOTSUP },
		{ "multihash+base58:Qm", -ENOTSUP },
	};
	char text[DIGEST_TEXT_LEN];
	struct digest d, e;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_int(digest_parse(cases[i].text, &d, &err), cases[i].want, "digest: parse '%s'", cases[i].text);
	is_int(digest_parse(cases[0].text, &d, &err), 0, "digest: parse");
	is_str(digest_text(&d, text), cases[0].text, "digest: text comes back");
	hash_bytes(DIGEST_SHA256, "", 0, &e);
	ok(digest_eq(&d, &e), "hash: sha256 of nothing");
	hash_bytes(DIGEST_SHA512, "", 0, &e);
	ok(!digest_eq(&d, &e) && digest_size(e.algorithm) == 64, "hash: sha512 is another digest");
	is_int(hash_check(&d, "x", 1, "thing", &err), -EBADMSG, "hash: wrong contents are refused");
	like(err.msg, "thing: digest is sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881, expected sha256:e3b0",
	     "hash: the message has both digests");
}

/* Reference value: sha256("sha256:aa.. sha256:bb..") computed with sha256sum. */
static void test_chain_id(void)
{
	struct digest a = { .algorithm = DIGEST_SHA256 }, b = a, c;
	char text[DIGEST_TEXT_LEN];

	memset(a.bytes, 0xaa, 32);
	memset(b.bytes, 0xbb, 32);
	chain_id(NULL, &a, &c);
	ok(digest_eq(&a, &c), "chain: the first layer's ChainID is its diffID");
	chain_id(&a, &b, &c);
	is_str(digest_text(&c, text), "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c", "chain: two layers");
}

static void test_clean_path(void)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "a/b", "a/b" },	{ "./a//b/", "a/b" }, { "/a", "a" }, { "a/../b", "b" }, { "a/b/../../c", "c" },
		{ "./", "" },		{ "", "" },	      { "a/..", "" }, { "..a/...", "..a/..." }, { "..", NULL },
		{ "a/../../b", NULL }, { "/..", NULL },
	};
	char out[ENTRY_PATH_MAX + 1];
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = layer_clean_path(cases[i].in, out, &err);

		is_str(r < 0 ? NULL : out, cases[i].want, "path: clean '%s'", cases[i].in);
	}
}

int main(void)
{
	test_parse();
	test_chain_id();
	test_clean_path();
	return done();
}
