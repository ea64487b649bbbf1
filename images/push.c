/* SPDX-License-Identifier: Apache-2.0 */
#include "images/push.h"

#include "images/export.h"
#include "images/hash.h"
#include "images/image_config.h"
#include "images/registries.h"
#include "images/store_priv.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct push {
	struct store *s;
	const struct push_options *o;
	const struct reference *dest;
	struct registry *registry;
	struct manifest manifest;
	struct image_config config;
	struct transfer_item *items;
	struct export_layer *layers; /* as they are in the registry */
	char **mounts;		     /* repositories of the same registry */
	size_t n_mounts;
	bool cancel;
};

static void push_done(struct push *p)
{
	registry_free(p->registry);
	manifest_done(&p->manifest);
	image_config_done(&p->config);
	for (size_t i = 0; i < p->n_mounts; i++)
		free(p->mounts[i]);
	free(p->mounts);
	free(p->items);
	free(p->layers);
}

/* ---- layers ---- */

/* A worker: its connection, and the blob that is on its way. */
struct pusher {
	struct registry_conn *conn;
	struct transfer *t;
	size_t i;
};

static int open_pusher(void *ctx, void **ret, struct err *err)
{
	struct push *p = ctx;
	struct pusher *w = xcalloc(1, sizeof(*w));
	int r = registry_connect(p->registry, &w->conn, err);

	if (r < 0)
		free(w);
	else
		*ret = w;
	return r;
}

static void close_pusher(void *worker)
{
	struct pusher *w = worker;

	registry_disconnect(w->conn);
	free(w);
}

static void on_sent(void *ctx, uint64_t n)
{
	struct pusher *w = ctx;

	transfer_add(w->t, w->i, n);
}

static int send_fd(struct push *p, struct pusher *w, const struct digest *d, int fd, uint64_t size, const char *upload, struct err *err)
{
	return registry_put_blob(w->conn, d, fd, size, upload, p->o->chunk_bytes, on_sent, w, err);
}

static int send_kept(struct push *p, struct pusher *w, const struct digest *d, const char *upload, struct err *err)
{
	AUTO_CLOSE int fd = store_open_blob(p->s, d);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, fd < 0 ? fd : -errno, "open a kept blob");
	return send_fd(p, w, d, fd, (uint64_t)st.st_size, upload, err);
}

/* The layer made again; its descriptor changes. */
static int send_made(struct push *p, struct pusher *w, const char *upload, struct err *err)
{
	AUTO_TEMP struct store_temp t = { .fd = -1 };
	struct export_layer *l = &p->layers[w->i];
	bool there = false;
	int r = store_temp_open(p->s, &t);

	if (r < 0)
		return err_sys(err, r, "make a file in '%s/tmp'", p->s->root);
	r = export_gzip(p->s, &p->config.diff_ids[w->i], t.fd, &l->digest, &l->size, err);
	if (r < 0)
		return r;
	l->media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
	p->items[w->i].size = l->size;
	r = registry_has_blob(w->conn, &l->digest, &there, err);
	if (r == 0 && there)
		transfer_set_state(w->t, w->i, TRANSFER_EXISTS);
	return r < 0 || there ? r : send_fd(p, w, &l->digest, t.fd, l->size, upload, err);
}

static int mount_one(struct push *p, struct pusher *w, const struct digest *d, bool *ret, char **upload, struct err *err)
{
	int r = 0;

	*ret = false;
	*upload = NULL;
	for (size_t k = 0; r == 0 && !*ret && k < p->n_mounts; k++) {
		free(*upload);
		r = registry_mount_blob(w->conn, d, p->mounts[k], ret, upload, err);
	}
	return r;
}

static int move_layer(struct transfer *t, void *worker, size_t i, struct err *err)
{
	struct push *p = t->work->ctx;
	struct pusher *w = worker;
	const struct digest *d = &p->manifest.list[i].digest;
	AUTO_FREE char *upload = NULL;
	bool there = false;
	int r;

	w->t = t;
	w->i = i;
	r = registry_has_blob(w->conn, d, &there, err);
	if (r == 0 && there) {
		transfer_set_state(t, i, TRANSFER_EXISTS);
		return 0;
	}
	if (r == 0)
		r = mount_one(p, w, d, &there, &upload, err);
	if (r == 0 && there) {
		transfer_set_state(t, i, TRANSFER_MOUNTED);
		return 0;
	}
	if (r < 0)
		return r;
	return store_has_blob(p->s, d) ? send_kept(p, w, d, upload, err) : send_made(p, w, upload, err);
}

/* The same blob once, and blobs that may not be passed on not at all. */
static bool is_skipped(const struct push *p, size_t i)
{
	const char *type = p->manifest.list[i].media_type;

	for (size_t k = 0; k < i; k++)
		if (digest_eq(&p->manifest.list[k].digest, &p->manifest.list[i].digest))
			return true;
	return strstr(type, ".nondistributable.") || strstr(type, ".foreign.");
}

static int send_layers(struct push *p, struct err *err)
{
	struct transfer_work work = { .open = open_pusher, .close = close_pusher, .move = move_layer, .ctx = p };
	struct transfer t = { .n = p->manifest.n, .work = &work, .observer = p->o->observer, .cancel = &p->cancel };
	int r;

	p->items = xcalloc(t.n + 1, sizeof(*p->items));
	p->layers = xcalloc(t.n + 1, sizeof(*p->layers));
	for (size_t i = 0; i < t.n; i++) {
		p->items[i].digest = p->layers[i].digest = p->manifest.list[i].digest;
		p->items[i].size = p->layers[i].size = p->manifest.list[i].size;
		if (is_skipped(p, i))
			p->items[i].state = TRANSFER_EXISTS;
	}
	t.items = p->items;
	r = transfer_run(&t, p->o->parallel ? p->o->parallel : 1, err);
	/* A repeated layer is what became of the first. */
	for (size_t i = 0; i < t.n; i++)
		for (size_t k = 0; k < i; k++)
			if (digest_eq(&p->manifest.list[k].digest, &p->manifest.list[i].digest))
				p->layers[i] = p->layers[k];
	return r;
}

