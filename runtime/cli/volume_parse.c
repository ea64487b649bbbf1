/* SPDX-License-Identifier: Apache-2.0 */
/* -v, --mount and --tmpfs. */
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/cli/volume.h"
#include "runtime/cli/volume_glob.h"
#include "runtime/net/network.h"

#include <errno.h>
#include <unistd.h>

static void mount_done(struct volume_mount *m)
{
	free(m->source);
	free(m->subpath);
	free(m->target);
	free(m->layers);
	strings_free(m->options);
	*m = (struct volume_mount){ 0 };
}

void volume_list_done(struct volume_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		mount_done(&l->v[i]);
	free(l->v);
	*l = (struct volume_list){ 0 };
}

/* Takes the mount over. */
static void add(struct volume_list *l, struct volume_mount *m)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = *m;
	*m = (struct volume_mount){ 0 };
}

static int set_target(struct volume_mount *m, const char *target, const char *flag, struct err *err)
{
	if (target[0] != '/')
		return err_set(err, EINVAL, "%s: the destination '%s' is not an absolute path", flag, target);
	free(m->target);
	m->target = path_clean(target);
	if (str_eq(m->target, "/"))
		return err_set(err, EINVAL, "%s: the destination cannot be '/'", flag);
	return 0;
}

static bool volume_name_ok(const char *s)
{
	return network_name_ok(s);
}

static int set_path_source(struct volume_mount *m, const char *source)
{
	char cwd[4096];
	AUTO_FREE char *joined = NULL;

	if (source[0] != '/') {
		if (!getcwd(cwd, sizeof(cwd)))
			return -errno;
		joined = xasprintf("%s/%s", cwd, source);
	}
	free(m->source);
	m->source = path_clean(joined ? joined : source);
	return 0;
}

static bool is_path(const char *source)
{
	return source[0] == '/' || source[0] == '.';
}

static const char *const plain_options[] = {
	"exec",	   "noexec",   "suid",	  "nosuid",  "dev",	"nodev",   "shared",	 "rshared",	"slave",      "rslave",	"private",
	"rprivate", "unbindable", "runbindable", "bind", "rbind", "noatime", "relatime", "nodiratime", "strictatime", "sync", "nosymfollow",
};
/* SELinux labels are not brig's to set here, and desktop hints mean nothing on Linux. */
static const char *const ignored_options[] = { "z", "Z", "cached", "delegated", "consistent", "copy", "default" };

static bool in_list(const char *const *list, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i], s))
			return true;
	return false;
}

/* One option that -v and --mount share. -ENOENT: it is none of them. */
static int shared_option(struct volume_mount *m, const char *o)
{
	if (str_eq(o, "ro") || str_eq(o, "readonly"))
		m->read_only = true;
	else if (str_eq(o, "rw"))
		m->read_only = false;
	else if (str_eq(o, "U"))
		m->chown = true;
	else if (str_eq(o, "nocopy"))
		m->nocopy = true;
	else if (str_eq(o, "O") && (m->kind == VOLUME_BIND || m->kind == VOLUME_VOLUME))
		m->overlay = true;
	else if (in_list(plain_options, ARRAY_SIZE(plain_options), o))
		strings_add(&m->options, o);
	else if (!in_list(ignored_options, ARRAY_SIZE(ignored_options), o))
		return -ENOENT;
	return 0;
}

static int volume_options(struct volume_mount *m, char *options, const char *value, struct err *err)
{
	for (char *save = NULL, *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save))
		if (shared_option(m, o) < 0)
			return err_set(err, EINVAL, "--volume %s: unknown option '%s'", value, o);
	return 0;
}

static int volume_source(struct volume_mount *m, const char *source, const char *value, struct err *err)
{
	int r;

	if (is_path(source)) {
		m->kind = VOLUME_BIND;
		m->create_source = true;
		r = set_path_source(m, source);
		return r < 0 ? err_sys(err, r, "--volume %s: working directory", value) : 0;
	}
	m->kind = VOLUME_VOLUME;
	if (!volume_name_ok(source))
		return err_set(err, EINVAL,
			       "--volume %s: '%s' is neither a path (with '/' or '.' in front) nor a volume's name (letters, digits, '_', '.', '-')",
			       value, source);
	m->source = xstrdup(source);
	return 0;
}

static int parse_volume(struct volume_mount *m, char *copy, const char *value, struct err *err)
{
	char *second = strchr(copy, ':'), *third = NULL;

	if (second) {
		*second++ = '\0';
		third = strchr(second, ':');
	}
	if (third)
		*third++ = '\0';
	if (third && strchr(third, ':'))
		return err_set(err, EINVAL, "--volume %s: not [SOURCE:]DESTINATION[:OPTIONS]", value);
	if (!second) {
		m->kind = VOLUME_VOLUME;
		m->anonymous = true;
		return set_target(m, copy, "--volume", err);
	}
	if (volume_source(m, copy, value, err) < 0 || set_target(m, second, "--volume", err) < 0)
		return -EINVAL;
	return third ? volume_options(m, third, value, err) : 0;
}

