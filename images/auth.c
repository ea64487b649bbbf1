/* SPDX-License-Identifier: Apache-2.0 */
#include "images/auth.h"

#include "images/auth_helper.h"
#include "runtime/base/fd.h"
#include "runtime/base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AUTH_MAX_BYTES = 1 << 20 };

/* docker's own name for its registry, in all files that docker writes */
static const char docker_key[] = "https://index.docker.io/v1/";

void credentials_done(struct credentials *c)
{
	/* Passwords do not stay in memory that somebody else may get. */
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	if (c->identity_token)
		explicit_bzero(c->identity_token, strlen(c->identity_token));
	free(c->user);
	free(c->password);
	free(c->identity_token);
	*c = (struct credentials){ 0 };
}

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *auth_base64(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = strlen(text);
	struct buf b = { 0 };

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)s[i] << 16 | (i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0);
		char out[4] = { alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63], alphabet[v & 63] };

		if (i + 2 >= n)
			out[3] = '=';
		if (i + 1 >= n)
			out[2] = '=';
		buf_add_n(&b, out, 4);
	}
	return buf_take(&b);
}

char *auth_unbase64(const char *text)
{
	size_t n = strcspn(text, "=");
	AUTO_BUF struct buf b = { 0 };
	uint32_t v = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++) {
		const char *hit = strchr(alphabet, text[i]);

		if (!hit || !text[i])
			return NULL;
		v = v << 6 | (uint32_t)(hit - alphabet);
		bits += 6;
		if (bits >= 8) {
			char c = (char)(v >> (bits - 8));

			bits -= 8;
			if (!c)
				continue; /* docker's files end with NULs at times */
			buf_add_n(&b, &c, 1);
		}
	}
	return buf_take(&b);
}

int auth_parse_pair(const char *text, struct credentials *ret, struct err *err)
{
	const char *colon = strchr(text, ':');

	if (!*text || colon == text)
		return err_set(err, EINVAL, "credentials must be USER[:PASSWORD]");
	ret->user = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
	ret->password = xstrdup(colon ? colon + 1 : "");
	return 0;
}

/* ---- where files are ---- */

static char *home_file(const char *name)
{
	const char *home = getenv("HOME");

	return home && *home == '/' ? xasprintf("%s/%s", home, name) : NULL;
}

/* The file that login writes. */
static char *default_file(void)
{
	const char *env = getenv("REGISTRY_AUTH_FILE"), *run = getenv("XDG_RUNTIME_DIR");

	if (env && *env)
		return xstrdup(env);
	if (run && *run == '/')
		return xasprintf("%s/containers/auth.json", run);
	return xasprintf("/run/containers/%u/auth.json", (unsigned)geteuid());
}

/* The n-th file to read, NULL for one that has no place here; *end behind the last. */
static char *nth_file(size_t i, bool *end)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *docker = getenv("DOCKER_CONFIG");

	switch (i) {
	case 0:
		return default_file();
	case 1:
		return xdg && *xdg == '/' ? xasprintf("%s/containers/auth.json", xdg) : home_file(".config/containers/auth.json");
	case 2:
		return docker && *docker == '/' ? xasprintf("%s/config.json", docker) : home_file(".docker/config.json");
	case 3:
		return home_file(".dockercfg");
	default:
		*end = true;
		return NULL;
	}
}

/* *ret NULL when the file is not there. */
static int read_file(const char *path, struct arena *arena, struct json **ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t n;
	int r = fd_read_file(AT_FDCWD, path, AUTH_MAX_BYTES, &text, &n);

	*ret = NULL;
	if (r == -ENOENT || r == -ENOTDIR || r == -EACCES || (r == 0 && n == 0))
		return 0;
	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	r = json_parse(arena, path, text, n, ret, err);
	explicit_bzero(text, n);
	if (r == 0 && (*ret)->type != JSON_OBJECT)
		r = json_err(err, path, *ret, EINVAL, "must be an object");
	return r;
}

/* ---- reading ---- */

static const char *string_in(const struct json *object, const char *key)
{
	const struct json *v = object && object->type == JSON_OBJECT ? json_get(object, key) : NULL;

	return v && v->type == JSON_STRING && *v->u.string ? v->u.string : NULL;
}

