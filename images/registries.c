/* SPDX-License-Identifier: Apache-2.0 */
#include "images/registries.h"

#include "runtime/base/toml.h"
#include "runtime/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CONFIG_MAX_BYTES = 1 << 20 };

void registries_done(struct registries *r)
{
	for (size_t i = 0; i < r->n_rules; i++)
		free(r->rules[i].mirrors);
	free(r->rules);
	free(r->aliases);
	arena_done(&r->arena);
	*r = (struct registries){ 0 };
}

/* ---- reading ---- */

static int get(const char *name, const struct json *table, const char *key, enum json_type type, const struct json **ret, struct err *err)
{
	*ret = json_get(table, key);
	if (*ret && (*ret)->type != type)
		return json_err(err, name, *ret, EINVAL, "must be %s", json_type_name(type));
	return 0;
}

static int get_string(const char *name, const struct json *table, const char *key, const char **ret, struct err *err)
{
	const struct json *v;
	int r = get(name, table, key, JSON_STRING, &v, err);

	*ret = r == 0 && v ? v->u.string : "";
	return r;
}

static int get_bool(const char *name, const struct json *table, const char *key, bool *ret, struct err *err)
{
	const struct json *v;
	int r = get(name, table, key, JSON_BOOL, &v, err);

	*ret = r == 0 && v && v->u.boolean;
	return r;
}

static int read_mirror(const char *name, const struct json *v, struct registry_mirror *m, struct err *err)
{
	static const struct name_value uses[] = {
		{ "", MIRROR_ALL }, { "all", MIRROR_ALL }, { "digest-only", MIRROR_DIGEST_ONLY }, { "tag-only", MIRROR_TAG_ONLY }, { NULL, 0 },
	};
	const struct name_value *use;
	const char *text = "";
	int r;

	if (v->type != JSON_OBJECT)
		return json_err(err, name, v, EINVAL, "must be a table");
	r = get_string(name, v, "location", &m->location, err);
	if (r == 0)
		r = get_bool(name, v, "insecure", &m->insecure, err);
	if (r == 0)
		r = get_string(name, v, "pull-from-mirror", &text, err);
	if (r < 0)
		return r;
	use = name_find(uses, text);
	if (!use)
		return json_err(err, name, v, EINVAL, "pull-from-mirror must be all, digest-only or tag-only, not '%.100s'", text);
	if (!*m->location)
		return json_err(err, name, v, EINVAL, "a mirror needs a location");
	m->use = (enum mirror_use)use->value;
	return 0;
}

static int read_mirrors(const char *name, const struct json *table, struct registry_rule *rule, struct err *err)
{
	const struct json *list;
	int r = get(name, table, "mirror", JSON_ARRAY, &list, err);

	if (r < 0 || !list)
		return r;
	rule->mirrors = xcalloc(list->u.kids.n + 1, sizeof(*rule->mirrors));
	for (const struct json *k = list->u.kids.first; r == 0 && k; k = k->next)
		r = read_mirror(name, k, &rule->mirrors[rule->n_mirrors++], err);
	return r;
}

static int read_rule(struct registries *all, const char *name, const struct json *table, struct err *err)
{
	struct registry_rule rule = { 0 }, *old = NULL;
	int r = get_string(name, table, "prefix", &rule.prefix, err);

	if (r == 0)
		r = get_string(name, table, "location", &rule.location, err);
	if (r == 0)
		r = get_bool(name, table, "insecure", &rule.insecure, err);
	if (r == 0)
		r = get_bool(name, table, "blocked", &rule.blocked, err);
	if (r == 0)
		r = get_bool(name, table, "mirror-by-digest-only", &rule.mirror_by_digest_only, err);
	if (r == 0 && !*rule.prefix)
		rule.prefix = rule.location;
	if (r == 0 && !*rule.prefix)
		r = json_err(err, name, table, EINVAL, "needs a prefix or a location");
	if (r == 0)
		r = read_mirrors(name, table, &rule, err);
	if (r < 0) {
		free(rule.mirrors);
		return r;
	}
	/* A later file's rule for the same prefix takes the earlier one's place. */
	for (size_t i = 0; i < all->n_rules; i++)
		if (str_eq(all->rules[i].prefix, rule.prefix))
			old = &all->rules[i];
	if (!old) {
		all->rules = xreallocarray(all->rules, all->n_rules + 1, sizeof(*all->rules));
		old = &all->rules[all->n_rules++];
		old->mirrors = NULL;
	}
	free(old->mirrors);
	*old = rule;
	return 0;
}

static int read_search(struct registries *all, const char *name, const struct json *list, struct err *err)
{
	all->search = arena_alloc(&all->arena, (list->u.kids.n + 1) * sizeof(char *));
	all->n_search = 0;
	for (const struct json *k = list->u.kids.first; k; k = k->next) {
		if (k->type != JSON_STRING || !*k->u.string)
			return json_err(err, name, k, EINVAL, "must be a registry's name");
		all->search[all->n_search++] = k->u.string;
	}
	return 0;
}

