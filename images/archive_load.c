/* SPDX-License-Identifier: Apache-2.0 */
#include "images/archive.h"
#include "images/archive_source.h"
#include "images/hash.h"
#include "images/image_config.h"
#include "images/manifest.h"
#include "images/store_priv.h"

#include <errno.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, MAX_NESTING = 4 };

struct load {
	struct store *s;
	struct source source;
	bool flat; /* blobs lie beside manifest.json, without blobs/sha256/ in front */
	const struct archive_load_options *o;
	size_t n_loaded;
};

static void blob_member(const struct load *l, const struct digest *d, char out[DIGEST_TEXT_LEN + 8])
{
	char text[DIGEST_TEXT_LEN];
	size_t n = strcspn(digest_text(d, text), ":");

	if (l->flat)
		(void)snprintf(out, DIGEST_TEXT_LEN + 8, "%s", text + n + 1);
	else
		(void)snprintf(out, DIGEST_TEXT_LEN + 8, "blobs/%.*s/%s", (int)n, text, text + n + 1);
}

static int import_member(struct load *l, const char *member, const struct layer_options *expected, struct layer_result *ret,
			 struct err *err)
{
	AUTO_FREE char *buf = xmalloc(READ_BYTES);
	AUTO_STREAM struct source_stream st = { .fd = -1 };
	AUTO_IMPORT struct store_import *i = NULL;
	int r = source_stream_open(&l->source, member, &st, err);

	if (r == 0)
		r = store_import_begin(l->s, expected, &i, err);
	while (r == 0 && st.left) {
		ssize_t n = source_stream_read(&st, buf, READ_BYTES);

		r = n <= 0 ? err_set(err, EBADMSG, "'%.200s' is cut short", member) : store_import_push(i, buf, (size_t)n, err);
	}
	if (r == 0)
		r = store_import_finish(i, ret, err);
	return r < 0 ? err_wrap(err, "%s", member) : 0;
}

static int commit(struct load *l, const struct digest *manifest, const char *const *raw, size_t n_raw, bool docker, struct err *err)
{
	AUTO_FREE const char **names = xcalloc(n_raw + 1, sizeof(char *));
	struct store_image image;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < n_raw; i++) {
		char *name = l->o->name ? l->o->name(l->o->ctx, raw[i], docker) : xstrdup(raw[i]);

		if (name)
			names[n++] = name;
	}
	r = store_commit_image(l->s, manifest, names, n, &image, err);
	if (r == 0) {
		l->n_loaded++;
		if (l->o->loaded)
			l->o->loaded(l->o->ctx, &image, names, n);
		store_image_done(&image);
	}
	for (size_t i = 0; i < n; i++) {
		char *owned;

		memcpy(&owned, &names[i], sizeof(owned));
		free(owned);
	}
	return r;
}

/* ---- OCI layout ---- */

static int load_blob(struct load *l, const struct descriptor *d, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	char member[DIGEST_TEXT_LEN + 8];
	int r;

	blob_member(l, &d->digest, member);
	r = source_read(&l->source, member, max, ret, ret_n, err);
	if (r == 0 && *ret_n != d->size)
		r = err_set(err, EBADMSG, "%s: has %zu bytes, its descriptor says %llu", member, *ret_n, (unsigned long long)d->size);
	return r == 0 ? store_put_blob(l->s, &d->digest, *ret, *ret_n, err) : r;
}

static int load_layers(struct load *l, const struct manifest *m, const struct image_config *c, struct err *err)
{
	int r = 0;

	if (m->n != c->n_diff_ids)
		return err_set(err, EINVAL, "manifest has %zu layers, its config has %zu diff_ids", m->n, c->n_diff_ids);
	for (size_t i = 0; r == 0 && i < m->n; i++) {
		struct layer_options expected = { .blob = m->list[i].digest,
						  .blob_size = m->list[i].size,
						  .diff_id = c->diff_ids[i],
						  .limits = layer_default_limits };
		char member[DIGEST_TEXT_LEN + 8];
		struct layer_result res;

		blob_member(l, &m->list[i].digest, member);
		if (!store_has_layer(l->s, &c->diff_ids[i]) || (l->s->keep_blobs && !store_has_blob(l->s, &m->list[i].digest)))
			r = import_member(l, member, &expected, &res, err);
	}
	return r;
}

static int load_manifest(struct load *l, const struct descriptor *d, const char *name, int depth, struct err *err);

