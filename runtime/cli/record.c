/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/record.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/cli/image_find.h"
#include "runtime/cli/userns_helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_RECORD_BYTES (4u << 20)

const char *record_state_name(enum record_state s)
{
	static const char *const names[] = {
		[RECORD_CREATED] = "created", [RECORD_STARTING] = "initialized", [RECORD_RUNNING] = "running",
		[RECORD_PAUSED] = "paused",   [RECORD_EXITED] = "exited",
	};

	return names[s];
}

/* ---- fields ---- */

enum field_kind { FIELD_TEXT, FIELD_LIST, FIELD_MAP, FIELD_NUMBER, FIELD_BOOL };
static const struct field {
	const char *key;
	enum field_kind kind;
	size_t offset;
} fields[] = {
	{ "id", FIELD_TEXT, offsetof(struct record, id) },
	{ "name", FIELD_TEXT, offsetof(struct record, name) },
	{ "image", FIELD_TEXT, offsetof(struct record, image) },
	{ "imageID", FIELD_TEXT, offsetof(struct record, image_id) },
	{ "manifest", FIELD_TEXT, offsetof(struct record, manifest) },
	{ "created", FIELD_TEXT, offsetof(struct record, created) },
	{ "flags", FIELD_LIST, offsetof(struct record, flags) },
	{ "command", FIELD_LIST, offsetof(struct record, command) },
	{ "args", FIELD_LIST, offsetof(struct record, args) },
	{ "labels", FIELD_MAP, offsetof(struct record, labels) },
	{ "mounts", FIELD_TEXT, offsetof(struct record, mounts) },
	{ "started", FIELD_TEXT, offsetof(struct record, started) },
	{ "finished", FIELD_TEXT, offsetof(struct record, finished) },
	{ "error", FIELD_TEXT, offsetof(struct record, error) },
	{ "exitCode", FIELD_NUMBER, offsetof(struct record, exit_code) },
	{ "restarts", FIELD_NUMBER, offsetof(struct record, restarts) },
	{ "oomKilled", FIELD_BOOL, offsetof(struct record, oom_killed) },
	{ "stopped", FIELD_BOOL, offsetof(struct record, stopped) },
	{ "detached", FIELD_BOOL, offsetof(struct record, detached) },
	{ "autoRemove", FIELD_BOOL, offsetof(struct record, auto_remove) },
	{ "tty", FIELD_BOOL, offsetof(struct record, tty) },
	{ "restartPolicy", FIELD_TEXT, offsetof(struct record, restart_policy) },
	{ "stopSignal", FIELD_TEXT, offsetof(struct record, stop_signal) },
	{ "stopTimeout", FIELD_NUMBER, offsetof(struct record, stop_timeout) },
	{ "network", FIELD_TEXT, offsetof(struct record, network) },
};

void strlist_add(struct arena *a, struct strlist *l, const char *s)
{
	char **v = arena_alloc(a, (l->n + 2) * sizeof(*v));

	if (l->n)
		memcpy(v, l->v, l->n * sizeof(*v));
	v[l->n++] = arena_strdup(a, s);
	l->v = v;
}

void kvlist_set(struct arena *a, struct kvlist *l, const char *key, const char *value)
{
	struct kv *v;

	for (size_t i = 0; i < l->n; i++) {
		if (str_eq(l->v[i].key, key)) {
			l->v[i].value = arena_strdup(a, value);
			return;
		}
	}
	v = arena_alloc(a, (l->n + 1) * sizeof(*v));
	if (l->n)
		memcpy(v, l->v, l->n * sizeof(*v));
	v[l->n++] = (struct kv){ arena_strdup(a, key), arena_strdup(a, value) };
	l->v = v;
}

const char *kvlist_get(const struct kvlist *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++) {
		if (str_eq(l->v[i].key, key))
			return l->v[i].value;
	}
	return NULL;
}

