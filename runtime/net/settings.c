/* SPDX-License-Identifier: Apache-2.0 */
/* What inspect shows of a container's network, in docker's words. */
#include "runtime/net/netrec.h"

#include <netinet/in.h>

static void put_binding(struct json_writer *w, const struct net_port *p, uint16_t k)
{
	AUTO_FREE char *port = xasprintf("%u", p->host_port + k);

	json_begin_object(w);
	json_kv_string(w, "HostIp", p->host_ip ? p->host_ip : "0.0.0.0");
	json_kv_string(w, "HostPort", port);
	json_end_object(w);
}

static bool same_inner(const struct net_port *p, unsigned port, uint16_t protocol)
{
	return p->protocol == protocol && port >= p->container_port && port < (unsigned)p->container_port + p->n;
}

static bool seen_before(const struct net_result *r, size_t i, unsigned port)
{
	for (size_t k = 0; k < i; k++)
		if (same_inner(&r->ports[k], port, r->ports[i].protocol))
			return true;
	return false;
}

static void put_ports(const struct net_result *r, struct json_writer *w)
{
	json_key(w, "Ports");
	json_begin_object(w);
	for (size_t i = 0; i < r->n_ports; i++)
		for (uint16_t k = 0; k < r->ports[i].n; k++) {
			unsigned port = (unsigned)r->ports[i].container_port + k;
			const char *proto = r->ports[i].protocol == IPPROTO_UDP ? "udp" : r->ports[i].protocol == IPPROTO_SCTP ? "sctp" : "tcp";
			AUTO_FREE char *key = xasprintf("%u/%s", port, proto);

			if (seen_before(r, i, port))
				continue;
			json_key(w, key);
			json_begin_array(w);
			for (size_t o = i; o < r->n_ports; o++)
				if (same_inner(&r->ports[o], port, r->ports[i].protocol))
					put_binding(w, &r->ports[o], (uint16_t)(port - r->ports[o].container_port));
			json_end_array(w);
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

void net_result_json(const struct net_result *r, struct json_writer *w)
{
	put_ports(r, w);
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
	json_end_object(w);
}