static int read_entry(const char *file, const struct json *entry, struct credentials *ret, struct err *err)
{
	const char *auth = string_in(entry, "auth"), *token = string_in(entry, "identitytoken");
	AUTO_FREE char *pair = auth ? auth_unbase64(auth) : NULL;
	int r = 0;

	if (auth && !pair)
		return json_err(err, file, entry, EINVAL, "auth is not base64");
	if (pair)
		r = auth_parse_pair(pair, ret, err);
	else if (string_in(entry, "username") && string_in(entry, "password"))
		*ret = (struct credentials){ .user = xstrdup(string_in(entry, "username")), .password = xstrdup(string_in(entry, "password")) };
	if (pair)
		explicit_bzero(pair, strlen(pair));
	if (r < 0)
		return err_wrap(err, "%s", file);
	if (token)
		ret->identity_token = xstrdup(token);
	return 0;
}

/* A key as docker wrote it long ago ("https://host/v1/") is the host alone. */
static char *plain_key(const char *key)
{
	const char *s = str_starts(key, "https://") ? key + 8 : str_starts(key, "http://") ? key + 7 : key;
	size_t n = s == key ? strlen(s) : strcspn(s, "/");

	if (str_starts(s, "index.docker.io") || str_starts(s, "registry-1.docker.io"))
		return xstrdup(REFERENCE_DEFAULT_HOST);
	while (n && s[n - 1] == '/')
		n--;
	return xstrndup(s, n);
}

/* The entry whose key is the longest that covers "host/path". */
static const struct json *find_entry(const struct json *auths, const char *host, const char *path)
{
	AUTO_FREE char *full = path ? xasprintf("%s/%s", host, path) : xstrdup(host);
	const struct json *best = NULL;
	size_t best_len = 0;

	if (!auths || auths->type != JSON_OBJECT)
		return NULL;
	for (const struct json *k = auths->u.kids.first; k; k = k->next) {
		AUTO_FREE char *key = plain_key(k->key);
		size_t n = strlen(key);

		if (n > best_len && k->type == JSON_OBJECT && strncmp(full, key, n) == 0 && (full[n] == '\0' || full[n] == '/')) {
			best = k;
			best_len = n;
		}
	}
	return best;
}

static bool found(const struct credentials *c)
{
	return c->user || c->identity_token;
}

/* The helper that a file names for a host, or NULL. */
static const char *helper_of(const struct json *root, const char *host)
{
	const char *helper = string_in(json_get(root, "credHelpers"), host);

	if (!helper && str_eq(host, REFERENCE_DEFAULT_HOST))
		helper = string_in(json_get(root, "credHelpers"), docker_key);
	return helper;
}

static const char *helper_key(const char *host)
{
	return str_eq(host, REFERENCE_DEFAULT_HOST) ? docker_key : host;
}

static int find_in(const char *file, const char *host, const char *path, struct credentials *ret, struct err *err)
{
	struct arena arena = { 0 };
	const char *helper, *store;
	const struct json *entry;
	struct json *root;
	int r = read_file(file, &arena, &root, err);

	if (r < 0 || !root) {
		arena_done(&arena);
		return r;
	}
	helper = helper_of(root, host);
	store = string_in(root, "credsStore");
	/* .dockercfg has the entries at the top */
	entry = find_entry(json_get(root, "auths") ? json_get(root, "auths") : root, host, path);
	if (helper)
		r = auth_helper_get(helper, helper_key(host), ret, err);
	if (r == 0 && !found(ret) && entry)
		r = read_entry(file, entry, ret, err);
	if (r == 0 && !found(ret) && store && !helper)
		r = auth_helper_get(store, helper_key(host), ret, err);
	arena_done(&arena);
	return r;
}

int auth_find(const char *file, const char *host, const char *path, struct credentials *ret, struct err *err)
{
	bool end = false;
	int r = 0;

	*ret = (struct credentials){ 0 };
	if (file)
		return access(file, R_OK) < 0 ? err_sys(err, -errno, "open authentication file '%s'", file) :
						find_in(file, host, path, ret, err);
	for (size_t i = 0; r == 0 && !found(ret) && !end; i++) {
		AUTO_FREE char *name = nth_file(i, &end);

		if (name)
			r = find_in(name, host, path, ret, err);
	}
	return r;
}

