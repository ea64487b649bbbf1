/* SPDX-License-Identifier: Apache-2.0 */
/* --secret: a container's copies of secrets. */
#include "runtime/cli/secret.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_MODE 0444

static void use_done(struct secret_use *u)
{
	free(u->name);
	free(u->target);
	free(u->value);
}

void secret_uses_done(struct secret_uses *l)
{
	for (size_t i = 0; i < l->n; i++)
		use_done(&l->v[i]);
	free(l->v);
	*l = (struct secret_uses){ 0 };
}

/* ---- the flag ---- */

static int parse_mode(const char *text, mode_t *ret)
{
	char *end;
	unsigned long v = strtoul(text, &end, 8);

	if (!*text || *end || v > 07777)
		return -EINVAL;
	*ret = (mode_t)v;
	return 0;
}

/* *files: something was said that only files have. */
static int parse_word(struct secret_use *u, const char *word, bool *files)
{
	const char *v = strchr(word, '=');

	if (!v++) { /* the name, in the first place */
		if (u->name)
			return -EINVAL;
		u->name = xstrdup(word);
		return 0;
	}
	if (str_starts(word, "source=") || str_starts(word, "src=") || str_starts(word, "id=")) {
		free(u->name);
		u->name = xstrdup(v);
		return 0;
	}
	if (str_starts(word, "type=")) {
		u->env = str_eq(v, "env");
		return u->env || str_eq(v, "mount") ? 0 : -EINVAL;
	}
	if (str_starts(word, "target=") || str_starts(word, "dst=")) {
		free(u->target);
		u->target = xstrdup(v);
		return *v ? 0 : -EINVAL;
	}
	*files = true;
	if (str_starts(word, "uid=") || str_starts(word, "UID="))
		return str_to_u32(v, &u->uid);
	if (str_starts(word, "gid=") || str_starts(word, "GID="))
		return str_to_u32(v, &u->gid);
	return str_starts(word, "mode=") ? parse_mode(v, &u->mode) : -EINVAL;
}

/* A file without a place of its own is NAME in /run/secrets, a variable is called NAME. */
static void set_target(struct secret_use *u)
{
	AUTO_FREE char *given = u->target;
	const char *name = given ? given : u->name;
	AUTO_FREE char *path = name[0] == '/' ? xstrdup(name) : xasprintf("/run/secrets/%s", name);

	u->target = u->env ? xstrdup(name) : path_clean(path);
}

static int parse_use(struct secret_use *u, const char *value, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(value);
	char *rest = copy, *word;
	bool files = false;

	u->mode = DEFAULT_MODE;
	while ((word = strsep(&rest, ",")))
		if (parse_word(u, word, &files) < 0)
			return err_set(err, EINVAL, "--secret %s: '%s' is none of NAME, type=mount|env, target=, uid=, gid=, mode=", value, word);
	if (!u->name || !*u->name)
		return err_set(err, EINVAL, "--secret %s: the secret's name is missing", value);
	if (u->env && files)
		return err_set(err, EINVAL, "--secret %s: uid, gid and mode go with type=mount", value);
	set_target(u);
	if (u->env && strchr(u->target, '='))
		return err_set(err, EINVAL, "--secret %s: '%s' is no name of a variable", value, u->target);
	return 0;
}

static bool taken(const struct secret_uses *l, const struct secret_use *u)
{
	bool hit = false;

	for (size_t i = 0; i < l->n; i++)
		hit |= &l->v[i] != u && l->v[i].env == u->env && str_eq(l->v[i].target, u->target);
	return hit;
}

int secret_uses_parse(const struct option_list *flags, struct secret_uses *ret, struct err *err)
{
	struct secret_uses l = { .v = xcalloc(flags->n + 1, sizeof(*l.v)) };
	int r = 0;

	for (size_t i = 0; r == 0 && i < flags->n; i++) {
		l.n++;
		r = parse_use(&l.v[i], flags->v[i], err);
		if (r == 0 && taken(&l, &l.v[i]))
			r = err_set(err, EINVAL, "--secret %s: '%s' is taken by another", flags->v[i], l.v[i].target);
	}
	if (r < 0)
		secret_uses_done(&l);
	else
		*ret = l;
	return r;
}

