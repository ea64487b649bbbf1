/* SPDX-License-Identifier: Apache-2.0 */
/* What inspect shows of a container's network, in docker's words. */
#include "runtime/net/netrec.h"

#include <netinet/in.h>

/* Asked for, a port that any free one may serve is written as "". */
static void put_binding(struct json_writer *w, const struct net_port *p, uint16_t k, bool mapped)
{
	AUTO_FREE char *port = p->host_port ? xasprintf("%u", p->host_port + k) : xstrdup("");

	json_begin_object(w);
	json_kv_string(w, "HostIp", p->host_ip ? p->host_ip : mapped ? "0.0.0.0" : "");
	json_kv_string(w, "HostPort", port);
	json_end_object(w);
}

static bool same_inner(const struct net_port *p, unsigned port, uint16_t protocol)
{
	return p->protocol == protocol && port >= p->container_port && port < (unsigned)p->container_port + p->n;
}

static bool seen_before(const struct net_port *v, size_t i, unsigned port)
{
	for (size_t k = 0; k < i; k++)
		if (same_inner(&v[k], port, v[i].protocol))
			return true;
	return false;
}

/* All that serve one port of the container. */
static void put_inner(struct json_writer *w, const struct net_port *v, size_t n, size_t first, unsigned port, bool mapped)
{
	uint16_t protocol = v[first].protocol;
	AUTO_FREE char *key =
		xasprintf("%u/%s", port, protocol == IPPROTO_UDP ? "udp" : protocol == IPPROTO_SCTP ? "sctp" : "tcp");

	json_key(w, key);
	json_begin_array(w);
	for (size_t i = first; i < n; i++)
		if (same_inner(&v[i], port, protocol))
			put_binding(w, &v[i], (uint16_t)(port - v[i].container_port), mapped);
	json_end_array(w);
}

void net_bindings_json(const struct net_port *v, size_t n, bool mapped, struct json_writer *w)
{
	json_begin_object(w);
	for (size_t i = 0; i < n; i++)
		for (uint16_t k = 0; k < v[i].n; k++) {
			unsigned port = (unsigned)v[i].container_port + k;

			if (!seen_before(v, i, port))
				put_inner(w, v, n, i, port, mapped);
		}
	json_end_object(w);
}

static void put_addresses(const struct net_interface *i, struct json_writer *w)
{
	json_kv_string(w, "Gateway", i ? i->v4.gateway : "");
	json_kv_string(w, "IPAddress", i ? i->v4.text : "");
	json_kv_u64(w, "IPPrefixLen", i ? i->v4.prefix : 0);
	json_kv_string(w, "IPv6Gateway", i ? i->v6.gateway : "");
	json_kv_string(w, "GlobalIPv6Address", i ? i->v6.text : "");
	json_kv_u64(w, "GlobalIPv6PrefixLen", i ? i->v6.prefix : 0);
	json_kv_string(w, "MacAddress", i ? i->mac : "");
}

static bool has_interface(const struct net_result *r, const char *network)
{
	bool hit = false;

	for (size_t i = 0; i < r->n_ifs; i++)
		hit |= str_eq(r->ifs[i].network, network);
	return hit;
}

/* Networks without an interface of ours: none, host, and those of a container that does not run. */
static void put_names(const struct net_result *r, const char *networks, struct json_writer *w)
{
	AUTO_FREE char *copy = xstrdup(networks);
	char *rest = copy, *one;

	while ((one = strsep(&rest, ","))) {
		char *options = strchr(one, ':');

		if (options)
			*options = '\0';
		/* another container's, or a path's, have no name; options of a network are no network */
		if (!*one || strchr(one, '=') || str_eq(one, "container") || str_eq(one, "ns") || has_interface(r, one))
			continue;
		json_key(w, one);
		json_begin_object(w);
		put_addresses(NULL, w);
		json_end_object(w);
	}
}

void net_result_json(const struct net_result *r, const char *networks, struct json_writer *w)
{
	json_key(w, "Ports");
	net_bindings_json(r->ports, r->n_ports, true, w);
	put_addresses(r->n_ifs ? &r->ifs[0] : NULL, w);
	json_key(w, "Networks");
	json_begin_object(w);
	for (size_t i = 0; i < r->n_ifs; i++) {
		json_key(w, r->ifs[i].network);
		json_begin_object(w);
		put_addresses(&r->ifs[i], w);
		json_kv_string(w, "InterfaceName", r->ifs[i].ifname);
		json_key(w, "Aliases");
		strings_json(r->ifs[i].aliases, w);
		json_end_object(w);
	}
	put_names(r, networks, w);
	json_end_object(w);
}
