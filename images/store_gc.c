/* SPDX-License-Identifier: Apache-2.0 */
#include "images/image_config.h"
#include "images/manifest.h"
#include "images/store_priv.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * DOC: mark and sweep
 *
 * Under the exclusive lock nobody adds anything. Marked are the files that each image record leads to; every other
 * file of the swept folders goes. An image that cannot be read keeps gc from removing anything: better garbage than a loss.
 */
struct marks {
	char **paths; /* owned; sorted once marking is over */
	size_t n, cap;
};

struct sweep {
	struct store *s;
	struct marks marks;
	struct store_gc_result res;
};

static void mark(struct marks *m, char *path)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 64;
		m->paths = xreallocarray(m->paths, m->cap, sizeof(char *));
	}
	m->paths[m->n++] = path;
}

static void marks_done(struct marks *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->paths[i]);
	free(m->paths);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int mark_image(struct sweep *w, const struct store_image *i, struct err *err)
{
	AUTO_IMAGE_CONFIG struct image_config c = { 0 };
	AUTO_MANIFEST struct manifest m = { 0 };
	int r = store_load_image(w->s, &i->manifest, &m, &c, err);

	if (r < 0)
		return r;
	mark(&w->marks, store_image_path(&i->manifest));
	mark(&w->marks, store_blob_path(&i->manifest));
	mark(&w->marks, store_blob_path(&i->config));
	mark(&w->marks, store_chain_path(&i->chain));
	for (size_t k = 0; k < m.n; k++)
		if (digest_is_set(&m.list[k].digest))
			mark(&w->marks, store_blob_path(&m.list[k].digest));
	for (size_t k = 0; k < c.n_diff_ids; k++) {
		mark(&w->marks, store_layer_path(&c.diff_ids[k], ".data"));
		mark(&w->marks, store_layer_path(&c.diff_ids[k], ".entries"));
		mark(&w->marks, store_layer_path(&c.diff_ids[k], ".log"));
	}
	return 0;
}

static int sweep_file(void *ctx, const char *path, const char *name UNUSED)
{
	struct sweep *w = ctx;
	struct stat st;

	if (w->marks.n && bsearch(&path, w->marks.paths, w->marks.n, sizeof(char *), compare))
		return 0;
	if (fstatat(w->s->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (unlinkat(w->s->root_fd, path, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	w->res.n_files++;
	w->res.bytes += (uint64_t)st.st_blocks * 512;
	return 0;
}

/* Names whose image is gone, left by a crash between the two. */
static int sweep_name(void *ctx, const char *path, const char *name UNUSED)
{
	struct sweep *w = ctx;
	AUTO_FREE char *image = NULL;
	struct digest d;
	int r = store_read_name(w->s, path, &d, NULL);

	if (r == 0)
		image = store_image_path(&d);
	if (image && faccessat(w->s->root_fd, image, F_OK, 0) == 0)
		return 0;
	return unlinkat(w->s->root_fd, path, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* "NAME@DIGEST" says where an image came from; it does not keep it, as with docker. */
static bool has_tag(const struct store_image *i)
{
	for (size_t k = 0; k < i->n_names; k++)
		if (!strchr(i->names[k], '@'))
			return true;
	return false;
}

static int prune(struct sweep *w, enum store_gc_mode mode, const struct store_image *i, struct err *err)
{
	if (mode == STORE_GC_GARBAGE || (mode == STORE_GC_DANGLING && has_tag(i)) ||
	    store_is_referenced(w->s, "refs", &i->manifest))
		return mark_image(w, i, err);
	w->res.n_images++;
	return store_remove_image(w->s, &i->manifest, err);
}

static int sweep_all(struct sweep *w, struct err *err)
{
	static const char *const folders[] = { "tmp", "chains", "blobs/sha256", "blobs/sha512", "layers" };
	int r = store_for_each(w->s, "names", sweep_name, w);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = store_for_each(w->s, folders[i], sweep_file, w);
	return r < 0 ? err_sys(err, r, "sweep image store '%s'", w->s->root) : 0;
}

/* The lock is held, and released at the end. */
static int collect_garbage(struct store *s, enum store_gc_mode mode, struct store_gc_result *ret, struct err *err)
{
	struct sweep w = { .s = s };
	struct store_image *list = NULL;
	size_t n = 0;
	int r;

	r = store_list(s, &list, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = prune(&w, mode, &list[i], err);
	if (w.marks.n)
		qsort(w.marks.paths, w.marks.n, sizeof(char *), compare);
	if (r == 0)
		r = sweep_all(&w, err);
	store_release(s);
	store_list_done(list, n);
	marks_done(&w.marks);
	if (r == 0 && ret)
		*ret = w.res;
	return r;
}

int store_gc(struct store *s, enum store_gc_mode mode, struct store_gc_result *ret, struct err *err)
{
	int r = store_lock(s, LOCK_EX, err);

	return r < 0 ? r : collect_garbage(s, mode, ret, err);
}

int store_gc_if_idle(struct store *s, struct err *err)
{
	int r = store_lock(s, LOCK_EX | LOCK_NB, err);

	if (r == -EWOULDBLOCK)
		return 0;
	return r < 0 ? r : collect_garbage(s, STORE_GC_GARBAGE, NULL, err);
}
