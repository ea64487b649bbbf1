/* SPDX-License-Identifier: Apache-2.0 */
#include "images/pull.h"

#include "images/hash.h"
#include "images/image_config.h"
#include "images/lookup.h"
#include "images/manifest.h"
#include "images/registries.h"

#include <errno.h>

enum { MAX_NESTING = 4 };

int pull_policy_parse(const char *text, enum pull_policy *ret)
{
	static const struct name_value names[] = {
		{ "missing", PULL_MISSING }, { "always", PULL_ALWAYS }, { "never", PULL_NEVER }, { "newer", PULL_NEWER },
		{ "ifnewer", PULL_NEWER },   { "true", PULL_ALWAYS },	{ "false", PULL_MISSING }, { "", PULL_MISSING }, { NULL, 0 },
	};
	const struct name_value *v = name_find(names, text);

	if (!v)
		return -EINVAL;
	*ret = (enum pull_policy)v->value;
	return 0;
}

/* A pull of one reference from one place. */
struct pull {
	struct store *s;
	const struct pull_options *o;
	const struct reference *name; /* as it will be stored */
	struct registry *registry;
	struct registry_conn *conn; /* of the main thread */
	bool cancel;

	struct digest top, manifest_digest; /* what the tag leads to; the image's own manifest */
	struct manifest manifest;
	struct image_config config;
	struct transfer_item *items;
};

static void pull_done(struct pull *p)
{
	registry_disconnect(p->conn);
	registry_free(p->registry);
	manifest_done(&p->manifest);
	image_config_done(&p->config);
	free(p->items);
}

static void step(const struct pull *p, const char *what, const struct digest *d)
{
	if (p->o->observer && p->o->observer->step)
		p->o->observer->step(p->o->observer->ctx, what, d);
}

/* ---- manifest and config ---- */

static int check_size(const struct registry_manifest *raw, const struct descriptor *d, struct err *err)
{
	return raw->n == d->size ? 0 : err_set(err, EBADMSG, "manifest has %zu bytes, the index says %llu", raw->n, (unsigned long long)d->size);
}

/* Refuse with its name what other tools could still read. */
static int check_type(const struct registry_manifest *raw, struct err *err)
{
	const char *type = raw->content_type ? raw->content_type : "";

	if (str_starts(type, "application/vnd.docker.distribution.manifest.v1"))
		return err_set(err, ENOTSUP, "image has a manifest of docker's schema 1, which nobody makes any more: it has to be pushed again "
					     "in a current format");
	return 0;
}

/* Fetch by tag or digest, parse, store. */
static int fetch_manifest(struct pull *p, const char *tag, const struct descriptor *d, struct registry_manifest *raw, struct manifest *ret,
			  struct err *err)
{
	char text[DIGEST_TEXT_LEN];
	int r = registry_get_manifest(p->conn, tag, d ? &d->digest : NULL, raw, err);

	if (r == 0 && d && d->size != UINT64_MAX)
		r = check_size(raw, d, err);
	if (r == 0)
		r = check_type(raw, err);
	if (r < 0)
		return r;
	/* Registries that do not know a type say text/plain or application/json; the document says what it is. */
	return manifest_parse(digest_text(&raw->digest, text), raw->text, raw->n,
			      raw->content_type && media_kind_of(raw->content_type) != MEDIA_UNKNOWN ? raw->content_type : NULL, ret, err);
}

static int resolve_manifest(struct pull *p, const struct reference *ref, struct err *err)
{
	struct descriptor next = { .digest = ref->digest, .size = UINT64_MAX };
	const struct descriptor *by = digest_is_set(&ref->digest) ? &next : NULL;

	for (int depth = 0; depth <= MAX_NESTING; depth++) {
		struct registry_manifest raw = { 0 };
		const struct descriptor *picked;
		int r;

		manifest_done(&p->manifest);
		r = fetch_manifest(p, ref->tag, by, &raw, &p->manifest, err);
		if (r == 0 && depth == 0)
			p->top = raw.digest;
		p->manifest_digest = raw.digest;
		if (r == 0 && !p->manifest.is_index) {
			r = manifest_check_image(&p->manifest, err);
			if (r == 0)
				r = store_put_blob(p->s, &raw.digest, raw.text, raw.n, err);
			registry_manifest_done(&raw);
			return r;
		}
		if (r == 0)
			r = manifest_pick(&p->manifest, p->o->platform, &picked, err);
		registry_manifest_done(&raw);
		if (r < 0)
			return r;
		next.digest = picked->digest;
		next.size = picked->size;
		by = &next;
	}
	return err_set(err, EINVAL, "indexes are nested more than %d deep", MAX_NESTING);
}

