/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to rtnetlink. */
#include "runtime/base/mem.h"
#include "runtime/net/link.h"
#include "runtime/base/netlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

struct address_visitor {
	int family;
	unsigned index;
	struct ip_addr found;
};

static int visit_address(void *ctx, const struct nlmsghdr *h)
{
	struct address_visitor *v = ctx;
	const struct ifaddrmsg *msg = nl_body(h);
	size_t n = 0;
	const void *p;

	if (h->nlmsg_type != RTM_NEWADDR || v->found.family || msg->ifa_family != v->family || msg->ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	p = nl_attr(h, sizeof(*msg), msg->ifa_family == AF_INET ? IFA_LOCAL : IFA_ADDRESS, &n);
	v->found = (struct ip_addr){ .family = v->family, .prefix = msg->ifa_prefixlen };
	if (!p || n != ip_bytes(&v->found)) {
		v->found.family = 0;
		return 0;
	}
	memcpy(v->found.u.bytes, p, n);
	v->index = msg->ifa_index;
	return 0;
}

struct link_visitor {
	unsigned index;
	char *name, *mac; /* borrowed */
};

static int visit_link(void *ctx, const struct nlmsghdr *h)
{
	const struct link_visitor *v = ctx;
	const struct ifinfomsg *msg = nl_body(h);
	size_t n = 0;
	const char *name;
	const uint8_t *m;

	if (h->nlmsg_type != RTM_NEWLINK || (unsigned)msg->ifi_index != v->index)
		return 0;
	name = nl_attr(h, sizeof(*msg), IFLA_IFNAME, &n);
	if (name && n)
		snprintf(v->name, 16, "%.*s", (int)n - 1, name);
	m = nl_attr(h, sizeof(*msg), IFLA_ADDRESS, &n);
	if (m && n == 6)
		snprintf(v->mac, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return 0;
}

bool link_find_address(int route_fd, int family, struct ip_addr *ret, char ret_name[16], char ret_mac[18])
{
	AUTO_BUF struct buf addrs = { 0 };
	AUTO_BUF struct buf links = { 0 };
	struct ifaddrmsg addr = { .ifa_family = (uint8_t)family };
	struct ifinfomsg info = { 0 };
	struct address_visitor v = { .family = family };
	struct link_visitor l = { .name = ret_name, .mac = ret_mac };

	nl_end(&addrs, nl_begin(&addrs, RTM_GETADDR, NLM_F_DUMP, &addr, sizeof(addr)));
	if (nl_query(route_fd, &addrs, visit_address, &v) < 0 || !v.found.family)
		return false;
	l.index = v.index;
	nl_end(&links, nl_begin(&links, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info)));
	*ret = v.found;
	return nl_query(route_fd, &links, visit_link, &l) == 0;
}

static int visit_gateway(void *ctx, const struct nlmsghdr *h)
{
	struct ip_addr *found = ctx;
	const struct rtmsg *msg = nl_body(h);
	size_t n = 0;
	const void *p;

	if (h->nlmsg_type != RTM_NEWROUTE || msg->rtm_family != found->family || msg->rtm_dst_len || found->prefix)
		return 0;
	p = nl_attr(h, sizeof(*msg), RTA_GATEWAY, &n);
	if (p && n == ip_bytes(found)) {
		memcpy(found->u.bytes, p, n);
		found->prefix = (unsigned)n * 8;
	}
	return 0;
}

bool link_find_gateway(int route_fd, int family, struct ip_addr *ret)
{
	AUTO_BUF struct buf b = { 0 };
	struct ip_addr found = { .family = family };
	struct rtmsg msg = { .rtm_family = (uint8_t)family };

	nl_end(&b, nl_begin(&b, RTM_GETROUTE, NLM_F_DUMP, &msg, sizeof(msg)));
	if (nl_query(route_fd, &b, visit_gateway, &found) < 0 || !found.prefix)
		return false;
	*ret = found;
	return true;
}

struct route_visitor {
	void (*each)(void *ctx, const struct ip_addr *net);
	void *ctx;
};

static int visit_route(void *ctx, const struct nlmsghdr *h)
{
	const struct route_visitor *v = ctx;
	const struct rtmsg *msg = nl_body(h);
	struct ip_addr net = { .family = msg->rtm_family, .prefix = msg->rtm_dst_len };
	size_t n, head = NLMSG_LENGTH(sizeof(*msg));
	const void *dst;

	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < head || (net.family != AF_INET && net.family != AF_INET6))
		return 0;
	dst = nl_find((const char *)h + head, h->nlmsg_len - head, RTA_DST, &n);
	if (dst && n == ip_bytes(&net) && net.prefix) {
		memcpy(net.u.bytes, dst, n);
		v->each(v->ctx, &net);
	}
	return 0;
}

int link_each_route(int route_fd, void (*each)(void *ctx, const struct ip_addr *net), void *ctx, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	struct route_visitor v = { each, ctx };
	struct rtmsg msg = { .rtm_family = AF_UNSPEC };
	int r;

	nl_end(&b, nl_begin(&b, RTM_GETROUTE, NLM_F_DUMP, &msg, sizeof(msg)));
	r = nl_query(route_fd, &b, visit_route, &v);
	return r < 0 ? err_sys(err, r, "read the host's routes") : 0;
}
