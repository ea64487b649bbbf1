/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/firewall.h"

#include "runtime/base/mem.h"
#include "runtime/net/nft.h"
#include "runtime/base/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define TABLE "brig"
#define REG(n) (NFT_REG32_00 + (uint32_t)(n))
#define PRIORITY_DNAT (-100)
#define PRIORITY_SNAT 100
#define PRIORITY_RAW  (-300)

enum { SET_BRIDGES = 1, SET_INTERNAL, SET_NETS4, SET_NETS6, SET_PORTS4, SET_PORTS4_AT, SET_PORTS6, SET_PORTS6_AT };

static const struct nft_set sets[] = {
	{ TABLE, "bridges", SET_BRIDGES, NFT_TYPE_IFNAME, IFNAMSIZ, 0, 0, false },
	{ TABLE, "internal", SET_INTERNAL, NFT_TYPE_IFNAME, IFNAMSIZ, 0, 0, false },
	{ TABLE, "nets4", SET_NETS4, NFT_TYPE_IPV4, 4, 0, 0, true },
	{ TABLE, "nets6", SET_NETS6, NFT_TYPE_IPV6, 16, 0, 0, true },
	{ TABLE, "ports4", SET_PORTS4, NFT_TYPE_2(NFT_TYPE_PROTO, NFT_TYPE_SERVICE), 8,
	  NFT_TYPE_2(NFT_TYPE_IPV4, NFT_TYPE_SERVICE), 8, false },
	{ TABLE, "ports4-at", SET_PORTS4_AT, NFT_TYPE_3(NFT_TYPE_IPV4, NFT_TYPE_PROTO, NFT_TYPE_SERVICE), 12,
	  NFT_TYPE_2(NFT_TYPE_IPV4, NFT_TYPE_SERVICE), 8, false },
	{ TABLE, "ports6", SET_PORTS6, NFT_TYPE_2(NFT_TYPE_PROTO, NFT_TYPE_SERVICE), 8,
	  NFT_TYPE_2(NFT_TYPE_IPV6, NFT_TYPE_SERVICE), 20, false },
	{ TABLE, "ports6-at", SET_PORTS6_AT, NFT_TYPE_3(NFT_TYPE_IPV6, NFT_TYPE_PROTO, NFT_TYPE_SERVICE), 24,
	  NFT_TYPE_2(NFT_TYPE_IPV6, NFT_TYPE_SERVICE), 20, false },
};

static struct nft_rule rule(struct buf *b, const char *chain)
{
	return nft_rule_begin(b, NFPROTO_INET, TABLE, chain, true);
}

static void match_family(struct buf *b, uint8_t family)
{
	nft_meta(b, NFT_META_NFPROTO, REG(0));
	nft_cmp(b, REG(0), NFT_CMP_EQ, &family, 1);
}

static void match_interface(struct buf *b, uint32_t which, int set, bool inverted)
{
	nft_meta(b, which, REG(0));
	nft_lookup(b, REG(0), sets[set - 1].name, (uint32_t)set, inverted);
}

/* Destination in the map: go there. addr_words: 1 or 4, the size of an address in registers. */
static void add_dnat(struct buf *b, int set, uint8_t family, bool with_address)
{
	uint32_t words = family == NFPROTO_IPV4 ? 1 : 4, at = with_address ? words : 0;
	struct nft_rule r = rule(b, "ports");

	match_family(b, family);
	if (with_address)
		nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, family == NFPROTO_IPV4 ? 16 : 24, words * 4, REG(0));
	nft_meta(b, NFT_META_L4PROTO, REG(at));
	nft_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, REG(at + 1));
	nft_lookup_map(b, REG(0), sets[set - 1].name, (uint32_t)set, REG(0));
	nft_dnat(b, family, REG(0), REG(words));
	nft_rule_end(b, r);
}

static void add_jump(struct buf *b, const char *chain)
{
	static const uint32_t local = RTN_LOCAL;
	struct nft_rule r = rule(b, chain);

	nft_fib_type(b, REG(0));
	nft_cmp(b, REG(0), NFT_CMP_EQ, &local, sizeof(local));
	nft_verdict(b, NFT_JUMP, "ports");
	nft_rule_end(b, r);
}