static void write_field(const struct field *f, const void *at, struct json_writer *w)
{
	const struct strlist *list = at;
	const struct kvlist *map = at;

	switch (f->kind) {
	case FIELD_TEXT:
		if (*(char *const *)at)
			json_kv_string(w, f->key, *(char *const *)at);
		break;
	case FIELD_LIST:
		json_key(w, f->key);
		json_begin_array(w);
		for (size_t i = 0; i < list->n; i++)
			json_string(w, list->v[i]);
		json_end_array(w);
		break;
	case FIELD_MAP:
		json_key(w, f->key);
		json_begin_object(w);
		for (size_t i = 0; i < map->n; i++)
			json_kv_string(w, map->v[i].key, map->v[i].value);
		json_end_object(w);
		break;
	case FIELD_NUMBER:
		json_kv_i64(w, f->key, *(const int64_t *)at);
		break;
	case FIELD_BOOL:
		json_kv_bool(w, f->key, *(const bool *)at);
		break;
	}
}

static int read_field(struct record *r, const struct field *f, const struct json *n, struct err *err)
{
	static const enum json_type types[] = {
		[FIELD_TEXT] = JSON_STRING,   [FIELD_LIST] = JSON_ARRAY, [FIELD_MAP] = JSON_OBJECT,
		[FIELD_NUMBER] = JSON_NUMBER, [FIELD_BOOL] = JSON_BOOL,
	};
	void *at = (char *)r + f->offset;

	if (n->type != types[f->kind])
		return json_err(err, "record.json", n, EINVAL, "must be %s", json_type_name(types[f->kind]));
	switch (f->kind) {
	case FIELD_TEXT:
		*(char **)at = arena_strdup(&r->arena, n->u.string);
		return 0;
	case FIELD_LIST:
		for (const struct json *k = n->u.kids.first; k; k = k->next) {
			if (k->type != JSON_STRING)
				return json_err(err, "record.json", k, EINVAL, "must be a string");
			strlist_add(&r->arena, at, k->u.string);
		}
		return 0;
	case FIELD_MAP:
		for (const struct json *k = n->u.kids.first; k; k = k->next) {
			if (k->type != JSON_STRING)
				return json_err(err, "record.json", k, EINVAL, "must be a string");
			kvlist_set(&r->arena, at, k->key, k->u.string);
		}
		return 0;
	case FIELD_NUMBER:
		return json_to_i64(n, "record.json", INT64_MIN, INT64_MAX, at, err);
	case FIELD_BOOL:
		*(bool *)at = n->u.boolean;
		return 0;
	}
	return 0;
}

/* ---- one record ---- */

struct record *record_at(struct cli *cli, const char *id)
{
	struct record *r = xcalloc(1, sizeof(*r));

	r->cli = cli;
	r->dir_fd = -1;
	r->id = arena_strdup(&r->arena, id);
	r->dir = arena_printf(&r->arena, "%s/containers/%s", cli->store.root, id);
	r->run_dir = arena_printf(&r->arena, "%s/containers/%s", cli->run_dir, id);
	return r;
}

struct record *record_new(struct cli *cli)
{
	char id[RECORD_ID_LEN + 1], now[STR_TIME_LEN];
	struct record *r;

	/* The short form is the container's host name: all digits would be taken for a number by too many programs. */
	do
		str_random_hex(id, RECORD_ID_LEN);
	while (strspn(id, "0123456789") >= RECORD_SHORT_LEN);
	r = record_at(cli, id);
	str_time_now(now);
	r->created = arena_strdup(&r->arena, now);
	return r;
}

void record_free(struct record *r)
{
	if (!r)
		return;
	if (r->found)
		found_image_done(r->found);
	free(r->found);
	fd_close(&r->dir_fd);
	arena_done(&r->arena);
	free(r);
}

void cleanup_record(struct record **r)
{
	int saved = errno;

	record_free(*r);
	errno = saved;
}

int record_save(struct record *r, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	struct json_writer w = { .out = &b };
	int x;

	json_begin_object(&w);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		write_field(&fields[i], (const char *)r + fields[i].offset, &w);
	json_end_object(&w);
	x = fd_write_file_atomic(r->dir_fd, "record.json", b.p, b.len, 0600, false);
	return x < 0 ? err_sys(err, x, "write '%s/record.json'", r->dir) : 0;
}

