/* SPDX-License-Identifier: Apache-2.0 */
#include "images/store.h"

#include "images/image_config.h"
#include "images/store_priv.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { RECORD_MAX = 4096, NAME_KEEP = 180, PREFIX_MIN = 3 };

void store_image_done(struct store_image *i)
{
	for (size_t k = 0; k < i->n_names; k++)
		free(i->names[k]);
	free(i->names);
	*i = (struct store_image){ 0 };
}

void store_list_done(struct store_image *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		store_image_done(&list[i]);
	free(list);
}

char *store_image_path(const struct digest *manifest)
{
	char hex[DIGEST_HEX_LEN];

	return xasprintf("images/%s", digest_hex(manifest, hex));
}

/* File of a name: every byte but [A-Za-z0-9_-] and inner dots as %XX, and long ones cut and told apart by a hash. The file
 * holds the name itself, so nothing depends on reading this back. */
char *store_name_path(const char *name)
{
	AUTO_BUF struct buf b = { 0 };
	uint64_t h = 0xcbf29ce484222325ULL;

	buf_add(&b, "names/");
	for (const char *s = name; *s; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_' ||
			     *s == '-' || (*s == '.' && s != name);

		h = (h ^ (uint8_t)*s) * 0x100000001b3ULL;
		if (plain)
			buf_add_n(&b, s, 1);
		else
			buf_addf(&b, "%%%02X", (uint8_t)*s);
	}
	if (b.len > NAME_KEEP) {
		b.len = NAME_KEEP;
		buf_addf(&b, "~%016llx", (unsigned long long)h);
	}
	return buf_take(&b);
}

/* ---- records ---- */

static int record_parse(const char *text, struct store_image *i, struct err *err)
{
	char manifest[DIGEST_TEXT_LEN], config[DIGEST_TEXT_LEN], chain[DIGEST_TEXT_LEN];
	unsigned long long size;
	long long stored;
	int r;

	if (sscanf(text, "brig-image 1\nmanifest %135s\nconfig %135s\nchain %135s\nstored %lld\nsize %llu\n", manifest, config,
		   chain, &stored, &size) != 5)
		return err_set(err, EBADMSG, "damaged image record");
	r = digest_parse(manifest, &i->manifest, err);
	if (r == 0)
		r = digest_parse(config, &i->config, err);
	if (r == 0)
		r = digest_parse(chain, &i->chain, err);
	i->stored_s = stored;
	i->size = size;
	return r;
}

int store_add_record(struct store_batch *b, const struct store_image *i)
{
	char manifest[DIGEST_TEXT_LEN], config[DIGEST_TEXT_LEN], chain[DIGEST_TEXT_LEN];
	AUTO_FREE char *path = store_image_path(&i->manifest);
	AUTO_FREE char *text = xasprintf("brig-image 1\nmanifest %s\nconfig %s\nchain %s\nstored %lld\nsize %llu\n",
					 digest_text(&i->manifest, manifest), digest_text(&i->config, config),
					 digest_text(&i->chain, chain), (long long)i->stored_s, (unsigned long long)i->size);

	return store_batch_add(b, path, text, strlen(text));
}

static int read_record(struct store *s, const char *path, struct store_image *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	struct store_image i = { 0 };
	int r = fd_read_file(s->root_fd, path, RECORD_MAX, &text, NULL);

	if (r < 0)
		return err_sys(err, r, "read '%s/%s'", s->root, path);
	r = record_parse(text, &i, err);
	if (r < 0)
		return err_wrap(err, "%s/%s", s->root, path);
	*ret = i;
	return 0;
}

/* ---- names ---- */

int store_read_name(struct store *s, const char *path, struct digest *ret, char **ret_name)
{
	AUTO_FREE char *text = NULL;
	char *nl, *end;
	int r = fd_read_file(s->root_fd, path, RECORD_MAX, &text, NULL);

	if (r < 0)
		return r;
	nl = strchr(text, '\n');
	end = nl ? strchr(nl + 1, '\n') : NULL;
	if (!end)
		return -EBADMSG;
	*nl = *end = '\0';
	r = digest_parse(text, ret, NULL);
	if (r == 0 && ret_name)
		*ret_name = xstrdup(nl + 1);
	return r;
}