static void match_published(struct buf *b)
{
	static const uint32_t zero;

	nft_ct_status(b, IPS_DST_NAT, REG(0));
	nft_cmp(b, REG(0), NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void match_loopback(struct buf *b, uint32_t offset)
{
	static const uint8_t net = 127;

	match_family(b, NFPROTO_IPV4);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, 1, REG(0));
	nft_cmp(b, REG(0), NFT_CMP_EQ, &net, 1);
}

static void match_source_net(struct buf *b, uint8_t family)
{
	int set = family == NFPROTO_IPV4 ? SET_NETS4 : SET_NETS6;

	match_family(b, family);
	nft_payload(b, NFT_PAYLOAD_NETWORK_HEADER, family == NFPROTO_IPV4 ? 12 : 8, family == NFPROTO_IPV4 ? 4 : 16, REG(0));
	nft_lookup(b, REG(0), sets[set - 1].name, (uint32_t)set, false);
}

/* By the source address and not by the incoming interface: with br_netfilter a packet that stays on its bridge has none here. */
static void add_masquerade(struct buf *b, uint8_t family)
{
	struct nft_rule r = rule(b, "postrouting");

	match_source_net(b, family);
	match_interface(b, NFT_META_OIFNAME, SET_BRIDGES, true);
	nft_masquerade(b);
	nft_rule_end(b, r);

	r = rule(b, "postrouting");
	match_published(b);
	match_interface(b, NFT_META_OIFNAME, SET_BRIDGES, false);
	match_source_net(b, family);
	nft_masquerade(b);
	nft_rule_end(b, r);
}

static void add_masquerade_loopback(struct buf *b)
{
	struct nft_rule r = rule(b, "postrouting");

	match_published(b);
	match_interface(b, NFT_META_OIFNAME, SET_BRIDGES, false);
	match_loopback(b, 12);
	nft_masquerade(b);
	nft_rule_end(b, r);
}

static void add_drops(struct buf *b)
{
	struct nft_rule r = rule(b, "guard");

	match_interface(b, NFT_META_IIFNAME, SET_BRIDGES, false);
	match_loopback(b, 16);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, r);

	r = rule(b, "forward");
	match_interface(b, NFT_META_IIFNAME, SET_INTERNAL, false);
	match_interface(b, NFT_META_OIFNAME, SET_INTERNAL, true);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, r);

	r = rule(b, "forward");
	match_interface(b, NFT_META_OIFNAME, SET_INTERNAL, false);
	match_interface(b, NFT_META_IIFNAME, SET_INTERNAL, true);
	nft_verdict(b, NF_DROP, NULL);
	nft_rule_end(b, r);
}