static int read_record(struct record *r, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	AUTO_FREE char *text = NULL;
	struct json *root;
	size_t n;
	int x = fd_read_file(r->dir_fd, "record.json", MAX_RECORD_BYTES, &text, &n);

	if (x < 0)
		return err_sys(err, x, "read '%s/record.json'", r->dir);
	x = json_parse(&arena, "record.json", text, n, &root, err);
	for (size_t i = 0; x == 0 && i < ARRAY_SIZE(fields); i++) {
		const struct json *v = json_get(root, fields[i].key);

		if (fields[i].kind == FIELD_LIST || fields[i].kind == FIELD_MAP)
			memset((char *)r + fields[i].offset, 0, sizeof(struct strlist));
		x = v ? read_field(r, &fields[i], v, err) : 0;
	}
	if (x == 0 && (!r->name || !r->image || !r->manifest || !r->created))
		x = err_set(err, EINVAL, "a field is missing");
	return x < 0 ? err_wrap(err, "%s/record.json", r->dir) : 0;
}

int record_lock(struct record *r, struct err *err)
{
	struct stat st;
	int x;

	do
		x = flock(r->dir_fd, LOCK_EX);
	while (x < 0 && errno == EINTR);
	if (x < 0)
		return err_sys(err, -errno, "lock '%s'", r->dir);
	/* while we waited it may have been removed */
	if (fstat(r->dir_fd, &st) == 0 && st.st_nlink == 0)
		return err_set(err, ENOENT, "no container with name or ID \"%s\" found: no such container", r->name ? r->name : r->id);
	return r->name ? read_record(r, err) : 0;
}

void record_unlock(struct record *r)
{
	(void)flock(r->dir_fd, LOCK_UN);
}

/* ---- names ---- */

int record_check_name(const char *name, struct err *err)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (!*name || !strchr(first, *name) || strspn(name, others) != strlen(name) || strlen(name) > 200)
		return err_set(err, EINVAL, "invalid container name '%.200s': names match [a-zA-Z0-9][a-zA-Z0-9_.-]*", name);
	return 0;
}

static char *name_path(const char *name)
{
	return xasprintf("containers/.names/%s", name);
}

static int claim_name(struct record *r, const char *name)
{
	AUTO_FREE char *path = name_path(name);
	int root_fd = r->cli->store.root_fd;

	if (symlinkat(r->id, root_fd, path) == 0)
		return 0;
	if (errno != ENOENT) /* the first name of this store */
		return -errno;
	(void)mkdirat(root_fd, "containers/.names", 0700);
	return symlinkat(r->id, root_fd, path) < 0 ? -errno : 0;
}

/* The id that a name stands for; false: none. */
static bool name_to_id(struct cli *cli, const char *name, char id[RECORD_ID_LEN + 1])
{
	AUTO_FREE char *path = name_path(name);
	ssize_t n;

	if (strchr(name, '/') || name[0] == '.')
		return false;
	n = readlinkat(cli->store.root_fd, path, id, RECORD_ID_LEN + 1);
	if (n != RECORD_ID_LEN)
		return false;
	id[n] = '\0';
	return true;
}

/* A name whose container is not there any more: somebody was killed while he removed it. */
static bool drop_stale_name(struct cli *cli, const char *name)
{
	AUTO_FREE char *path = name_path(name), *dir = NULL;
	char id[RECORD_ID_LEN + 1];

	if (!name_to_id(cli, name, id))
		return false;
	dir = xasprintf("containers/%s", id);
	if (faccessat(cli->store.root_fd, dir, F_OK, 0) == 0)
		return false;
	return unlinkat(cli->store.root_fd, path, 0) == 0;
}

static int take_name(struct record *r, const char *wanted, struct err *err)
{
	char name[64], id[RECORD_ID_LEN + 1] = "?";
	int x = wanted ? claim_name(r, wanted) : -EEXIST;

	if (x == -EEXIST && wanted && drop_stale_name(r->cli, wanted))
		x = claim_name(r, wanted);
	if (x == -EEXIST && wanted) {
		(void)name_to_id(r->cli, wanted, id);
		return err_set(err, EEXIST, "the container name \"%s\" is already in use by %s. You have to remove that container to be able to reuse that name: that name is already in use", wanted, id);
	}
	for (uint32_t i = 0; x == -EEXIST && i < 100; i++) {
		uint32_t seed;

		if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
			return err_sys(err, -errno, "get random numbers");
		record_random_name(seed, name, sizeof(name));
		x = claim_name(r, name);
	}
	if (x < 0)
		return err_sys(err, x, "take the name '%s'", wanted ? wanted : name);
	r->name = arena_strdup(&r->arena, wanted ? wanted : name);
	return 0;
}

