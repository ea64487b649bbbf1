/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/network.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/net/netrec.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CONF_MAX (1u << 20)

void network_done(struct network *n)
{
	free(n->name);
	free(n->id);
	free(n->driver);
	free(n->created);
	free(n->path);
	free(n->interface);
	free(n->text);
	strings_free(n->labels);
	strings_free(n->options);
	*n = (struct network){ 0 };
}

void network_list_done(struct network *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		network_done(&list[i]);
	free(list);
}

bool network_name_ok(const char *name)
{
	size_t n = strlen(name);

	return n && n <= 128 && isalnum((unsigned char)name[0]) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n;
}

static int read_network(const char *path, bool ours, struct network *ret, struct err *err)
{
	char *text;
	int r = fd_read_file(AT_FDCWD, path, CONF_MAX, &text, NULL);

	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	return network_parse(path, ours, text, ret, err);
}

struct list {
	struct network *v;
	size_t n;
};

static bool listed(const struct list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->v[i].name, name))
			return true;
	return false;
}

static void add_file(struct list *l, const char *dir, const char *file, bool ours, bool warn)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
	struct network n;
	struct err err;

	if (read_network(path, ours, &n, &err) < 0) {
		log_msg(warn ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "ignored: %s", err.msg);
		return;
	}
	if (listed(l, n.name)) { /* ours are read first and win */
		network_done(&n);
		return;
	}
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = n;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_dir(struct list *l, const char *dir, bool ours, bool warn)
{
	AUTO_DIR DIR *d = opendir(dir);
	char **files = NULL;
	size_t n;

	for (struct dirent *e; d && (e = readdir(d)) != NULL;)
		if (str_ends(e->d_name, ".conflist") || (!ours && (str_ends(e->d_name, ".conf") || str_ends(e->d_name, ".json"))))
			strings_add(&files, e->d_name);
	if (!files)
		return;
	n = strings_count(files);
	qsort(files, n, sizeof(*files), by_name);
	for (size_t i = 0; i < n; i++)
		add_file(l, dir, files[i], ours, warn);
	strings_free(files);
}

static int by_network(const void *a, const void *b)
{
	return strcmp(((const struct network *)a)->name, ((const struct network *)b)->name);
}

int network_all(const struct net_env *env, bool warn, struct network **ret, size_t *ret_n, struct err *err UNUSED)
{
	struct list l = { 0 };

	add_dir(&l, env->conf_dir, true, warn);
	if (!env->rootless)
		add_dir(&l, env->cni_conf_dir, false, warn);
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_network);
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}

static struct network take(struct network *from)
{
	struct network n = *from;

	*from = (struct network){ 0 };
	return n;
}

/* Not by name: by id, or its beginning; a foreign network only by its name. */
static int find_listed(const struct net_env *env, const char *name, struct network *ret, struct err *err)
{
	struct network *all;
	size_t n, found = SIZE_MAX;
	bool several = false;
	int r = network_all(env, false, &all, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && !str_eq(found < n ? all[found].name : NULL, name); i++) {
		bool begins = strlen(name) >= 3 && all[i].id[0] && str_starts(all[i].id, name);

		if (!str_eq(all[i].name, name) && !begins)
			continue;
		several = !str_eq(all[i].name, name) && (several || found != SIZE_MAX);
		found = i;
	}
	if (found == SIZE_MAX)
		r = err_set(err, ENOENT, "network '%s' does not exist (see `brig network ls`, `brig network create`)", name);
	else if (several)
		r = err_set(err, ENOTUNIQ, "network '%s': several networks have an id that begins so", name);
	else
		*ret = take(&all[found]);
	network_list_done(all, n);
	return r;
}

static int make_default(const struct net_env *env, struct network *ret, struct err *err)
{
	struct network_create_options o = { .name = NETWORK_DEFAULT, .no_names = true };
	AUTO_FREE char *path = xasprintf("%s/%s.conflist", env->conf_dir, NETWORK_DEFAULT);
	int r = network_create(env, &o, ret, err);

	if (r == -EEXIST) /* another process was faster */
		r = read_network(path, true, ret, err);
	return r < 0 ? err_wrap(err, "make the default network") : 0;
}

