/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a network: a CNI conflist. */
#include "runtime/net/network.h"

#include <errno.h>

static const char *text_of(const struct json *object, const char *key)
{
	const struct json *n = object ? json_get(object, key) : NULL;

	return n && n->type == JSON_STRING ? n->u.string : NULL;
}

static bool true_in(const struct json *object, const char *key)
{
	const struct json *n = object ? json_get(object, key) : NULL;

	return n && n->type == JSON_BOOL && n->u.boolean;
}

static const struct json *kids(const struct json *object, const char *key)
{
	const struct json *n = object ? json_get(object, key) : NULL;

	return n && (n->type == JSON_ARRAY || n->type == JSON_OBJECT) ? n->u.kids.first : NULL;
}

static void take_pairs(char ***list, const struct json *k)
{
	for (; k; k = k->next) {
		AUTO_FREE char *pair = xasprintf("%s=%s", k->key ? k->key : "", k->type == JSON_STRING ? k->u.string : "");

		strings_add(list, pair);
	}
}

static int take_address(const struct json *range, const char *key, const char *path, struct ip_addr *ret, struct err *err)
{
	const char *text = text_of(range, key);

	if (!text)
		return 0;
	if (ip_parse(text, ret) < 0)
		return json_err(err, path, json_get(range, key), EINVAL, "'%s' is no address", text);
	return 0;
}

static int take_range(const struct json *range, const char *path, struct network *n, struct err *err)
{
	struct network_subnet s = { 0 };
	int r;

	if (range->type != JSON_OBJECT || !text_of(range, "subnet") || n->n_subnets == ARRAY_SIZE(n->subnets))
		return 0;
	r = take_address(range, "subnet", path, &s.net, err);
	if (r == 0)
		r = take_address(range, "gateway", path, &s.gateway, err);
	if (r == 0)
		r = take_address(range, "rangeStart", path, &s.first, err);
	if (r == 0)
		r = take_address(range, "rangeEnd", path, &s.last, err);
	if (r < 0)
		return r;
	s.net = ip_network(&s.net);
	for (size_t i = 0; i < n->n_subnets; i++)
		if (n->subnets[i].net.family == s.net.family)
			return 0; /* the first of a family is what is shown */
	n->subnets[n->n_subnets++] = s;
	return 0;
}

static int take_subnets(const struct json *plugin, const char *path, struct network *n, struct err *err)
{
	const struct json *ipam = json_get(plugin, "ipam");

	if (!ipam || ipam->type != JSON_OBJECT)
		return 0;
	if (text_of(ipam, "subnet"))
		return take_range(ipam, path, n, err); /* the old, flat form */
	for (const struct json *set = kids(ipam, "ranges"); set; set = set->next)
		for (const struct json *range = set->type == JSON_ARRAY ? set->u.kids.first : NULL; range; range = range->next) {
			int r = take_range(range, path, n, err);

			if (r < 0)
				return r;
		}
	return 0;
}

static int take_plugin(const struct json *plugin, const char *path, struct network *n, struct err *err)
{
	const char *type = text_of(plugin, "type"), *interface = text_of(plugin, "bridge");
	const struct json *mtu = json_get(plugin, "mtu");
	uint64_t v = 0;

	if (!type)
		return json_err(err, path, plugin, EINVAL, "a plugin without 'type'");
	if (mtu && json_to_u64(mtu, path, 65535, &v, err) < 0)
		return -EINVAL;
	n->mtu = (unsigned)v;
	n->driver = xstrdup(type);
	interface = interface ? interface : text_of(plugin, "master");
	n->interface = xstrdup(interface ? interface : "");
	return take_subnets(plugin, path, n, err);
}

static void take_extras(const struct json *root, struct network *n)
{
	const struct json *extra = json_get(root, "brig");
	const char *id, *created;

	if (extra && extra->type != JSON_OBJECT)
		extra = NULL;
	id = text_of(extra, "id");
	created = text_of(extra, "created");
	n->id = xstrdup(id && n->ours ? id : "");
	n->created = xstrdup(created ? created : "");
	n->internal = true_in(extra, "internal");
	n->names = n->ours && true_in(extra, "names");
	take_pairs(&n->labels, kids(extra, "labels"));
	take_pairs(&n->options, kids(extra, "options"));
}

static int fill(const struct json *root, const char *path, struct network *n, struct err *err)
{
	const struct json *first = root->type == JSON_OBJECT ? kids(root, "plugins") : NULL;
	const char *name = root->type == JSON_OBJECT ? text_of(root, "name") : NULL;
	int r;

	if (!name)
		return json_err(err, path, root, EINVAL, "a network configuration without 'name'");
	n->name = xstrdup(name);
	/* A file with a single plugin (.conf) is the plugin itself. */
	if (!first && !text_of(root, "type"))
		return json_err(err, path, root, EINVAL, "a network configuration without 'plugins'");
	r = take_plugin(first ? first : root, path, n, err);
	if (r < 0)
		return r;
	take_extras(root, n);
	n->builtin = n->ours && str_eq(n->driver, "bridge") && n->interface[0] && n->n_subnets;
	return 0;
}