static int add_bytes(void *ctx, const void *data, size_t n, struct err *err UNUSED)
{
	buf_add_n(ctx, data, n);
	return 0;
}

static int fetch_config(struct pull *p, struct err *err)
{
	const struct descriptor *d = &p->manifest.config;
	AUTO_BUF struct buf b = { 0 };
	int r;

	if (d->size > IMAGE_CONFIG_MAX_BYTES)
		return err_set(err, EFBIG, "image's config has %llu bytes, more than %u", (unsigned long long)d->size, IMAGE_CONFIG_MAX_BYTES);
	if (store_has_blob(p->s, &d->digest)) {
		AUTO_FREE char *text = NULL;
		size_t n;

		/* A damaged one is fetched again. */
		if (store_read_blob(p->s, &d->digest, IMAGE_CONFIG_MAX_BYTES, &text, &n, NULL) == 0)
			return image_config_parse("config", text, n, &p->config, err);
	}
	r = registry_get_blob(p->conn, &d->digest, d->size, add_bytes, &b, err);
	if (r == 0)
		r = hash_check(&d->digest, b.p ? b.p : "", b.len, "image's config", err);
	if (r == 0)
		r = image_config_parse("config", b.p ? b.p : "", b.len, &p->config, err);
	return r == 0 ? store_put_blob(p->s, &d->digest, b.p, b.len, err) : r;
}

/* ---- layers ---- */

struct moving {
	struct transfer *t;
	struct store_import *import;
	size_t i;
};

static int push_layer(void *ctx, const void *data, size_t n, struct err *err)
{
	struct moving *m = ctx;
	int r = store_import_push(m->import, data, n, err);

	if (r == 0)
		transfer_add(m->t, m->i, n);
	return r;
}

static int open_conn(void *ctx, void **ret, struct err *err)
{
	struct pull *p = ctx;
	struct registry_conn *c;
	int r = registry_connect(p->registry, &c, err);

	if (r == 0)
		*ret = c;
	return r;
}

static void close_conn(void *worker)
{
	registry_disconnect(worker);
}

static int move_layer(struct transfer *t, void *worker, size_t i, struct err *err)
{
	struct pull *p = t->work->ctx;
	const struct descriptor *d = &p->manifest.list[i];
	struct layer_options expected = { .blob = d->digest,
					  .blob_size = d->size,
					  .diff_id = p->config.diff_ids[i],
					  .limits = layer_default_limits };
	AUTO_IMPORT struct store_import *import = NULL;
	struct moving m = { .t = t, .i = i };
	char text[DIGEST_TEXT_LEN];
	struct layer_result res;
	int r = store_import_begin(p->s, &expected, &import, err);

	m.import = import;
	if (r == 0)
		r = registry_get_blob(worker, &d->digest, d->size, push_layer, &m, err);
	if (r == 0)
		r = store_import_finish(import, &res, err);
	if (r < 0 && r != -ECANCELED && !strstr(err->msg, digest_text(&d->digest, text)))
		err_wrap(err, "layer %s", text);
	return r;
}

static bool is_stored(const struct pull *p, size_t i)
{
	return store_has_layer(p->s, &p->config.diff_ids[i]) && (!p->s->keep_blobs || store_has_blob(p->s, &p->manifest.list[i].digest));
}

/* A layer that an image has twice is fetched once. */
static bool is_repeated(const struct pull *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_eq(&p->config.diff_ids[k], &p->config.diff_ids[i]))
			return true;
	return false;
}

