/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/secret.h"

#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/net/netrec.h"
#include "runtime/net/network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON_MAX_FILE (1u << 20)
#define ID_LEN	      25

void secret_done(struct secret *s)
{
	free(s->id);
	free(s->name);
	free(s->created);
	free(s->updated);
	strings_free(s->labels);
	*s = (struct secret){ 0 };
}

static int lock_dir(const char *dir, struct err *err)
{
	if (netrec_mkdir(dir) < 0 || chmod(dir, 0700) < 0)
		return err_sys(err, -errno, "make '%s'", dir);
	return netrec_lock_dir(dir, err);
}

static int write_json(int fd, const struct secret *s)
{
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };

	json_begin_object(&w);
	json_kv_string(&w, "id", s->id);
	json_kv_string(&w, "created", s->created);
	json_kv_string(&w, "updated", s->updated);
	json_key(&w, "labels");
	strings_json(s->labels, &w);
	json_end_object(&w);
	return fd_write_file_atomic(fd, "secret.json", out.p, out.len, 0600, true);
}

static int write_secret(const char *dir, const struct secret *s, const char *data, size_t n, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, s->name);
	AUTO_CLOSE int fd = -1;
	int r;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : fd_write_file_atomic(fd, "data", data, n, 0600, true);
	if (r == 0)
		r = write_json(fd, s);
	return r < 0 ? err_sys(err, r, "write the secret '%s'", s->name) : 0;
}

static int load_exact(const char *dir, const char *name, struct secret *ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s/secret.json", dir, name);
	AUTO_FREE char *text = NULL;
	CLEANUP(arena_done) struct arena arena = { 0 };
	const char *id, *created, *updated;
	struct json *root;
	int r;

	r = network_name_ok(name) ? fd_read_file(AT_FDCWD, path, JSON_MAX_FILE, &text, NULL) : -ENOENT;
	if (r == -ENOENT || r == -ENOTDIR)
		return err_set(err, ENOENT, "no secret with name or id \"%s\": no such secret", name);
	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	r = json_parse(&arena, path, text, strlen(text), &root, err);
	if (r < 0)
		return r;
	id = json_text(root, "id");
	created = json_text(root, "created");
	updated = json_text(root, "updated");
	*ret = (struct secret){ .id = xstrdup(id ? id : ""), .name = xstrdup(name), .created = xstrdup(created ? created : ""),
				.updated = xstrdup(updated ? updated : ""), .labels = strings_load(json_get(root, "labels")) };
	return 0;
}

int secret_create(const char *dir, const char *name, const char *data, size_t n, char *const *labels, bool replace, struct secret *ret,
		  struct err *err)
{
	AUTO_SECRET struct secret old = { 0 };
	struct secret s = { 0 };
	AUTO_CLOSE int lock = -1;
	char now[STR_TIME_LEN], id[ID_LEN + 1];
	int r;

	if (!network_name_ok(name))
		return err_set(err, EINVAL, "'%s' is no name for a secret: letters, digits, '_', '.' and '-', a letter or digit first", name);
	if (n == 0 || n > SECRET_MAX)
		return err_set(err, EINVAL, "secret '%s': its data must be larger than 0 and at most %d bytes", name, SECRET_MAX);
	lock = lock_dir(dir, err);
	if (lock < 0)
		return lock;
	r = load_exact(dir, name, &old, err);
	if (r == 0 && !replace)
		return err_set(err, EEXIST, "%s: secret name in use", name);
	str_time_now(now);
	s.name = xstrdup(name);
	str_random_hex(id, ID_LEN);
	s.id = xstrdup(id);
	s.created = xstrdup(r == 0 ? old.created : now);
	s.updated = xstrdup(now);
	s.labels = strings_copy(labels);
	r = write_secret(dir, &s, data, n, err);
	if (r < 0)
		secret_done(&s);
	else
		*ret = s;
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct secret *)a)->name, ((const struct secret *)b)->name);
}

void secret_all(const char *dir, struct secret **ret, size_t *ret_n)
{
	AUTO_DIR DIR *d = opendir(dir);
	struct secret *v = NULL;
	size_t n = 0;

	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		struct secret s = { 0 };
		struct err ignored; /* the lock; half made, or half gone */

		if (load_exact(dir, e->d_name, &s, &ignored) < 0)
			continue;
		v = xreallocarray(v, n + 1, sizeof(*v));
		v[n++] = s;
	}
	if (n)
		qsort(v, n, sizeof(*v), by_name);
	*ret = v;
	*ret_n = n;
}

void secret_all_done(struct secret *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		secret_done(&v[i]);
	free(v);
}

int secret_load(const char *dir, const char *what, struct secret *ret, struct err *err)
{
	int r = load_exact(dir, what, ret, err);
	struct secret *v = NULL;
	size_t n = 0, hits = 0, hit = 0;

	if (r != -ENOENT || !*what)
		return r;
	secret_all(dir, &v, &n);
	for (size_t i = 0; i < n; i++) {
		if (!str_starts(v[i].id, what))
			continue;
		hit = i;
		hits++;
	}
	if (hits > 1)
		r = err_set(err, ENOTUNIQ, "secret '%s': several secrets have an ID that begins so", what);
	else if (hits == 1)
		r = load_exact(dir, v[hit].name, ret, err);
	secret_all_done(v, n);
	return r;
}

int secret_read(const char *dir, const struct secret *s, char **ret, size_t *ret_n, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s/data", dir, s->name);
	int r = fd_read_file(AT_FDCWD, path, SECRET_MAX, ret, ret_n);

	return r < 0 ? err_sys(err, r, "read the secret '%s'", s->name) : 0;
}

/* The description first: what is left of a removal that was cut short is no secret any more. */
int secret_remove(const char *dir, const struct secret *s, struct err *err)
{
	static const char *const files[] = { "/secret.json", "/data", "" };
	AUTO_CLOSE int lock = lock_dir(dir, err);

	if (lock < 0)
		return lock;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s%s", dir, s->name, files[i]);

		if ((*files[i] ? unlink(path) : rmdir(path)) < 0 && errno != ENOENT)
			return err_sys(err, -errno, "remove '%s'", path);
	}
	return 0;
}
