/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts in a container's record, and as OCI mounts. */
#include "runtime/base/mem.h"
#include "runtime/cli/volume.h"
#include "runtime/net/netrec.h"

#include "runtime/net/network.h"

#include <errno.h>

static const struct name_value kinds[] = {
	{ "bind", VOLUME_BIND }, { "volume", VOLUME_VOLUME }, { "tmpfs", VOLUME_TMPFS }, { "ramfs", VOLUME_RAMFS },
	{ "devpts", VOLUME_DEVPTS }, { "mqueue", VOLUME_MQUEUE },
	{ NULL, 0 },
};

void volume_list_json(const struct volume_list *l, struct json_writer *w)
{
	json_begin_array(w);
	for (size_t i = 0; i < l->n; i++) {
		const struct volume_mount *m = &l->v[i];

		json_begin_object(w);
		json_kv_string(w, "type", name_of(kinds, m->kind));
		if (m->source)
			json_kv_string(w, "source", m->source);
		if (m->subpath)
			json_kv_string(w, "subpath", m->subpath);
		json_kv_string(w, "target", m->target);
		json_kv_bool(w, "anonymous", m->anonymous);
		json_kv_bool(w, "ro", m->read_only);
		json_kv_bool(w, "nocopy", m->nocopy);
		json_kv_bool(w, "chown", m->chown);
		json_kv_bool(w, "overlay", m->overlay);
		if (m->layers)
			json_kv_string(w, "layers", m->layers);
		json_kv_bool(w, "create", m->create_source);
		json_key(w, "options");
		strings_json(m->options, w);
		json_end_object(w);
	}
	json_end_array(w);
}

static bool flag(const struct json *n, const char *key)
{
	const struct json *v = json_get(n, key);

	return v && v->type == JSON_BOOL && v->u.boolean;
}

static char *copy(const struct json *n, const char *key)
{
	const char *s = json_text(n, key);

	return s ? xstrdup(s) : NULL;
}

int volume_list_load(struct volume_list *ret, const struct json *node, const char *name, struct err *err)
{
	struct volume_list l = { 0 };

	for (const struct json *k = node->type == JSON_ARRAY ? node->u.kids.first : NULL; k; k = k->next) {
		const char *type = json_text(k, "type");
		const struct name_value *kind = type ? name_find(kinds, type) : NULL;
		struct volume_mount *m;

		if (!kind || !json_text(k, "target")) {
			volume_list_done(&l);
			return json_err(err, name, k, EINVAL, "not a mount");
		}
		l.v = xreallocarray(l.v, l.n + 1, sizeof(*l.v));
		m = &l.v[l.n++];
		*m = (struct volume_mount){ .kind = (enum volume_kind)kind->value, .source = copy(k, "source"), .subpath = copy(k, "subpath"),
					    .target = copy(k, "target"), .anonymous = flag(k, "anonymous"), .read_only = flag(k, "ro"),
					    .nocopy = flag(k, "nocopy"), .chown = flag(k, "chown"), .overlay = flag(k, "overlay"), .layers = copy(k, "layers"), .create_source = flag(k, "create"),
					    .options = strings_load(json_get(k, "options")) };
	}
	*ret = l;
	return 0;
}

static bool has_any(char *const *list, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strings_have(list, names[i]))
			return true;
	return false;
}

static bool has_key(char *const *list, const char *key)
{
	for (size_t i = 0; list && list[i]; i++)
		if (str_starts(list[i], key))
			return true;
	return false;
}

static void put_options(const struct volume_mount *m, const char *const *defaults, struct json_writer *w)
{
	json_key(w, "options");
	json_begin_array(w);
	for (size_t i = 0; defaults[i]; i++)
		json_string(w, defaults[i]);
	for (size_t i = 0; m->options && m->options[i]; i++)
		json_string(w, m->options[i]);
	json_string(w, m->read_only ? "ro" : "rw");
	json_end_array(w);
}

static void put_bind(const struct volume_mount *m, const char *source, struct json_writer *w)
{
	static const char *const propagation[] = { "shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable" };
	static const char *const binds[] = { "bind", "rbind" };
	const char *defaults[3] = { 0 };
	size_t n = 0;

	if (!has_any(m->options, binds, ARRAY_SIZE(binds)))
		defaults[n++] = "rbind";
	if (!has_any(m->options, propagation, ARRAY_SIZE(propagation)))
		defaults[n++] = "rprivate";
	json_kv_string(w, "type", "bind");
	json_kv_string(w, "source", source);
	put_options(m, defaults, w);
}

