/* SPDX-License-Identifier: Apache-2.0 */
#include "images/layer_tar.h"

#include "images/entry.h"
#include "images/layer_data.h"
#include "images/layer_xattr.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TABLE_FLUSH_BYTES = 256 << 10 };

/* Everything the walk over one tar carries along. */
struct walk {
	struct layer_tar *t;
	struct archive *a; /* owned */
	struct data_writer data;
	struct buf table;	/* encoded records that are not written yet */
	uint64_t table_bytes, table_crc64;
	struct buf extents; /* of the current sparse file */
	struct xattr_list xattrs;
	struct entry e;
	char path[ENTRY_PATH_MAX + 1], link[ENTRY_PATH_MAX + 1];
	uint8_t small[ENTRY_INLINE_MAX];
};

static la_ssize_t on_read(struct archive *a, void *ctx, const void **ret)
{
	struct layer_tar *t = ctx;
	ssize_t n = t->read(t->ctx, ret);

	if (n < 0)
		archive_set_error(a, EIO, "the stream failed");
	return n;
}

static int tar_err(struct walk *w, struct err *err)
{
	const char *text = archive_error_string(w->a);

	return err_set(err, EBADMSG, "tar: %s", text ? text : "damaged archive");
}

static int table_flush(struct walk *w, struct err *err)
{
	int r;

	w->table_crc64 = entry_crc64(w->table_crc64, w->table.p, w->table.len);
	w->table_bytes += w->table.len;
	r = fd_write_all(w->t->entries_fd, w->table.p, w->table.len);
	w->table.len = 0;
	return r < 0 ? err_sys(err, r, "write entry table") : 0;
}

static int record(struct walk *w, struct err *err)
{
	if (++w->t->n_entries > w->t->limits.max_entries)
		return err_set(err, EFBIG, "more than %llu entries", (unsigned long long)w->t->limits.max_entries);
	entry_encode(&w->e, &w->table);
	return w->table.len >= TABLE_FLUSH_BYTES ? table_flush(w, err) : 0;
}

/* One piece of a file's contents at its place in the data file (or in the inline buffer). */
static int store_block(struct walk *w, const void *data, size_t n, uint64_t at, struct err *err)
{
	struct entry *e = &w->e;
	int r;

	if (at > e->size || n > e->size - at)
		return err_set(err, EBADMSG, "tar: '%.200s' has more data than its size says", e->path);
	e->crc64 = entry_crc64(e->crc64, data, n);
	if (e->inline_data) {
		memcpy(w->small + at, data, n);
		return 0;
	}
	r = data_writer_put(&w->data, e->data_offset + at, data, n);
	return r < 0 ? err_sys(err, r, "write layer data") : 0;
}

static void note_extent(struct walk *w, uint64_t at, uint64_t n)
{
	struct entry_extent *last, x = { htole64(at), htole64(n) };
	size_t count = w->extents.len / sizeof(x);

	if (count) {
		last = (struct entry_extent *)(void *)w->extents.p + count - 1;
		if (le64toh(last->offset) + le64toh(last->len) == at) {
			last->len = htole64(le64toh(last->len) + n);
			return;
		}
	}
	buf_add_n(&w->extents, (const char *)&x, sizeof(x));
}

static int read_contents(struct walk *w, bool sparse, struct err *err)
{
	struct entry *e = &w->e;
	const void *data;
	la_int64_t at;
	size_t n;
	int r;

	w->extents.len = 0;
	while ((r = archive_read_data_block(w->a, &data, &n, &at)) == ARCHIVE_OK) {
		if (!n)
			continue;
		r = store_block(w, data, n, (uint64_t)at, err);
		if (r < 0)
			return r;
		if (sparse)
			note_extent(w, (uint64_t)at, n);
		if (w->extents.len / sizeof(struct entry_extent) > ENTRY_SPARSE_MAX)
			return err_set(err, EFBIG, "tar: '%.200s' has too many extents", e->path);
	}
	if (r != ARCHIVE_EOF)
		return tar_err(w, err);
	if (sparse && !e->inline_data) {
		/* A file that is one hole still needs an extent to be known as sparse. */
		if (!w->extents.len)
			note_extent(w, e->size, 0);
		e->n_extents = w->extents.len / sizeof(struct entry_extent);
		e->extents = w->extents.p;
	}
	return 0;
}

static int read_file(struct walk *w, struct archive_entry *ae, struct err *err)
{
	struct entry *e = &w->e;
	struct layer_tar *t = w->t;
	la_int64_t size = archive_entry_size(ae);
	uint64_t room = t->limits.max_data_bytes - t->data_bytes;

	e->type = ENTRY_FILE;
	if (size < 0)
		return err_set(err, EINVAL, "tar: '%.200s' has a negative size", e->path);
	e->size = (uint64_t)size;
	if (e->size <= ENTRY_INLINE_MAX) {
		memset(w->small, 0, sizeof(w->small));
		e->inline_data = w->small;
	} else if (e->size > room || room - e->size < ENTRY_BLOCK_SIZE) {
		return err_set(err, EFBIG, "tar: '%.200s': the layer's files are larger than %llu bytes", e->path,
			       (unsigned long long)t->limits.max_data_bytes);
	} else {
		e->data_offset = t->data_bytes;
		t->data_bytes += (e->size + ENTRY_BLOCK_SIZE - 1) / ENTRY_BLOCK_SIZE * ENTRY_BLOCK_SIZE;
	}
	return read_contents(w, archive_entry_sparse_count(ae) > 0, err);
}