int record_rename(struct record *r, const char *name, struct err *err)
{
	AUTO_FREE char *old = xstrdup(r->name), *path = name_path(old);
	int x = record_check_name(name, err);

	if (x == 0)
		x = take_name(r, name, err);
	if (x == 0)
		x = record_save(r, err);
	if (x < 0)
		return x;
	(void)unlinkat(r->cli->store.root_fd, path, 0); /* a name without use is found to be stale */
	return 0;
}

/* ---- create, remove ---- */

static int open_dir(struct record *r, struct err *err)
{
	r->dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return r->dir_fd < 0 ? err_sys(err, -errno, "open '%s'", r->dir) : 0;
}

/* Make the directory and lock it. -ENOENT: between the two somebody took it for left behind. */
static int make_dir(struct record *r, struct err *err)
{
	int x;

	if (mkdir(r->dir, 0700) < 0) {
		/* the first container of this store */
		if (errno == ENOENT)
			(void)mkdirat(r->cli->store.root_fd, "containers", 0700);
		if (mkdir(r->dir, 0700) < 0)
			return err_sys(err, -errno, "make '%s'", r->dir);
	}
	x = open_dir(r, err);
	if (x == 0)
		x = record_lock(r, err);
	if (x < 0)
		fd_close(&r->dir_fd);
	return x;
}

int record_create(struct record *r, struct err *err)
{
	const char *wanted = r->name;
	struct err ignored;
	int x;

	r->name = NULL;
	do
		x = make_dir(r, err);
	while (x == -ENOENT && faccessat(r->cli->store.root_fd, "containers", F_OK, 0) == 0);
	if (x == 0)
		x = take_name(r, wanted, err);
	if (x == 0)
		x = record_save(r, err);
	if (x < 0)
		(void)!record_remove(r, &ignored); /* the first error is the one to tell */
	return x;
}

int record_remove(struct record *r, struct err *err)
{
	AUTO_FREE char *path = r->name ? name_path(r->name) : NULL;
	struct err ignored;
	int x;

	x = remove_tree(AT_FDCWD, r->run_dir);
	if (x < 0)
		return err_sys(err, x, "remove '%s'", r->run_dir);
	x = userns_remove_tree(r->dir, err);
	if (x < 0)
		return x;
	/* The name last: who is killed before leaves a name that is found to be stale. */
	if (path)
		(void)unlinkat(r->cli->store.root_fd, path, 0);
	if (store_drop_ref(&r->cli->store, r->id, &ignored) < 0)
		log_debug("%s", ignored.msg);
	return 0;
}

