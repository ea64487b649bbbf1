/* SPDX-License-Identifier: Apache-2.0 */
#include "images/hash.h"
#include "images/image_config.h"
#include "images/manifest.h"
#include "images/store_priv.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10 };

struct check {
	struct store *s;
	const struct store_fsck_options *o;
	int findings;
	uint8_t *buf; /* owned */
};

static void found(struct check *c, const char *path, const char *why, bool removable)
{
	c->o->report(c->o->ctx, path, why);
	if (c->o->repair && removable && unlinkat(c->s->root_fd, path, 0) == 0)
		c->o->report(c->o->ctx, path, "removed");
	c->findings++;
}

static int check_blob(struct check *c, const char *path, const char *text)
{
	AUTO_CLOSE int fd = openat(c->s->root_fd, path, O_RDONLY | O_CLOEXEC);
	struct digest want, got;
	AUTO_HASH struct hash *h = NULL;
	ssize_t n;

	if (digest_parse(text, &want, NULL) < 0) {
		found(c, path, "name is not a digest", true);
		return 0;
	}
	if (fd < 0)
		return -errno;
	h = hash_new(want.algorithm);
	while ((n = fd_read_all(fd, c->buf, READ_BYTES)) > 0)
		hash_update(h, c->buf, (size_t)n);
	hash_final(h, &got);
	if (n < 0 || !digest_eq(&want, &got))
		found(c, path, n < 0 ? "cannot be read" : "contents do not have this digest", true);
	return 0;
}

static int check_sha256(void *ctx, const char *path, const char *name)
{
	AUTO_FREE char *text = xasprintf("sha256:%s", name);

	return check_blob(ctx, path, text);
}

static int check_sha512(void *ctx, const char *path, const char *name)
{
	AUTO_FREE char *text = xasprintf("sha512:%s", name);

	return check_blob(ctx, path, text);
}

/* Does the part of the data file have the checksum that the table recorded? */
static bool range_adds_up(struct check *c, int fd, uint64_t at, uint64_t n, uint64_t *crc)
{
	while (n) {
		ssize_t m = pread(fd, c->buf, n < READ_BYTES ? n : READ_BYTES, (off_t)at);

		if (m <= 0)
			return false;
		*crc = entry_crc64(*crc, c->buf, (size_t)m);
		at += (uint64_t)m;
		n -= (uint64_t)m;
	}
	return true;
}

static bool contents_add_up(struct check *c, int fd, const struct entry *e)
{
	uint64_t crc = 0;

	if (e->type != ENTRY_FILE)
		return true;
	if (e->inline_data)
		return entry_crc64(0, e->inline_data, e->size) == e->crc64;
	if (!e->n_extents)
		return range_adds_up(c, fd, e->data_offset, e->size, &crc) && crc == e->crc64;
	for (size_t i = 0; i < e->n_extents; i++) {
		struct entry_extent x = entry_extent_at(e, i);

		if (!range_adds_up(c, fd, e->data_offset + x.offset, x.len, &crc))
			return false;
	}
	return crc == e->crc64;
}

static void check_table(struct check *c, const char *path, const void *table, size_t n, int data_fd)
{
	struct entry *e = xmalloc(sizeof(*e));
	struct entry_reader reader;
	struct err err = { 0 };
	struct stat st;
	int r = entry_reader_init(&reader, table, n, true, &err);

	if (r == 0 && (fstat(data_fd, &st) < 0 || (uint64_t)st.st_size != reader.header.data_bytes))
		r = err_set(&err, EBADMSG, "data file has the wrong length");
	while (r == 0 && (r = entry_next(&reader, e, &err)) == 1)
		r = contents_add_up(c, data_fd, e) ? 0 : err_set(&err, EBADMSG, "contents of '%.200s' are damaged", e->path);
	if (r < 0)
		found(c, path, err.msg, true);
	free(e);
}