/* Whiteouts, by the name's prefix. 1: it was one (or aufs' own litter) and is done; 0: an ordinary name. */
static int read_whiteout(struct walk *w, struct err *err)
{
	static const char wh[] = ".wh.", aufs[] = ".wh..wh.", opaque[] = ".wh..wh..opq";
	char *slash = strrchr(w->path, '/'), *base = slash ? slash + 1 : w->path;
	int r;

	for (const char *s = w->path; s < base; s = strchr(s, '/') + 1)
		if (str_starts(s, wh))
			return str_starts(s, aufs) ? 1 : err_set(err, EINVAL, "tar: '%.200s' lies below a whiteout", w->path);
	if (!str_starts(base, wh))
		return 0;
	if (str_eq(base, opaque)) {
		w->e.type = ENTRY_OPAQUE;
		*(slash ? slash : base) = '\0';
	} else if (str_starts(base, aufs)) {
		return 1;
	} else {
		const char *name = base + strlen(wh);

		if (!*name || str_eq(name, ".") || str_eq(name, ".."))
			return err_set(err, EINVAL, "tar: whiteout '%.200s' names nothing", w->path);
		w->e.type = ENTRY_WHITEOUT;
		memmove(base, name, strlen(name) + 1);
	}
	r = record(w, err);
	return r < 0 ? r : 1;
}

static int read_hardlink(struct walk *w, const char *target, struct err *err)
{
	int r = layer_clean_path(target, w->link, err);

	if (r < 0)
		return err_wrap(err, "tar: hardlink '%.100s'", w->path);
	if (!*w->link)
		return err_set(err, EINVAL, "tar: hardlink '%.200s' to the root", w->path);
	w->e.type = ENTRY_HARDLINK;
	return 0;
}

static int read_symlink(struct walk *w, const char *target, struct err *err)
{
	if (!target || !*target || strlen(target) > ENTRY_PATH_MAX)
		return err_set(err, EINVAL, "tar: symlink '%.200s' has no target, or a too long one", w->path);
	w->e.type = ENTRY_SYMLINK;
	memcpy(w->link, target, strlen(target) + 1);
	return 0;
}

static int read_device(struct walk *w, struct archive_entry *ae, enum entry_type type, struct err *err)
{
	uint64_t major = archive_entry_rdevmajor(ae), minor = archive_entry_rdevminor(ae);

	w->e.type = type;
	/* The kernel's dev_t has 12 and 20 bits. */
	if (major > 0xfff || minor > 0xfffff)
		return err_set(err, EINVAL, "tar: device '%.200s' has the number %llu:%llu", w->path,
			       (unsigned long long)major, (unsigned long long)minor);
	if (type == ENTRY_CHAR && !major && !minor)
		return err_set(err, EINVAL, "tar: '%.200s' is a character device 0:0, which overlayfs takes for a whiteout", w->path);
	w->e.rdev_major = (uint32_t)major;
	w->e.rdev_minor = (uint32_t)minor;
	return 0;
}

static int read_kind(struct walk *w, struct archive_entry *ae, struct err *err)
{
	if (archive_entry_hardlink(ae))
		return read_hardlink(w, archive_entry_hardlink(ae), err);
	switch (archive_entry_filetype(ae)) {
	case AE_IFREG:
		return read_file(w, ae, err);
	case AE_IFDIR:
		w->e.type = ENTRY_DIR;
		return 0;
	case AE_IFLNK:
		return read_symlink(w, archive_entry_symlink(ae), err);
	case AE_IFCHR:
		return read_device(w, ae, ENTRY_CHAR, err);
	case AE_IFBLK:
		return read_device(w, ae, ENTRY_BLOCK, err);
	case AE_IFIFO:
		w->e.type = ENTRY_FIFO;
		return 0;
	default:
		return err_set(err, EINVAL, "tar: '%.200s' has a type that images do not have", w->path);
	}
}

