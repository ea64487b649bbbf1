/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/volume.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/path.h"
#include "runtime/cli/userns_helper.h"
#include "runtime/cli/volume_priv.h"
#include "runtime/net/netrec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON_MAX_FILE (1u << 20)

void volume_done(struct volume *v)
{
	free(v->name);
	free(v->driver);
	free(v->created);
	free(v->mountpoint);
	strings_free(v->labels);
	strings_free(v->options);
	strings_free(v->users);
	*v = (struct volume){ 0 };
}

static void put_pairs(struct json_writer *w, const char *key, char *const *list)
{
	json_key(w, key);
	strings_json(list, w);
}

static int write_json(const struct volume *v, int fd, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	int r;

	json_begin_object(&w);
	json_kv_string(&w, "name", v->name);
	json_kv_string(&w, "driver", v->driver);
	json_kv_string(&w, "created", v->created);
	json_kv_bool(&w, "anonymous", v->anonymous);
	put_pairs(&w, "labels", v->labels);
	put_pairs(&w, "options", v->options);
	json_end_object(&w);
	r = fd_write_file_atomic(fd, "volume.json", out.p, out.len, 0644, true);
	return r < 0 ? err_sys(err, r, "write the volume '%s'", v->name) : 0;
}

static int check_options(char *const *options, struct err *err)
{
	static const char *const known[] = { "type", "device", "o" };

	for (size_t i = 0; options && options[i]; i++) {
		bool ok = false;

		for (size_t k = 0; k < ARRAY_SIZE(known); k++)
			ok = ok || (str_starts(options[i], known[k]) && options[i][strlen(known[k])] == '=');
		if (!ok)
			return err_set(err, EINVAL, "--opt %s: unknown; type=, device= and o= are known", options[i]);
	}
	return 0;
}

