/* SPDX-License-Identifier: Apache-2.0 */
#include "images/image_config.h"
#include "images/manifest.h"
#include "tests/unit/tap.h"

#include <errno.h>

#define D "\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":2"
#define OCI_M "application/vnd.oci.image.manifest.v1+json"
#define OCI_I "application/vnd.oci.image.index.v1+json"
#define CFG "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\"," D "}"
#define LAY "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\"," D "}"

static int parse(const char *text, const char *type, struct manifest *m, struct err *err)
{
	return manifest_parse("m.json", text, strlen(text), type, m, err);
}

static void refused(const char *text, const char *type, const char *why)
{
	struct err err = { 0 };
	struct manifest m = { 0 };
	int r = parse(text, type, &m, &err);

	if (r == 0) {
		r = manifest_check_image(&m, &err);
		manifest_done(&m);
	}
	ok(r < 0, "manifest: refused: %s", why);
	like(err.msg, why, "manifest: says: %s", why);
}

static void test_refused(void)
{
	refused("{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, "schema 1");
	refused("{" CFG ",\"layers\":[" LAY "],\"manifests\":[]}", NULL, "both a manifest and an index");
	refused("{\"mediaType\":\"" OCI_I "\"," CFG ",\"layers\":[" LAY "]}", OCI_M, "but came as");
	refused("{\"mediaType\":\"" OCI_I "\"," CFG ",\"layers\":[" LAY "]}", NULL, "do not fit");
	refused("{}", NULL, "neither");
	refused("[]", NULL, "must be an object");
	refused("{" CFG ",\"layers\":[]}", NULL, "no layers");
	refused("{\"layers\":[" LAY "]}", NULL, "not a container image");
	refused("{" CFG ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip+encrypted\"," D "}]}", NULL, "not supported");
	refused("{" CFG ",\"layers\":[{\"mediaType\":\"x\",\"digest\":\"sha256:00\",\"size\":1}]}", NULL, "wrong length");
	refused("{" CFG ",\"layers\":[{\"digest\":\"blake3:00\",\"size\":1}]}", NULL, "not supported");
	refused("{" CFG ",\"layers\":[{\"mediaType\":\"x\",\"size\":1}]}", NULL, "needs a digest");
	refused("{\"config\":{\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":-1},\"layers\":[]}",
		NULL, "config.size");
}

static void test_image(void)
{
	const char *text = "{\"schemaVersion\":2," CFG ",\"layers\":[" LAY "," LAY "],\"annotations\":{\"a\":\"b\"},\"new\":[1]}";
	struct err err = { 0 };
	struct manifest m;

	if (!ok(parse(text, OCI_M "; charset=utf-8", &m, &err) == 0, "manifest: OCI, without a media type of its own"))
		return;
	ok(!m.is_index && m.n == 2 && m.list[1].size == 2 && digest_is_set(&m.config.digest), "manifest: config and layers");
	is_int(manifest_check_image(&m, &err), 0, "manifest: is an image");
	manifest_done(&m);
	manifest_done(&m);
	ok(true, "manifest: done twice is allowed");
}

static void pick(const struct manifest *m, const char *platform, int want)
{
	const struct descriptor *d = NULL;
	struct err err = { 0 };
	int r = manifest_pick(m, platform, &d, &err);

	is_int(r < 0 ? r : (int)d->size, want, "index: %s", platform);
}

#define ENTRY(os, arch, variant, size)                                                                                              \
	"{\"mediaType\":\"" OCI_M "\",\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","    \
	"\"size\":" size ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\",\"variant\":\"" variant "\"}}"

static void test_pick(void)
{
	const char *text = "{\"mediaType\":\"" OCI_I "\",\"manifests\":["
			   ENTRY("unknown", "unknown", "", "1") "," ENTRY("linux", "amd64", "", "2") "," ENTRY("linux", "amd64", "v3", "3") ","
			   ENTRY("linux", "arm", "v6", "4") "," ENTRY("linux", "arm", "v7", "5") "," ENTRY("linux", "amd64", "", "6")
			   ",{\"mediaType\":\"x\",\"digest\":\"new:00\",\"size\":9}]}";
	struct err err = { 0 };
	struct manifest m;

	if (!ok(parse(text, NULL, &m, &err) == 0, "index: parses, with a digest that is not known: %s", err.msg))
		return;
	pick(&m, "linux/amd64", 2);
	pick(&m, "linux/amd64/v3", 3);
	pick(&m, "linux/arm", 5);
	pick(&m, "linux/arm/v6", 4);
	pick(&m, "linux/arm/v8", 5 - 1); /* the first of the lower ones */
	pick(&m, "linux/s390x", -ENOENT);
	pick(&m, "windows/amd64", -ENOENT);
	pick(&m, "/", -EINVAL);
	manifest_done(&m);
}

static void test_config(void)
{
	const char *text = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"User\":\"u:g\",\"Env\":[\"A=1\",\"B=2\"],\"Cmd\":null,"
			   "\"Entrypoint\":[\"/e\"],\"Volumes\":{\"/v\":{}},\"Labels\":{\"k\":\"v\"},\"StopSignal\":\"SIGINT\","
			   "\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":5}},"
			   "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"]},"
			   "\"history\":[{\"created_by\":\"x\",\"empty_layer\":true}]}";
	static const char *const bad[] = {
		"{\"rootfs\":{\"type\":\"windows\"}}", "{\"config\":{\"Env\":\"A\"}}", "{\"rootfs\":{\"diff_ids\":[\"md5\"]}}", "[]", "{",
		"{\"config\":{\"Env\":[1]}}", "{\"os\":\"a\",\"os\":\"b\"}",
	};
	struct image_config c;
	struct err err = { 0 };

	if (!ok(image_config_parse("c", text, strlen(text), &c, &err) == 0, "config: parses: %s", err.msg))
		return;
	is_str(c.user, "u:g", "config: User");
	ok(c.env.n == 2 && strcmp(c.env.v[1], "B=2") == 0 && !c.env.v[2], "config: Env ends with NULL");
	ok(c.cmd.n == 0 && c.cmd.v && !c.cmd.v[0], "config: null is an empty list");
	is_str(c.volumes.v[0], "/v", "config: Volumes");
	is_str(c.labels[0].value, "v", "config: Labels");
	ok(c.n_diff_ids == 1 && c.n_history == 1 && c.history[0].empty_layer, "config: diff_ids and history");
	ok(c.health.test.n == 2 && c.health.interval_ns == 5, "config: Healthcheck");
	image_config_done(&c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(image_config_parse("c", bad[i], strlen(bad[i]), &c, &err) < 0, "config: refused: %s", bad[i]);
}

int main(void)
{
	test_refused();
	test_image();
	test_pick();
	test_config();
	return done();
}
