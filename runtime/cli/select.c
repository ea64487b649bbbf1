/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/select.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/health.h"
#include "runtime/cli/table.h"
#include "runtime/net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <time.h>

/* ---- filters ---- */

struct filter_env {
	struct record *r;
	enum record_state state;
	struct record *const *all;
	size_t n;
};

static bool match_id(const struct filter_env *f, const char *value)
{
	return str_starts(f->r->id, value);
}

/* A regular expression, as docker and podman have it; docker's names begin with a '/', which an expression may ask for. */
static bool match_name(const struct filter_env *f, const char *value)
{
	AUTO_FREE char *slashed = xasprintf("/%s", f->r->name);
	regex_t re;
	bool hit;

	if (regcomp(&re, value, REG_EXTENDED | REG_NOSUB) != 0)
		return strstr(f->r->name, value) != NULL;
	hit = regexec(&re, f->r->name, 0, NULL, 0) == 0 || regexec(&re, slashed, 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

static bool match_label(const struct filter_env *f, const char *value)
{
	AUTO_FREE char *key = xstrdup(value);
	char *equals = strchr(key, '=');
	const char *have;

	if (equals)
		*equals = '\0';
	have = kvlist_get(&f->r->labels, key);
	return have && (!equals || str_eq(have, equals + 1));
}

static bool match_not_label(const struct filter_env *f, const char *value)
{
	return !match_label(f, value);
}

/* The image by name, with or without host, folder and tag, or by ID. */
static bool match_ancestor(const struct filter_env *f, const char *value)
{
	const char *image = f->r->image, *at = strstr(image, value);
	size_t n = strlen(value);

	if (strlen(value) >= 3 && str_starts(f->r->image_id, value))
		return true;
	if (!at || (at != image && at[-1] != '/'))
		return false;
	return !at[n] || at[n] == ':' || at[n] == '@';
}

static bool match_status(const struct filter_env *f, const char *value)
{
	if (str_eq(value, "stopped"))
		value = "exited";
	if (str_eq(value, "configured"))
		value = "created";
	return str_eq(record_state_name(f->state), value);
}

static bool match_exited(const struct filter_env *f, const char *value)
{
	int code;

	return f->state == RECORD_EXITED && str_to_int(value, &code) == 0 && f->r->exit_code == code;
}

static bool match_network(const struct filter_env *f, const char *value)
{
	const char *have = record_network(f->r);
	const char *at = strstr(have, value);
	size_t n = strlen(value);

	return at && (at == have || at[-1] == ',') && (!at[n] || strchr(",:", at[n]));
}

static bool match_volume(const struct filter_env *f, const char *value)
{
	AUTO_FREE char *quoted = xasprintf("\"%s\"", value);

	return f->r->mounts && strstr(f->r->mounts, quoted);
}

static const struct record *find(const struct filter_env *f, const char *value)
{
	for (size_t i = 0; i < f->n; i++) {
		if (str_eq(f->all[i]->name, value) || str_starts(f->all[i]->id, value))
			return f->all[i];
	}
	return NULL;
}

static bool match_before(const struct filter_env *f, const char *value)
{
	const struct record *other = find(f, value);

	return other && strcmp(f->r->created, other->created) < 0;
}

static bool match_since(const struct filter_env *f, const char *value)
{
	const struct record *other = find(f, value);

	return other && strcmp(f->r->created, other->created) > 0;
}

bool created_before(const char *when, const char *value)
{
	int64_t at = 0, created = 0;
	uint64_t ns;

	if (option_duration(value, &ns) == 0)
		at = time(NULL) - (int64_t)(ns / 1000000000);
	else if (table_parse_time(value, &at) < 0 && str_to_i64(value, &at) < 0)
		return false;
	return table_parse_time(when, &created) == 0 && created < at;
}

static bool match_until(const struct filter_env *f, const char *value)
{
	return created_before(f->r->created, value);
}

static bool match_restart(const struct filter_env *f, const char *value)
{
	return str_starts(f->r->restart_policy ? f->r->restart_policy : "no", value);
}

static bool match_health(const struct filter_env *f, const char *value)
{
	AUTO_FREE char *status = f->state == RECORD_RUNNING || f->state == RECORD_PAUSED ? health_status(f->r) : NULL;

	return str_eq(status ? status : "none", value);
}

typedef int (*ports_fn)(struct net_request *q, const char *value, struct err *err);

/* Is value, PORT[-END][/PROTOCOL], one of the ports in the flags of this name? */
static bool in_ports(const struct filter_env *f, const char *value, const char *flag, ports_fn parse)
{
	AUTO_FREE char *start = xasprintf("--%s=", flag);
	struct net_request want = { 0 }, have = { 0 };
	struct err ignored;
	bool hit = false;

	if (net_request_expose(&want, value, &ignored) < 0)
		return false;
	for (size_t i = 0; i < f->r->flags.n; i++)
		if (str_starts(f->r->flags.v[i], start) && parse(&have, f->r->flags.v[i] + strlen(start), &ignored) < 0)
			break;
	for (size_t i = 0; i < have.n_ports + have.n_exposed; i++) {
		const struct net_port *p = i < have.n_ports ? &have.ports[i] : &have.exposed[i - have.n_ports];
		const struct net_port *w = &want.exposed[0];

		hit |= w->protocol == p->protocol && w->container_port < p->container_port + p->n &&
		       p->container_port < w->container_port + w->n;
	}
	net_request_done(&want);
	net_request_done(&have);
	return hit;
}

static bool match_publish(const struct filter_env *f, const char *value)
{
	return in_ports(f, value, "publish", net_request_publish);
}

static bool match_expose(const struct filter_env *f, const char *value)
{
	return in_ports(f, value, "publish", net_request_publish) || in_ports(f, value, "expose", net_request_expose);
}

static bool match_false(const struct filter_env *f UNUSED, const char *value)
{
	return str_eq(value, "false"); /* is-task, pod: brig has none */
}

static const struct filter {
	const char *key;
	bool (*match)(const struct filter_env *, const char *value);
} filters[] = {
	{ "id", match_id },	      { "name", match_name },	    { "label", match_label },	{ "label!", match_not_label },
	{ "ancestor", match_ancestor }, { "status", match_status },   { "exited", match_exited }, { "network", match_network },
	{ "volume", match_volume },   { "before", match_before },   { "since", match_since },	{ "until", match_until },
	{ "restart-policy", match_restart }, { "is-task", match_false },	{ "health", match_health },
	{ "publish", match_publish }, { "expose", match_expose },
};

/* "label!=x" is the key "label!" */
static const struct filter *find_filter(const char *word, const char **value)
{
	const char *equals = strchr(word, '=');

	for (size_t i = 0; equals && i < ARRAY_SIZE(filters); i++) {
		size_t n = strlen(filters[i].key);

		if ((size_t)(equals - word) == n && strncmp(word, filters[i].key, n) == 0) {
			*value = equals + 1;
			return &filters[i];
		}
	}
	return NULL;
}

int filters_check(const struct option_list *l, struct err *err)
{
	static const char *const states[] = { "created", "initialized", "running", "paused", "exited", "stopped", "configured", NULL };
	const char *value;

	for (size_t i = 0; i < l->n; i++) {
		const struct filter *f = find_filter(l->v[i], &value);
		bool good = f != NULL;

		if (!f)
			return err_set(err, EINVAL, "--filter '%s': must be KEY=VALUE with one of the keys id, name, label, ancestor, status, "
						    "exited, network, volume, health, publish, expose, before, since, until, restart-policy", l->v[i]);
		if (f->match == match_status) {
			good = false;
			for (const char *const *s = states; *s; s++)
				good |= str_eq(*s, value);
		}
		if (!good)
			return err_set(err, EINVAL, "--filter '%s': no such status (created, running, paused, exited)", l->v[i]);
	}
	return 0;
}

bool filters_match(const struct option_list *l, struct record *r, enum record_state s, struct record *const *all, size_t n)
{
	struct filter_env env = { .r = r, .state = s, .all = all, .n = n };

	/* for every key, one of its values */
	for (size_t i = 0; i < l->n; i++) {
		const char *value, *other;
		const struct filter *f = find_filter(l->v[i], &value);
		bool hit = false;

		for (size_t k = 0; k < l->n; k++) {
			if (find_filter(l->v[k], &other) == f)
				hit |= f && f->match(&env, other);
		}
		/* labels narrow down, as elsewhere */
		if (f && (f->match == match_label || f->match == match_not_label))
			hit = f->match(&env, value);
		if (!hit)
			return false;
	}
	return true;
}

/* ---- who is meant ---- */

static void one(struct record *r, const char *shown, int (*fn)(struct record *r, void *arg, struct err *err), void *arg, int *code)
{
	struct err err = { 0 };
	int x = fn(r, arg, &err);

	if (x < 0)
		cli_report(&err, code);
	else if (x > 0)
		printf("%s\n", shown);
}

static int by_filter(struct cli *cli, const struct selection *s, int (*fn)(struct record *r, void *arg, struct err *err), void *arg,
		     struct err *err)
{
	struct record **list = NULL;
	size_t n = 0;
	int code = 0, x = filters_check(&s->filter, err);

	if (x == 0)
		x = record_list(cli, &list, &n, err);
	if (x < 0)
		return x;
	for (size_t i = 0; i < n; i++) {
		enum record_state state = record_state(list[i], NULL);
		bool alive = state == RECORD_RUNNING || state == RECORD_PAUSED || state == RECORD_STARTING;

		if (s->latest && i > 0)
			break;
		if (!filters_match(&s->filter, list[i], state, list, n) || (s->running && !s->latest && !alive))
			continue;
		one(list[i], list[i]->id, fn, arg, &code);
	}
	record_list_free(list, n);
	return code;
}

int newest_container(struct cli *cli, char **ret, struct err *err)
{
	struct record **list = NULL;
	size_t n = 0;
	int r = record_list(cli, &list, &n, err);

	if (r == 0 && n == 0)
		r = err_set(err, ENOENT, "--latest: there is no container");
	if (r == 0)
		*ret = xstrdup(list[0]->id);
	record_list_free(list, n);
	return r;
}

int load_one(struct cli *cli, const char *name, bool latest, struct record **ret, struct err *err)
{
	AUTO_FREE char *newest = NULL;
	int r;

	if (latest && name)
		return err_set(err, EINVAL, "--latest chooses a container: no name beside it");
	if (!latest && !name)
		return err_set(err, EINVAL, "you must give the name or ID of a container");
	r = latest ? newest_container(cli, &newest, err) : 0;
	return r < 0 ? r : record_load(cli, latest ? newest : name, false, ret, err);
}

int cidfile_read(const char *path, char **ret, struct err *err)
{
	AUTO_FREE char *id = NULL;
	int r = fd_read_file(AT_FDCWD, path, 256, &id, NULL);

	if (r < 0)
		return err_sys(err, r, "--cidfile '%s'", path);
	id[strcspn(id, "\n")] = '\0';
	*ret = TAKE_PTR(id);
	return 0;
}

struct work {
	struct cli *cli;
	const struct selection *s;
	int (*fn)(struct record *r, void *arg, struct err *err);
	void *arg;
	int code;
};

static void by_name(struct work *w, const char *name, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	int x = record_load(w->cli, name, false, &r, err);

	if (x == 0)
		one(r, name, w->fn, w->arg, &w->code);
	else if (x != -ENOENT || !w->s->ignore_missing)
		cli_report(err, &w->code);
}

static void by_cidfile(struct work *w, const char *path, struct err *err)
{
	AUTO_FREE char *id = NULL;
	int x = cidfile_read(path, &id, err);

	if (x == 0)
		by_name(w, id, err);
	else if (x != -ENOENT || !w->s->ignore_missing)
		cli_report(err, &w->code);
}

int for_each_selected(struct cli *cli, const struct selection *s, char **operands, int (*fn)(struct record *r, void *arg, struct err *err),
		      void *arg, struct err *err)
{
	struct work w = { .cli = cli, .s = s, .fn = fn, .arg = arg };
	bool chosen = s->all || s->latest || s->filter.n, named = *operands || s->cidfile.n;

	if (chosen && named)
		return err_set(err, EINVAL, "--all, --latest and --filter choose containers: no names beside them");
	if (chosen)
		return by_filter(cli, s, fn, arg, err);
	if (!named)
		return err_set(err, EINVAL, "you must give the name or ID of at least one container");
	for (size_t i = 0; i < s->cidfile.n; i++)
		by_cidfile(&w, s->cidfile.v[i], err);
	for (; *operands; operands++)
		by_name(&w, *operands, err);
	return w.code;
}
