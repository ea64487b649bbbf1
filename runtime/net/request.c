/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of a container's network. */
#include "runtime/net/netrec.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>

static void attach_done(struct net_attach *a)
{
	free(a->network);
	free(a->ip);
	free(a->ip6);
	free(a->mac);
	free(a->ifname);
	for (size_t i = 0; i < a->n_aliases; i++)
		free(a->aliases[i]);
	free(a->aliases);
}

void net_request_done(struct net_request *r)
{
	free(r->target);
	for (size_t i = 0; i < r->n_nets; i++)
		attach_done(&r->nets[i]);
	free(r->nets);
	ports_free(r->ports, r->n_ports);
	ports_free(r->exposed, r->n_exposed);
	strings_free(r->dns);
	strings_free(r->dns_search);
	strings_free(r->dns_option);
	strings_free(r->add_host);
	*r = (struct net_request){ 0 };
}

static void set_text(char **at, const char *s)
{
	free(*at);
	*at = xstrdup(s);
}

/* --ip and its kin may come before --network: then the first place is made without a name, and filled later. */
static struct net_attach *first_attach(struct net_request *r)
{
	if (!r->n_nets) {
		r->nets = xcalloc(1, sizeof(*r->nets));
		r->n_nets = 1;
	}
	return &r->nets[0];
}

static struct net_attach *new_attach(struct net_request *r, const char *network)
{
	struct net_attach *a;

	if (r->n_nets == 1 && !r->nets[0].network) {
		a = &r->nets[0];
	} else {
		r->nets = xreallocarray(r->nets, r->n_nets + 1, sizeof(*r->nets));
		a = &r->nets[r->n_nets++];
		*a = (struct net_attach){ 0 };
	}
	a->network = xstrdup(network);
	return a;
}

static int set_ip(char **at, int family, const char *flag, const char *value, struct err *err)
{
	struct ip_addr a;

	if (strchr(value, '/') || ip_parse(value, &a) < 0 || a.family != family)
		return err_set(err, EINVAL, "%s %s: not an IPv%d address", flag, value, family == AF_INET ? 4 : 6);
	set_text(at, value);
	return 0;
}

static int set_mac(char **at, const char *flag, const char *value, struct err *err)
{
	unsigned v[6];
	char rest;

	if (strlen(value) != 17 || sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &rest) != 6)
		return err_set(err, EINVAL, "%s %s: not a MAC address, such as 02:11:22:33:44:55", flag, value);
	if (v[0] & 1)
		return err_set(err, EINVAL, "%s %s: a multicast address cannot be an interface's own", flag, value);
	set_text(at, value);
	return 0;
}

static void add_alias(struct net_attach *a, const char *value)
{
	a->aliases = xreallocarray(a->aliases, a->n_aliases + 1, sizeof(*a->aliases));
	a->aliases[a->n_aliases++] = xstrdup(value);
}

int net_request_ip(struct net_request *r, const char *value, struct err *err)
{
	return set_ip(&first_attach(r)->ip, AF_INET, "--ip", value, err);
}

int net_request_ip6(struct net_request *r, const char *value, struct err *err)
{
	return set_ip(&first_attach(r)->ip6, AF_INET6, "--ip6", value, err);
}

int net_request_mac(struct net_request *r, const char *value, struct err *err)
{
	return set_mac(&first_attach(r)->mac, "--mac-address", value, err);
}

/* A name for /etc/hosts: no white space, no '#', no control characters. */
static bool host_name_ok(const char *s)
{
	if (!*s || strlen(s) > 253)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-._", *s) && !((unsigned char)*s & 0x80))
			return false;
	return true;
}

int net_request_alias(struct net_request *r, const char *value, struct err *err)
{
	if (!host_name_ok(value))
		return err_set(err, EINVAL, "--network-alias %s: no host name", value);
	add_alias(first_attach(r), value);
	return 0;
}

static int attach_option(struct net_attach *a, const char *option, struct err *err)
{
	const char *eq = strchr(option, '=');
	const char *value = eq ? eq + 1 : "";
	AUTO_FREE char *key = eq ? xstrndup(option, (size_t)(eq - option)) : xstrdup(option);

	if (str_eq(key, "ip"))
		return set_ip(strchr(value, ':') ? &a->ip6 : &a->ip, strchr(value, ':') ? AF_INET6 : AF_INET, "--network: ip", value, err);
	if (str_eq(key, "ip6"))
		return set_ip(&a->ip6, AF_INET6, "--network: ip6", value, err);
	if (str_eq(key, "mac") || str_eq(key, "mac-address"))
		return set_mac(&a->mac, "--network: mac", value, err);
	if (str_eq(key, "alias")) {
		if (!host_name_ok(value))
			return err_set(err, EINVAL, "--network: alias '%s' is no host name", value);
		add_alias(a, value);
		return 0;
	}
	if (str_eq(key, "interface_name") || str_eq(key, "interface-name")) {
		if (!*value || strlen(value) > 15 || strchr(value, '/'))
			return err_set(err, EINVAL, "--network: '%s' is no name for an interface", value);
		set_text(&a->ifname, value);
		return 0;
	}
	if (str_eq(key, "driver-opt") || str_eq(key, "gw-priority"))
		return 0;
	return err_set(err, EINVAL, "--network: unknown option '%s' (ip, ip6, mac, alias and interface_name are known)", key);
}