/* Two processes may come here at once: the table is made exclusively, so the later transaction does nothing at all. */
static int make_table(int fd)
{
	static const int fine[] = { EEXIST, 0 };
	AUTO_BUF struct buf b = { 0 };

	if (nft_table_exists(fd, NFPROTO_INET, TABLE))
		return 0;
	nft_begin(&b);
	nft_table(&b, TABLE);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		nft_set(&b, &sets[i]);
	nft_chain(&b, TABLE, "ports", NULL, -1, 0);
	nft_chain(&b, TABLE, "guard", "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW);
	nft_chain(&b, TABLE, "forward", "filter", NF_INET_FORWARD, 0);
	nft_chain(&b, TABLE, "prerouting", "nat", NF_INET_PRE_ROUTING, PRIORITY_DNAT);
	nft_chain(&b, TABLE, "output", "nat", NF_INET_LOCAL_OUT, PRIORITY_DNAT);
	nft_chain(&b, TABLE, "postrouting", "nat", NF_INET_POST_ROUTING, PRIORITY_SNAT);
	add_dnat(&b, SET_PORTS4_AT, NFPROTO_IPV4, true);
	add_dnat(&b, SET_PORTS4, NFPROTO_IPV4, false);
	add_dnat(&b, SET_PORTS6_AT, NFPROTO_IPV6, true);
	add_dnat(&b, SET_PORTS6, NFPROTO_IPV6, false);
	add_jump(&b, "prerouting");
	add_jump(&b, "output");
	add_masquerade(&b, NFPROTO_IPV4);
	add_masquerade(&b, NFPROTO_IPV6);
	add_masquerade_loopback(&b);
	add_drops(&b);
	return nft_commit(fd, &b, fine, NULL);
}

static void set_subnets(struct buf *b, const struct network *n, bool add)
{
	for (size_t i = 0; i < n->n_subnets; i++) {
		const struct ip_addr *net = &n->subnets[i].net;
		struct ip_addr last = *net;

		for (size_t bit = net->prefix; bit < ip_bytes(net) * 8; bit++)
			last.u.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		nft_set_range(b, TABLE, net->family == AF_INET6 ? "nets6" : "nets4", add, net->u.bytes, last.u.bytes, ip_bytes(net));
	}
}

static int set_bridge(int fd, const struct network *n, bool add)
{
	static const int there[] = { EEXIST, 0 }, gone[] = { ENOENT, 0 };
	const char *set = n->internal ? "internal" : "bridges";
	AUTO_BUF struct buf b = { 0 };
	char name[IFNAMSIZ] = { 0 };

	snprintf(name, sizeof(name), "%s", n->interface);
	if (nft_element_is(fd, TABLE, set, name, sizeof(name), NULL, 0) == add)
		return 0;
	nft_begin(&b);
	nft_set_element(&b, TABLE, set, add, name, sizeof(name), NULL, 0);
	if (!n->internal)
		set_subnets(&b, n, add);
	return nft_commit(fd, &b, add ? there : gone, NULL);
}

int firewall_add_bridge(const struct network *n, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_NETFILTER);
	bool v6 = false;
	int r = fd;

	if (r >= 0)
		r = make_table(fd);
	if (r >= 0)
		r = set_bridge(fd, n, true);
	if (r < 0)
		return err_sys(err, r, "nftables rules for the bridge '%s'", n->interface);
	for (size_t i = 0; i < n->n_subnets; i++)
		v6 = v6 || n->subnets[i].net.family == AF_INET6;
	return n->internal ? 0 : firewall_let_through(fd, n->interface, v6, err);
}

int firewall_remove_bridge(const struct network *n, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_NETFILTER);
	int r = fd;

	if (r >= 0 && nft_table_exists(fd, NFPROTO_INET, TABLE))
		r = set_bridge(fd, n, false);
	if (r >= 0)
		r = firewall_take_back(fd, n->interface);
	return r < 0 ? err_sys(err, r, "remove the nftables rules of the bridge '%s'", n->interface) : 0;
}

/* One mapped port as the element of a map: concatenations are in units of 4 bytes. */
struct element {
	uint8_t key[24], data[20];
	size_t key_len, data_len;
	const char *set;
};

static void put_port(uint8_t *at, size_t *len, uint16_t port)
{
	uint16_t be = htons(port);

	memset(at + *len, 0, 4);
	memcpy(at + *len, &be, sizeof(be));
	*len += 4;
}

static struct element make_element(const struct net_port *p, uint16_t i, const struct ip_addr *host, const struct ip_addr *to)
{
	bool v6 = to->family == AF_INET6;
	struct element e = { .set = v6 ? (host ? "ports6-at" : "ports6") : (host ? "ports4-at" : "ports4") };

	if (host) {
		memcpy(e.key, host->u.bytes, ip_bytes(host));
		e.key_len = ip_bytes(host);
	}
	e.key[e.key_len] = (uint8_t)p->protocol;
	e.key_len += 4;
	put_port(e.key, &e.key_len, (uint16_t)(p->host_port + i));
	memcpy(e.data, to->u.bytes, ip_bytes(to));
	e.data_len = ip_bytes(to);
	put_port(e.data, &e.data_len, (uint16_t)(p->container_port + i));
	return e;
}

