/* SPDX-License-Identifier: Apache-2.0 */
#include "images/archive_source.h"

#include "images/layer_tar.h"
#include "images/store_priv.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_MEMBERS = 100000, BLOCK = 512, SPOOL_BYTES = 256 << 10, MAX_LINKS = 8 };

void source_close(struct source *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->members[i].name);
		free(s->members[i].link);
	}
	free(s->members);
	fd_close(&s->dir_fd);
	fd_close(&s->tar_fd);
	s->members = NULL;
	s->n = 0;
}

/* The data of a member follow its headers: the entry's own and those that extend it (pax, GNU long names). */
static int data_offset(int fd, uint64_t at, uint64_t *ret)
{
	char block[BLOCK];

	for (int i = 0; i < 16; i++) {
		uint64_t size = 0;

		if (pread(fd, block, sizeof(block), (off_t)at) != (ssize_t)sizeof(block))
			return -EBADMSG;
		at += BLOCK;
		if (!strchr("xgLK", block[156]) || !block[156]) {
			*ret = at;
			return 0;
		}
		for (const char *s = block + 124; s < block + 135; s++)
			if (*s >= '0' && *s <= '7')
				size = size * 8 + (uint64_t)(*s - '0');
		at += (size + BLOCK - 1) / BLOCK * BLOCK;
	}
	return -EBADMSG;
}

static int add_member(struct source *s, struct archive *a, struct archive_entry *ae, struct err *err)
{
	const char *name = archive_entry_pathname(ae), *link = archive_entry_hardlink(ae);
	char clean[ENTRY_PATH_MAX + 1], target[2 * ENTRY_PATH_MAX + 2], clean_target[ENTRY_PATH_MAX + 1];
	struct source_member m = { .size = (uint64_t)archive_entry_size(ae) };
	int r = name ? layer_clean_path(name, clean, err) : err_set(err, EINVAL, "archive: unreadable name");

	if (r < 0)
		return r;
	if (archive_entry_filetype(ae) == AE_IFLNK && archive_entry_symlink(ae)) {
		const char *slash = strrchr(clean, '/');

		/* docker's archives link layers of one image to those of another: "../ID/layer.tar". */
		(void)snprintf(target, sizeof(target), "%.*s/%s", slash ? (int)(slash - clean) : 0, clean, archive_entry_symlink(ae));
		link = target;
	} else if (!link && archive_entry_filetype(ae) != AE_IFREG) {
		return 0;
	}
	if (link) {
		r = layer_clean_path(link, clean_target, err);
		if (r < 0)
			return r;
		m.link = xstrdup(clean_target);
	} else {
		if (archive_entry_sparse_count(ae) > 0)
			return err_set(err, EINVAL, "archive: '%.200s' is sparse", clean);
		r = data_offset(s->tar_fd, (uint64_t)archive_read_header_position(a), &m.offset);
		if (r < 0)
			return err_set(err, EBADMSG, "archive: damaged header of '%.200s'", clean);
	}
	if (s->n == MAX_MEMBERS)
		return err_set(err, EFBIG, "archive: more than %d members", MAX_MEMBERS);
	m.name = xstrdup(clean);
	s->members = xreallocarray(s->members, s->n + 1, sizeof(*s->members));
	s->members[s->n++] = m;
	return 0;
}

static int index_tar(struct source *s, struct err *err)
{
	struct archive *a = archive_read_new();
	struct archive_entry *ae;
	int r = 0, x;

	if (!a || archive_read_support_format_tar(a) < ARCHIVE_WARN || lseek(s->tar_fd, 0, SEEK_SET) < 0 ||
	    archive_read_open_fd(a, s->tar_fd, 64 << 10) != ARCHIVE_OK) {
		r = err_set(err, EBADMSG, "archive: %s", a && archive_error_string(a) ? archive_error_string(a) : "cannot be read");
		archive_read_free(a);
		return r;
	}
	while (r == 0 && ((x = archive_read_next_header(a, &ae)) == ARCHIVE_OK || x == ARCHIVE_WARN))
		r = add_member(s, a, ae, err);
	if (r == 0 && x != ARCHIVE_EOF)
		r = err_set(err, EBADMSG, "archive: %s", archive_error_string(a) ? archive_error_string(a) : "damaged");
	archive_read_free(a);
	return r;
}

/* Decompressed copy in the store's tmp; its name is gone at once, so nothing can stay behind. */
struct spool {
	uint8_t *buf;
	int fd, result;
};

static uint8_t *spool_buffer(void *ctx, size_t *ret_room)
{
	struct spool *s = ctx;

	*ret_room = SPOOL_BYTES;
	return s->result < 0 ? NULL : s->buf;
}

static void spool_produced(void *ctx, size_t n)
{
	struct spool *s = ctx;

	if (s->result == 0)
		s->result = fd_write_all(s->fd, s->buf, n);
}