/* NAME:OPTION,OPTION or name=NAME,OPTION; else names between commas. */
static int add_names(struct net_request *r, const char *value, struct err *err)
{
	bool long_form = str_starts(value, "name=");
	const char *colon = long_form ? NULL : strchr(value, ':');
	AUTO_FREE char *copy = xstrdup(value);
	char *save = NULL, *options = NULL;
	struct net_attach *a;

	if (!long_form && !colon) {
		for (char *name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save))
			(void)new_attach(r, name);
		return r->n_nets && r->nets[0].network ? 0 : err_set(err, EINVAL, "--network: no name in '%s'", value);
	}
	if (long_form)
		options = strchr(copy, ',');
	else
		options = copy + (colon - value);
	if (options)
		*options++ = '\0';
	a = new_attach(r, copy + (long_form ? 5 : 0));
	for (char *o = options ? strtok_r(options, ",", &save) : NULL; o; o = strtok_r(NULL, ",", &save))
		if (attach_option(a, o, err) < 0)
			return -EINVAL;
	return a->network[0] ? 0 : err_set(err, EINVAL, "--network: no name in '%s'", value);
}

static const struct {
	const char *word;
	enum net_mode mode;
	bool colon; /* something follows ':' : 1 must, 0 must not */
} modes[] = {
	{ "none", NET_NONE, false },	    { "host", NET_HOST, false },
	{ "default", NET_DEFAULT, false },  { "private", NET_DEFAULT, false },
	{ "pasta", NET_PASTA, false },	    { "slirp4netns", NET_SLIRP4NETNS, false },
	{ "container:", NET_CONTAINER, true }, { "ns:", NET_NS_PATH, true },
	{ "pasta:", NET_PASTA, true },	    { "slirp4netns:", NET_SLIRP4NETNS, true },
};

int net_request_network(struct net_request *r, const char *value, struct err *err)
{
	if (r->mode != NET_DEFAULT && r->mode != NET_NETWORKS)
		return err_set(err, EINVAL, "--network %s: another --network excludes it", value);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		const char *rest = value + strlen(modes[i].word);

		if (modes[i].colon ? !str_starts(value, modes[i].word) : !str_eq(value, modes[i].word))
			continue;
		if (modes[i].colon && !*rest)
			return err_set(err, EINVAL, "--network %s: nothing follows the colon", value);
		if (r->mode == NET_NETWORKS)
			return err_set(err, EINVAL, "--network %s cannot be one of several", value);
		r->mode = modes[i].mode;
		if (modes[i].colon)
			set_text(&r->target, rest);
		return 0;
	}
	r->mode = NET_NETWORKS;
	return add_names(r, value, err);
}

int net_request_dns(struct net_request *r, const char *value, struct err *err)
{
	struct ip_addr a;

	if (str_eq(value, "none")) {
		strings_add(&r->dns, value);
		return 0;
	}
	if (strchr(value, '/') || ip_parse(value, &a) < 0)
		return err_set(err, EINVAL, "--dns %s: not an IP address", value);
	strings_add(&r->dns, value);
	return 0;
}

/* What goes into a line of resolv.conf stays one word. */
static int add_word(char ***list, const char *flag, const char *value, struct err *err)
{
	for (const char *p = value; *p; p++)
		if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p))
			return err_set(err, EINVAL, "%s '%s': white space", flag, value);
	strings_add(list, value);
	return 0;
}

int net_request_dns_search(struct net_request *r, const char *value, struct err *err)
{
	return add_word(&r->dns_search, "--dns-search", value, err);
}

int net_request_dns_option(struct net_request *r, const char *value, struct err *err)
{
	return add_word(&r->dns_option, "--dns-option", value, err);
}

int net_request_add_host(struct net_request *r, const char *value, struct err *err)
{
	const char *at = strpbrk(value, ":=");
	AUTO_FREE char *names = at ? xstrndup(value, (size_t)(at - value)) : xstrdup(value);
	AUTO_FREE char *ip = at ? xstrdup(at + 1) : NULL;
	AUTO_FREE char *line = NULL;
	struct ip_addr a;
	size_t n = ip ? strlen(ip) : 0;

	if (n > 1 && ip[0] == '[' && ip[n - 1] == ']') {
		memmove(ip, ip + 1, n);
		ip[n - 2] = '\0';
	}
	if (!ip || (!str_eq(ip, "host-gateway") && (strchr(ip, '/') || ip_parse(ip, &a) < 0)))
		return err_set(err, EINVAL, "--add-host %s: not NAME:IP", value);
	line = xasprintf("%s:%s", names, ip);
	for (char *save = NULL, *name = strtok_r(names, ";", &save); name; name = strtok_r(NULL, ";", &save))
		if (!host_name_ok(name))
			return err_set(err, EINVAL, "--add-host %s: '%s' is no host name", value, name);
	strings_add(&r->add_host, line);
	return 0;
}

int net_request_check(const struct net_request *r, struct err *err)
{
	bool own = r->mode == NET_NETWORKS || r->mode == NET_DEFAULT;

	if (r->n_nets && !own)
		return err_set(err, EINVAL, "--ip, --mac-address and --network-alias need a network, not --network none, host, container: ...");
	if (r->n_ports && r->mode == NET_CONTAINER)
		return err_set(err, EINVAL, "--publish goes with the container whose network it is, not with --network container:");
	for (size_t i = 0; i < r->n_nets; i++)
		for (size_t k = 0; k < i; k++)
			if (str_eq(r->nets[i].network, r->nets[k].network))
				return err_set(err, EINVAL, "--network %s is given twice", r->nets[i].network);
	return 0;
}
