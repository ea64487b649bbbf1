/* SPDX-License-Identifier: Apache-2.0 */
/* Subnets of a new network: as asked for, or such as nobody on this host uses. */
#include "runtime/base/fd.h"
#include "runtime/net/network.h"
#include "runtime/base/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/random.h>

struct taken {
	struct ip_addr *v; /* owned */
	size_t n;
};

static void note(void *ctx, const struct ip_addr *net)
{
	struct taken *t = ctx;

	t->v = xreallocarray(t->v, t->n + 1, sizeof(*t->v));
	t->v[t->n++] = *net;
}

static bool overlap(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && (ip_in(a, b) || ip_in(b, a));
}

static const struct ip_addr *conflict(const struct taken *t, const struct ip_addr *net)
{
	for (size_t i = 0; i < t->n; i++)
		if (overlap(&t->v[i], net))
			return &t->v[i];
	return NULL;
}

static int collect_networks(const struct net_env *env, struct taken *t, struct err *err)
{
	struct network *all;
	size_t n;
	int r = network_all(env, false, &all, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < all[i].n_subnets; k++)
			note(t, &all[i].subnets[k].net);
	network_list_done(all, n);
	return 0;
}

static int collect_routes(struct taken *t, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_ROUTE);

	return fd < 0 ? err_sys(err, fd, "netlink socket") : link_each_route(fd, note, t, err);
}

/* The default network is a /16, the others are /24, upwards from the same place. */
static int choose_v4(const struct taken *t, bool is_default, struct ip_addr *ret, struct err *err)
{
	static const unsigned seconds[] = { 89, 88, 87, 86, 90 };

	for (size_t i = 0; is_default && i < ARRAY_SIZE(seconds); i++) {
		struct ip_addr net = { .family = AF_INET, .prefix = 16, .u.bytes = { 10, (uint8_t)seconds[i] } };

		if (!conflict(t, &net)) {
			*ret = net;
			return 0;
		}
	}
	for (unsigned i = 91 << 8; i < 256 << 8; i++) {
		struct ip_addr net = { .family = AF_INET, .prefix = 24, .u.bytes = { 10, (uint8_t)(i >> 8), (uint8_t)i } };

		if (!conflict(t, &net)) {
			*ret = net;
			return 0;
		}
	}
	return err_set(err, EADDRNOTAVAIL, "no free subnet is left in 10.91.0.0 to 10.255.255.0: give one with --subnet");
}

/* A random prefix of the unique local range (RFC 4193). */
static struct ip_addr choose_v6(void)
{
	struct ip_addr net = { .family = AF_INET6, .prefix = 64, .u.bytes = { 0xfd } };

	if (getrandom(net.u.bytes + 1, 5, 0) != 5)
		net.u.bytes[1] = 0x62;
	return net;
}

static int add_subnet(struct network *n, const struct ip_addr *net, struct err *err)
{
	struct network_subnet s = { .net = ip_network(net) };

	if (net->prefix > ip_bytes(net) * 8 - 2)
		return err_set(err, EINVAL, "--subnet: a prefix of %u bits leaves no addresses for containers", net->prefix);
	for (size_t i = 0; i < n->n_subnets; i++)
		if (n->subnets[i].net.family == net->family)
			return err_set(err, EINVAL, "--subnet: two of the same address family");
	s.gateway = ip_nth(&s.net, 1);
	s.gateway.prefix = net->prefix;
	n->subnets[n->n_subnets++] = s;
	return 0;
}

static int add_given(struct network *n, const struct taken *t, const char *text, struct err *err)
{
	struct ip_addr net;
	const struct ip_addr *other;
	char at[IP_TEXT_LEN];

	if (!strchr(text, '/') || ip_parse(text, &net) < 0)
		return err_set(err, EINVAL, "--subnet %s: not an address with a prefix length, such as 10.5.0.0/24", text);
	net = ip_network(&net);
	other = str_eq(n->driver, "bridge") ? conflict(t, &net) : NULL; /* macvlan's are the outer network's */
	if (other)
		return err_set(err, EADDRINUSE, "--subnet %s: already used on this host, by %s/%u", text, ip_text(other, at), other->prefix);
	return add_subnet(n, &net, err);
}

/* The subnet that an address belongs to. */
static struct network_subnet *owner(struct network *n, const struct ip_addr *a)
{
	for (size_t i = 0; i < n->n_subnets; i++)
		if (ip_in(&n->subnets[i].net, a))
			return &n->subnets[i];
	return NULL;
}

static int set_gateway(struct network *n, const char *text, struct err *err)
{
	struct ip_addr a;
	struct network_subnet *s;

	if (ip_parse(text, &a) < 0)
		return err_set(err, EINVAL, "--gateway %s: no address", text);
	s = owner(n, &a);
	if (!s)
		return err_set(err, EINVAL, "--gateway %s: not in a --subnet of this network", text);
	a.prefix = s->net.prefix;
	s->gateway = a;
	return 0;
}

/* "10.5.0.128/25" or "10.5.0.10-10.5.0.20". */
static int set_range(struct network *n, const char *text, struct err *err)
{
	const char *dash = strchr(text, '-');
	AUTO_FREE char *begin = dash ? xstrndup(text, (size_t)(dash - text)) : xstrdup(text);
	struct ip_addr first, last;
	struct network_subnet *s;

	if (ip_parse(begin, &first) < 0 || (dash && ip_parse(dash + 1, &last) < 0))
		return err_set(err, EINVAL, "--ip-range %s: neither ADDRESS/BITS nor FIRST-LAST", text);
	if (!dash) {
		last = ip_nth(&first, ip_count(&first) - 1);
		first = ip_network(&first);
	}
	s = owner(n, &first);
	if (!s || owner(n, &last) != s || memcmp(first.u.bytes, last.u.bytes, ip_bytes(&first)) > 0)
		return err_set(err, EINVAL, "--ip-range %s: not in a --subnet of this network", text);
	s->first = first;
	s->last = last;
	return 0;
}

static int fill_subnets(const struct network_create_options *o, const struct taken *t, struct network *n, struct err *err)
{
	struct ip_addr net;
	bool v6 = false;
	int r = 0;

	for (size_t i = 0; r == 0 && o->subnets && o->subnets[i]; i++)
		r = add_given(n, t, o->subnets[i], err);
	for (size_t i = 0; i < n->n_subnets; i++)
		v6 = v6 || n->subnets[i].net.family == AF_INET6;
	if (r == 0 && !n->n_subnets && str_eq(n->driver, "bridge")) {
		r = choose_v4(t, str_eq(n->name, NETWORK_DEFAULT), &net, err);
		r = r < 0 ? r : add_subnet(n, &net, err);
	}
	if (r == 0 && o->ipv6 && !v6) {
		net = choose_v6();
		r = add_subnet(n, &net, err);
	}
	for (size_t i = 0; r == 0 && o->gateways && o->gateways[i]; i++)
		r = set_gateway(n, o->gateways[i], err);
	for (size_t i = 0; r == 0 && o->ranges && o->ranges[i]; i++)
		r = set_range(n, o->ranges[i], err);
	return r;
}

int network_subnets(const struct net_env *env, const struct network_create_options *o, struct network *n, struct err *err)
{
	struct taken t = { 0 };
	int r = collect_networks(env, &t, err);

	if (r == 0)
		r = collect_routes(&t, err);
	if (r == 0)
		r = fill_subnets(o, &t, n, err);
	free(t.v);
	return r;
}
