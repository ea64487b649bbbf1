/* SPDX-License-Identifier: Apache-2.0 */
#include "images/archive.h"
#include "images/export.h"
#include "images/hash.h"
#include "images/image_config.h"
#include "images/manifest.h"
#include "images/store_priv.h"
#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 256 << 10, TAR_BLOCK = 512 };

/* Where members go: a directory, or a tar on a stream. */
struct out {
	int dir_fd, tar_fd; /* borrowed; one of them is -1 */
	bool flat;	    /* of the transport dir: */
	uint8_t *buf;	    /* owned */
	struct digest *done; /* owned; blobs that are in it already */
	size_t n_done;
};

static int tar_header(struct out *o, const char *name, uint64_t size)
{
	char h[TAR_BLOCK] = { 0 };
	unsigned sum = 0;

	(void)snprintf(h, 100, "%s", name);
	(void)snprintf(h + 100, 8, "0000644");
	(void)snprintf(h + 108, 8, "0000000");
	(void)snprintf(h + 116, 8, "0000000");
	if (size < 1ULL << 33) {
		(void)snprintf(h + 124, 12, "%011llo", (unsigned long long)size);
	} else {
		h[124] = (char)0x80; /* base 256 */
		for (int i = 0; i < 8; i++)
			h[135 - i] = (char)(size >> 8 * i & 0xff);
	}
	(void)snprintf(h + 136, 12, "00000000000");
	memset(h + 148, ' ', 8);
	h[156] = '0';
	(void)snprintf(h + 257, 6, "ustar");
	h[263] = h[264] = '0';
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (uint8_t)h[i];
	(void)snprintf(h + 148, 8, "%06o", sum);
	return fd_write_all(o->tar_fd, h, sizeof(h));
}

