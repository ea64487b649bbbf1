/* SPDX-License-Identifier: Apache-2.0 */
#include "images/export.h"

#include "images/entry.h"
#include "images/hash.h"
#include "images/store_priv.h"
#include "images/tarlog.h"
#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { OUT_BYTES = 256 << 10 };

/* ---- the tar ---- */

struct checked {
	struct hash *hash;
	int (*sink)(void *ctx, const void *data, size_t n, struct err *err);
	void *ctx;
};

static int hash_and_pass(void *ctx, const void *data, size_t n, struct err *err)
{
	struct checked *c = ctx;

	hash_update(c->hash, data, n);
	return c->sink(c->ctx, data, n, err);
}

static int map_table(struct store *s, const struct digest *diff_id, void **ret, size_t *ret_n, struct err *err)
{
	AUTO_FREE char *path = store_layer_path(diff_id, ".entries");
	AUTO_CLOSE int fd = openat(s->root_fd, path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, -errno, "open '%s/%s'", s->root, path);
	*ret = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	*ret_n = (size_t)st.st_size;
	return *ret == MAP_FAILED ? err_sys(err, -errno, "map '%s/%s'", s->root, path) : 0;
}

int export_tar(struct store *s, const struct digest *diff_id, int (*sink)(void *ctx, const void *data, size_t n, struct err *err), void *ctx,
	       struct err *err)
{
	AUTO_FREE char *log = store_layer_path(diff_id, ".log"), *data = store_layer_path(diff_id, ".data");
	AUTO_CLOSE int log_fd = openat(s->root_fd, log, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int data_fd = openat(s->root_fd, data, O_RDONLY | O_CLOEXEC);
	AUTO_HASH struct hash *hash = hash_new(diff_id->algorithm);
	struct checked c = { .hash = hash, .sink = sink, .ctx = ctx };
	char text[DIGEST_TEXT_LEN];
	struct digest got;
	void *table = NULL;
	size_t n = 0;
	int r;

	if (log_fd < 0)
		return err_set(err, ENODATA, "layer %s cannot be made again: its tar was too unusual to be recorded, and its compressed form was "
					     "not kept", digest_text(diff_id, text));
	if (data_fd < 0)
		return err_sys(err, -errno, "open '%s/%s'", s->root, data);
	r = map_table(s, diff_id, &table, &n, err);
	if (r < 0)
		return r;
	r = tarlog_replay(log_fd, table, n, data_fd, hash_and_pass, &c, err);
	munmap(table, n);
	if (r < 0)
		return err_wrap(err, "layer %s", digest_text(diff_id, text));
	hash_final(hash, &got);
	return digest_eq(&got, diff_id) ? 0 : err_set(err, EBADMSG, "layer %s: its files are damaged (brig image fsck)", digest_text(diff_id, text));
}

int export_tar_size(struct store *s, const struct digest *diff_id, uint64_t *ret, struct err *err)
{
	struct entry_reader reader;
	void *table = NULL;
	size_t n = 0;
	int r = map_table(s, diff_id, &table, &n, err);

	if (r < 0)
		return r;
	r = entry_reader_init(&reader, table, n, false, err);
	*ret = r == 0 ? reader.header.tar_bytes : 0;
	munmap(table, n);
	return r;
}

/* ---- gzip ---- */

struct gzip {
	struct isal_zstream z;
	uint8_t level[ISAL_DEF_LVL1_DEFAULT];
	uint8_t out[OUT_BYTES];
	int fd;
	struct hash *hash;
	uint64_t size;
};

static int deflate(struct gzip *g, const void *data, size_t n, bool last, struct err *err)
{
	uint8_t *p = NULL;
	int r = 0;

	memcpy(&p, &data, sizeof(p));
	g->z.next_in = p;
	g->z.avail_in = (uint32_t)n;
	g->z.end_of_stream = last;
	do {
		size_t got;

		g->z.next_out = g->out;
		g->z.avail_out = OUT_BYTES;
		if (isal_deflate(&g->z) != COMP_OK)
			return err_set(err, EIO, "compress layer");
		got = OUT_BYTES - g->z.avail_out;
		hash_update(g->hash, g->out, got);
		g->size += got;
		r = fd_write_all(g->fd, g->out, got);
		if (r < 0)
			return err_sys(err, r, "write compressed layer");
	} while (g->z.avail_out == 0 || (last && g->z.internal_state.state != ZSTATE_END));
	return 0;
}

static int gzip_sink(void *ctx, const void *data, size_t n, struct err *err)
{
	return deflate(ctx, data, n, false, err);
}

int export_gzip(struct store *s, const struct digest *diff_id, int out_fd, struct digest *ret, uint64_t *ret_size, struct err *err)
{
	AUTO_FREE struct gzip *g = xcalloc(1, sizeof(*g));
	AUTO_HASH struct hash *hash = hash_new(DIGEST_SHA256);
	int r;

	isal_deflate_init(&g->z);
	g->z.level = 1;
	g->z.level_buf = g->level;
	g->z.level_buf_size = sizeof(g->level);
	g->z.gzip_flag = IGZIP_GZIP;
	g->fd = out_fd;
	g->hash = hash;
	r = export_tar(s, diff_id, gzip_sink, g, err);
	if (r == 0)
		r = deflate(g, "", 0, true, err);
	if (r < 0)
		return r;
	hash_final(hash, ret);
	*ret_size = g->size;
	return 0;
}

/* ---- the manifest ---- */

void export_manifest(const struct manifest *m, const struct export_layer *layers, struct buf *ret)
{
	struct json_writer w = { .out = ret };

	json_begin_object(&w);
	json_kv_u64(&w, "schemaVersion", 2);
	json_kv_string(&w, "mediaType", "application/vnd.oci.image.manifest.v1+json");
	json_key(&w, "config");
	descriptor_json(&w, "application/vnd.oci.image.config.v1+json", &m->config.digest, m->config.size);
	json_key(&w, "layers");
	json_begin_array(&w);
	for (size_t i = 0; i < m->n; i++)
		descriptor_json(&w, layers[i].media_type ? layers[i].media_type : m->list[i].media_type, &layers[i].digest, layers[i].size);
	json_end_array(&w);
	json_end_object(&w);
}
