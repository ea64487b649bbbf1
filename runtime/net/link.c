/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/link.h"

#include "runtime/base/mem.h"
#include "runtime/base/netlink.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/random.h>
#include <sys/socket.h>

static size_t begin_link(struct buf *b, uint16_t type, uint16_t flags, int index, unsigned set, unsigned change)
{
	struct ifinfomsg info = { .ifi_index = index, .ifi_flags = set, .ifi_change = change };

	return nl_begin(b, type, flags | NLM_F_ACK, &info, sizeof(info));
}

int link_up(int route_fd, int index, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	int r;

	nl_end(&b, begin_link(&b, RTM_NEWLINK, 0, index, IFF_UP, IFF_UP));
	r = nl_talk(route_fd, &b, NULL, NULL);
	return r < 0 ? err_sys(err, r, "bring up network interface %d", index) : 0;
}

static int take_index(void *ctx, const struct nlmsghdr *h)
{
	const struct ifinfomsg *info = nl_body(h);

	if (h->nlmsg_type == RTM_NEWLINK)
		*(int *)ctx = info->ifi_index;
	return 0;
}

int link_index(int route_fd, const char *name)
{
	AUTO_BUF struct buf b = { 0 };
	struct ifinfomsg info = { 0 };
	size_t m = nl_begin(&b, RTM_GETLINK, 0, &info, sizeof(info));
	int index = 0;

	nl_put_string(&b, IFLA_IFNAME, name);
	nl_end(&b, m);
	return nl_query(route_fd, &b, take_index, &index) < 0 ? 0 : index;
}

int link_delete(int route_fd, const char *name, struct err *err)
{
	static const int fine[] = { ENODEV, 0 };
	AUTO_BUF struct buf b = { 0 };
	size_t m = begin_link(&b, RTM_DELLINK, 0, 0, 0, 0);
	int r;

	nl_put_string(&b, IFLA_IFNAME, name);
	nl_end(&b, m);
	r = nl_talk(route_fd, &b, fine, NULL);
	return r < 0 ? err_sys(err, r, "remove network interface '%s'", name) : 0;
}

/* A fixed address of our own: without one a bridge takes the lowest of its ports', which change. */
static void random_mac(uint8_t mac[6])
{
	if (getrandom(mac, 6, 0) != 6)
		memcpy(mac, "\x02brig\0", 6);
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 0x02);
}

static void put_new_bridge(struct buf *b, const char *name, unsigned mtu)
{
	size_t m = begin_link(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0, 0), info;
	uint8_t mac[6];

	random_mac(mac);
	nl_put_string(b, IFLA_IFNAME, name);
	nl_put(b, IFLA_ADDRESS, mac, sizeof(mac));
	if (mtu)
		nl_put_u32(b, IFLA_MTU, mtu);
	info = nl_nest(b, IFLA_LINKINFO);
	nl_put_string(b, IFLA_INFO_KIND, "bridge");
	nl_nest_end(b, info);
	nl_end(b, m);
}

static void put_address(struct buf *b, int index, const struct ip_addr *a)
{
	struct ifaddrmsg msg = { .ifa_family = (uint8_t)a->family, .ifa_prefixlen = (uint8_t)a->prefix, .ifa_index = (unsigned)index,
				 .ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0 };
	size_t m = nl_begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &msg, sizeof(msg));

	nl_put(b, IFA_LOCAL, a->u.bytes, ip_bytes(a));
	nl_put(b, IFA_ADDRESS, a->u.bytes, ip_bytes(a));
	if (a->family == AF_INET && a->prefix < 31) {
		struct ip_addr last = ip_nth(a, ip_count(a) - 1);

		nl_put(b, IFA_BROADCAST, last.u.bytes, 4);
	}
	nl_end(b, m);
}

int link_bridge(int route_fd, const char *name, unsigned mtu, const struct ip_addr *addrs, size_t n, int *ret_index,
		struct err *err)
{
	static const int fine[] = { EEXIST, 0 };
	AUTO_BUF struct buf make = { 0 };
	AUTO_BUF struct buf set = { 0 };
	int r, index;