static int spool(struct store *store, int in, int *ret_fd, struct err *err)
{
	AUTO_FREE uint8_t *out = xmalloc(SPOOL_BYTES), *buf = xmalloc(SPOOL_BYTES);
	struct spool sp = { .buf = out, .fd = -1 };
	struct inflate_sink sink = { spool_buffer, spool_produced, &sp };
	struct inflate *f = inflate_new(&sink);
	AUTO_TEMP struct store_temp t = { .fd = -1 };
	ssize_t n = 0;
	int r = store_temp_open(store, &t);

	sp.fd = t.fd;
	if (r < 0)
		err_sys(err, r, "make a file in '%s/tmp'", store->root);
	while (r == 0 && (n = read(in, buf, SPOOL_BYTES)) > 0)
		r = inflate_push(f, buf, (size_t)n, err);
	if (r == 0 && n < 0)
		r = err_sys(err, -errno, "read archive");
	if (r == 0)
		r = inflate_finish(f, err);
	if (sp.result < 0)
		r = err_sys(err, sp.result, "write '%s/tmp'", store->root);
	inflate_free(f);
	if (r == 0)
		*ret_fd = TAKE_FD(t.fd);
	return r;
}

static bool is_compressed(int fd)
{
	uint8_t m[16];
	ssize_t n = pread(fd, m, sizeof(m), 0);

	return n < 0 || inflate_sniff(m, (size_t)n) != INFLATE_PLAIN;
}

int source_open(struct store *store, const char *path, struct source *ret, struct err *err)
{
	AUTO_CLOSE int fd = str_eq(path, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
	AUTO_SOURCE struct source s = { .dir_fd = -1, .tar_fd = -1 };
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, -errno, "open '%s'", path);
	if (S_ISDIR(st.st_mode)) {
		s.dir_fd = TAKE_FD(fd);
	} else {
		if (!S_ISREG(st.st_mode) || is_compressed(fd))
			r = spool(store, fd, &s.tar_fd, err);
		else
			s.tar_fd = TAKE_FD(fd);
		if (r == 0)
			r = index_tar(&s, err);
	}
	if (r < 0)
		return err_wrap(err, "%s", path);
	*ret = s;
	s = (struct source){ .dir_fd = -1, .tar_fd = -1 };
	return 0;
}

/* The last member of a name counts, as when a tar is unpacked. */
static const struct source_member *find(const struct source *s, const char *name)
{
	for (int links = 0; links < MAX_LINKS; links++) {
		const struct source_member *m = NULL;

		for (size_t i = 0; i < s->n; i++)
			if (str_eq(s->members[i].name, name))
				m = &s->members[i];
		if (!m || !m->link)
			return m;
		name = m->link;
	}
	return NULL;
}

bool source_has(const struct source *s, const char *name)
{
	struct source_stream st = { .fd = -1 };

	if (source_stream_open(s, name, &st, NULL) < 0)
		return false;
	source_stream_close(&st);
	return true;
}

int source_stream_open(const struct source *s, const char *name, struct source_stream *ret, struct err *err)
{
	const struct source_member *m;
	struct stat st;
	int fd;

	if (s->dir_fd < 0) {
		m = find(s, name);
		if (!m)
			return err_set(err, ENOENT, "archive has no '%.200s'", name);
		*ret = (struct source_stream){ .fd = s->tar_fd, .offset = m->offset, .left = m->size };
		return 0;
	}
	fd = path_open_in_root(s->dir_fd, name, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, fd, "open '%.200s'", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, EINVAL, "'%.200s' is not a regular file", name);
	}
	*ret = (struct source_stream){ .fd = fd, .owned = true, .left = (uint64_t)st.st_size };
	return 0;
}

ssize_t source_stream_read(struct source_stream *s, void *buf, size_t n)
{
	ssize_t m = pread(s->fd, buf, n < s->left ? n : (size_t)s->left, (off_t)s->offset);

	if (m < 0)
		return -errno;
	s->offset += (uint64_t)m;
	s->left -= (uint64_t)m;
	return m;
}

void source_stream_close(struct source_stream *s)
{
	if (s->owned)
		close(s->fd);
	s->owned = false;
}

int source_read(const struct source *s, const char *name, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	AUTO_STREAM struct source_stream st = { .fd = -1 };
	AUTO_FREE char *buf = NULL;
	size_t done = 0;
	int r = source_stream_open(s, name, &st, err);

	if (r < 0)
		return r;
	if (st.left > max)
		return err_set(err, EFBIG, "'%.200s' is longer than %zu bytes", name, max);
	buf = xcalloc(1, (size_t)st.left + 1);
	while (st.left) {
		ssize_t n = source_stream_read(&st, buf + done, (size_t)st.left);

		if (n <= 0)
			return err_set(err, EBADMSG, "'%.200s' is cut short", name);
		done += (size_t)n;
	}
	*ret = TAKE_PTR(buf);
	*ret_n = done;
	return 0;
}