/* ---- config and manifest ---- */

static void step(const struct push *p, const char *what, const struct digest *d)
{
	if (p->o->observer && p->o->observer->step)
		p->o->observer->step(p->o->observer->ctx, what, d);
}

static int send_config(struct push *p, struct registry_conn *c, struct err *err)
{
	const struct digest *d = &p->manifest.config.digest;
	AUTO_CLOSE int fd = -1;
	bool there = false;
	struct stat st;
	int r = registry_has_blob(c, d, &there, err);

	if (r < 0 || there)
		return r;
	step(p, "Copying config", d);
	fd = store_open_blob(p->s, d);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, fd < 0 ? fd : -errno, "open the image's config");
	return registry_put_blob(c, d, fd, (uint64_t)st.st_size, NULL, 0, NULL, NULL, err);
}

static bool is_changed(const struct push *p)
{
	for (size_t i = 0; i < p->manifest.n; i++)
		if (p->layers[i].media_type)
			return true;
	return false;
}

static int send_manifest(struct push *p, struct registry_conn *c, const struct store_image *image, struct digest *ret, bool *ret_changed,
			 struct err *err)
{
	const char *type = *p->manifest.media_type ? p->manifest.media_type : "application/vnd.oci.image.manifest.v1+json";
	AUTO_BUF struct buf fresh = { 0 };
	AUTO_FREE char *text = NULL;
	char digest[DIGEST_TEXT_LEN];
	size_t n;
	int r = 0;

	*ret_changed = is_changed(p);
	if (*ret_changed) {
		export_manifest(&p->manifest, p->layers, &fresh);
		n = fresh.len;
		text = buf_take(&fresh);
		hash_bytes(DIGEST_SHA256, text, n, ret);
		type = "application/vnd.oci.image.manifest.v1+json";
	} else {
		r = store_read_blob(p->s, &image->manifest, MANIFEST_MAX_BYTES, &text, &n, err);
		*ret = image->manifest;
	}
	if (r < 0)
		return r;
	digest_text(ret, digest);
	if (digest_is_set(&p->dest->digest) && !digest_eq(&p->dest->digest, ret))
		return err_set(err, EINVAL, "the manifest's digest is %s, so it cannot be pushed as another", digest);
	step(p, "Writing manifest", ret);
	return registry_put_manifest(c, digest_is_set(&p->dest->digest) ? digest : p->dest->tag, type, text, n, err);
}

/* Repositories of the same registry that the image has names in. */
static void find_mounts(struct push *p, const struct store_image *image)
{
	for (size_t i = 0; i < image->n_names; i++) {
		AUTO_REFERENCE struct reference r = { 0 };

		if (reference_parse(image->names[i], &r, NULL) < 0 || !str_eq(r.host, p->dest->host) || str_eq(r.path, p->dest->path))
			continue;
		registry_also_pull(p->registry, r.path);
		p->mounts = xreallocarray(p->mounts, p->n_mounts + 1, sizeof(char *));
		p->mounts[p->n_mounts++] = xstrdup(r.path);
	}
}

static int open_registry(struct push *p, struct err *err)
{
	AUTO_REGISTRIES struct registries conf = { 0 };
	struct registry_options ro = p->o->registry;
	struct registry_source *sources = NULL;
	size_t n = 0;
	int r = registries_load(&conf, err);

	if (r == 0)
		r = registries_sources(&conf, p->dest, &sources, &n, err);
	if (r < 0)
		return r;
	ro.cancel = &p->cancel;
	if (p->o->observer) {
		ro.note = p->o->observer->note;
		ro.ctx = p->o->observer->ctx;
	}
	/* Mirrors are for reading: the last is the place itself. */
	r = registry_open(&sources[n - 1].ref, sources[n - 1].insecure, true, &ro, &p->registry, err);
	registry_sources_done(sources, n);
	return r;
}

static int push(struct push *p, const struct store_image *image, struct digest *ret, bool *ret_changed, struct err *err)
{
	AUTO_CONN struct registry_conn *conn = NULL;
	int r = store_load_image(p->s, &image->manifest, &p->manifest, &p->config, err);

	if (r == 0)
		r = open_registry(p, err);
	if (r < 0)
		return r;
	find_mounts(p, image);
	r = registry_connect(p->registry, &conn, err);
	if (r == 0)
		r = send_layers(p, err);
	if (r == 0)
		r = send_config(p, conn, err);
	return r == 0 ? send_manifest(p, conn, image, ret, ret_changed, err) : r;
}

int push_image(struct store *s, const struct store_image *image, const struct reference *dest, const struct push_options *o,
	       struct digest *ret, bool *ret_changed, struct err *err)
{
	CLEANUP(push_done) struct push p = { .s = s, .o = o, .dest = dest, .manifest = { .media_type = "" } };
	AUTO_FREE char *name = reference_text(dest);
	int r = store_hold(s, err);

	if (r < 0)
		return r;
	if (o->observer && o->observer->start)
		o->observer->start(o->observer->ctx, name);
	r = push(&p, image, ret, ret_changed, err);
	store_release(s);
	return r < 0 ? err_wrap(err, "push '%s'", name) : 0;
}
