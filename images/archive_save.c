/* SPDX-License-Identifier: Apache-2.0 */
#include "images/archive.h"
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
	uint8_t *buf;	    /* owned */
	struct digest *done; /* owned; blobs that are in it already */
	size_t n_done;
};

static int tar_header(struct out *o, const char *name, uint64_t size)
{
	char h[TAR_BLOCK] = { 0 };
	unsigned sum = 0;

	(void)snprintf(h, 100, "%s", name);
	memcpy(h + 100, "0000644\0" "0000000\0" "0000000\0", 24);
	if (size < 1ULL << 33) {
		(void)snprintf(h + 124, 12, "%011llo", (unsigned long long)size);
	} else {
		h[124] = (char)0x80; /* base 256 */
		for (int i = 0; i < 8; i++)
			h[135 - i] = (char)(size >> 8 * i & 0xff);
	}
	memcpy(h + 136, "00000000000", 11);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\0" "00", 8);
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

/* A member of size bytes that come from fd. */
static int put_stream(struct out *o, const char *name, int fd, uint64_t size, struct err *err)
{
	AUTO_CLOSE int file_fd = -1;
	uint64_t left = size;
	int to = o->tar_fd, r = 0;

	if (o->tar_fd >= 0)
		r = tar_header(o, name, size);
	else
		to = file_fd = openat(o->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
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

static int put_blob(struct store *s, struct out *o, const struct digest *d, struct err *err)
{
	AUTO_FREE char *path = store_blob_path(d);
	AUTO_CLOSE int fd = -1;
	struct stat st;

	for (size_t i = 0; i < o->n_done; i++)
		if (digest_eq(&o->done[i], d))
			return 0;
	fd = store_open_blob(s, d);
	if (fd == -ENOENT)
		return err_set(err, ENODATA, "the compressed layer %s was not kept in the image store: pull or load the image again with "
			       "blobs kept", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, fd < 0 ? fd : -errno, "open '%s'", path);
	o->done = xreallocarray(o->done, o->n_done + 1, sizeof(*o->done));
	o->done[o->n_done++] = *d;
	return put_stream(o, path, fd, (uint64_t)st.st_size, err);
}

static int put_image(struct store *s, struct out *o, const struct manifest *m, const struct store_image *image, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = put_blob(s, o, &m->list[i].digest, err);
	if (r == 0)
		r = put_blob(s, o, &image->config, err);
	return r == 0 ? put_blob(s, o, &image->manifest, err) : r;
}

static void index_entry(struct store *s, struct json_writer *w, const struct manifest *m, const struct store_image *image, const char *name)
{
	AUTO_FREE char *path = store_blob_path(&image->manifest);
	char text[DIGEST_TEXT_LEN];
	struct stat st = { 0 };

	(void)fstatat(s->root_fd, path, &st, 0); /* it was copied a moment ago */
	json_begin_object(w);
	json_kv_string(w, "mediaType", *m->media_type ? m->media_type : "application/vnd.oci.image.manifest.v1+json");
	json_kv_string(w, "digest", digest_text(&image->manifest, text));
	json_kv_u64(w, "size", (uint64_t)st.st_size);
	if (name) {
		json_key(w, "annotations");
		json_begin_object(w);
		json_kv_string(w, "io.containerd.image.name", name);
		json_kv_string(w, "org.opencontainers.image.ref.name", name);
		json_end_object(w);
	}
	json_end_object(w);
}

static void docker_entry(struct json_writer *w, const struct manifest *m, const struct store_image *image, const char *name)
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
	for (size_t i = 0; i < m->n; i++) {
		AUTO_FREE char *layer = store_blob_path(&m->list[i].digest);

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
		AUTO_IMAGE_CONFIG struct image_config c = { 0 };
		AUTO_MANIFEST struct manifest m = { 0 };

		r = store_load_image(s, &images[i].manifest, &m, &c, err);
		if (r == 0)
			r = put_image(s, o, &m, &images[i], err);
		if (r == 0) {
			index_entry(s, &wi, &m, &images[i], names ? names[i] : NULL);
			docker_entry(&wl, &m, &images[i], names ? names[i] : NULL);
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
