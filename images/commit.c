/* SPDX-License-Identifier: Apache-2.0 */
#include "images/commit.h"

#include "images/hash.h"
#include "images/image_config.h"
#include "images/manifest.h"
#include "images/tar_tree.h"

#include <errno.h>

/* ---- the layer ---- */

struct stream {
	struct store_import *import;
	struct err *err;
};

static int push(void *ctx, const void *data, size_t n)
{
	struct stream *s = ctx;

	return store_import_push(s->import, data, n, s->err);
}

static int make_layer(struct store *s, int upper_fd, struct layer_result *ret, struct err *err)
{
	struct layer_options expected = { .blob_size = UINT64_MAX, .limits = layer_default_limits };
	AUTO_IMPORT struct store_import *import = NULL;
	struct stream stream = { .err = err };
	struct tar_tree t = { .overlay = true, .write = push, .ctx = &stream };
	int r;

	r = store_import_begin(s, &expected, &import, err);
	stream.import = import;
	if (r == 0)
		r = tar_tree_write(&t, upper_fd, ".", "", err);
	if (r == 0)
		r = store_import_finish(import, ret, err);
	return r;
}

/* ---- the config ---- */

static const struct json *member(const struct json *object, const char *key)
{
	return object && object->type == JSON_OBJECT ? json_get(object, key) : NULL;
}

static void put_words(struct json_writer *w, const char *const *list)
{
	json_begin_array(w);
	for (; list && *list; list++)
		json_string(w, *list);
	json_end_array(w);
}

static bool same_key(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

static bool replaced(const char *const *list, const char *pair)
{
	for (; list && *list; list++)
		if (same_key(*list, pair))
			return true;
	return false;
}

/* The old list without what the new one names, then the new one. */
static void put_env(struct json_writer *w, const struct json *old, const char *const *add)
{
	json_begin_array(w);
	for (const struct json *k = old && old->type == JSON_ARRAY ? old->u.kids.first : NULL; k; k = k->next)
		if (k->type == JSON_STRING && !replaced(add, k->u.string))
			json_string(w, k->u.string);
	for (; add && *add; add++)
		json_string(w, *add);
	json_end_array(w);
}

/* An object of names to {} (values NULL) or to text ("K=V" words). */
static void put_object(struct json_writer *w, const struct json *old, const char *const *add, bool texts)
{
	json_begin_object(w);
	for (const struct json *k = old && old->type == JSON_OBJECT ? old->u.kids.first : NULL; k; k = k->next) {
		if (replaced(add, k->key))
			continue;
		json_key(w, k->key);
		json_copy(w, k);
	}
	for (; add && *add; add++) {
		AUTO_FREE char *key = xstrndup(*add, strcspn(*add, "="));
		const char *eq = strchr(*add, '=');

		json_key(w, texts ? key : *add);
		if (texts) {
			json_string(w, eq ? eq + 1 : "");
		} else {
			json_begin_object(w);
			json_end_object(w);
		}
	}
	json_end_object(w);
}

struct config_change {
	const char *key;
	const char *text;	   /* or */
	const char *const *words;  /* or */
	const char *const *pairs;  /* added */
	enum { ENV, NAMES, LABELS } kind;
};

static void put_config(struct json_writer *w, const struct json *old, const struct archive_import_options *o)
{
	const struct config_change changes[] = {
		{ .key = "User", .text = o->user },	       { .key = "WorkingDir", .text = o->working_dir },
		{ .key = "StopSignal", .text = o->stop_signal }, { .key = "Cmd", .words = o->cmd },
		{ .key = "Entrypoint", .words = o->entrypoint }, { .key = "Env", .pairs = o->env, .kind = ENV },
		{ .key = "Volumes", .pairs = o->volumes, .kind = NAMES }, { .key = "ExposedPorts", .pairs = o->exposed_ports, .kind = NAMES },
		{ .key = "Labels", .pairs = o->labels, .kind = LABELS },
	};

	json_begin_object(w);
	for (const struct json *k = old && old->type == JSON_OBJECT ? old->u.kids.first : NULL; k; k = k->next) {
		bool changed = false;

		for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
			changed = changed || (str_eq(k->key, changes[i].key) && (changes[i].text || changes[i].words || changes[i].pairs));
		if (changed)
			continue;
		json_key(w, k->key);
		json_copy(w, k);
	}
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		const struct config_change *c = &changes[i];

		if (!c->text && !c->words && !c->pairs)
			continue;
		json_key(w, c->key);
		if (c->text)
			json_string(w, c->text);
		else if (c->words)
			put_words(w, c->words);
		else if (c->kind == ENV)
			put_env(w, member(old, c->key), c->pairs);
		else
			put_object(w, member(old, c->key), c->pairs, c->kind == LABELS);
	}
	json_end_object(w);
}

static void put_kids(struct json_writer *w, const struct json *array)
{
	for (const struct json *k = array && array->type == JSON_ARRAY ? array->u.kids.first : NULL; k; k = k->next)
		json_copy(w, k);
}