static void put_tmpfs(const struct volume_mount *m, struct json_writer *w)
{
	static const char *const safe[] = { "noexec", "nosuid", "nodev" }, *const open[] = { "exec", "suid", "dev" };
	const char *defaults[5] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(safe); i++)
		if (!strings_have(m->options, open[i]) && !strings_have(m->options, safe[i]))
			defaults[n++] = safe[i];
	if (!has_key(m->options, "mode="))
		defaults[n++] = "mode=1777";
	json_kv_string(w, "type", m->kind == VOLUME_RAMFS ? "ramfs" : "tmpfs");
	json_kv_string(w, "source", m->kind == VOLUME_RAMFS ? "ramfs" : "tmpfs");
	put_options(m, defaults, w);
}

/* A volume whose options describe a mount (type, device, o: those of mount(8)) is that mount. */
static bool put_described(const struct volume *v, const struct volume_mount *m, struct json_writer *w)
{
	const char *type = strings_value(v->options, "type"), *device = strings_value(v->options, "device"), *o = strings_value(v->options, "o");
	AUTO_FREE char *words = xstrdup(o ? o : "");

	if (!type || !device)
		return false;
	json_kv_string(w, "type", str_eq(type, "none") ? "bind" : type);
	json_kv_string(w, "source", device);
	json_key(w, "options");
	json_begin_array(w);
	for (char *save = NULL, *s = strtok_r(words, ",", &save); s; s = strtok_r(NULL, ",", &save))
		json_string(w, s);
	if (m->read_only)
		json_string(w, "ro");
	json_end_array(w);
	return true;
}

static void put_overlay(const struct volume_mount *m, const char *source, struct json_writer *w)
{
	AUTO_FREE char *lower = xasprintf("lowerdir=%s", source), *upper = xasprintf("upperdir=%s/upper", m->layers);
	AUTO_FREE char *work = xasprintf("workdir=%s/work", m->layers);

	json_kv_string(w, "type", "overlay");
	json_kv_string(w, "source", "overlay");
	json_key(w, "options");
	json_begin_array(w);
	json_string(w, lower);
	json_string(w, upper);
	json_string(w, work);
	json_string(w, m->read_only ? "ro" : "rw");
	json_end_array(w);
}

static void put_volume(const char *dir, const struct volume_mount *m, struct json_writer *w)
{
	AUTO_FREE char *path = xasprintf("%s/%s/_data%s%s", dir, m->source, m->subpath ? "/" : "", m->subpath ? m->subpath : "");
	struct volume v = { 0 };

	if (m->layers)
		put_overlay(m, path, w);
	else if (volume_load(dir, m->source, &v, NULL) < 0 || !put_described(&v, m, w))
		put_bind(m, path, w);
	volume_done(&v);
}

void volume_mounts_json(const char *dir, const struct volume_list *l, struct json_writer *w)
{
	static const char *const devpts[] = { "nosuid", "noexec", "newinstance", "ptmxmode=0666", NULL };
	static const char *const mqueue[] = { "nosuid", "noexec", "nodev", NULL };

	for (size_t i = 0; i < l->n; i++) {
		const struct volume_mount *m = &l->v[i];

		json_begin_object(w);
		json_kv_string(w, "destination", m->target);
		switch (m->kind) {
		case VOLUME_BIND:
			if (m->layers)
				put_overlay(m, m->source, w);
			else
				put_bind(m, m->source, w);
			break;
		case VOLUME_VOLUME:
			put_volume(dir, m, w);
			break;
		case VOLUME_TMPFS:
		case VOLUME_RAMFS:
			put_tmpfs(m, w);
			break;
		case VOLUME_DEVPTS:
		case VOLUME_MQUEUE:
			json_kv_string(w, "type", m->kind == VOLUME_DEVPTS ? "devpts" : "mqueue");
			json_kv_string(w, "source", m->kind == VOLUME_DEVPTS ? "devpts" : "mqueue");
			put_options(m, m->kind == VOLUME_DEVPTS ? devpts : mqueue, w);
			break;
		}
		json_end_object(w);
	}
}

/* ---- inspect ---- */

void volume_json(const struct volume *v, struct json_writer *w)
{
	json_begin_object(w);
	json_kv_string(w, "CreatedAt", v->created);
	json_kv_string(w, "Driver", v->driver);
	json_kv_pairs(w, "Labels", v->labels);
	json_kv_string(w, "Mountpoint", v->mountpoint);
	json_kv_string(w, "Name", v->name);
	json_kv_pairs(w, "Options", v->options);
	json_kv_string(w, "Scope", "local");
	json_kv_bool(w, "Anonymous", v->anonymous);
	json_kv_u64(w, "MountCount", strings_count(v->users));
	json_end_object(w);
}