int record_make_run_dir(struct record *r, struct err *err)
{
	AUTO_FREE char *path = xstrdup(r->run_dir);

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	for (char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		(void)mkdir(path, 0700); /* the last one tells */
		*s = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? err_sys(err, -errno, "make '%s'", path) : 0;
}

/* ---- look-up ---- */

static DIR *open_containers(struct cli *cli)
{
	int fd = openat(cli->store.root_fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopendir(fd);
}

bool record_is_id(const char *s)
{
	return strlen(s) == RECORD_ID_LEN && strspn(s, "0123456789abcdef") == RECORD_ID_LEN;
}

static int find_id(struct cli *cli, const char *what, char id[RECORD_ID_LEN + 1], struct err *err)
{
	AUTO_DIR DIR *dir = NULL;
	struct dirent *e;
	size_t found = 0;

	if (name_to_id(cli, what, id))
		return 0;
	dir = *what ? open_containers(cli) : NULL;
	while (dir && (e = readdir(dir))) {
		if (!record_is_id(e->d_name) || !str_starts(e->d_name, what))
			continue;
		memcpy(id, e->d_name, RECORD_ID_LEN + 1);
		found++;
	}
	if (found > 1)
		return err_set(err, ENOTUNIQ, "\"%s\" is the beginning of the IDs of %zu containers: give more of it", what, found);
	return found ? 0 : err_set(err, ENOENT, "no container with name or ID \"%s\" found: no such container", what);
}

static int load_id(struct cli *cli, const char *id, bool lock, struct record **ret, struct err *err)
{
	AUTO_RECORD struct record *r = record_at(cli, id);
	int x = open_dir(r, err);

	if (x == 0 && lock)
		x = record_lock(r, err);
	if (x == 0)
		x = read_record(r, err);
	if (x == 0)
		*ret = TAKE_PTR(r);
	return x;
}

int record_load(struct cli *cli, const char *what, bool lock, struct record **ret, struct err *err)
{
	char id[RECORD_ID_LEN + 1];
	int r = cli_open_store(cli, err);

	if (r == 0)
		r = find_id(cli, what, id, err);
	if (r == 0)
		r = load_id(cli, id, lock, ret, err);
	if (r == -ENOENT)
		return err_set(err, ENOENT, "no container with name or ID \"%s\" found: no such container", what);
	return r;
}

static int compare_created(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a, *y = *(struct record *const *)b;

	return strcmp(y->created, x->created); /* RFC 3339 in UTC sorts as text */
}

int record_list(struct cli *cli, struct record ***ret, size_t *ret_n, struct err *err)
{
	AUTO_DIR DIR *dir = NULL;
	struct record **list = NULL;
	struct dirent *e;
	size_t n = 0;
	int r = cli_open_store(cli, err);

	if (r < 0)
		return r;
	dir = open_containers(cli);
	while (dir && (e = readdir(dir))) {
		struct record *one = NULL;
		struct err why = { 0 };

		if (!record_is_id(e->d_name))
			continue;
		if (load_id(cli, e->d_name, false, &one, &why) < 0) {
			if (why.code != ENOENT) /* removed meanwhile, or in the making */
				log_warn("%s", why.msg);
			continue;
		}
		list = xreallocarray(list, n + 1, sizeof(struct record *));
		list[n++] = one;
	}
	if (n)
		qsort(list, n, sizeof(struct record *), compare_created);
	*ret = list;
	*ret_n = n;
	return 0;
}

void record_list_free(struct record **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		record_free(list[i]);
	free(list);
}

/* ---- state ---- */

enum record_state record_state(struct record *r, struct container **ret_c)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	enum record_state s = r->started ? RECORD_EXITED : RECORD_CREATED;
	struct err ignored;

	if (ret_c)
		*ret_c = NULL;
	if (container_load(&c, &r->cli->oci, r->id, false, &ignored) < 0)
		return s;
	switch (container_status(c)) {
	case CONTAINER_CREATING:
	case CONTAINER_CREATED:
		s = RECORD_STARTING;
		break;
	case CONTAINER_RUNNING:
		s = RECORD_RUNNING;
		break;
	case CONTAINER_PAUSED:
		s = RECORD_PAUSED;
		break;
	case CONTAINER_STOPPED:
		s = RECORD_EXITED;
		break;
	}
	if (ret_c)
		*ret_c = TAKE_PTR(c);
	return s;
}

/* Whole seconds of an RFC 3339 time in UTC, as str_time_now() writes them. */
static int64_t seconds_of(const char *text)
{
	struct tm t = { 0 };

	if (!text || sscanf(text, "%d-%d-%dT%d:%d:%d", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec) != 6)
		return 0;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	return (int64_t)timegm(&t);
}

int64_t record_since(const struct record *r, enum record_state s)
{
	switch (s) {
	case RECORD_CREATED:
		return seconds_of(r->created);
	case RECORD_STARTING:
	case RECORD_RUNNING:
	case RECORD_PAUSED:
		return seconds_of(r->started ? r->started : r->created);
	case RECORD_EXITED:
		return seconds_of(r->finished);
	}
	return 0;
}

const char *record_network(const struct record *r)
{
	return r->network ? r->network : r->cli->oci.rootless ? "pasta" : "bridge";
}
