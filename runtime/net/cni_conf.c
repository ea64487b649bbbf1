/* SPDX-License-Identifier: Apache-2.0 */
/* From a conflist to what each plugin reads (CNI spec, "Derived config generation"). */
#include "runtime/net/drivers.h"

#include <errno.h>
#include <netinet/in.h>

static void put_mappings(struct json_writer *w, const struct net_port *ports, size_t n)
{
	json_begin_array(w);
	for (size_t i = 0; i < n; i++)
		for (uint16_t k = 0; k < ports[i].n; k++) {
			json_begin_object(w);
			json_kv_u64(w, "hostPort", (uint64_t)ports[i].host_port + k);
			json_kv_u64(w, "containerPort", (uint64_t)ports[i].container_port + k);
			json_kv_string(w, "protocol", ports[i].protocol == IPPROTO_UDP ? "udp" : ports[i].protocol == IPPROTO_SCTP ? "sctp" : "tcp");
			if (ports[i].host_ip)
				json_kv_string(w, "hostIP", ports[i].host_ip);
			json_end_object(w);
		}
	json_end_array(w);
}

static void put_texts(struct json_writer *w, const char *a, const char *b)
{
	json_begin_array(w);
	if (a)
		json_string(w, a);
	if (b)
		json_string(w, b);
	json_end_array(w);
}

static bool capable(const struct json *plugin, const char *what)
{
	const struct json *c = json_get(plugin, "capabilities");
	const struct json *v = c && c->type == JSON_OBJECT ? json_get(c, what) : NULL;

	return v && v->type == JSON_BOOL && v->u.boolean;
}

/* Only what the plugin says it can do, and only what was asked for. */
static void put_runtime_config(struct json_writer *w, const struct json *plugin, const char *network, const struct cni_call *c)
{
	json_key(w, "runtimeConfig");
	json_begin_object(w);
	if (c->n_ports && capable(plugin, "portMappings")) {
		json_key(w, "portMappings");
		put_mappings(w, c->ports, c->n_ports);
	}
	if ((c->ip || c->ip6) && capable(plugin, "ips")) {
		json_key(w, "ips");
		put_texts(w, c->ip, c->ip6);
	}
	if (c->mac && capable(plugin, "mac"))
		json_kv_string(w, "mac", c->mac);
	if (c->n_aliases && capable(plugin, "aliases")) {
		json_key(w, "aliases");
		json_begin_object(w);
		json_key(w, network);
		json_begin_array(w);
		for (size_t i = 0; i < c->n_aliases; i++)
			json_string(w, c->aliases[i]);
		json_end_array(w);
		json_end_object(w);
	}
	json_end_object(w);
}

static void add_plugin(const struct json *plugin, const char *version, const char *network, const struct cni_call *c, struct cni_plugin **v,
		       size_t *n)
{
	struct buf out = { 0 };
	struct json_writer w = { .out = &out };

	json_begin_object(&w);
	json_kv_string(&w, "cniVersion", version);
	json_kv_string(&w, "name", network);
	for (const struct json *k = plugin->u.kids.first; k; k = k->next) {
		if (str_eq(k->key, "cniVersion") || str_eq(k->key, "name") || str_eq(k->key, "capabilities"))
			continue;
		json_key(&w, k->key);
		json_copy(&w, k);
	}
	put_runtime_config(&w, plugin, network, c);
	json_end_object(&w);
	*v = xreallocarray(*v, *n + 1, sizeof(**v));
	(*v)[*n].type = xstrdup(json_text(plugin, "type"));
	(*v)[(*n)++].config = buf_take(&out);
}

void cni_plugins_free(struct cni_plugin *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].type);
		free(v[i].config);
	}
	free(v);
}

static int each_plugin(const struct json *root, const struct cni_call *c, const char *name, struct cni_plugin **v, size_t *n, struct err *err)
{
	const char *network = json_text(root, "name"), *version = json_text(root, "cniVersion");
	const struct json *list = root->type == JSON_OBJECT ? json_get(root, "plugins") : NULL;

	if (!network)
		return json_err(err, name, root, EINVAL, "a network configuration without 'name'");
	version = version ? version : "0.2.0"; /* the spec's default */
	if (!list) {
		add_plugin(root, version, network, c, v, n);
		return 0;
	}
	for (const struct json *k = list->type == JSON_ARRAY ? list->u.kids.first : NULL; k; k = k->next) {
		if (!json_text(k, "type"))
			return json_err(err, name, k, EINVAL, "a plugin without 'type'");
		add_plugin(k, version, network, c, v, n);
	}
	return 0;
}

int cni_plugins(const struct cni_call *c, const char *name, struct cni_plugin **ret, size_t *ret_n, struct err *err)
{
	struct arena arena = { 0 };
	struct cni_plugin *v = NULL;
	struct json *root;
	size_t n = 0;
	int r = json_parse(&arena, name, c->conflist, strlen(c->conflist), &root, err);

	if (r == 0)
		r = each_plugin(root, c, name, &v, &n, err);
	arena_done(&arena);
	if (r < 0) {
		cni_plugins_free(v, n);
		return r;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

char *cni_with_result(const char *config, const char *prev)
{
	/* The configuration is an object that we wrote: it ends with its brace. */
	return prev ? xasprintf("%.*s,\"prevResult\":%s}", (int)strlen(config) - 1, config, prev) : xstrdup(config);
}