static int fetch_layers(struct pull *p, struct err *err)
{
	struct transfer_work work = { .open = open_conn, .close = close_conn, .move = move_layer, .ctx = p };
	struct transfer t = { .n = p->manifest.n, .work = &work, .observer = p->o->observer, .cancel = &p->cancel };

	if (p->manifest.n != p->config.n_diff_ids)
		return err_set(err, EINVAL, "manifest has %zu layers, its config has %zu diff_ids", p->manifest.n, p->config.n_diff_ids);
	p->items = xcalloc(p->manifest.n + 1, sizeof(*p->items));
	for (size_t i = 0; i < p->manifest.n; i++) {
		p->items[i].digest = p->manifest.list[i].digest;
		p->items[i].size = p->manifest.list[i].size;
		if (is_repeated(p, i) || is_stored(p, i))
			p->items[i].state = TRANSFER_EXISTS;
	}
	t.items = p->items;
	return transfer_run(&t, p->o->parallel ? p->o->parallel : 1, err);
}

/* ---- one place ---- */

/* The name itself, and the digest that it had there: "repository@digest" says later where the image came from. */
static int commit(struct pull *p, struct store_image *ret, struct err *err)
{
	AUTO_FREE char *name = reference_text(p->name), *repository = reference_repository(p->name), *digest_name = NULL;
	char text[DIGEST_TEXT_LEN];
	const char *names[2];

	digest_name = xasprintf("%s@%s", repository, digest_text(&p->top, text));
	names[0] = name;
	names[1] = digest_name;
	step(p, "Writing manifest", &p->manifest_digest);
	return store_commit_image(p->s, &p->manifest_digest, names, str_eq(name, digest_name) ? 1 : 2, ret, err);
}

static int pull_from(struct pull *p, const struct registry_source *from, struct store_image *ret, struct err *err)
{
	struct registry_options ro = p->o->registry;
	int r;

	ro.cancel = &p->cancel;
	if (p->o->observer) {
		ro.note = p->o->observer->note;
		ro.ctx = p->o->observer->ctx;
	}
	/* Credentials given by hand are for the registry that was named. */
	if (from->is_mirror)
		ro.creds = NULL;
	r = registry_open(&from->ref, from->insecure, false, &ro, &p->registry, err);
	if (r == 0)
		r = registry_connect(p->registry, &p->conn, err);
	if (r == 0)
		r = resolve_manifest(p, &from->ref, err);
	if (r == 0)
		r = fetch_config(p, err);
	registry_disconnect(TAKE_PTR(p->conn)); /* for the first of the layers */
	if (r == 0)
		r = fetch_layers(p, err);
	if (r == 0)
		step(p, "Copying config", &p->manifest.config.digest);
	return r == 0 ? commit(p, ret, err) : r;
}

static void note(const struct pull_options *o, const char *what, const struct err *err)
{
	AUTO_FREE char *text = xasprintf("%s: %s", what, err->msg);

	if (o->observer && o->observer->note)
		o->observer->note(o->observer->ctx, text);
}

/* One qualified name: its mirrors, then itself. */
static int pull_name(struct store *s, const struct registries *conf, const struct reference *name, const struct pull_options *o,
		     struct store_image *ret, struct err *err)
{
	AUTO_FREE char *text = reference_text(name);
	struct registry_source *sources;
	size_t n;
	int r = registries_sources(conf, name, &sources, &n, err);

	if (r < 0)
		return r;
	if (o->observer && o->observer->start)
		o->observer->start(o->observer->ctx, text);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(pull_done) struct pull p = { .s = s, .o = o, .name = name, .manifest = { .media_type = "" } };

		*err = (struct err){ 0 };
		r = pull_from(&p, &sources[i], ret, err);
		if (r == 0 || i + 1 == n)
			break;
		note(o, sources[i].ref.host, err);
	}
	registry_sources_done(sources, n);
	return r < 0 ? err_wrap(err, "pull '%s'", text) : 0;
}

/* ---- policy ---- */

/* Is the stored image what the platform option asks for? */
static bool is_platform(struct store *s, const struct store_image *i, const char *platform)
{
	AUTO_IMAGE_CONFIG struct image_config c = { 0 };
	const char *slash = platform ? strchr(platform, '/') : NULL;
	size_t n;

	if (!slash)
		return true;
	n = strcspn(slash + 1, "/");
	return store_image_config(s, i, &c, NULL) == 0 && strlen(c.architecture) == n && strncmp(c.architecture, slash + 1, n) == 0;
}