	put_new_bridge(&make, name, mtu);
	r = nl_talk(route_fd, &make, fine, NULL);
	if (r < 0)
		return err_sys(err, r, "make the bridge '%s'", name);
	index = link_index(route_fd, name);
	if (!index)
		return err_set(err, ENODEV, "the bridge '%s' vanished", name);
	for (size_t i = 0; i < n; i++)
		put_address(&set, index, &addrs[i]);
	nl_end(&set, begin_link(&set, RTM_NEWLINK, 0, index, IFF_UP, IFF_UP));
	r = nl_talk(route_fd, &set, fine, NULL);
	if (r < 0)
		return err_sys(err, r, "set up the bridge '%s'", name);
	*ret_index = index;
	return 0;
}

static void put_veth(struct buf *b, const struct link_veth *v)
{
	struct ifinfomsg peer = { 0 };
	size_t m = begin_link(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, IFF_UP, IFF_UP), info, data, inner;

	nl_put_string(b, IFLA_IFNAME, v->host_name);
	nl_put_u32(b, IFLA_MASTER, (uint32_t)v->bridge_index);
	if (v->mtu)
		nl_put_u32(b, IFLA_MTU, v->mtu);
	info = nl_nest(b, IFLA_LINKINFO);
	nl_put_string(b, IFLA_INFO_KIND, "veth");
	data = nl_nest(b, IFLA_INFO_DATA);
	inner = nl_nest(b, VETH_INFO_PEER);
	buf_add_n(b, (const char *)&peer, sizeof(peer));
	nl_put_string(b, IFLA_IFNAME, v->inner_name);
	nl_put(b, IFLA_ADDRESS, v->mac, sizeof(v->mac));
	if (v->mtu)
		nl_put_u32(b, IFLA_MTU, v->mtu);
	nl_put_u32(b, IFLA_NET_NS_FD, (uint32_t)v->ns_fd);
	nl_nest_end(b, inner);
	nl_nest_end(b, data);
	nl_nest_end(b, info);
	nl_end(b, m);
}

/* Frames may go back out of the port that they came in by: a container that calls its own published port. */
static int set_hairpin(int route_fd, const char *name)
{
	AUTO_BUF struct buf b = { 0 };
	struct ifinfomsg info = { .ifi_family = AF_BRIDGE, .ifi_index = link_index(route_fd, name) };
	size_t m = nl_begin(&b, RTM_SETLINK, NLM_F_ACK, &info, sizeof(info)), port = nl_nest(&b, IFLA_PROTINFO);

	nl_put_u8(&b, IFLA_BRPORT_MODE, 1);
	nl_nest_end(&b, port);
	nl_end(&b, m);
	return nl_talk(route_fd, &b, NULL, NULL);
}

int link_veth_create(int route_fd, const struct link_veth *v, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	int r;

	put_veth(&b, v);
	r = nl_talk(route_fd, &b, NULL, NULL);
	if (r < 0)
		return err_sys(err, r, "make the interface pair '%s' and '%s'", v->host_name, v->inner_name);
	r = set_hairpin(route_fd, v->host_name);
	return r < 0 ? err_sys(err, r, "set hairpin mode of '%s'", v->host_name) : 0;
}

static void put_default_route(struct buf *b, int index, const struct ip_addr *gateway)
{
	struct rtmsg msg = { .rtm_family = (uint8_t)gateway->family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
			     .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST };
	size_t m = nl_begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &msg, sizeof(msg));

	nl_put(b, RTA_GATEWAY, gateway->u.bytes, ip_bytes(gateway));
	nl_put_u32(b, RTA_OIF, (uint32_t)index);
	nl_end(b, m);
}

int link_configure(int route_fd, const struct link_config *c, struct err *err)
{
	/* A second network's default route does not replace the first one's. */
	static const int fine[] = { EEXIST, 0 };
	AUTO_BUF struct buf b = { 0 };
	int index = link_index(route_fd, c->name), r;

	if (!index)
		return err_set(err, ENODEV, "network interface '%s' is not in the container", c->name);
	for (size_t i = 0; i < ARRAY_SIZE(c->addrs); i++)
		if (c->addrs[i].family)
			put_address(&b, index, &c->addrs[i]);
	nl_end(&b, begin_link(&b, RTM_NEWLINK, 0, index, IFF_UP, IFF_UP));
	for (size_t i = 0; i < ARRAY_SIZE(c->gateways); i++)
		if (c->gateways[i].family)
			put_default_route(&b, index, &c->gateways[i]);
	r = nl_talk(route_fd, &b, fine, NULL);
	return r < 0 ? err_sys(err, r, "configure network interface '%s' in the container", c->name) : 0;
}