static int tar_pad(struct out *o, uint64_t size)
{
	static const char zeros[TAR_BLOCK];

	return fd_write_all(o->tar_fd, zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

/* Name of a blob's member, new string. */
static char *blob_name(const struct out *o, const struct digest *d)
{
	char hex[DIGEST_HEX_LEN];

	return o->flat ? xstrdup(digest_hex(d, hex)) : store_blob_path(d);
}

/* A member of size bytes that come from fd. */
static int put_stream(struct out *o, const char *name, int fd, uint64_t size, struct err *err)
{
	AUTO_CLOSE int file_fd = -1;
	uint64_t left = size;
	int to, r = 0;

	if (o->tar_fd >= 0)
		r = tar_header(o, name, size);
	else
		file_fd = openat(o->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	to = o->tar_fd >= 0 ? o->tar_fd : file_fd;
	if (to < 0)
		r = -errno;
	while (r == 0 && left) {
		ssize_t n = fd_read_all(fd, o->buf, left < COPY_BYTES ? (size_t)left : COPY_BYTES);

		r = n <= 0 ? (n < 0 ? (int)n : -EBADMSG) : fd_write_all(to, o->buf, (size_t)n);
		left -= n > 0 ? (uint64_t)n : 0;
	}
	if (r == 0 && o->tar_fd >= 0)
		r = tar_pad(o, size);
	return r < 0 ? err_sys(err, r, "write '%s'", name) : 0;
}

static int put_text(struct out *o, const char *name, const struct buf *b, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (o->tar_fd >= 0) {
		r = tar_header(o, name, b->len);
		if (r == 0)
			r = fd_write_all(o->tar_fd, b->p, b->len);
		if (r == 0)
			r = tar_pad(o, b->len);
	} else {
		fd = openat(o->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		r = fd < 0 ? -errno : fd_write_all(fd, b->p, b->len);
	}
	return r < 0 ? err_sys(err, r, "write '%s'", name) : 0;
}

/* Is the blob in it already? If not it will be, says the caller. */
static bool is_new(struct out *o, const struct digest *d)
{
	for (size_t i = 0; i < o->n_done; i++)
		if (digest_eq(&o->done[i], d))
			return false;
	o->done = xreallocarray(o->done, o->n_done + 1, sizeof(*o->done));
	o->done[o->n_done++] = *d;
	return true;
}

static int put_blob(struct store *s, struct out *o, const struct digest *d, struct err *err)
{
	AUTO_FREE char *path = blob_name(o, d);
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (!is_new(o, d))
		return 0;
	fd = store_open_blob(s, d);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, fd < 0 ? fd : -errno, "open '%s'", path);
	return put_stream(o, path, fd, (uint64_t)st.st_size, err);
}

static int write_member(void *ctx, const void *data, size_t n, struct err *err)
{
	const int *fd = ctx;
	int r = fd_write_all(*fd, data, n);

	return r < 0 ? err_sys(err, r, "write a layer") : 0;
}

/* A layer made again as a plain tar: its digest is the diffID. */
static int put_tar(struct store *s, struct out *o, const struct digest *diff_id, uint64_t size, struct err *err)
{
	AUTO_FREE char *path = blob_name(o, diff_id);
	AUTO_CLOSE int file_fd = -1;
	int to, r = 0;

	if (!is_new(o, diff_id))
		return 0;
	if (o->tar_fd >= 0)
		r = tar_header(o, path, size);
	else
		file_fd = openat(o->dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	to = o->tar_fd >= 0 ? o->tar_fd : file_fd;
	if (r < 0 || to < 0)
		return err_sys(err, r < 0 ? r : -errno, "write '%s'", path);
	r = export_tar(s, diff_id, write_member, &to, err);
	if (r == 0 && o->tar_fd >= 0) {
		r = tar_pad(o, size);
		if (r < 0)
			err_sys(err, r, "write '%s'", path);
	}
	return r;
}

/* An image as it is written: its own manifest, or one with plain layers where compressed ones were not kept. */
struct saved {
	struct manifest m;
	struct image_config c;
	struct export_layer *layers; /* owned */
	struct buf text;	     /* of the new manifest; empty: the stored one */
	struct digest manifest;
	uint64_t manifest_size;
};

static void saved_done(struct saved *v)
{
	manifest_done(&v->m);
	image_config_done(&v->c);
	free(v->layers);
	buf_done(&v->text);
}

static int plan(struct store *s, const struct store_image *image, struct saved *v, struct err *err)
{
	AUTO_FREE char *path = store_blob_path(&image->manifest);
	struct stat st = { 0 };
	bool changed = false;
	int r = store_load_image(s, &image->manifest, &v->m, &v->c, err);

	if (r < 0)
		return r;
	v->layers = xcalloc(v->m.n + 1, sizeof(*v->layers));
	for (size_t i = 0; r == 0 && i < v->m.n; i++) {
		v->layers[i] = (struct export_layer){ .digest = v->m.list[i].digest, .size = v->m.list[i].size };
		if (store_has_blob(s, &v->m.list[i].digest))
			continue;
		changed = true;
		v->layers[i].digest = v->c.diff_ids[i];
		v->layers[i].media_type = "application/vnd.oci.image.layer.v1.tar";
		r = export_tar_size(s, &v->c.diff_ids[i], &v->layers[i].size, err);
	}
	v->manifest = image->manifest;
	if (changed && r == 0) {
		export_manifest(&v->m, v->layers, &v->text);
		hash_bytes(DIGEST_SHA256, v->text.p, v->text.len, &v->manifest);
		v->manifest_size = v->text.len;
	} else if (r == 0) {
		if (fstatat(s->root_fd, path, &st, 0) < 0)
			return err_sys(err, -errno, "open '%s/%s'", s->root, path);
		v->manifest_size = (uint64_t)st.st_size;
	}
	return r;
}

/* Layers and config */
static int put_parts(struct store *s, struct out *o, const struct saved *v, const struct store_image *image, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->m.n; i++)
		r = v->layers[i].media_type ? put_tar(s, o, &v->c.diff_ids[i], v->layers[i].size, err) :
					      put_blob(s, o, &v->m.list[i].digest, err);
	return r == 0 ? put_blob(s, o, &image->config, err) : r;
}

static int put_image(struct store *s, struct out *o, const struct saved *v, const struct store_image *image, struct err *err)
{
	AUTO_FREE char *path = store_blob_path(&v->manifest);
	int r = put_parts(s, o, v, image, err);

	if (r < 0 || !v->text.len)
		return r < 0 ? r : put_blob(s, o, &image->manifest, err);
	return is_new(o, &v->manifest) ? put_text(o, path, &v->text, err) : 0;
}

static void index_entry(struct json_writer *w, const struct saved *v, const char *name)
{
	char text[DIGEST_TEXT_LEN];

	json_begin_object(w);
	json_kv_string(w, "mediaType", *v->m.media_type && !v->text.len ? v->m.media_type : "application/vnd.oci.image.manifest.v1+json");
	json_kv_string(w, "digest", digest_text(&v->manifest, text));
	json_kv_u64(w, "size", v->manifest_size);
	if (name) {
		json_key(w, "annotations");
		json_begin_object(w);
		json_kv_string(w, "io.containerd.image.name", name);
		json_kv_string(w, "org.opencontainers.image.ref.name", name);
		json_end_object(w);
	}
	json_end_object(w);
}

static void docker_entry(struct json_writer *w, const struct saved *v, const struct store_image *image, const char *name)
{
	AUTO_FREE char *config = store_blob_path(&image->config);

	json_begin_object(w);
	json_kv_string(w, "Config", config);
	json_key(w, "RepoTags");
	json_begin_array(w);
	if (name)
		json_string(w, name);
	json_end_array(w);
	json_key(w, "Layers");
	json_begin_array(w);
	for (size_t i = 0; i < v->m.n; i++) {
		AUTO_FREE char *layer = store_blob_path(&v->layers[i].digest);

		json_string(w, layer);
	}
	json_end_array(w);
	json_end_object(w);
}

static int save(struct store *s, const struct store_image *images, const char *const *names, size_t n, struct out *o, bool docker,
		struct err *err)
{
	static char layout_text[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	struct buf layout = { .p = layout_text, .len = sizeof(layout_text) - 1 };
	AUTO_BUF struct buf index = { 0 }, list = { 0 };
	struct json_writer wi = { .out = &index }, wl = { .out = &list };
	int r = 0;

	json_begin_object(&wi);
	json_kv_u64(&wi, "schemaVersion", 2);
	json_kv_string(&wi, "mediaType", "application/vnd.oci.image.index.v1+json");
	json_key(&wi, "manifests");
	json_begin_array(&wi);
	json_begin_array(&wl);
	for (size_t i = 0; r == 0 && i < n; i++) {
		CLEANUP(saved_done) struct saved v = { .m.media_type = "" };

		r = plan(s, &images[i], &v, err);
		if (r == 0)
			r = put_image(s, o, &v, &images[i], err);
		if (r == 0) {
			index_entry(&wi, &v, names ? names[i] : NULL);
			docker_entry(&wl, &v, &images[i], names ? names[i] : NULL);
		}
	}
	json_end_array(&wi);
	json_end_object(&wi);
	json_end_array(&wl);
	/* What says that the layout is one comes last. */
	if (r == 0 && docker)
		r = put_text(o, "manifest.json", &list, err);
	if (r == 0)
		r = put_text(o, "index.json", &index, err);
	return r == 0 ? put_text(o, "oci-layout", &layout, err) : r;
}

int archive_save_dir(struct store *s, const struct store_image *images, const char *const *names, size_t n, int dir_fd, struct err *err)
{
	static const char *const folders[] = { "blobs", "blobs/sha256", "blobs/sha512" };
	struct out o = { .dir_fd = dir_fd, .tar_fd = -1, .buf = xmalloc(COPY_BYTES) };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		if (mkdirat(dir_fd, folders[i], 0755) < 0 && errno != EEXIST)
			r = err_sys(err, -errno, "make directory '%s'", folders[i]);
	if (r == 0)
		r = save(s, images, names, n, &o, false, err);
	(void)unlinkat(dir_fd, "blobs/sha512", AT_REMOVEDIR); /* stays when it is used */
	free(o.done);
	free(o.buf);
	return r;
}

/* The manifest last, under a name of its own. */
static int put_flat(struct store *s, struct out *o, const struct store_image *image, struct err *err)
{
	static char version_text[] = "Directory Transport Version: 1.1\n";
	struct buf version = { .p = version_text, .len = sizeof(version_text) - 1 };
	CLEANUP(saved_done) struct saved v = { .m.media_type = "" };
	AUTO_CLOSE int fd = -1;
	int r = plan(s, image, &v, err);

	if (r == 0)
		r = put_text(o, "version", &version, err);
	if (r == 0)
		r = put_parts(s, o, &v, image, err);
	if (r < 0 || v.text.len)
		return r < 0 ? r : put_text(o, "manifest.json", &v.text, err);
	fd = store_open_blob(s, &image->manifest);
	return fd < 0 ? err_sys(err, fd, "open the manifest") : put_stream(o, "manifest.json", fd, v.manifest_size, err);
}

int archive_save_flat(struct store *s, const struct store_image *image, int dir_fd, struct err *err)
{
	struct out o = { .dir_fd = dir_fd, .tar_fd = -1, .flat = true, .buf = xmalloc(COPY_BYTES) };
	int r = put_flat(s, &o, image, err);

	free(o.done);
	free(o.buf);
	return r;
}

int archive_save_tar(struct store *s, const struct store_image *images, const char *const *names, size_t n, int out_fd, bool docker,
		     struct err *err)
{
	static const char end[2 * TAR_BLOCK];
	struct out o = { .dir_fd = -1, .tar_fd = out_fd, .buf = xmalloc(COPY_BYTES) };
	int r = save(s, images, names, n, &o, docker, err);

	if (r == 0) {
		r = fd_write_all(out_fd, end, sizeof(end));
		if (r < 0)
			err_sys(err, r, "write archive");
	}
	free(o.done);
	free(o.buf);
	return r;
}