int network_find(const struct net_env *env, const char *name, struct network *ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s.conflist", env->conf_dir, name);
	int r;

	/* The usual case: one file, no directory is read. */
	if (network_name_ok(name) && access(path, F_OK) == 0)
		return read_network(path, true, ret, err);
	if (str_eq(name, NETWORK_DEFAULT))
		return make_default(env, ret, err);
	r = find_listed(env, name, ret, err);
	if (r == -ENOENT && str_eq(name, "podman"))
		return network_find(env, NETWORK_DEFAULT, ret, err);
	return r;
}

static void put_subnets(const struct network *n, struct json_writer *w)
{
	json_begin_array(w);
	for (size_t i = 0; i < n->n_subnets; i++) {
		const struct network_subnet *s = &n->subnets[i];
		char text[IP_TEXT_LEN];
		AUTO_FREE char *net = xasprintf("%s/%u", ip_text(&s->net, text), s->net.prefix);

		json_begin_object(w);
		json_kv_string(w, "Subnet", net);
		if (s->gateway.family)
			json_kv_string(w, "Gateway", ip_text(&s->gateway, text));
		if (s->first.family) {
			char last[IP_TEXT_LEN];
			AUTO_FREE char *range = xasprintf("%s-%s", ip_text(&s->first, text), ip_text(&s->last, last));

			json_kv_string(w, "IPRange", range);
		}
		json_end_object(w);
	}
	json_end_array(w);
}

struct inspection {
	const struct network *n;
	struct json_writer *w;
};

static void put_address(struct json_writer *w, const char *key, const struct net_address *a)
{
	AUTO_FREE char *text = a->text[0] ? xasprintf("%s/%u", a->text, a->prefix) : xstrdup("");

	json_kv_string(w, key, text);
}

static void put_container(void *ctx, struct netrec *r)
{
	const struct inspection *in = ctx;

	for (size_t i = 0; i < r->n_ifs; i++) {
		const struct net_interface *f = &r->ifs[i].pub;

		if (!str_eq(f->network, in->n->name))
			continue;
		json_key(in->w, r->id);
		json_begin_object(in->w);
		json_kv_string(in->w, "Name", r->name);
		json_kv_string(in->w, "MacAddress", f->mac);
		put_address(in->w, "IPv4Address", &f->v4);
		put_address(in->w, "IPv6Address", &f->v6);
		json_end_object(in->w);
		return;
	}
}

bool network_mode(const char *name, struct network *ret)
{
	bool host = str_eq(name, "host");

	if (!host && !str_eq(name, "none"))
		return false;
	*ret = (struct network){ .name = xstrdup(name), .id = xstrdup(""), .driver = xstrdup(host ? "host" : "null"), .created = xstrdup(""),
				 .path = xstrdup(""), .interface = xstrdup("") };
	return true;
}

void network_json(const struct net_env *env, const struct network *n, struct json_writer *w)
{
	struct inspection in = { .n = n, .w = w };
	bool v6 = false;

	for (size_t i = 0; i < n->n_subnets; i++)
		v6 = v6 || n->subnets[i].net.family == AF_INET6;
	json_begin_object(w);
	json_kv_string(w, "Name", n->name);
	json_kv_string(w, "Id", n->id);
	json_kv_string(w, "Created", n->created);
	json_kv_string(w, "Scope", "local");
	json_kv_string(w, "Driver", n->driver);
	json_kv_string(w, "NetworkInterface", n->interface);
	json_kv_bool(w, "EnableIPv6", v6);
	json_kv_bool(w, "Internal", n->internal);
	json_kv_bool(w, "DNSEnabled", n->names);
	json_kv_string(w, "Source", n->path);
	json_key(w, "IPAM");
	json_begin_object(w);
	json_kv_string(w, "Driver", n->n_subnets ? "host-local" : "none");
	json_key(w, "Config");
	put_subnets(n, w);
	json_end_object(w);
	json_key(w, "Subnets");
	put_subnets(n, w);
	json_key(w, "Containers");
	json_begin_object(w);
	netrec_each(env, put_container, &in);
	json_end_object(w);
	json_kv_pairs(w, "Options", n->options);
	json_kv_pairs(w, "Labels", n->labels);
	json_end_object(w);
}