static bool is_any(const struct ip_addr *a)
{
	static const uint8_t zeros[16];

	return memcmp(a->u.bytes, zeros, ip_bytes(a)) == 0;
}

typedef int (*element_fn)(void *ctx, const struct element *e, const struct net_port *p, uint16_t i);

/* Call fn for each element of the ports. An address of the host concerns its own family only. */
static int each_element(const struct net_port *ports, size_t n, const struct ip_addr *to, element_fn fn, void *ctx)
{
	for (size_t k = 0; k < n; k++) {
		struct ip_addr host = { 0 };
		bool given = ports[k].host_ip && ip_parse(ports[k].host_ip, &host) == 0;

		if (!to->family || (given && host.family != to->family))
			continue;
		for (uint16_t i = 0; i < ports[k].n; i++) {
			struct element e = make_element(&ports[k], i, given && !is_any(&host) ? &host : NULL, to);
			int r = fn(ctx, &e, &ports[k], i);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

struct adding {
	struct buf b;
	size_t n;
	struct {
		const struct net_port *port;
		uint16_t i;
	} *of; /* owned; which port each message is about */
};

static int add_element(void *ctx, const struct element *e, const struct net_port *p, uint16_t i)
{
	struct adding *a = ctx;

	nft_set_element(&a->b, TABLE, e->set, true, e->key, e->key_len, e->data, e->data_len);
	a->of = xreallocarray(a->of, a->n + 1, sizeof(*a->of));
	a->of[a->n].port = p;
	a->of[a->n++].i = i;
	return 0;
}

static int commit_ports(int fd, struct adding *a, struct err *err)
{
	size_t index = 0;
	int r = nft_commit(fd, &a->b, NULL, &index);

	if (r == -EEXIST && index >= 1 && index <= a->n) { /* message 0 is the batch's begin */
		const struct net_port *p = a->of[index - 1].port;

		return err_set(err, EADDRINUSE, "publish %s:%u: the port is already allocated to another container",
			       p->host_ip ? p->host_ip : "0.0.0.0", p->host_port + a->of[index - 1].i);
	}
	return r < 0 ? err_sys(err, r, "publish ports") : 0;
}

int firewall_add_ports(const struct net_port *ports, size_t n, const struct ip_addr *v4, const struct ip_addr *v6, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_NETFILTER);
	struct adding a = { 0 };
	int r;

	if (fd < 0)
		return err_sys(err, fd, "netlink socket for nftables");
	nft_begin(&a.b);
	(void)!each_element(ports, n, v4, add_element, &a); /* add_element cannot fail */
	(void)!each_element(ports, n, v6, add_element, &a);
	r = a.n ? commit_ports(fd, &a, err) : 0;
	buf_done(&a.b);
	free(a.of);
	return r;
}

/* One transaction each: an element that is gone already must not keep the others. */
static int remove_element(void *ctx, const struct element *e, const struct net_port *p UNUSED, uint16_t i UNUSED)
{
	static const int fine[] = { ENOENT, 0 };
	AUTO_BUF struct buf b = { 0 };

	if (!nft_element_is(*(int *)ctx, TABLE, e->set, e->key, e->key_len, e->data, e->data_len))
		return 0; /* never made, or another container's by now */
	nft_begin(&b);
	nft_set_element(&b, TABLE, e->set, false, e->key, e->key_len, e->data, e->data_len);
	return nft_commit(*(int *)ctx, &b, fine, NULL);
}

int firewall_remove_ports(const struct net_port *ports, size_t n, const struct ip_addr *v4, const struct ip_addr *v6, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_NETFILTER);
	int r = fd, r6;

	if (r >= 0 && !nft_table_exists(fd, NFPROTO_INET, TABLE))
		return 0;
	if (r >= 0) {
		r = each_element(ports, n, v4, remove_element, &fd);
		r6 = each_element(ports, n, v6, remove_element, &fd);
		r = r < 0 ? r : r6;
	}
	return r < 0 ? err_sys(err, r, "remove published ports") : 0;
}