static int read_aliases(struct registries *all, const char *name, const struct json *table, struct err *err)
{
	for (const struct json *k = table->u.kids.first; k; k = k->next) {
		if (k->type != JSON_STRING)
			return json_err(err, name, k, EINVAL, "must be a string");
		all->aliases = xreallocarray(all->aliases, all->n_aliases + 1, sizeof(*all->aliases));
		all->aliases[all->n_aliases++] = (struct registry_alias){ k->key, k->u.string };
	}
	return 0;
}

int registries_add(struct registries *all, const char *name, const char *text, struct err *err)
{
	const struct json *rules = NULL, *search = NULL, *aliases = NULL;
	struct json *root;
	int r = toml_parse(&all->arena, name, text, &root, err);

	if (r == 0)
		r = get(name, root, "registry", JSON_ARRAY, &rules, err);
	if (r == 0)
		r = get(name, root, "unqualified-search-registries", JSON_ARRAY, &search, err);
	if (r == 0)
		r = get(name, root, "aliases", JSON_OBJECT, &aliases, err);
	if (r == 0 && search)
		r = read_search(all, name, search, err);
	if (r == 0 && aliases)
		r = read_aliases(all, name, aliases, err);
	for (const struct json *k = rules ? rules->u.kids.first : NULL; r == 0 && k; k = k->next)
		r = read_rule(all, name, k, err);
	return r;
}

/* ---- files ---- */

/* -ENOENT is no error here: *found says. */
static int add_file(struct registries *all, const char *path, bool *found, struct err *err)
{
	AUTO_FREE char *text = NULL;
	int r = fd_read_file(AT_FDCWD, path, CONFIG_MAX_BYTES, &text, NULL);

	*found = r == 0;
	/* A file of another user's configuration is as good as none. */
	if (r == -ENOENT || r == -ENOTDIR || r == -EACCES)
		return 0;
	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	return registries_add(all, path, text, err);
}

static int is_conf(const struct dirent *d)
{
	return str_ends(d->d_name, ".conf");
}

static int add_folder(struct registries *all, const char *folder, struct err *err)
{
	struct dirent **list = NULL;
	int n = scandir(folder, &list, is_conf, alphasort), r = 0;

	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", folder, list[i]->d_name);
		bool found;

		if (r == 0)
			r = add_file(all, path, &found, err);
		free(list[i]);
	}
	free(list);
	return r;
}

/* "~/.config" by the rules of XDG; NULL without a home. */
static char *config_home(void)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg && *xdg == '/')
		return xstrdup(xdg);
	return home && *home == '/' ? xasprintf("%s/.config", home) : NULL;
}

static int add_cache(struct registries *all, struct err *err)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	AUTO_FREE char *path = NULL;
	bool found;

	if (geteuid() == 0)
		path = xstrdup("/var/cache/containers/short-name-aliases.conf");
	else if (xdg && *xdg == '/')
		path = xasprintf("%s/containers/short-name-aliases.conf", xdg);
	else
		path = xasprintf("%s/.cache/containers/short-name-aliases.conf", home ? home : "");
	return add_file(all, path, &found, err);
}

static int load(struct registries *all, struct err *err)
{
	static const char system_conf[] = "/etc/containers/registries.conf";
	const char *env = getenv("CONTAINERS_REGISTRIES_CONF");
	AUTO_FREE char *home = config_home();
	AUTO_FREE char *user = home ? xasprintf("%s/containers/registries.conf", home) : NULL;
	AUTO_FREE char *user_folder = home ? xasprintf("%s/containers/registries.conf.d", home) : NULL;
	bool found = false;
	int r;

	if (env && *env) {
		r = add_file(all, env, &found, err);
		if (r == 0 && !found)
			r = err_set(err, ENOENT, "no file '%s', which CONTAINERS_REGISTRIES_CONF names", env);
		return r;
	}
	r = add_cache(all, err);
	if (r == 0 && user)
		r = add_file(all, user, &found, err);
	if (r == 0 && !found)
		r = add_file(all, system_conf, &found, err);
	if (r == 0)
		r = add_folder(all, "/etc/containers/registries.conf.d", err);
	if (r == 0 && user_folder)
		r = add_folder(all, user_folder, err);
	return r;
}

int registries_load(struct registries *ret, struct err *err)
{
	AUTO_REGISTRIES struct registries all = { 0 };
	int r = load(&all, err);

	if (r < 0)
		return r;
	*ret = all;
	all = (struct registries){ 0 };
	return 0;
}

/* ---- looking up ---- */

