/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_LINK_H
#define BRIG_RUNTIME_NET_LINK_H

#include "runtime/base/err.h"

#include <netinet/in.h>

/* An IPv4 or IPv6 address with its prefix length. */
struct ip_addr {
	int family; /* AF_INET, AF_INET6; 0: none */
	unsigned prefix;
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	} u;
};

/* "10.1.2.3", "fd00::1/64": without "/N" the prefix is the whole address. -EINVAL. */
int ip_parse(const char *text, struct ip_addr *ret) MUST_CHECK;
#define IP_TEXT_LEN 64
/* Without the prefix length. */
const char *ip_text(const struct ip_addr *a, char buf[IP_TEXT_LEN]);
size_t ip_bytes(const struct ip_addr *a); /* 4 or 16 */
bool ip_equal(const struct ip_addr *a, const struct ip_addr *b); /* without the prefix */
bool ip_in(const struct ip_addr *net, const struct ip_addr *a);
/* The network's address itself, and the n-th address after it (n may be beyond the network's end). */
struct ip_addr ip_network(const struct ip_addr *a);
struct ip_addr ip_nth(const struct ip_addr *net, uint64_t n);
/* How many addresses the network has, at most 2^32. */
uint64_t ip_count(const struct ip_addr *net);

/* route_fd: an rtnetlink socket of the namespace that is meant. Errors name the interface. */
int link_up(int route_fd, int index, struct err *err) MUST_CHECK;
/* The index, 0 when there is none. */
int link_index(int route_fd, const char *name) MUST_CHECK;
int link_delete(int route_fd, const char *name, struct err *err) MUST_CHECK; /* one that is not there is fine */

/* Make a bridge that is up and has the addresses, or complete one that is there. */
int link_bridge(int route_fd, const char *name, unsigned mtu, const struct ip_addr *addrs, size_t n, int *ret_index,
		struct err *err) MUST_CHECK;

/* A pair: host_name is a port of the bridge, up, with hairpin mode; the other end is in the namespace, down. */
struct link_veth {
	const char *host_name, *inner_name;
	int bridge_index, ns_fd;
	unsigned mtu; /* 0: the kernel's */
	uint8_t mac[6];
};
int link_veth_create(int route_fd, const struct link_veth *v, struct err *err) MUST_CHECK;

/* Give an interface its addresses, bring it up, set default routes. gateway.family 0: none. */
struct link_config {
	const char *name;
	struct ip_addr addrs[2], gateways[2];
};
int link_configure(int route_fd, const struct link_config *c, struct err *err) MUST_CHECK;

/* The first address of global scope of a family: the interface's name and MAC address are filled in, too. false: there is none. */
bool link_find_address(int route_fd, int family, struct ip_addr *ret, char ret_name[16], char ret_mac[18]);
/* The gateway of the default route of a family. */
bool link_find_gateway(int route_fd, int family, struct ip_addr *ret);

/* All addresses and routes of the host, to find a free subnet: each is called with the network. */
int link_each_route(int route_fd, void (*each)(void *ctx, const struct ip_addr *net), void *ctx, struct err *err) MUST_CHECK;

#endif
