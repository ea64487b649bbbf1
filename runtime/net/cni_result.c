/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's answer: the forms of CNI 0.1/0.2 (ip4, ip6) and of 0.3 to 1.0 (ips, interfaces). */
#include "runtime/net/drivers.h"

#include <errno.h>

static int take_address(const char *address, const char *gateway, struct net_interface *i)
{
	struct ip_addr a;
	struct net_address *at;
	char text[IP_TEXT_LEN];

	if (!address || ip_parse(address, &a) < 0)
		return -EINVAL;
	at = a.family == AF_INET ? &i->v4 : &i->v6;
	if (at->text[0])
		return 0; /* the first of a family is the one that is shown */
	snprintf(at->text, sizeof(at->text), "%s", ip_text(&a, text));
	at->prefix = a.prefix;
	snprintf(at->gateway, sizeof(at->gateway), "%s", gateway ? gateway : "");
	return 0;
}

/* Interfaces with a sandbox are the container's. */
static void take_interfaces(const struct json *list, struct netrec_if *i)
{
	for (const struct json *k = list && list->type == JSON_ARRAY ? list->u.kids.first : NULL; k; k = k->next) {
		const char *sandbox = json_text(k, "sandbox"), *name = json_text(k, "name"), *mac = json_text(k, "mac");

		if (!sandbox || !*sandbox || !str_eq(name, i->pub.ifname) || !mac)
			continue;
		snprintf(i->pub.mac, sizeof(i->pub.mac), "%s", mac);
	}
}

static int take_ips(const struct json *root, const char *name, struct netrec_if *i, struct err *err)
{
	static const char *const old[] = { "ip4", "ip6" };
	const struct json *list = json_get(root, "ips");

	for (const struct json *k = list && list->type == JSON_ARRAY ? list->u.kids.first : NULL; k; k = k->next)
		if (take_address(json_text(k, "address"), json_text(k, "gateway"), &i->pub) < 0)
			return json_err(err, name, k, EINVAL, "an address that cannot be read");
	for (size_t o = 0; o < ARRAY_SIZE(old); o++) {
		const struct json *k = json_get(root, old[o]);

		if (k && take_address(json_text(k, "ip"), json_text(k, "gateway"), &i->pub) < 0)
			return json_err(err, name, k, EINVAL, "an address that cannot be read");
	}
	return 0;
}

int cni_read_result(const char *text, const char *name, struct netrec_if *i, char ***dns, struct err *err)
{
	struct arena arena = { 0 };
	struct json *root;
	const struct json *servers;
	int r = json_parse(&arena, name, text, strlen(text), &root, err);

	if (r == 0 && root->type != JSON_OBJECT)
		r = err_set(err, EINVAL, "%s: not an object", name);
	if (r == 0)
		r = take_ips(root, name, i, err);
	if (r == 0) {
		take_interfaces(json_get(root, "interfaces"), i);
		servers = json_get(root, "dns");
		servers = servers && servers->type == JSON_OBJECT ? json_get(servers, "nameservers") : NULL;
		for (const struct json *k = servers && servers->type == JSON_ARRAY ? servers->u.kids.first : NULL; k; k = k->next)
			if (k->type == JSON_STRING && !strings_have(*dns, k->u.string))
				strings_add(dns, k->u.string);
	}
	arena_done(&arena);
	return r;
}
