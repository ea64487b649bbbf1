/* SPDX-License-Identifier: Apache-2.0 */
#include "images/manifest.h"

#include <errno.h>
#include <sys/utsname.h>

static const struct {
	const char *type;
	enum media_kind kind;
} media_types[] = {
	{ "application/vnd.oci.image.index.v1+json", MEDIA_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", MEDIA_INDEX },
	{ "application/vnd.oci.image.manifest.v1+json", MEDIA_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.v2+json", MEDIA_MANIFEST },
	{ "application/vnd.oci.image.config.v1+json", MEDIA_CONFIG },
	{ "application/vnd.docker.container.image.v1+json", MEDIA_CONFIG },
	{ "application/vnd.oci.image.layer.v1.tar", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MEDIA_LAYER },
};

static bool type_eq(const char *a, const char *b)
{
	size_t n = strcspn(a, "; \t"), m = strcspn(b, "; \t");

	return n == m && memcmp(a, b, n) == 0;
}

enum media_kind media_kind_of(const char *media_type)
{
	for (size_t i = 0; i < ARRAY_SIZE(media_types); i++)
		if (type_eq(media_types[i].type, media_type))
			return media_types[i].kind;
	return MEDIA_UNKNOWN;
}

struct reader {
	const char *name;
	struct manifest *m;
	struct err *err;
};

static int get_string(struct reader *r, const struct json *object, const char *key, const char *fallback, const char **ret)
{
	const struct json *v = json_get(object, key);

	if (!v || v->type == JSON_NULL) {
		*ret = fallback;
		return 0;
	}
	if (v->type != JSON_STRING)
		return json_err(r->err, r->name, v, EINVAL, "must be a string");
	*ret = v->u.string;
	return 0;
}

static int read_platform(struct reader *r, const struct json *v, struct descriptor *d)
{
	const struct json *platform = json_get(v, "platform"), *notes = json_get(v, "annotations");
	int x = 0;

	d->os = d->architecture = d->variant = "";
	if (platform && platform->type == JSON_OBJECT) {
		x = get_string(r, platform, "os", "", &d->os);
		if (x == 0)
			x = get_string(r, platform, "architecture", "", &d->architecture);
		if (x == 0)
			x = get_string(r, platform, "variant", "", &d->variant);
	}
	if (x == 0 && notes && notes->type == JSON_OBJECT) {
		x = get_string(r, notes, "org.opencontainers.image.ref.name", NULL, &d->ref_name);
		if (x == 0)
			x = get_string(r, notes, "io.containerd.image.name", NULL, &d->containerd_name);
	}
	return x;
}

static int read_descriptor(struct reader *r, const struct json *v, struct descriptor *d)
{
	const struct json *size = json_get(v, "size");
	const char *digest = NULL;
	int x;

	if (v->type != JSON_OBJECT)
		return json_err(r->err, r->name, v, EINVAL, "must be an object");
	x = get_string(r, v, "mediaType", "", &d->media_type);
	if (x == 0)
		x = get_string(r, v, "digest", NULL, &digest);
	if (x < 0)
		return x;
	if (!digest || !size)
		return json_err(r->err, r->name, v, EINVAL, "needs a digest and a size");
	x = json_to_u64(size, r->name, INT64_MAX, &d->size, r->err);
	if (x == 0)
		x = digest_parse(digest, &d->digest, r->err);
	/* An entry of an index that is never chosen may use what we do not know. */
	if (x == -ENOTSUP && r->m->is_index)
		x = 0;
	return x < 0 ? x : read_platform(r, v, d);
}

static int read_list(struct reader *r, const struct json *v, size_t max)
{
	size_t i = 0;
	int x;

	if (v->type != JSON_ARRAY)
		return json_err(r->err, r->name, v, EINVAL, "must be an array");
	if (v->u.kids.n > max)
		return json_err(r->err, r->name, v, EFBIG, "has more than %zu elements", max);
	r->m->n = v->u.kids.n;
	r->m->list = arena_alloc(&r->m->arena, (v->u.kids.n + 1) * sizeof(*r->m->list));
	for (const struct json *c = v->u.kids.first; c; c = c->next) {
		x = read_descriptor(r, c, &r->m->list[i++]);
		if (x < 0)
			return x;
	}
	return 0;
}

static int read_document(struct reader *r, const struct json *root, const char *content_type)
{
	const struct json *layers = json_get(root, "layers"), *manifests = json_get(root, "manifests"), *version;
	const struct json *config = json_get(root, "config");
	enum media_kind said;
	int x;

	if (root->type != JSON_OBJECT)
		return json_err(r->err, r->name, root, EINVAL, "must be an object");
	if (json_get(root, "fsLayers"))
		return json_err(r->err, r->name, root, ENOTSUP, "is a docker schema 1 manifest, which is not supported: push the image anew");
	version = json_get(root, "schemaVersion");
	if (version && (version->type != JSON_NUMBER || !str_eq(version->u.string, "2")))
		return json_err(r->err, r->name, version, ENOTSUP, "must be 2");
	/* CVE-2021-41190: one document that two readers take for different things. */
	if ((layers || config) && manifests)
		return json_err(r->err, r->name, root, EINVAL, "is both a manifest and an index");
	if (!layers && !manifests)
		return json_err(r->err, r->name, root, EINVAL, "is neither a manifest nor an index");
	r->m->is_index = manifests != NULL;
	x = get_string(r, root, "mediaType", "", &r->m->media_type);
	if (x == 0)
		x = get_string(r, root, "artifactType", NULL, &r->m->artifact_type);
	if (x < 0)
		return x;
	if (content_type && *content_type && *r->m->media_type && !type_eq(content_type, r->m->media_type))
		return err_set(r->err, EINVAL, "%s: calls itself '%.80s' but came as '%.80s'", r->name, r->m->media_type, content_type);
	said = media_kind_of(*r->m->media_type || !content_type ? r->m->media_type : content_type);
	if ((said == MEDIA_INDEX && !r->m->is_index) || (said == MEDIA_MANIFEST && r->m->is_index))
		return err_set(r->err, EINVAL, "%s: contents do not fit its media type", r->name);
	if (!r->m->is_index && config) {
		x = read_descriptor(r, config, &r->m->config);
		if (x < 0)
			return x;
	}
	return read_list(r, r->m->is_index ? manifests : layers, r->m->is_index ? MANIFEST_MAX_INDEX : MANIFEST_MAX_LAYERS);
}

int manifest_parse(const char *name, const char *text, size_t n, const char *content_type, struct manifest *ret, struct err *err)
{
	struct manifest m = { .media_type = "" };
	struct reader r = { .name = name, .m = &m, .err = err };
	struct json *root;
	int x;

	if (n > MANIFEST_MAX_BYTES)
		return err_set(err, EFBIG, "%s: longer than %u bytes", name, MANIFEST_MAX_BYTES);
	x = json_parse(&m.arena, name, text, n, &root, err);
	if (x == 0)
		x = read_document(&r, root, content_type);
	if (x < 0) {
		manifest_done(&m);
		return x;
	}
	*ret = m;
	return 0;
}

void manifest_done(struct manifest *m)
{
	arena_done(&m->arena);
	*m = (struct manifest){ .media_type = "" };
}

int manifest_check_image(const struct manifest *m, struct err *err)
{
	if (m->is_index)
		return err_set(err, EINVAL, "an index is not an image");
	if (!digest_is_set(&m->config.digest) || media_kind_of(m->config.media_type) != MEDIA_CONFIG)
		return err_set(err, EINVAL, "not a container image: its config is '%.80s'",
			       m->config.media_type ? m->config.media_type : "");
	if (!m->n)
		return err_set(err, EINVAL, "image has no layers");
	for (size_t i = 0; i < m->n; i++)
		if (media_kind_of(m->list[i].media_type) != MEDIA_LAYER)
			return err_set(err, ENOTSUP, "layer %zu has the media type '%.80s', which is not supported", i + 1,
				       m->list[i].media_type);
	return 0;
}

static const struct {
	const char *machine, *architecture, *variant;
} machines[] = {
	{ "x86_64", "amd64", "" },   { "aarch64", "arm64", "v8" }, { "armv7l", "arm", "v7" },	 { "armv6l", "arm", "v6" },
	{ "riscv64", "riscv64", "" }, { "ppc64le", "ppc64le", "" }, { "s390x", "s390x", "" }, { "i686", "386", "" },
};

struct platform {
	char os[32], architecture[32], variant[32];
};

const char *manifest_host_architecture(void)
{
	struct utsname u;

	if (uname(&u) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
			if (str_eq(machines[i].machine, u.machine))
				return machines[i].architecture;
	return "unknown";
}

static int platform_parse(const char *text, struct platform *p, struct err *err)
{
	memset(p, 0, sizeof(*p));
	(void)snprintf(p->os, sizeof(p->os), "linux");
	(void)snprintf(p->architecture, sizeof(p->architecture), "%s", manifest_host_architecture());
	if (!text || !*text)
		return 0;
	switch (sscanf(text, "%31[^/]/%31[^/]/%31[^/]", p->os, p->architecture, p->variant)) {
	case 1:
	case 2:
	case 3:
		return 0;
	default:
		return err_set(err, EINVAL, "platform '%.80s' is not of the form os[/arch[/variant]]", text);
	}
}

/* How well an entry fits: 0 not at all; the wanted variant beats none, and that beats a lower one. */
static int fit(const struct platform *p, const struct descriptor *d)
{
	const char *want = p->variant;

	if (!str_eq(p->os, d->os) || !str_eq(p->architecture, d->architecture) || !digest_is_set(&d->digest))
		return 0;
	if (media_kind_of(d->media_type) != MEDIA_MANIFEST && media_kind_of(d->media_type) != MEDIA_INDEX)
		return 0;
	if (!*want)
		want = str_eq(p->architecture, "arm64") ? "v8" : str_eq(p->architecture, "arm") ? "v7" : "";
	if (str_eq(want, d->variant))
		return 3;
	if (!*d->variant)
		return 2;
	/* Variants count upwards; without a wish none above the baseline is taken. */
	return *want && d->variant[0] == 'v' && strcmp(d->variant, want) < 0 ? 1 : 0;
}

int manifest_pick(const struct manifest *index, const char *platform, const struct descriptor **ret, struct err *err)
{
	const struct descriptor *best = NULL;
	struct platform p;
	int r = platform_parse(platform, &p, err), best_fit = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < index->n; i++) {
		int f = fit(&p, &index->list[i]);

		if (f > best_fit) {
			best = &index->list[i];
			best_fit = f;
		}
	}
	if (!best)
		return err_set(err, ENOENT, "no image for the platform %s/%s%s%s in the index", p.os, p.architecture,
			       *p.variant ? "/" : "", p.variant);
	*ret = best;
	return 0;
}

void descriptor_json(struct json_writer *w, const char *media_type, const struct digest *d, uint64_t size)
{
	char text[DIGEST_TEXT_LEN];

	json_begin_object(w);
	json_kv_string(w, "mediaType", media_type);
	json_kv_string(w, "digest", digest_text(d, text));
	json_kv_u64(w, "size", size);
	json_end_object(w);
}