/* Length of the part of name ("host/path") that prefix covers, 0: none. */
static size_t match_prefix(const char *prefix, const char *name)
{
	size_t n = strlen(prefix), host = strcspn(name, "/");

	if (str_starts(prefix, "*.")) {
		const char *tail = prefix + 1;
		size_t t = strcspn(tail, "/");

		/* "*.example.com/ns": some host below example.com, then the path */
		if (host <= t || memcmp(name + host - t, tail, t) != 0)
			return 0;
		n = host + strlen(tail + t);
		if (strncmp(name + host, tail + t, strlen(tail + t)) != 0)
			return 0;
	} else if (strncmp(name, prefix, n) != 0) {
		return 0;
	}
	return name[n] == '\0' || strchr("/:@", name[n]) ? n : 0;
}

const struct registry_rule *registries_find(const struct registries *r, const struct reference *ref)
{
	AUTO_FREE char *name = reference_text(ref);
	const struct registry_rule *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < r->n_rules; i++) {
		size_t n = match_prefix(r->rules[i].prefix, name);

		if (n > best_len || (n && !best)) {
			best = &r->rules[i];
			best_len = n;
		}
	}
	return best;
}

static const char *find_alias(const struct registries *r, const char *path)
{
	for (size_t i = r->n_aliases; i > 0; i--)
		if (str_eq(r->aliases[i - 1].name, path))
			return *r->aliases[i - 1].value ? r->aliases[i - 1].value : NULL;
	return NULL;
}

void registries_candidates(const struct registries *r, const struct reference *ref, struct reference **ret, size_t *ret_n)
{
	static const char *const fallback[] = { REFERENCE_DEFAULT_HOST };
	const char *const *search = r->n_search ? r->search : fallback;
	size_t n = ref->host ? 1 : r->n_search ? r->n_search : 1;
	const char *alias = ref->host ? NULL : find_alias(r, ref->path);
	AUTO_REFERENCE struct reference target = { 0 };

	*ret = xcalloc(n, sizeof(**ret));
	*ret_n = n;
	if (alias && reference_parse(alias, &target, NULL) == 0 && target.host) {
		AUTO_REFERENCE struct reference joined = { 0 };

		reference_copy(ref, &joined);
		free(joined.path);
		joined.path = xstrdup(target.path);
		joined.host = xstrdup(target.host);
		reference_qualify(&joined, REFERENCE_DEFAULT_HOST, &(*ret)[0]);
		*ret_n = 1;
		return;
	}
	for (size_t i = 0; i < n; i++)
		reference_qualify(ref, ref->host ? ref->host : search[i], &(*ret)[i]);
}

/* ref with its first n bytes of "host/path" replaced by location. */
static int relocate(const struct reference *ref, size_t n, const char *location, struct reference *ret, struct err *err)
{
	AUTO_FREE char *name = reference_repository(ref);
	AUTO_FREE char *text = xasprintf("%s%s", location, n <= strlen(name) ? name + n : "");
	char *slash = strchr(text, '/');

	if (!slash || !slash[1])
		return err_set(err, EINVAL, "registries.conf: '%.200s' is no place for '%.200s'", location, name);
	/* Not by reference_parse(): a location may be a host without a dot. */
	reference_copy(ref, ret);
	free(ret->host);
	free(ret->path);
	ret->host = xstrndup(text, (size_t)(slash - text));
	ret->path = xstrdup(slash + 1);
	return 0;
}

static bool mirror_serves(const struct registry_rule *rule, const struct registry_mirror *m, const struct reference *ref)
{
	bool digest = digest_is_set(&ref->digest);

	if (rule->mirror_by_digest_only && !digest)
		return false;
	return m->use == MIRROR_ALL || (m->use == MIRROR_DIGEST_ONLY) == digest;
}

int registries_sources(const struct registries *r, const struct reference *ref, struct registry_source **ret, size_t *ret_n, struct err *err)
{
	const struct registry_rule *rule = registries_find(r, ref);
	AUTO_FREE char *name = reference_text(ref);
	size_t covered = rule ? match_prefix(rule->prefix, name) : 0, n = 0;
	struct registry_source *list = xcalloc((rule ? rule->n_mirrors : 0) + 1, sizeof(*list));
	int x = 0;

	if (rule && rule->blocked)
		x = err_set(err, EPERM, "registry '%.200s' is blocked by registries.conf", rule->prefix);
	for (size_t i = 0; x == 0 && rule && i < rule->n_mirrors; i++) {
		const struct registry_mirror *m = &rule->mirrors[i];

		if (!mirror_serves(rule, m, ref))
			continue;
		x = relocate(ref, covered, m->location, &list[n].ref, err);
		list[n].insecure = m->insecure;
		list[n].is_mirror = true;
		n += x == 0;
	}
	if (x == 0) {
		if (rule && *rule->location && !str_eq(rule->location, rule->prefix))
			x = relocate(ref, covered, rule->location, &list[n].ref, err);
		else
			reference_copy(ref, &list[n].ref);
		list[n].insecure = rule && rule->insecure;
		n += x == 0;
	}
	if (x < 0) {
		registry_sources_done(list, n);
		return x;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

void registry_sources_done(struct registry_source *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		reference_done(&list[i].ref);
	free(list);
}