static int load_image(struct load *l, const struct descriptor *d, const struct manifest *m, const char *name, struct err *err)
{
	AUTO_IMAGE_CONFIG struct image_config c = { 0 };
	AUTO_FREE char *text = NULL;
	size_t n;
	int r = manifest_check_image(m, err);

	if (r == 0)
		r = load_blob(l, &m->config, IMAGE_CONFIG_MAX_BYTES, &text, &n, err);
	if (r == 0)
		r = image_config_parse("config", text, n, &c, err);
	if (r == 0)
		r = load_layers(l, m, &c, err);
	return r == 0 ? commit(l, &d->digest, &name, name ? 1 : 0, false, err) : r;
}

static int load_manifest(struct load *l, const struct descriptor *d, const char *name, int depth, struct err *err)
{
	AUTO_MANIFEST struct manifest m = { 0 };
	AUTO_FREE char *text = NULL;
	const struct descriptor *next;
	char what[DIGEST_TEXT_LEN];
	size_t n;
	int r;

	if (!digest_is_set(&d->digest) || depth > MAX_NESTING)
		return err_set(err, EINVAL, "index is nested too deeply, or has an unknown digest");
	r = load_blob(l, d, MANIFEST_MAX_BYTES, &text, &n, err);
	if (r == 0)
		r = manifest_parse(digest_text(&d->digest, what), text, n, d->media_type, &m, err);
	if (r < 0)
		return r;
	if (!m.is_index)
		return load_image(l, d, &m, name, err);
	r = manifest_pick(&m, l->o->platform, &next, err);
	return r == 0 ? load_manifest(l, next, name, depth + 1, err) : r;
}

static int load_layout(struct load *l, struct err *err)
{
	AUTO_MANIFEST struct manifest index = { 0 };
	AUTO_FREE char *text = NULL;
	size_t n;
	int r = source_read(&l->source, "index.json", MANIFEST_MAX_BYTES, &text, &n, err);

	if (r == 0)
		r = manifest_parse("index.json", text, n, NULL, &index, err);
	if (r == 0 && !index.is_index)
		r = err_set(err, EINVAL, "index.json: is not an index");
	for (size_t i = 0; r == 0 && i < index.n; i++) {
		const struct descriptor *d = &index.list[i];

		if (l->o->ref && !str_eq(l->o->ref, d->ref_name))
			continue;
		r = load_manifest(l, d, d->containerd_name ? d->containerd_name : d->ref_name, 0, err);
	}
	return r;
}

/* ---- the transport dir: ---- */

/* skopeo's and podman's: one image; a list's manifests are in files of their own. */
static int load_flat(struct load *l, const char *member, const struct digest *expected, int depth, struct err *err)
{
	struct descriptor d = { .media_type = NULL };
	AUTO_MANIFEST struct manifest m = { 0 };
	AUTO_FREE char *text = NULL;
	const struct descriptor *next;
	char hex[DIGEST_HEX_LEN];
	AUTO_FREE char *below = NULL;
	size_t n;
	int r = depth > MAX_NESTING ? err_set(err, EINVAL, "lists of manifests are nested too deeply") :
				      source_read(&l->source, member, MANIFEST_MAX_BYTES, &text, &n, err);

	if (r < 0)
		return r;
	hash_bytes(DIGEST_SHA256, text, n, &d.digest);
	d.size = n;
	if (expected && !digest_eq(expected, &d.digest))
		return err_set(err, EBADMSG, "%s: does not have the digest that the list says", member);
	r = store_put_blob(l->s, &d.digest, text, n, err);
	if (r == 0)
		r = manifest_parse(member, text, n, NULL, &m, err);
	if (r < 0 || !m.is_index)
		return r < 0 ? r : load_image(l, &d, &m, NULL, err);
	r = manifest_pick(&m, l->o->platform, &next, err);
	if (r < 0)
		return r;
	below = xasprintf("%s.manifest.json", digest_hex(&next->digest, hex));
	return load_flat(l, below, &next->digest, depth + 1, err);
}

/* ---- docker's archive ---- */