static void put_history(struct json_writer *w, const struct json *old, const struct archive_import_options *o, const char *author,
			const char *created_by)
{
	json_key(w, "history");
	json_begin_array(w);
	put_kids(w, old);
	json_begin_object(w);
	json_kv_string(w, "created", o->created);
	if (author)
		json_kv_string(w, "author", author);
	if (created_by)
		json_kv_string(w, "created_by", created_by);
	if (o->comment)
		json_kv_string(w, "comment", o->comment);
	json_end_object(w);
	json_end_array(w);
}

static void put_image(struct json_writer *w, const struct json *old, const struct archive_import_options *o, const char *author,
		      const char *created_by, const struct layer_result *layer)
{
	static const char *const ours[] = { "created", "author", "config", "rootfs", "history" };
	char text[DIGEST_TEXT_LEN];

	json_begin_object(w);
	json_kv_string(w, "created", o->created);
	if (author)
		json_kv_string(w, "author", author);
	for (const struct json *k = old->u.kids.first; k; k = k->next) {
		bool skip = false;

		for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
			skip = skip || str_eq(k->key, ours[i]);
		if (skip)
			continue;
		json_key(w, k->key);
		json_copy(w, k);
	}
	json_key(w, "config");
	put_config(w, member(old, "config"), o);
	json_key(w, "rootfs");
	json_begin_object(w);
	json_kv_string(w, "type", "layers");
	json_key(w, "diff_ids");
	json_begin_array(w);
	put_kids(w, member(member(old, "rootfs"), "diff_ids"));
	json_string(w, digest_text(&layer->diff_id, text));
	json_end_array(w);
	json_end_object(w);
	put_history(w, member(old, "history"), o, author, created_by);
	json_end_object(w);
}

/* ---- the manifest ---- */

static int put_manifest(struct store *s, const struct manifest *base, const struct digest *config, size_t config_len,
			const struct layer_result *layer, struct digest *ret, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	struct json_writer w = { .out = &b };
	bool docker = strstr(base->media_type, "docker") != NULL;

	json_begin_object(&w);
	json_kv_u64(&w, "schemaVersion", 2);
	json_kv_string(&w, "mediaType", docker ? base->media_type : "application/vnd.oci.image.manifest.v1+json");
	json_key(&w, "config");
	descriptor_json(&w, base->config.media_type, config, config_len);
	json_key(&w, "layers");
	json_begin_array(&w);
	for (size_t i = 0; i < base->n; i++)
		descriptor_json(&w, base->list[i].media_type, &base->list[i].digest, base->list[i].size);
	descriptor_json(&w, docker ? "application/vnd.docker.image.rootfs.diff.tar" : "application/vnd.oci.image.layer.v1.tar", &layer->blob,
		       layer->blob_size);
	json_end_array(&w);
	json_end_object(&w);
	hash_bytes(DIGEST_SHA256, b.p, b.len, ret);
	return store_put_blob(s, ret, b.p, b.len, err);
}

/* ---- all of it ---- */

static int write_config(struct store *s, const struct manifest *base, const struct archive_import_options *o, const char *author,
			const char *created_by, const struct layer_result *layer, struct digest *ret, size_t *ret_len, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_FREE char *text = NULL;
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	struct json *root;
	size_t n;
	int r = store_read_blob(s, &base->config.digest, IMAGE_CONFIG_MAX_BYTES, &text, &n, err);

	if (r < 0)
		return r;
	r = json_parse(&a, "image config", text, n, &root, err);
	if (r < 0)
		return r;
	if (root->type != JSON_OBJECT)
		return err_set(err, EINVAL, "image config: not an object");
	put_image(&w, root, o, author, created_by, layer);
	hash_bytes(DIGEST_SHA256, out.p, out.len, ret);
	*ret_len = out.len;
	return store_put_blob(s, ret, out.p, out.len, err);
}

int image_commit(struct store *s, const struct digest *base, int upper_fd, const struct archive_import_options *o, const char *author,
		 const char *created_by, const char *const *names, size_t n_names, struct store_image *ret, struct err *err)
{
	AUTO_MANIFEST struct manifest manifest = { 0 };
	AUTO_IMAGE_CONFIG struct image_config config = { 0 };
	struct digest config_digest, manifest_digest;
	struct layer_result layer;
	size_t config_len = 0;
	int r = store_hold(s, err);

	if (r < 0)
		return r;
	r = store_load_image(s, base, &manifest, &config, err);
	if (r == 0)
		r = make_layer(s, upper_fd, &layer, err);
	if (r == 0)
		r = write_config(s, &manifest, o, author, created_by, &layer, &config_digest, &config_len, err);
	if (r == 0)
		r = put_manifest(s, &manifest, &config_digest, config_len, &layer, &manifest_digest, err);
	if (r == 0)
		r = store_commit_image(s, &manifest_digest, names, n_names, ret, err);
	store_release(s);
	return r;
}