static int check_layer(void *ctx, const char *path, const char *name)
{
	struct check *c = ctx;
	AUTO_CLOSE int fd = -1, data_fd = -1;
	AUTO_FREE char *data = NULL;
	struct stat st;
	void *table;

	if (!str_ends(name, ".entries"))
		return 0;
	data = xasprintf("layers/%.*s.data", (int)(strlen(name) - strlen(".entries")), name);
	data_fd = openat(c->s->root_fd, data, O_RDONLY | O_CLOEXEC);
	fd = openat(c->s->root_fd, path, O_RDONLY | O_CLOEXEC);
	if (data_fd < 0 || fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
		found(c, path, "layer is not complete", true);
		return 0;
	}
	table = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (table == MAP_FAILED)
		return -errno;
	check_table(c, path, table, (size_t)st.st_size, data_fd);
	munmap(table, (size_t)st.st_size);
	return 0;
}

static bool files_are_equal(struct check *c, int a, int b)
{
	uint8_t *half = c->buf + READ_BYTES / 2;
	ssize_t n, m;

	do {
		n = fd_read_all(a, c->buf, READ_BYTES / 2);
		m = fd_read_all(b, half, READ_BYTES / 2);
	} while (n > 0 && n == m && memcmp(c->buf, half, (size_t)n) == 0);
	return n == 0 && m == 0;
}

/* The writer is deterministic: a chain is right when building it again gives the same bytes. */
static int check_chain(struct check *c, const struct image_config *config, struct store_image *i, struct err *err)
{
	AUTO_FREE char *path = store_chain_path(&i->chain);
	AUTO_CLOSE int old_fd = openat(c->s->root_fd, path, O_RDONLY | O_CLOEXEC), new_fd = -1;
	AUTO_FREE char *aside = xasprintf("tmp/fsck-%d", (int)getpid());
	int r;

	if (old_fd >= 0 && renameat(c->s->root_fd, path, c->s->root_fd, aside) < 0)
		return err_sys(err, -errno, "rename '%s'", path);
	r = store_build_chain(c->s, config->diff_ids, config->n_diff_ids, &i->chain, err);
	new_fd = r < 0 ? -1 : openat(c->s->root_fd, path, O_RDONLY | O_CLOEXEC);
	if (r == 0 && old_fd < 0) {
		c->o->report(c->o->ctx, path, "was missing, built");
	} else if (r == 0 && (new_fd < 0 || lseek(old_fd, 0, SEEK_SET) < 0 || !files_are_equal(c, old_fd, new_fd))) {
		c->o->report(c->o->ctx, path, "was damaged");
		c->findings += !c->o->repair;
		if (c->o->repair)
			c->o->report(c->o->ctx, path, "built again");
		else
			(void)renameat(c->s->root_fd, aside, c->s->root_fd, path);
	} else if (r == 0) {
		/* Same bytes: the old file, which may be mounted, goes back. */
		(void)renameat(c->s->root_fd, aside, c->s->root_fd, path);
	}
	(void)unlinkat(c->s->root_fd, aside, 0);
	return r;
}

static void check_image(struct check *c, struct store_image *i)
{
	AUTO_FREE char *path = store_image_path(&i->manifest);
	AUTO_IMAGE_CONFIG struct image_config config = { 0 };
	AUTO_MANIFEST struct manifest m = { 0 };
	struct err err = { 0 };
	int r = store_load_image(c->s, &i->manifest, &m, &config, &err);

	if (r == 0)
		r = check_chain(c, &config, i, &err);
	/* The record stays: it is what says which image to fetch again. */
	if (r < 0)
		found(c, path, err.msg, false);
}

int store_fsck(struct store *s, const struct store_fsck_options *o, struct err *err)
{
	struct check c = { .s = s, .o = o, .buf = xmalloc(READ_BYTES) };
	struct store_image *list = NULL;
	size_t n = 0;
	int r = store_lock(s, LOCK_EX, err);

	if (r == 0) {
		r = store_for_each(s, "blobs/sha256", check_sha256, &c);
		if (r == 0)
			r = store_for_each(s, "blobs/sha512", check_sha512, &c);
		if (r == 0)
			r = store_for_each(s, "layers", check_layer, &c);
		r = r < 0 ? err_sys(err, r, "check image store '%s'", s->root) : store_list(s, &list, &n, err);
		for (size_t i = 0; r == 0 && i < n; i++)
			check_image(&c, &list[i]);
		store_release(s);
	}
	store_list_done(list, n);
	free(c.buf);
	return r < 0 ? r : c.findings;
}
