/* SPDX-License-Identifier: Apache-2.0 */
/* brig's own bridges: what the CNI plugins bridge, host-local, portmap and firewall would make, over netlink. */
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/net/drivers.h"
#include "runtime/net/firewall.h"
#include "runtime/net/ipam.h"
#include "runtime/base/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/random.h>

static const struct network_subnet *subnet_of(const struct network *n, int family)
{
	for (size_t i = 0; i < n->n_subnets; i++)
		if (n->subnets[i].net.family == family)
			return &n->subnets[i];
	return NULL;
}

static int lease(const struct net_place *p, const struct network *n, int family, const char *wanted, struct net_address *ret, struct err *err)
{
	const struct network_subnet *s = subnet_of(n, family);
	struct ip_addr want = { 0 }, got;
	char text[IP_TEXT_LEN];
	int r;

	if (!s && wanted)
		return err_set(err, EINVAL, "--ip%s %s: the network '%s' has no such subnet", family == AF_INET ? "" : "6", wanted, n->name);
	if (!s)
		return 0;
	if (wanted && ip_parse(wanted, &want) < 0)
		return err_set(err, EINVAL, "'%s' is no address", wanted);
	r = ipam_lease(p->env, n->name, s, wanted ? &want : NULL, p->id, &got, err);
	if (r < 0)
		return r;
	snprintf(ret->text, sizeof(ret->text), "%s", ip_text(&got, text));
	ret->prefix = got.prefix;
	if (s->gateway.family && !n->internal)
		snprintf(ret->gateway, sizeof(ret->gateway), "%s", ip_text(&s->gateway, text));
	return 0;
}

/* From the address, so that an address that is used again has the same neighbour entry; else random. */
static void choose_mac(struct net_interface *i, const char *wanted)
{
	struct ip_addr a;
	uint8_t m[6] = { 0x02, 'b' };

	if (wanted) {
		snprintf(i->mac, sizeof(i->mac), "%s", wanted);
		return;
	}
	if (ip_parse(i->v4.text, &a) == 0)
		memcpy(m + 2, a.u.bytes, 4);
	else if (getrandom(m + 2, 4, 0) != 4)
		log_debug("no random bytes for a MAC address");
	snprintf(i->mac, sizeof(i->mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static char *random_name(void)
{
	uint32_t v = 0;

	(void)!getrandom(&v, sizeof(v), 0); /* a clash is an error of the kernel's, and told */
	return xasprintf("veth%08x", v);
}

int bridge_plan(const struct net_place *p, const struct network *n, const struct net_attach *a, struct netrec_if *i, struct err *err)
{
	int r;

	i->host_if = random_name();
	i->names = n->names;
	r = lease(p, n, AF_INET, a->ip, &i->pub.v4, err);
	if (r == 0)
		r = lease(p, n, AF_INET6, a->ip6, &i->pub.v6, err);
	if (r < 0)
		return r;
	choose_mac(&i->pub, a->mac);
	return 0;
}

/* Write a sysctl unless it has the value. */
static int set_sysctl(const char *path, const char *value, struct err *err)
{
	AUTO_FREE char *now = NULL;
	int r = fd_read_file(AT_FDCWD, path, 64, &now, NULL);

	if (r == 0 && str_starts(now, value))
		return 0;
	if (r == 0)
		r = fd_write_file(AT_FDCWD, path, value);
	return r < 0 ? err_sys(err, r, "write %s to '%s'", value, path) : 0;
}

static int set_sysctls(const struct network *n, bool v6, struct err *err)
{
	AUTO_FREE char *localnet = xasprintf("/proc/sys/net/ipv4/conf/%s/route_localnet", n->interface);
	int r = n->internal ? 0 : set_sysctl("/proc/sys/net/ipv4/ip_forward", "1", err);

	if (r == 0)
		r = set_sysctl(localnet, "1", err);
	if (r == 0 && v6 && !n->internal)
		r = set_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1", err);
	return r;
}

static int make_bridge(int host_fd, const struct network *n, int *ret_index, struct err *err)
{
	struct ip_addr gateways[ARRAY_SIZE(n->subnets)];
	size_t k = 0;
	int r;

	for (size_t i = 0; i < n->n_subnets; i++)
		if (n->subnets[i].gateway.family) {
			gateways[k] = n->subnets[i].gateway;
			gateways[k++].prefix = n->subnets[i].net.prefix;
		}
	r = link_bridge(host_fd, n->interface, n->mtu, gateways, k, ret_index, err);
	if (r == 0)
		r = set_sysctls(n, subnet_of(n, AF_INET6) != NULL, err);
	return r < 0 ? r : firewall_add_bridge(n, err);
}

static int parse_mac(const char *text, uint8_t mac[6])
{
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) == 6 ? 0 : -EINVAL;
}

/* text "" leaves *ret without a family. */
static int take(const char *text, unsigned prefix, struct ip_addr *ret)
{
	if (!text[0])
		return 0;
	if (ip_parse(text, ret) < 0)
		return -EINVAL;
	ret->prefix = prefix;
	return 0;
}

int bridge_configure(const struct net_place *p, const struct netrec_if *i, struct err *err)
{
	struct link_config c = { .name = i->pub.ifname };

	if (take(i->pub.v4.text, i->pub.v4.prefix, &c.addrs[0]) < 0 || take(i->pub.v6.text, i->pub.v6.prefix, &c.addrs[1]) < 0 ||
	    take(i->pub.v4.gateway, 32, &c.gateways[0]) < 0 || take(i->pub.v6.gateway, 128, &c.gateways[1]) < 0)
		return err_set(err, EINVAL, "network '%s': an address cannot be read", i->pub.network);
	return link_configure(p->route_fd, &c, err);
}

int bridge_wire(const struct net_place *p, const struct network *n, const struct netrec_if *i, struct err *err)
{
	AUTO_CLOSE int host_fd = nl_socket(NETLINK_ROUTE);
	struct link_veth veth = { .host_name = i->host_if, .inner_name = i->pub.ifname, .ns_fd = p->ns_fd, .mtu = n->mtu };
	int r;

	if (host_fd < 0)
		return err_sys(err, host_fd, "netlink socket");
	if (parse_mac(i->pub.mac, veth.mac) < 0)
		return err_set(err, EINVAL, "'%s' is no MAC address", i->pub.mac);
	r = make_bridge(host_fd, n, &veth.bridge_index, err);
	if (r == 0)
		r = link_veth_create(host_fd, &veth, err);
	return r < 0 ? r : bridge_configure(p, i, err);
}

int bridge_undo(const struct net_env *env, const struct netrec *r, const struct netrec_if *i, struct err *err)
{
	AUTO_CLOSE int host_fd = nl_socket(NETLINK_ROUTE);
	int result = host_fd < 0 ? err_sys(err, host_fd, "netlink socket") : 0;

	if (result == 0 && i->host_if)
		result = link_delete(host_fd, i->host_if, err);
	if (i->pub.v4.text[0])
		ipam_release(env, i->pub.network, i->pub.v4.text, r->id);
	if (i->pub.v6.text[0])
		ipam_release(env, i->pub.network, i->pub.v6.text, r->id);
	return result;
}