static int read_attributes(struct walk *w, struct archive_entry *ae, struct err *err)
{
	la_int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
	int r;

	/* The highest number means "leave it" to chown(2). */
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_set(err, EINVAL, "tar: '%.200s' has the owner %lld:%lld", w->path, (long long)uid, (long long)gid);
	w->e.uid = (uint32_t)uid;
	w->e.gid = (uint32_t)gid;
	w->e.mode = (uint32_t)archive_entry_perm(ae) & 07777;
	if (archive_entry_mtime_is_set(ae)) {
		w->e.mtime_s = archive_entry_mtime(ae);
		w->e.mtime_ns = (uint32_t)archive_entry_mtime_nsec(ae);
		/* libarchive 3 reads "-1000.5" as -1000 s and +0.5 s. */
		if (w->e.mtime_s < 0 && w->e.mtime_ns > 0 && w->e.mtime_ns <= 999999999) {
			w->e.mtime_s--;
			w->e.mtime_ns = 1000000000 - w->e.mtime_ns;
		}
		if (w->e.mtime_ns > 999999999)
			return err_set(err, EINVAL, "tar: '%.200s' has a bad time", w->path);
	}
	r = xattr_list_read(&w->xattrs, ae, err);
	if (r < 0)
		return err_wrap(err, "tar: '%.200s'", w->path);
	w->e.n_xattrs = w->xattrs.n;
	memcpy(w->e.xattrs, w->xattrs.items, w->xattrs.n * sizeof(w->xattrs.items[0]));
	return 0;
}

static int read_entry(struct walk *w, struct archive_entry *ae, struct err *err)
{
	const char *name = archive_entry_pathname(ae);
	int r;

	if (!name)
		return err_set(err, EINVAL, "tar: an entry's name cannot be read");
	r = layer_clean_path(name, w->path, err);
	if (r < 0)
		return err_wrap(err, "tar");
	*w->link = '\0';
	w->e = (struct entry){ .path = w->path, .link = w->link };
	r = read_whiteout(w, err);
	if (r != 0)
		return r;
	r = read_attributes(w, ae, err);
	if (r < 0)
		return r;
	r = read_kind(w, ae, err);
	if (r < 0)
		return r;
	if (!*w->path && w->e.type != ENTRY_DIR)
		return err_set(err, EINVAL, "tar: the root is not a directory");
	return record(w, err);
}

static int walk_open(struct walk *w, struct err *err)
{
	w->a = archive_read_new();
	if (!w->a)
		return err_set(err, ENOMEM, "tar: cannot start the reader");
	if (archive_read_support_format_tar(w->a) < ARCHIVE_WARN || archive_read_support_format_empty(w->a) < ARCHIVE_WARN ||
	    archive_read_open(w->a, w->t, NULL, on_read, NULL) != ARCHIVE_OK)
		return tar_err(w, err);
	return 0;
}

static int walk_entries(struct walk *w, struct err *err)
{
	struct archive_entry *ae;
	int r;

	/* ARCHIVE_WARN: libarchive could not convert a name; the raw bytes, which we want, are what it then gives. */
	while ((r = archive_read_next_header(w->a, &ae)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		r = read_entry(w, ae, err);
		if (r < 0)
			return r;
	}
	return r == ARCHIVE_EOF ? 0 : tar_err(w, err);
}

/* What follows the archive's end still belongs to the diffID. */
static int walk_drain(struct walk *w, struct err *err)
{
	const void *p;
	ssize_t n;

	while ((n = w->t->read(w->t->ctx, &p)) > 0)
		;
	return n < 0 ? err_set(err, EIO, "the stream failed") : 0;
}

static int walk_finish(struct walk *w, struct err *err)
{
	struct entry_header h = { .data_bytes = w->t->data_bytes, .n_entries = w->t->n_entries };
	uint8_t raw[ENTRY_HEADER_BYTES];
	int r = table_flush(w, err);

	if (r < 0)
		return r;
	r = data_writer_finish(&w->data, w->t->data_bytes);
	if (r < 0)
		return err_sys(err, r, "write layer data");
	h.table_bytes = w->table_bytes;
	h.tar_bytes = w->t->tar_bytes;
	h.table_crc64 = w->table_crc64;
	entry_header_encode(&h, raw);
	if (pwrite(w->t->entries_fd, raw, sizeof(raw), 0) != sizeof(raw))
		return err_sys(err, -errno, "write entry table");
	return 0;
}

int layer_tar_run(struct layer_tar *t, struct err *err)
{
	struct walk *w = xcalloc(1, sizeof(*w));
	locale_t c_locale = newlocale(LC_CTYPE_MASK, "C", (locale_t)0), old = (locale_t)0;
	int r;

	/* Names are bytes. In a UTF-8 locale libarchive composes what pax headers hold decomposed; in "C" it cannot
	 * convert beyond ASCII and then gives the bytes as they are. */
	if (c_locale)
		old = uselocale(c_locale);
	w->t = t;
	data_writer_init(&w->data, t->data_fd, t->direct);
	r = lseek(t->entries_fd, ENTRY_HEADER_BYTES, SEEK_SET) < 0 ? err_sys(err, -errno, "seek entry table") : walk_open(w, err);
	if (r == 0)
		r = walk_entries(w, err);
	if (r == 0)
		r = walk_drain(w, err);
	if (r == 0)
		r = walk_finish(w, err);
	archive_read_free(w->a);
	data_writer_done(&w->data);
	buf_done(&w->table);
	buf_done(&w->extents);
	xattr_list_done(&w->xattrs);
	free(w);
	if (c_locale) {
		uselocale(old);
		freelocale(c_locale);
	}
	return r;
}