int network_parse(const char *path, bool ours, char *text, struct network *ret, struct err *err)
{
	struct arena arena = { 0 };
	struct network n = { .path = xstrdup(path), .ours = ours, .text = text };
	struct json *root;
	int r = json_parse(&arena, path, text, strlen(text), &root, err);

	if (r == 0)
		r = fill(root, path, &n, err);
	arena_done(&arena);
	if (r < 0) {
		network_done(&n);
		return r;
	}
	*ret = n;
	return 0;
}

static void put_ip(struct json_writer *w, const char *key, const struct ip_addr *a, bool prefix)
{
	char text[IP_TEXT_LEN];
	AUTO_FREE char *whole = NULL;

	if (!a->family)
		return;
	(void)ip_text(a, text);
	whole = prefix ? xasprintf("%s/%u", text, a->prefix) : xstrdup(text);
	json_kv_string(w, key, whole);
}

static void put_ipam(struct json_writer *w, const struct network *n)
{
	json_key(w, "ipam");
	json_begin_object(w);
	json_kv_string(w, "type", n->n_subnets ? "host-local" : "dhcp");
	if (n->n_subnets && !n->internal) {
		json_key(w, "routes");
		json_begin_array(w);
		for (size_t i = 0; i < n->n_subnets; i++) {
			json_begin_object(w);
			json_kv_string(w, "dst", n->subnets[i].net.family == AF_INET6 ? "::/0" : "0.0.0.0/0");
			json_end_object(w);
		}
		json_end_array(w);
	}
	if (n->n_subnets) {
		json_key(w, "ranges");
		json_begin_array(w);
		for (size_t i = 0; i < n->n_subnets; i++) {
			const struct network_subnet *s = &n->subnets[i];

			json_begin_array(w);
			json_begin_object(w);
			put_ip(w, "subnet", &s->net, true);
			put_ip(w, "gateway", &s->gateway, false);
			put_ip(w, "rangeStart", &s->first, false);
			put_ip(w, "rangeEnd", &s->last, false);
			json_end_object(w);
			json_end_array(w);
		}
		json_end_array(w);
	}
	json_end_object(w);
}

static void put_first_plugin(struct json_writer *w, const struct network *n)
{
	bool bridge = str_eq(n->driver, "bridge");

	json_begin_object(w);
	json_kv_string(w, "type", n->driver);
	if (n->interface[0])
		json_kv_string(w, bridge ? "bridge" : "master", n->interface);
	if (bridge) {
		json_kv_bool(w, "isGateway", true);
		json_kv_bool(w, "ipMasq", !n->internal);
		json_kv_bool(w, "hairpinMode", true);
	}
	for (size_t i = 0; n->options && n->options[i]; i++)
		if (!bridge && str_starts(n->options[i], "mode="))
			json_kv_string(w, "mode", n->options[i] + 5);
	if (n->mtu)
		json_kv_u64(w, "mtu", n->mtu);
	put_ipam(w, n);
	json_end_object(w);
}

static void put_plugin(struct json_writer *w, const char *type, const char *capability)
{
	json_begin_object(w);
	json_kv_string(w, "type", type);
	if (capability) {
		json_key(w, "capabilities");
		json_begin_object(w);
		json_kv_bool(w, capability, true);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_extras(struct json_writer *w, const struct network *n)
{
	json_key(w, "brig");
	json_begin_object(w);
	json_kv_string(w, "id", n->id);
	json_kv_string(w, "created", n->created);
	json_kv_bool(w, "internal", n->internal);
	json_kv_bool(w, "names", n->names);
	json_kv_pairs(w, "labels", n->labels);
	json_kv_pairs(w, "options", n->options);
	json_end_object(w);
}

char *network_conflist(const struct network *n)
{
	struct buf out = { 0 };
	struct json_writer w = { .out = &out, .pretty = true };

	json_begin_object(&w);
	json_kv_string(&w, "cniVersion", "0.4.0");
	json_kv_string(&w, "name", n->name);
	put_extras(&w, n);
	json_key(&w, "plugins");
	json_begin_array(&w);
	put_first_plugin(&w, n);
	if (str_eq(n->driver, "bridge")) {
		put_plugin(&w, "portmap", "portMappings");
		put_plugin(&w, "firewall", NULL);
	}
	json_end_array(&w);
	json_end_object(&w);
	buf_add(&out, "\n");
	return buf_take(&out);
}