/* Directories first, the description last: it is what makes the volume exist. */
static int make_dirs(const char *path, int *ret_fd)
{
	AUTO_CLOSE int fd = -1;

	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if ((mkdirat(fd, "_data", 0755) < 0 || mkdirat(fd, "users", 0700) < 0) && errno != EEXIST)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int volume_create_locked(const char *dir, const char *name, char *const *labels, char *const *options, bool anonymous, struct volume *ret,
			 struct err *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;
	struct volume v = { .driver = xstrdup("local"), .anonymous = anonymous };
	char now[STR_TIME_LEN], fresh[65];
	int r;

	if (!name)
		str_random_hex(fresh, 64);
	v.name = xstrdup(name ? name : fresh);
	str_time_now(now);
	v.created = xstrdup(now);
	v.labels = strings_copy(labels);
	v.options = strings_copy(options);
	path = xasprintf("%s/%s", dir, v.name);
	v.mountpoint = xasprintf("%s/_data", path);
	r = check_options(options, err);
	if (r == 0) {
		r = make_dirs(path, &fd);
		r = r < 0 ? err_sys(err, r, "make the volume '%s'", v.name) : 0;
	}
	if (r == 0 && faccessat(fd, "volume.json", F_OK, 0) == 0)
		r = err_set(err, EEXIST, "volume '%s' already exists", v.name);
	if (r == 0)
		r = write_json(&v, fd, err);
	if (r < 0 || !ret)
		volume_done(&v);
	else
		*ret = v;
	return r;
}

int volume_create(const char *dir, const char *name, char *const *labels, char *const *options, bool anonymous, struct volume *ret,
		  struct err *err)
{
	AUTO_CLOSE int lock = -1;

	if (name && !network_name_ok(name))
		return err_set(err, EINVAL, "'%s' is no name for a volume: letters, digits, '_', '.' and '-', a letter or digit first", name);
	lock = netrec_lock_dir(dir, err);
	return lock < 0 ? lock : volume_create_locked(dir, name, labels, options, anonymous, ret, err);
}

static char **list_dir(const char *path)
{
	AUTO_DIR DIR *d = opendir(path);
	char **list = NULL;

	for (struct dirent *e; d && (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			strings_add(&list, e->d_name);
	return list;
}

static int read_json(const char *dir, const char *name, const struct json *root, struct volume *ret)
{
	const struct json *anonymous = json_get(root, "anonymous");
	AUTO_FREE char *users = xasprintf("%s/%s/users", dir, name);
	const char *driver = json_text(root, "driver"), *created = json_text(root, "created");

	*ret = (struct volume){ .name = xstrdup(name), .driver = xstrdup(driver ? driver : "local"), .created = xstrdup(created ? created : ""),
				.mountpoint = xasprintf("%s/%s/_data", dir, name),
				.anonymous = anonymous && anonymous->type == JSON_BOOL && anonymous->u.boolean,
				.labels = strings_load(json_get(root, "labels")), .options = strings_load(json_get(root, "options")),
				.users = list_dir(users) };
	return 0;
}

int volume_load_exact(const char *dir, const char *name, struct volume *ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s/volume.json", dir, name);
	AUTO_FREE char *text = NULL;
	struct arena arena = { 0 };
	struct json *root;
	int r;

	if (!network_name_ok(name))
		return err_set(err, ENOENT, "no such volume: '%s'", name);
	r = fd_read_file(AT_FDCWD, path, JSON_MAX_FILE, &text, NULL);
	if (r == -ENOENT || r == -ENOTDIR)
		return err_set(err, ENOENT, "no such volume: '%s'", name);
	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	r = json_parse(&arena, path, text, strlen(text), &root, err);
	if (r == 0)
		r = root->type == JSON_OBJECT ? read_json(dir, name, root, ret) : err_set(err, EINVAL, "%s: not an object", path);
	arena_done(&arena);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **all_names(const char *dir)
{
	char **names = list_dir(dir);

	if (names)
		qsort(names, strings_count(names), sizeof(*names), by_name);
	return names;
}

int volume_load(const char *dir, const char *name, struct volume *ret, struct err *err)
{
	char **names;
	const char *found = NULL;
	int r = volume_load_exact(dir, name, ret, err);

	if (r != -ENOENT)
		return r;
	names = all_names(dir);
	for (size_t i = 0; names && names[i]; i++) {
		struct volume v = { 0 };

		if (!*name || !str_starts(names[i], name) || volume_load_exact(dir, names[i], &v, NULL) < 0)
			continue;
		volume_done(&v);
		if (found) {
			strings_free(names);
			return err_set(err, ENOTUNIQ, "volume '%s': several volumes have a name that begins so", name);
		}
		found = names[i];
	}
	r = found ? volume_load_exact(dir, found, ret, err) : r;
	strings_free(names);
	return r;
}

void volume_all_done(struct volume *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		volume_done(&v[i]);
	free(v);
}

int volume_all(const char *dir, struct volume **ret, size_t *ret_n, struct err *err UNUSED)
{
	char **names = all_names(dir);

	*ret = NULL;
	*ret_n = 0;
	for (size_t i = 0; names && names[i]; i++) {
		struct volume v;
		struct err ignored;

		if (str_eq(names[i], "lock") || volume_load_exact(dir, names[i], &v, &ignored) < 0)
			continue; /* half made, or half gone */
		*ret = xreallocarray(*ret, *ret_n + 1, sizeof(**ret));
		(*ret)[(*ret_n)++] = v;
	}
	strings_free(names);
	return 0;
}

/* The description first: what is left of a removal that was cut short is no volume any more. */
int volume_remove_locked(const char *dir, const char *name, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_CLOSE int fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "open '%s'", path);
	(void)unlinkat(fd, "volume.json", 0);
	return userns_remove_tree(path, err) < 0 ? err_wrap(err, "remove the volume '%s'", name) : 0;
}

int volume_remove(const char *dir, const char *name, struct err *err)
{
	struct volume v = { 0 };
	AUTO_CLOSE int lock = netrec_lock_dir(dir, err);
	int r;

	if (lock < 0)
		return lock;
	r = volume_load(dir, name, &v, err);
	if (r == 0 && v.users) {
		AUTO_BUF struct buf users = { 0 };

		for (size_t i = 0; v.users[i]; i++)
			buf_addf(&users, "%s%.12s", i ? ", " : "", v.users[i]);
		r = err_set(err, EBUSY, "volume '%s' is in use by %s", v.name, users.p);
	}
	if (r == 0)
		r = volume_remove_locked(dir, v.name, err);
	volume_done(&v);
	return r;
}