int volume_parse(struct volume_list *l, const char *value, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(value);
	struct volume_mount m = { 0 };
	int r = parse_volume(&m, copy, value, err);

	if (r < 0)
		mount_done(&m);
	else
		add(l, &m);
	return r;
}

/* Cut the first field of a CSV line off (RFC 4180: "" within quotes is one quote). NULL at the end. */
static char *csv_field(char **line)
{
	char *start = *line, *out = start, *in = start;
	bool quoted = false;

	if (!start)
		return NULL;
	for (; *in && (quoted || *in != ','); in++) {
		if (*in != '"')
			*out++ = *in;
		else if (quoted && in[1] == '"')
			*out++ = *in++;
		else
			quoted = !quoted;
	}
	*line = *in ? in + 1 : NULL;
	*out = '\0';
	return start;
}

static bool is_true(const char *v)
{
	return !v || str_eq(v, "true") || str_eq(v, "1");
}

static bool is_memory(const struct volume_mount *m)
{
	return m->kind == VOLUME_TMPFS || m->kind == VOLUME_RAMFS;
}

/* Options of one type, with a value. -ENOENT: not one of them. */
static int typed_option(struct volume_mount *m, const char *key, const char *v)
{
	AUTO_FREE char *text = NULL;

	if (is_memory(m) && (str_eq(key, "tmpfs-size") || str_eq(key, "size")))
		text = xasprintf("size=%s", v ? v : "");
	else if (is_memory(m) && (str_eq(key, "tmpfs-mode") || str_eq(key, "mode")))
		text = xasprintf("mode=%s", v ? v : "");
	else if (is_memory(m) && (str_eq(key, "tmpcopyup") || str_eq(key, "notmpcopyup")))
		text = str_eq(key, "tmpcopyup") ? xstrdup(key) : NULL;
	else if (m->kind == VOLUME_BIND && str_eq(key, "bind-propagation") && v)
		text = xstrdup(v);
	else if (m->kind == VOLUME_BIND && str_eq(key, "bind-nonrecursive"))
		text = xstrdup(is_true(v) ? "bind" : "rbind");
	else if (m->kind == VOLUME_VOLUME && str_eq(key, "volume-nocopy"))
		m->nocopy = is_true(v);
	else if (m->kind == VOLUME_VOLUME && (str_eq(key, "volume-subpath") || str_eq(key, "subpath")) && v)
		m->subpath = xstrdup(v);
	else if (!str_eq(key, "consistency") && !str_eq(key, "relabel") && !str_eq(key, "bind-recursive") && !str_eq(key, "volume-label") &&
		 !(str_eq(key, "volume-driver") && str_eq(v, "local")))
		return -ENOENT;
	if (text)
		strings_add(&m->options, text);
	return 0;
}

struct mount_words {
	const char *source, *target, *type;
	char *options[64]; /* "key" or "key=value", borrowed */
	size_t n;
};

static int split_words(char *line, const char *value, struct mount_words *w, struct err *err)
{
	for (char *f = csv_field(&line); f; f = csv_field(&line)) {
		if (str_starts(f, "type="))
			w->type = f + 5;
		else if (str_starts(f, "source="))
			w->source = f + 7;
		else if (str_starts(f, "src="))
			w->source = f + 4;
		else if (str_starts(f, "target="))
			w->target = f + 7;
		else if (str_starts(f, "dst="))
			w->target = f + 4;
		else if (str_starts(f, "destination="))
			w->target = f + 12;
		else if (w->n < ARRAY_SIZE(w->options))
			w->options[w->n++] = f;
		else
			return err_set(err, EINVAL, "--mount %s: too many options", value);
	}
	return 0;
}

static int mount_option(struct volume_mount *m, char *option, const char *value, struct err *err)
{
	char *v = strchr(option, '=');

	if (v)
		*v++ = '\0';
	if (str_eq(option, "U") || str_eq(option, "chown")) {
		m->chown = is_true(v);
		return 0;
	}
	if (typed_option(m, option, v) == 0)
		return 0;
	if (v && !is_true(v)) {
		/* ro=false and its like: the option is as if it were not there. */
		struct volume_mount unused = { 0 };
		bool known = (str_eq(v, "false") || str_eq(v, "0")) && shared_option(&unused, option) == 0;

		strings_free(unused.options);
		return known ? 0 : err_set(err, EINVAL, "--mount %s: unknown option '%s=%s'", value, option, v);
	}
	if (shared_option(m, option) < 0)
		return err_set(err, EINVAL, "--mount %s: unknown option '%s' for this type", value, option);
	return 0;
}

static const struct name_value kinds[] = {
	{ "bind", VOLUME_BIND }, { "volume", VOLUME_VOLUME }, { "tmpfs", VOLUME_TMPFS }, { "ramfs", VOLUME_RAMFS },
	{ "devpts", VOLUME_DEVPTS }, { "mqueue", VOLUME_MQUEUE },
	{ NULL, 0 },
};

