/* SPDX-License-Identifier: Apache-2.0 */
#include "images/dirsink.h"
#include "images/erofs.h"
#include "images/hash.h"
#include "images/store_priv.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10 };

/* A crash of the machine may have left it cut short. */
static bool is_whole(struct store *s, const char *path, const void *data, size_t n)
{
	AUTO_FREE char *have = NULL;
	size_t have_n;

	return fd_read_file(s->root_fd, path, n, &have, &have_n) == 0 && have_n == n && memcmp(have, data, n) == 0;
}

int store_put_blob(struct store *s, const struct digest *d, const void *data, size_t n, struct err *err)
{
	AUTO_FREE char *path = store_blob_path(d);
	AUTO_TEMP struct store_temp t = { .fd = -1 };
	int r = hash_check(d, data, n, "blob", err);

	if (r < 0)
		return r;
	if (is_whole(s, path, data, n))
		return 0;
	r = store_temp_open(s, &t);
	if (r == 0)
		r = fd_write_all(t.fd, data, n);
	if (r == 0)
		r = store_temp_rename(s, &t, path);
	return r < 0 ? err_sys(err, r, "write '%s/%s'", s->root, path) : 0;
}

int store_read_blob(struct store *s, const struct digest *d, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	AUTO_FREE char *path = store_blob_path(d);
	AUTO_FREE char *data = NULL;
	size_t n;
	int r = fd_read_file(s->root_fd, path, max, &data, &n);

	if (r < 0)
		return err_sys(err, r, "read '%s/%s'", s->root, path);
	r = hash_check(d, data, n, path, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(data);
	if (ret_n)
		*ret_n = n;
	return 0;
}

/* ---- bringing a layer in ---- */

struct store_import {
	struct store *s; /* borrowed */
	struct store_temp data, entries, blob, log;
	struct layer *layer;
};

int store_import_begin(struct store *s, const struct layer_options *expected, struct store_import **ret, struct err *err)
{
	AUTO_IMPORT struct store_import *i = xcalloc(1, sizeof(*i));
	struct layer_options o = *expected;
	int r;

	i->s = s;
	i->data.fd = i->entries.fd = i->blob.fd = i->log.fd = -1;
	r = store_temp_open(s, &i->data);
	if (r == 0)
		r = store_temp_open(s, &i->entries);
	if (r == 0)
		r = store_temp_open(s, &i->log);
	if (r == 0 && s->keep_blobs)
		r = store_temp_open(s, &i->blob);
	if (r < 0)
		return err_sys(err, r, "make a file in '%s/tmp'", s->root);
	o.data_fd = i->data.fd;
	o.entries_fd = i->entries.fd;
	o.keep_fd = i->blob.fd;
	o.log_fd = i->log.fd;
	o.direct = s->sync;
	r = layer_begin(&o, &i->layer, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(i);
	return 0;
}

int store_import_push(struct store_import *i, const void *data, size_t n, struct err *err)
{
	return layer_push(i->layer, data, n, err);
}

/* The table, whose name says that the layer exists, is the last. */
static int commit(struct store_import *i, const struct layer_result *res)
{
	AUTO_FREE char *data = store_layer_path(&res->diff_id, ".data"), *entries = store_layer_path(&res->diff_id, ".entries");
	AUTO_FREE char *blob = store_blob_path(&res->blob), *log = store_layer_path(&res->diff_id, ".log");
	AUTO_BATCH struct store_batch b = { .s = i->s };

	if (i->blob.fd >= 0)
		store_batch_take(&b, &i->blob, blob);
	/* Somebody else brought the same layer meanwhile: theirs may be mounted already, so it stays. */
	if (!store_has_layer(i->s, &res->diff_id)) {
		if (res->logged)
			store_batch_take(&b, &i->log, log);
		store_batch_take(&b, &i->data, data);
		store_batch_take(&b, &i->entries, entries);
	}
	return store_batch_commit(&b);
}

int store_import_finish(struct store_import *i, struct layer_result *ret, struct err *err)
{
	struct layer_result res;
	int r = layer_finish(i->layer, &res, err);

	if (r < 0)
		return r;
	r = commit(i, &res);
	if (r < 0)
		return err_sys(err, r, "write layer to image store '%s'", i->s->root);
	*ret = res;
	return 0;
}

void store_import_free(struct store_import *i)
{
	if (!i)
		return;
	layer_free(i->layer);
	store_temp_done(&i->data);
	store_temp_done(&i->entries);
	store_temp_done(&i->log);
	store_temp_done(&i->blob);
	free(i);
}

void cleanup_store_import(struct store_import **i)
{
	store_import_free(*i);
}

int store_import_fd(struct store *s, const struct layer_options *expected, int fd, struct layer_result *ret, struct err *err)
{
	AUTO_IMPORT struct store_import *i = NULL;
	AUTO_FREE char *buf = xmalloc(READ_BYTES);
	int r = store_import_begin(s, expected, &i, err);

	while (r == 0) {
		ssize_t n = read(fd, buf, READ_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "read layer");
		if (n == 0)
			return store_import_finish(i, ret, err);
		r = store_import_push(i, buf, (size_t)n, err);
	}
	return r;
}

/* ---- chains ---- */

static int layer_map(struct store *s, const struct digest *d, struct chain_layer *l)
{
	AUTO_FREE char *entries = store_layer_path(d, ".entries"), *data = store_layer_path(d, ".data");
	AUTO_CLOSE int fd = openat(s->root_fd, entries, O_RDONLY | O_CLOEXEC);
	struct stat st;

	l->data_fd = openat(s->root_fd, data, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || l->data_fd < 0 || fstat(l->data_fd, &st) < 0)
		return -errno;
	l->data_bytes = (uint64_t)st.st_size;
	if (fstat(fd, &st) < 0)
		return -errno;
	l->table = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (l->table == MAP_FAILED) {
		l->table = NULL;
		return -errno;
	}
	l->table_bytes = (size_t)st.st_size;
	return 0;
}

void store_chain_close(struct store_chain *c)
{
	tree_done(&c->tree);
	for (size_t i = 0; i < c->n; i++) {
		if (c->layers[i].table)
			munmap(c->layers[i].table, c->layers[i].table_bytes);
		fd_close(&c->layers[i].data_fd);
	}
	free(c->layers);
	*c = (struct store_chain){ 0 };
}

static int chain_add(struct store *s, struct store_chain *c, const struct digest *d, struct err *err)
{
	struct chain_layer *l = &c->layers[c->n++];
	char text[DIGEST_TEXT_LEN];
	struct entry_reader reader;
	int r;

	l->data_fd = -1;
	digest_hex(d, l->hex);
	r = layer_map(s, d, l);
	if (r < 0)
		return err_sys(err, r, "open layer %s", digest_text(d, text));
	r = entry_reader_init(&reader, l->table, l->table_bytes, true, err);
	if (r == 0 && reader.header.data_bytes != l->data_bytes)
		r = err_set(err, EBADMSG, "its data file has the wrong length");
	if (r == 0)
		r = tree_add_layer(&c->tree, l->table, l->table_bytes, err);
	return r < 0 ? err_wrap(err, "layer %s", digest_text(d, text)) : 0;
}

int store_chain_open(struct store *s, const struct digest *diff_ids, size_t n, struct store_chain *ret, struct err *err)
{
	struct store_chain c = { 0 };
	int r = 0;

	if (n > STORE_MAX_LAYERS)
		return err_set(err, EFBIG, "more than %d layers", STORE_MAX_LAYERS);
	c.layers = xcalloc(n + 1, sizeof(*c.layers));
	tree_init(&c.tree);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = chain_add(s, &c, &diff_ids[i], err);
	if (r < 0) {
		store_chain_close(&c);
		return r;
	}
	*ret = c;
	return 0;
}

static int write_chain(struct store_batch *b, struct store_chain *c, const struct digest *chain, const char *path, uint64_t *ret_bytes,
		       struct err *err)
{
	AUTO_FREE struct erofs_device *devices = xcalloc(c->n + 1, sizeof(*devices));
	AUTO_TEMP struct store_temp t = { .fd = -1 };
	struct stat st;
	int r = store_temp_open(b->s, &t);

	if (r < 0)
		return err_sys(err, r, "make a file in '%s/tmp'", b->s->root);
	for (size_t i = 0; i < c->n; i++)
		devices[i] = (struct erofs_device){ c->layers[i].hex, c->layers[i].data_bytes };
	r = erofs_write(t.fd, &c->tree, devices, c->n, chain->bytes, err);
	if (r < 0)
		return r;
	if (fstat(t.fd, &st) < 0)
		return err_sys(err, -errno, "look at '%s/%s'", b->s->root, t.name);
	*ret_bytes = (uint64_t)st.st_size;
	store_batch_take(b, &t, path);
	return 0;
}

int store_add_chain(struct store_batch *b, const struct digest *diff_ids, size_t n, struct digest *ret_chain, uint64_t *ret_bytes,
		    struct err *err)
{
	struct digest chain = { 0 };
	struct store_chain c;
	AUTO_FREE char *path = NULL;
	struct stat st;
	int r;

	if (!n)
		return err_set(err, EINVAL, "image has no layers");
	for (size_t i = 0; i < n; i++) {
		struct digest parent = chain;

		chain_id(i ? &parent : NULL, &diff_ids[i], &chain);
	}
	*ret_chain = chain;
	path = store_chain_path(&chain);
	if (fstatat(b->s->root_fd, path, &st, 0) == 0) {
		*ret_bytes = (uint64_t)st.st_size;
		return 0;
	}
	r = store_chain_open(b->s, diff_ids, n, &c, err);
	if (r < 0)
		return r;
	r = write_chain(b, &c, &chain, path, ret_bytes, err);
	store_chain_close(&c);
	return r;
}

int store_build_chain(struct store *s, const struct digest *diff_ids, size_t n, struct digest *ret_chain, struct err *err)
{
	AUTO_BATCH struct store_batch b = { .s = s };
	uint64_t bytes;
	int r = store_add_chain(&b, diff_ids, n, ret_chain, &bytes, err);

	if (r < 0)
		return r;
	r = store_batch_commit(&b);
	return r < 0 ? err_sys(err, r, "write '%s/chains'", s->root) : 0;
}

int store_unpack(struct store *s, const struct digest *diff_ids, size_t n, const struct dirsink_options *options, struct err *err)
{
	AUTO_FREE int *fds = xcalloc(n + 1, sizeof(*fds));
	struct dirsink_options o = *options;
	struct dirsink_result res;
	struct store_chain c;
	int r = store_chain_open(s, diff_ids, n, &c, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		fds[i] = c.layers[i].data_fd;
	o.data_fds = fds;
	r = dirsink_write(&c.tree, &o, &res, err);
	store_chain_close(&c);
	return r;
}