int store_for_each(struct store *s, const char *folder, int (*fn)(void *ctx, const char *path, const char *name), void *ctx)
{
	AUTO_DIR DIR *dir = NULL;
	int fd = openat(s->root_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct dirent *d;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	while (r == 0 && (d = readdir(dir))) {
		AUTO_FREE char *path = xasprintf("%s/%s", folder, d->d_name);

		if (d->d_name[0] != '.' && d->d_type != DT_DIR)
			r = fn(ctx, path, d->d_name);
	}
	return r;
}

struct collect {
	struct store *s;
	struct store_image *list; /* owned by the caller of collect */
	size_t n;
	struct err *err;
};

static int collect_image(void *ctx, const char *path, const char *name UNUSED)
{
	struct collect *c = ctx;
	struct store_image i;
	int r = read_record(c->s, path, &i, c->err);

	if (r == -ENOENT) /* removed meanwhile */
		return 0;
	if (r < 0)
		return r;
	c->list = xreallocarray(c->list, c->n + 1, sizeof(*c->list));
	c->list[c->n++] = i;
	return 0;
}

static int collect_name(void *ctx, const char *path, const char *file UNUSED)
{
	struct collect *c = ctx;
	AUTO_FREE char *name = NULL;
	struct digest d;

	/* A damaged name is fsck's business, and no reason to hide the rest. */
	if (store_read_name(c->s, path, &d, &name) < 0)
		return 0;
	for (size_t i = 0; i < c->n; i++) {
		struct store_image *img = &c->list[i];

		if (!digest_eq(&img->manifest, &d))
			continue;
		img->names = xreallocarray(img->names, img->n_names + 1, sizeof(char *));
		img->names[img->n_names++] = TAKE_PTR(name);
		return 0;
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_age(const void *a, const void *b)
{
	const struct store_image *x = a, *y = b;

	return (x->stored_s < y->stored_s) - (x->stored_s > y->stored_s);
}

int store_list(struct store *s, struct store_image **ret, size_t *ret_n, struct err *err)
{
	struct collect c = { .s = s, .err = err };
	int r = store_for_each(s, "images", collect_image, &c);

	if (r == 0)
		r = store_for_each(s, "names", collect_name, &c);
	if (r < 0) {
		store_list_done(c.list, c.n);
		return err && err->code ? r : err_sys(err, r, "list image store '%s'", s->root);
	}
	for (size_t i = 0; i < c.n; i++)
		if (c.list[i].n_names)
			qsort(c.list[i].names, c.list[i].n_names, sizeof(char *), compare_names);
	if (c.n)
		qsort(c.list, c.n, sizeof(*c.list), compare_age);
	*ret = c.list;
	*ret_n = c.n;
	return 0;
}

int store_read_image(struct store *s, const struct digest *manifest, struct store_image *ret, struct err *err)
{
	AUTO_FREE char *path = store_image_path(manifest);

	return read_record(s, path, ret, err);
}

int store_image_config(struct store *s, const struct store_image *image, struct image_config *ret, struct err *err)
{
	AUTO_FREE char *text = NULL, *path = store_blob_path(&image->config);
	size_t n;
	/* `run` comes this way: the digest was checked when the file was stored, and fsck checks it again. */
	int r = fd_read_file(s->root_fd, path, IMAGE_CONFIG_MAX_BYTES, &text, &n);

	if (r < 0)
		return err_sys(err, r, "read '%s/%s'", s->root, path);
	return image_config_parse(path, text, n, ret, err);
}

static bool hex_begins(const struct digest *d, const char *prefix)
{
	char hex[DIGEST_HEX_LEN];

	return str_starts(digest_hex(d, hex), prefix);
}

/* By digest or the beginning of one: the image's id is its config's digest, as docker and podman have it. */
static int resolve_id(struct store *s, const char *what, struct store_image *ret, struct err *err)
{
	const char *prefix = str_starts(what, "sha256:") ? what + 7 : what;
	struct store_image *list;
	size_t n, found = 0, at = 0;
	int r;

	if (strlen(prefix) < PREFIX_MIN || strspn(prefix, "0123456789abcdef") != strlen(prefix))
		return err_set(err, ENOENT, "no such image '%.200s'", what);
	r = store_list(s, &list, &n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!hex_begins(&list[i].config, prefix) && !hex_begins(&list[i].manifest, prefix))
			continue;
		/* Two manifests of one config are the same image to the user: the newest is taken. */
		if (!found || !digest_eq(&list[i].config, &list[at].config)) {
			if (!found)
				at = i;
			found++;
		}
	}
	if (found == 1) {
		*ret = list[at];
		list[at] = (struct store_image){ 0 };
	}
	store_list_done(list, n);
	if (found == 1)
		return 0;
	return found ? err_set(err, ENOTUNIQ, "'%.200s' is the beginning of several images", what) :
		       err_set(err, ENOENT, "no such image '%.200s'", what);
}

int store_resolve(struct store *s, const char *what, struct store_image *ret, struct err *err)
{
	AUTO_FREE char *path = store_name_path(what), *name = NULL;
	struct digest d;
	int r = store_read_name(s, path, &d, &name);

	/* The quick way, for `run`: one name file and one record. */
	if (r == 0 && str_eq(name, what)) {
		r = store_read_image(s, &d, ret, err);
		if (r == 0) {
			ret->names = xcalloc(1, sizeof(char *));
			ret->names[ret->n_names++] = TAKE_PTR(name);
		}
		return r;
	}
	if (r < 0 && r != -ENOENT)
		return err_sys(err, r, "read '%s/%s'", s->root, path);
	return resolve_id(s, what, ret, err);
}

int store_add_name(struct store_batch *b, const char *name, const struct digest *manifest, struct err *err)
{
	AUTO_FREE char *path = store_name_path(name), *text = NULL;
	char hex[DIGEST_TEXT_LEN];
	int r;

	if (!*name || strchr(name, '\n') || strlen(name) > 1024)
		return err_set(err, EINVAL, "image name '%.200s' is empty, too long or has a line break", name);
	text = xasprintf("%s\n%s\n", digest_text(manifest, hex), name);
	r = store_batch_add(b, path, text, strlen(text));
	return r < 0 ? err_sys(err, r, "write '%s/%s'", b->s->root, path) : 0;
}

int store_tag(struct store *s, const char *name, const struct digest *manifest, struct err *err)
{
	AUTO_FREE char *image = store_image_path(manifest);
	AUTO_BATCH struct store_batch b = { .s = s };
	char hex[DIGEST_TEXT_LEN];
	int r = store_add_name(&b, name, manifest, err);

	if (r < 0)
		return r;
	if (faccessat(s->root_fd, image, F_OK, 0) < 0)
		return err_set(err, ENOENT, "no image with the manifest %s", digest_text(manifest, hex));
	r = store_batch_commit(&b);
	return r < 0 ? err_sys(err, r, "write name '%.200s' to '%s'", name, s->root) : 0;
}

int store_untag(struct store *s, const char *name, struct err *err)
{
	AUTO_FREE char *path = store_name_path(name);

	if (unlinkat(s->root_fd, path, 0) < 0)
		return errno == ENOENT ? err_set(err, ENOENT, "no image is named '%.200s'", name) :
					 err_sys(err, -errno, "remove '%s/%s'", s->root, path);
	return 0;
}

/* ---- references ---- */

static int ref_path(const char *owner, char **ret, struct err *err)
{
	if (!*owner || owner[0] == '.' || strchr(owner, '/') || strlen(owner) > 200)
		return err_set(err, EINVAL, "bad container id '%.200s'", owner);
	*ret = xasprintf("refs/%s", owner);
	return 0;
}

int store_add_ref(struct store *s, const char *owner, const struct digest *manifest, struct err *err)
{
	AUTO_FREE char *path = NULL, *image = store_image_path(manifest), *text = NULL;
	char hex[DIGEST_TEXT_LEN];
	int r = ref_path(owner, &path, err);

	if (r == 0)
		r = store_hold(s, err);
	if (r < 0)
		return r;
	text = xasprintf("%s\n%s\n", digest_text(manifest, hex), owner);
	/* Under the lock, or gc could take the image between the look and the reference. */
	if (faccessat(s->root_fd, image, F_OK, 0) < 0)
		r = err_set(err, ENOENT, "no image with the manifest %s", hex);
	else
		r = store_write_file(s, path, text, strlen(text));
	if (r < 0 && r != -ENOENT)
		err_sys(err, r, "write '%s/%s'", s->root, path);
	store_release(s);
	return r;
}

int store_drop_ref(struct store *s, const char *owner, struct err *err)
{
	AUTO_FREE char *path = NULL;
	int r = ref_path(owner, &path, err);

	if (r < 0 || !path)
		return r;
	if (unlinkat(s->root_fd, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, -errno, "remove '%s/%s'", s->root, path);
	return 0;
}

struct finder {
	struct store *s;
	const struct digest *want;
	bool found;
};

static int find_digest(void *ctx, const char *path, const char *name UNUSED)
{
	struct finder *f = ctx;
	struct digest d;

	if (store_read_name(f->s, path, &d, NULL) == 0 && digest_eq(&d, f->want))
		f->found = true;
	return 0;
}

bool store_is_referenced(struct store *s, const char *folder, const struct digest *manifest)
{
	struct finder f = { .s = s, .want = manifest };

	return store_for_each(s, folder, find_digest, &f) < 0 || f.found;
}

static int remove_name(void *ctx, const char *path, const char *name UNUSED)
{
	struct finder *f = ctx;
	struct digest d;

	if (store_read_name(f->s, path, &d, NULL) == 0 && digest_eq(&d, f->want))
		return unlinkat(f->s->root_fd, path, 0) < 0 && errno != ENOENT ? -errno : 0;
	return 0;
}

int store_remove_image(struct store *s, const struct digest *manifest, struct err *err)
{
	AUTO_FREE char *path = store_image_path(manifest);
	struct finder f = { .s = s, .want = manifest };
	int r;

	if (store_is_referenced(s, "refs", manifest))
		return err_set(err, EBUSY, "image is used by a container");
	r = store_for_each(s, "names", remove_name, &f);
	if (r == 0 && unlinkat(s->root_fd, path, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? err_sys(err, r, "remove '%s/%s'", s->root, path) : 0;
}