static int mount_source(struct volume_mount *m, const char *source, const char *value, struct err *err)
{
	int r;

	switch (m->kind) {
	case VOLUME_BIND:
		if (!source || !*source)
			return err_set(err, EINVAL, "--mount %s: a bind mount needs a source", value);
		r = set_path_source(m, source);
		return r < 0 ? err_sys(err, r, "--mount %s: working directory", value) : 0;
	case VOLUME_VOLUME:
		if (source && *source && !volume_name_ok(source))
			return err_set(err, EINVAL, "--mount %s: '%s' is no name for a volume; type=bind mounts a path", value, source);
		m->anonymous = !source || !*source;
		m->source = m->anonymous ? NULL : xstrdup(source);
		return 0;
	case VOLUME_TMPFS:
	case VOLUME_RAMFS:
	case VOLUME_DEVPTS:
	case VOLUME_MQUEUE:
		return source && *source ? err_set(err, EINVAL, "--mount %s: this type has no source", value) : 0;
	}
	return 0;
}

static int fill_mount(struct volume_mount *m, const struct mount_words *w, const char *source, const char *target, const char *value,
		      struct err *err)
{
	if (mount_source(m, source, value, err) < 0 || set_target(m, target, "--mount", err) < 0)
		return -EINVAL;
	for (size_t i = 0; i < w->n; i++) {
		AUTO_FREE char *option = xstrdup(w->options[i]);

		if (mount_option(m, option, value, err) < 0)
			return -EINVAL;
	}
	return 0;
}

static int add_mount(struct volume_list *l, const struct mount_words *w, enum volume_kind kind, const char *source, const char *target,
		     const char *value, struct err *err)
{
	struct volume_mount m = { .kind = kind };
	int r = fill_mount(&m, w, source, target, value, err);

	if (r < 0)
		mount_done(&m);
	else
		add(l, &m);
	return r;
}

/* One bind mount for each path: at the same place, or by its name in the target. */
static int add_glob(struct volume_list *l, const struct mount_words *w, const char *value, struct err *err)
{
	CLEANUP(glob_done) struct glob_paths found = { 0 };
	int r = 0;

	if (!w->source || w->source[0] != '/')
		return err_set(err, EINVAL, "--mount %s: the source must be a pattern of absolute paths", value);
	glob_find(&found, w->source);
	if (!found.n)
		return err_set(err, ENOENT, "--mount %s: nothing matches '%s'", value, w->source);
	for (size_t i = 0; r == 0 && i < found.n; i++) {
		const char *path = found.v[i];
		AUTO_FREE char *target = w->target ? xasprintf("%s/%s", w->target, strrchr(path, '/') + 1) : xstrdup(path);

		r = add_mount(l, w, VOLUME_BIND, path, target, value, err);
	}
	return r;
}

int volume_parse_mount(struct volume_list *l, const char *value, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(value);
	struct mount_words w = { 0 };
	const struct name_value *kind;

	if (split_words(copy, value, &w, err) < 0)
		return -EINVAL;
	if (w.type && str_eq(w.type, "glob"))
		return add_glob(l, &w, value, err);
	if (!w.target)
		return err_set(err, EINVAL, "--mount %s: 'target' is missing", value);
	kind = name_find(kinds, w.type ? w.type : "volume");
	if (!kind)
		return err_set(err, EINVAL, "--mount %s: unknown type '%s' (bind, volume, tmpfs, ramfs, glob, devpts and mqueue are known)", value,
			       w.type);
	return add_mount(l, &w, (enum volume_kind)kind->value, w.source, w.target, value, err);
}

int volume_parse_tmpfs(struct volume_list *l, const char *value, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(value);
	struct volume_mount m = { .kind = VOLUME_TMPFS };
	char *colon = strchr(copy, ':'), *save = NULL;
	int r;

	if (colon)
		*colon++ = '\0';
	r = set_target(&m, copy, "--tmpfs", err);
	/* The kernel knows the rest (size=, nr_inodes=, uid= ...) and says what is wrong. */
	for (char *o = colon ? strtok_r(colon, ",", &save) : NULL; r == 0 && o; o = strtok_r(NULL, ",", &save))
		if (shared_option(&m, o) < 0)
			strings_add(&m.options, o);
	if (r < 0)
		mount_done(&m);
	else
		add(l, &m);
	return r;
}

void volume_add_image(struct volume_list *l, const char *path)
{
	struct volume_mount m = { .kind = VOLUME_VOLUME, .anonymous = true };

	if (path[0] != '/')
		return; /* an image may say anything; there is nothing to mount */
	m.target = path_clean(path);
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->v[i].target, m.target) || str_eq(m.target, "/")) {
			mount_done(&m);
			return;
		}
	add(l, &m);
}

int volume_list_check(const struct volume_list *l, struct err *err)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < i; k++)
			if (str_eq(l->v[i].target, l->v[k].target))
				return err_set(err, EINVAL, "two mounts on '%s'", l->v[i].target);
	return 0;
}