/* Does the registry still give out what is stored under the name? Trouble with it counts as yes. */
static bool is_current(struct store *s, const struct registries *conf, const char *stored, const struct pull_options *o)
{
	AUTO_REFERENCE struct reference ref = { 0 };
	AUTO_FREE char *repository = NULL, *wanted = NULL;
	AUTO_REGISTRY struct registry *registry = NULL;
	AUTO_CONN struct registry_conn *conn = NULL;
	AUTO_IMAGE struct store_image by_name = { 0 }, by_digest = { 0 };
	struct registry_source *sources = NULL;
	char text[DIGEST_TEXT_LEN];
	struct digest now;
	size_t n = 0;
	struct err err = { 0 };
	int r;

	if (reference_parse(stored, &ref, &err) < 0 || !ref.tag || registries_sources(conf, &ref, &sources, &n, &err) < 0)
		return true;
	r = registry_open(&sources[n - 1].ref, sources[n - 1].insecure, false, &o->registry, &registry, &err);
	registry_sources_done(sources, n);
	if (r == 0)
		r = registry_connect(registry, &conn, &err);
	if (r == 0)
		r = registry_head_manifest(conn, ref.tag, &now, &err);
	if (r < 0) {
		note(o, "cannot ask for a newer image", &err);
		return true;
	}
	repository = reference_repository(&ref);
	wanted = xasprintf("%s@%s", repository, digest_text(&now, text));
	return store_resolve(s, stored, &by_name, &err) == 0 && store_resolve(s, wanted, &by_digest, &err) == 0 &&
	       digest_eq(&by_name.manifest, &by_digest.manifest);
}

/* Positive when the stored image will do. */
static int use_stored(struct store *s, const struct registries *conf, const char *text, const struct pull_options *o, struct store_image *ret,
		      char **ret_name, struct err *err)
{
	AUTO_IMAGE struct store_image found = { 0 };
	AUTO_FREE char *name = NULL;
	int r;

	if (o->policy == PULL_ALWAYS)
		return 0;
	r = lookup_image(s, text, &found, &name, err);
	if (r == -ENOENT && o->policy != PULL_NEVER)
		return 0;
	if (r < 0)
		return r;
	if (o->policy != PULL_NEVER && !is_platform(s, &found, o->platform))
		return 0;
	if (o->policy == PULL_NEWER && name && !is_current(s, conf, name, o))
		return 0;
	*ret = found;
	found = (struct store_image){ 0 };
	if (ret_name)
		*ret_name = TAKE_PTR(name);
	return 1;
}

/* Each place that the name may mean, until one has it. */
static int pull_candidates(struct store *s, const struct registries *conf, const struct reference *ref, const struct pull_options *o,
			   struct store_image *ret, char **ret_name, struct err *err)
{
	struct reference *list;
	size_t n;
	int r = -ENOENT;

	registries_candidates(conf, ref, &list, &n);
	for (size_t i = 0; i < n; i++) {
		if (r < 0 && i)
			note(o, "not there", err);
		if (r < 0)
			r = pull_name(s, conf, &list[i], o, ret, err);
		if (r == 0 && ret_name && !*ret_name)
			*ret_name = reference_text(&list[i]);
		reference_done(&list[i]);
	}
	free(list);
	return r;
}

int pull_image(struct store *s, const char *text, const struct pull_options *o, struct store_image *ret, char **ret_name, struct err *err)
{
	AUTO_REGISTRIES struct registries conf = { 0 };
	AUTO_REFERENCE struct reference ref = { 0 };
	int r = registries_load(&conf, err);

	if (ret_name)
		*ret_name = NULL;
	if (r == 0)
		r = use_stored(s, &conf, text, o, ret, ret_name, err);
	if (r != 0)
		return r < 0 ? r : 0;
	*err = (struct err){ 0 };
	r = reference_parse(text, &ref, err);
	if (r == 0)
		r = store_hold(s, err);
	if (r < 0)
		return r;
	r = pull_candidates(s, &conf, &ref, o, ret, ret_name, err);
	store_release(s);
	return r;
}

int pull_repair(struct store *s, const struct digest *manifest, const char *digest_name, const struct pull_options *o, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	struct pull_options again = *o;
	int r;

	again.policy = PULL_ALWAYS;
	r = pull_image(s, digest_name, &again, &image, NULL, err);
	if (r == 0 && !digest_eq(&image.manifest, manifest))
		r = err_set(err, EBADMSG, "'%s' is another image now", digest_name);
	return r;
}