/* ---- writing ---- */

static void write_entry(struct json_writer *w, const char *key, const struct credentials *c)
{
	AUTO_FREE char *pair = xasprintf("%s:%s", c->user ? c->user : "", c->password ? c->password : "");
	AUTO_FREE char *auth = auth_base64(pair);

	json_key(w, key);
	json_begin_object(w);
	json_kv_string(w, "auth", auth);
	if (c->identity_token)
		json_kv_string(w, "identitytoken", c->identity_token);
	json_end_object(w);
	explicit_bzero(pair, strlen(pair));
}

/* The document with the key's entry changed (c) or left out (NULL); key NULL: all entries left out. *ret_hit: there was one. */
static void rewrite(const struct json *root, const char *key, const struct credentials *c, struct buf *out, bool *ret_hit)
{
	struct json_writer w = { .out = out, .pretty = true };
	const struct json *auths = root ? json_get(root, "auths") : NULL;

	json_begin_object(&w);
	json_key(&w, "auths");
	json_begin_object(&w);
	for (const struct json *k = auths && auths->type == JSON_OBJECT ? auths->u.kids.first : NULL; k; k = k->next) {
		AUTO_FREE char *plain = plain_key(k->key);

		if (!key || str_eq(plain, key)) {
			*ret_hit = true;
			continue;
		}
		json_key(&w, k->key);
		json_copy(&w, k);
	}
	if (c)
		write_entry(&w, key, c);
	json_end_object(&w);
	for (const struct json *k = root ? root->u.kids.first : NULL; k; k = k->next) {
		if (str_eq(k->key, "auths"))
			continue;
		json_key(&w, k->key);
		json_copy(&w, k);
	}
	json_end_object(&w);
	buf_add(out, "\n");
}

static void make_parents(const char *path)
{
	for (const char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
		AUTO_FREE char *folder = xstrndup(path, (size_t)(s - path));

		(void)mkdir(folder, 0700); /* a missing one shows when the file is opened */
	}
}

static int write_file(const char *path, const struct json *root, const char *key, const struct credentials *c, bool *ret_hit, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	int r;

	rewrite(root, key, c, &out, ret_hit);
	r = fd_write_file_atomic(AT_FDCWD, path, out.p, out.len, 0600, true);
	explicit_bzero(out.p, out.len);
	return r < 0 ? err_sys(err, r, "write '%s'", path) : 0;
}

/* In the file's helper for the key, or in the file. */
static int change(const char *path, const char *key, const struct credentials *c, bool *ret_hit, struct err *err)
{
	struct arena arena = { 0 };
	const char *helper;
	struct json *root;
	int r = read_file(path, &arena, &root, err);

	if (r == 0) {
		helper = root && key ? helper_of(root, key) : NULL;
		if (!helper && root && key)
			helper = string_in(root, "credsStore");
		if (helper && c)
			r = auth_helper_store(helper, helper_key(key), c, err);
		else if (helper)
			r = auth_helper_erase(helper, helper_key(key), err);
		else
			r = root || c ? write_file(path, root, key, c, ret_hit, err) : 0;
		if (helper)
			*ret_hit = true;
	}
	arena_done(&arena);
	return r;
}

/* Two logins at the same time must not lose one another's entry: the folder is the lock. */
static int locked_change(const char *file, const char *key, const struct credentials *c, bool *ret_hit, struct err *err)
{
	AUTO_FREE char *path = file ? xstrdup(file) : default_file();
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *folder = !slash ? xstrdup(".") : slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	AUTO_CLOSE int fd = -1;

	make_parents(path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(err, -errno, "lock '%s'", folder);
	return change(path, key, c, ret_hit, err);
}

int auth_store(const char *file, const char *key, const struct credentials *c, struct err *err)
{
	bool hit = false;

	return locked_change(file, key, c, &hit, err);
}

int auth_remove(const char *file, const char *key, struct err *err)
{
	bool hit = false;
	int r = locked_change(file, key, NULL, &hit, err);

	if (r == 0 && key && !hit)
		return err_set(err, ENOENT, "not logged in to '%.200s'", key);
	return r;
}