/* The archive has no manifest: one is made, the same each time. */
static int make_manifest(struct load *l, const struct digest *config, size_t config_bytes, const struct layer_result *layers, size_t n,
			 struct digest *ret, struct err *err)
{
	static const char *const types[] = {
		[INFLATE_UNKNOWN] = "application/vnd.oci.image.layer.v1.tar",
		[INFLATE_PLAIN] = "application/vnd.oci.image.layer.v1.tar",
		[INFLATE_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
		[INFLATE_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
		/* no type has them: the layer is the tar that was inside */
		[INFLATE_XZ] = "application/vnd.oci.image.layer.v1.tar",
		[INFLATE_BZIP2] = "application/vnd.oci.image.layer.v1.tar",
	};
	AUTO_BUF struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	json_begin_object(&w);
	json_kv_u64(&w, "schemaVersion", 2);
	json_kv_string(&w, "mediaType", "application/vnd.oci.image.manifest.v1+json");
	json_key(&w, "config");
	descriptor_json(&w, "application/vnd.oci.image.config.v1+json", config, config_bytes);
	json_key(&w, "layers");
	json_begin_array(&w);
	for (size_t i = 0; i < n; i++) {
		const struct layer_result *layer = &layers[i];
		bool is_odd = layer->kind == INFLATE_XZ || layer->kind == INFLATE_BZIP2;

		descriptor_json(&w, types[layer->kind], is_odd ? &layer->diff_id : &layer->blob, is_odd ? layer->tar_bytes : layer->blob_size);
	}
	json_end_array(&w);
	json_end_object(&w);
	hash_bytes(DIGEST_SHA256, b.p, b.len, ret);
	return store_put_blob(l->s, ret, b.p, b.len, err);
}

static int docker_layers(struct load *l, const struct json *list, const struct image_config *c, struct layer_result *ret, struct err *err)
{
	size_t i = 0;
	int r = 0;

	if (!list || list->type != JSON_ARRAY || list->u.kids.n != c->n_diff_ids)
		return err_set(err, EINVAL, "manifest.json: Layers and the config's diff_ids do not match");
	for (const struct json *k = list->u.kids.first; r == 0 && k; k = k->next, i++) {
		struct layer_options expected = { .blob_size = UINT64_MAX, .diff_id = c->diff_ids[i], .limits = layer_default_limits };

		if (k->type != JSON_STRING)
			return json_err(err, "manifest.json", k, EINVAL, "must be a string");
		r = import_member(l, k->u.string, &expected, &ret[i], err);
	}
	return r;
}

static int docker_image(struct load *l, const struct json *image, struct err *err)
{
	const struct json *config = json_get(image, "Config"), *tags = json_get(image, "RepoTags");
	AUTO_IMAGE_CONFIG struct image_config c = { 0 };
	AUTO_FREE struct layer_result *layers = NULL;
	AUTO_FREE const char **names = NULL;
	AUTO_FREE char *text = NULL;
	struct digest digest, manifest;
	size_t n, n_names = 0;
	int r;

	if (!config || config->type != JSON_STRING)
		return err_set(err, EINVAL, "manifest.json: needs a Config");
	r = source_read(&l->source, config->u.string, IMAGE_CONFIG_MAX_BYTES, &text, &n, err);
	if (r == 0)
		r = image_config_parse(config->u.string, text, n, &c, err);
	if (r < 0)
		return r;
	hash_bytes(DIGEST_SHA256, text, n, &digest);
	r = store_put_blob(l->s, &digest, text, n, err);
	layers = xcalloc(c.n_diff_ids + 1, sizeof(*layers));
	if (r == 0)
		r = docker_layers(l, json_get(image, "Layers"), &c, layers, err);
	if (r == 0)
		r = make_manifest(l, &digest, n, layers, c.n_diff_ids, &manifest, err);
	if (r < 0)
		return r;
	if (tags && tags->type == JSON_ARRAY) {
		names = xcalloc(tags->u.kids.n + 1, sizeof(char *));
		for (const struct json *k = tags->u.kids.first; k; k = k->next)
			if (k->type == JSON_STRING)
				names[n_names++] = k->u.string;
	}
	return commit(l, &manifest, names, n_names, true, err);
}

static int load_docker(struct load *l, struct err *err)
{
	struct arena arena = { 0 };
	AUTO_FREE char *text = NULL;
	struct json *root = NULL;
	size_t n;
	int r = source_read(&l->source, "manifest.json", MANIFEST_MAX_BYTES, &text, &n, err);

	if (r == 0)
		r = json_parse(&arena, "manifest.json", text, n, &root, err);
	if (r == 0 && root->type != JSON_ARRAY)
		r = json_err(err, "manifest.json", root, EINVAL, "must be an array");
	if (r == 0)
		for (const struct json *k = root->u.kids.first; r == 0 && k; k = k->next)
			r = docker_image(l, k, err);
	arena_done(&arena);
	return r;
}

int archive_load(struct store *s, const char *path, const struct archive_load_options *o, struct err *err)
{
	struct load l = { .s = s, .source = { .dir_fd = -1, .tar_fd = -1 }, .o = o };
	int r = store_hold(s, err);

	if (r < 0)
		return r;
	r = source_open(s, path, &l.source, err);
	if (r == 0) {
		if (source_has(&l.source, "index.json"))
			r = load_layout(&l, err);
		else if (source_has(&l.source, "manifest.json") && (l.flat = source_has(&l.source, "version")))
			r = load_flat(&l, "manifest.json", NULL, 0, err);
		else if (source_has(&l.source, "manifest.json"))
			r = load_docker(&l, err);
		else
			r = err_set(err, EINVAL, "is neither an OCI layout nor a docker archive");
		if (r == 0 && !l.n_loaded)
			r = err_set(err, ENOENT, "has no image%s%s", o->ref ? " named " : "", o->ref ? o->ref : "");
		if (r < 0)
			err_wrap(err, "%s", path);
	}
	source_close(&l.source);
	store_release(s);
	return r;
}

/* ---- import of a root file system ---- */

static void write_list(struct json_writer *w, const char *key, const char *const *list)
{
	if (!list || !*list)
		return;
	json_key(w, key);
	json_begin_array(w);
	for (; *list; list++)
		json_string(w, *list);
	json_end_array(w);
}

/* {"a": {}, "b": {}} */
static void write_set(struct json_writer *w, const char *key, const char *const *list)
{
	if (!list || !*list)
		return;
	json_key(w, key);
	json_begin_object(w);
	for (; *list; list++) {
		json_key(w, *list);
		json_begin_object(w);
		json_end_object(w);
	}
	json_end_object(w);
}

static void write_labels(struct json_writer *w, const char *const *list)
{
	if (!list || !*list)
		return;
	json_key(w, "Labels");
	json_begin_object(w);
	for (; *list; list++) {
		const char *eq = strchr(*list, '=');
		AUTO_FREE char *key = xstrndup(*list, eq ? (size_t)(eq - *list) : strlen(*list));

		json_kv_string(w, key, eq ? eq + 1 : "");
	}
	json_end_object(w);
}

static void write_config(struct buf *b, const struct archive_import_options *o, const struct layer_result *layer)
{
	struct json_writer w = { .out = b };
	char text[DIGEST_TEXT_LEN];

	json_begin_object(&w);
	if (o->created)
		json_kv_string(&w, "created", o->created);
	json_kv_string(&w, "architecture", o->architecture ? o->architecture : manifest_host_architecture());
	json_kv_string(&w, "os", "linux");
	json_key(&w, "config");
	json_begin_object(&w);
	if (o->user)
		json_kv_string(&w, "User", o->user);
	write_list(&w, "Env", o->env);
	write_list(&w, "Entrypoint", o->entrypoint);
	write_list(&w, "Cmd", o->cmd);
	if (o->working_dir)
		json_kv_string(&w, "WorkingDir", o->working_dir);
	if (o->stop_signal)
		json_kv_string(&w, "StopSignal", o->stop_signal);
	write_set(&w, "Volumes", o->volumes);
	write_set(&w, "ExposedPorts", o->exposed_ports);
	write_labels(&w, o->labels);
	json_end_object(&w);
	json_key(&w, "rootfs");
	json_begin_object(&w);
	json_kv_string(&w, "type", "layers");
	json_key(&w, "diff_ids");
	json_begin_array(&w);
	json_string(&w, digest_text(&layer->diff_id, text));
	json_end_array(&w);
	json_end_object(&w);
	json_key(&w, "history");
	json_begin_array(&w);
	json_begin_object(&w);
	if (o->created)
		json_kv_string(&w, "created", o->created);
	json_kv_string(&w, "comment", o->comment ? o->comment : "imported");
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
}

int archive_import(struct store *s, int fd, const struct archive_import_options *o, const char *const *names, size_t n_names,
		   struct store_image *ret, struct err *err)
{
	struct layer_options expected = { .blob_size = UINT64_MAX, .limits = layer_default_limits };
	struct load l = { .s = s };
	AUTO_BUF struct buf config = { 0 };
	struct layer_result layer;
	struct digest digest, manifest;
	int r = store_hold(s, err);

	if (r < 0)
		return r;
	r = store_import_fd(s, &expected, fd, &layer, err);
	if (r == 0) {
		write_config(&config, o, &layer);
		hash_bytes(DIGEST_SHA256, config.p, config.len, &digest);
		r = store_put_blob(s, &digest, config.p, config.len, err);
	}
	if (r == 0)
		r = make_manifest(&l, &digest, config.len, &layer, 1, &manifest, err);
	if (r == 0)
		r = store_commit_image(s, &manifest, names, n_names, ret, err);
	store_release(s);
	return r;
}