/* ---- the copies ---- */

/* The container's copy of its i-th secret. New string. */
static char *copy_path(const char *container_dir, size_t i)
{
	return xasprintf("%s/secrets/%zu", container_dir, i);
}

static int keep_one(const char *dir, const struct secret_use *u, size_t i, int to_fd, struct err *err)
{
	AUTO_SECRET struct secret s = { 0 };
	AUTO_FREE char *data = NULL;
	char name[24];
	size_t n = 0;
	int r = secret_load(dir, u->name, &s, err);

	if (r == 0)
		r = secret_read(dir, &s, &data, &n, err);
	if (r < 0 || !data)
		return r;
	if (u->env && memchr(data, '\0', n))
		return err_set(err, EINVAL, "--secret %s: its data has a NUL byte, which no variable can hold", u->name);
	snprintf(name, sizeof(name), "%zu", i);
	r = fd_write_new_file(to_fd, name, data, n, 0400);
	explicit_bzero(data, n);
	return r < 0 ? err_sys(err, r, "copy the secret '%s'", u->name) : 0;
}

int secrets_keep(const char *dir, const struct secret_uses *l, int container_fd, struct err *err)
{
	AUTO_CLOSE int fd = -1;

	if (!l->n)
		return 0;
	if (mkdirat(container_fd, "secrets", 0700) == 0)
		fd = openat(container_fd, "secrets", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "make the container's directory 'secrets'");
	for (size_t i = 0; i < l->n; i++)
		if (keep_one(dir, &l->v[i], i, fd, err) < 0)
			return -err->code;
	return 0;
}

int secrets_give(const char *container_dir, const struct secret_uses *l, uint32_t (*outer)(const void *arg, bool group, uint32_t id),
		 const void *arg, struct err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct secret_use *u = &l->v[i];
		AUTO_FREE char *path = copy_path(container_dir, i);
		uint32_t uid = outer(arg, false, u->uid), gid = outer(arg, true, u->gid);
		struct stat st;

		if (u->env)
			continue;
		if (stat(path, &st) < 0)
			return err_sys(err, -errno, "the container's secret '%s'", u->name);
		/* chown() may not be for us to do, and need not be done */
		if ((st.st_uid != uid || st.st_gid != gid) && chown(path, uid, gid) < 0)
			return err_sys(err, -errno, "--secret %s: give it to uid %u and gid %u", u->name, u->uid, u->gid);
		if ((st.st_mode & 07777) != u->mode && chmod(path, u->mode) < 0)
			return err_sys(err, -errno, "--secret %s: set its mode", u->name);
	}
	return 0;
}

int secrets_load_values(const char *container_dir, struct secret_uses *l, struct err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		AUTO_FREE char *path = copy_path(container_dir, i);
		int r = l->v[i].env ? fd_read_file(AT_FDCWD, path, SECRET_MAX, &l->v[i].value, NULL) : 0;

		if (r < 0)
			return err_sys(err, r, "the container's secret '%s'", l->v[i].name);
	}
	return 0;
}

void secrets_mounts_json(const char *container_dir, const struct secret_uses *l, struct json_writer *w)
{
	static const char *const options[] = { "bind", "rprivate", "ro", "nosuid", "nodev", "noexec" };

	for (size_t i = 0; i < l->n; i++) {
		AUTO_FREE char *path = copy_path(container_dir, i);

		if (l->v[i].env)
			continue;
		json_begin_object(w);
		json_kv_string(w, "destination", l->v[i].target);
		json_kv_string(w, "type", "bind");
		json_kv_string(w, "source", path);
		json_key(w, "options");
		json_begin_array(w);
		for (size_t k = 0; k < ARRAY_SIZE(options); k++)
			json_string(w, options[k]);
		json_end_array(w);
		json_end_object(w);
	}
}
