/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/netlink.h"
#include "runtime/base/str.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * DOC: the network of the guest
 *
 * The engine made an interface on the host; the machine has a device with its MAC address. NET gives that device the
 * interface's name, MTU and addresses, and makes its routes and neighbours. The host is trusted, its text is checked all the same.
 *
 * A spare device is for an interface that comes later. Until then nobody shall see it: where the driver is a module, it is not loaded;
 * where it is built in, it lets go of the device.
 */
#define VIRTIO_DEVICES	  "/sys/bus/virtio/devices"
#define VIRTIO_NET_DRIVER "/sys/bus/virtio/drivers/virtio_net"
#define VIRTIO_NET_ID	  "0x0001\n"

#define MAX_ITEMS    64
#define DEVICE_STEPS 200 /* of 10 ms: the driver may still be at work */

struct addr {
	int family;
	unsigned char bytes[16];
	unsigned prefix;
};

static size_t addr_len(const struct addr *a)
{
	return a->family == AF_INET ? 4 : 16;
}

static const char *text_of(const struct json *o, const char *key)
{
	const struct json *n = json_get(o, key);

	return n && n->type == JSON_STRING ? n->u.string : "";
}

/* "10.0.0.2/24"; without a prefix the whole address. */
static int parse_addr(const struct json *node, const char *text, struct addr *ret, struct err *err)
{
	const char *slash = strchr(text, '/');
	AUTO_FREE char *host = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
	uint32_t prefix = 0;

	*ret = (struct addr){ .family = strchr(host, ':') ? AF_INET6 : AF_INET };
	ret->prefix = ret->family == AF_INET ? 32 : 128;
	if (inet_pton(ret->family, host, ret->bytes) != 1 ||
	    (slash && (str_to_u32(slash + 1, &prefix) < 0 || prefix > ret->prefix)))
		return json_err(err, "net", node, EINVAL, "'%s' is not an address", text);
	if (slash)
		ret->prefix = prefix;
	return 0;
}

static int parse_mac(const struct json *node, const char *text, uint8_t mac[6], struct err *err)
{
	unsigned v[6];
	char rest;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &rest) != 6)
		return json_err(err, "net", node, EINVAL, "'%s' is not a MAC address", text);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return 0;
}

static int number_of(const struct json *o, const char *key, uint64_t max, uint64_t *ret, struct err *err)
{
	const struct json *n = json_get(o, key);

	*ret = 0;
	return n ? json_to_u64(n, "net", max, ret, err) : 0;
}

struct mac_search {
	const uint8_t *mac;
	int index; /* 0: not there */
};

static int visit_link(void *ctx, const struct nlmsghdr *h)
{
	struct mac_search *s = ctx;
	struct ifinfomsg info;
	uint8_t mac[6];

	if (h->nlmsg_type != RTM_NEWLINK || !nl_attr_copy(h, sizeof(info), IFLA_ADDRESS, mac, 6) || memcmp(mac, s->mac, 6) != 0)
		return 0;
	memcpy(&info, nl_body(h), sizeof(info));
	s->index = info.ifi_index;
	return 0;
}

/* Index of the interface with this hardware address, 0 when there is none, or -errno. */
static int find_mac(int fd, const uint8_t mac[6])
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct mac_search s = { .mac = mac };
	AUTO_BUF struct buf b = { 0 };
	int r;

	nl_end(&b, nl_begin(&b, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info)));
	r = nl_query(fd, &b, visit_link, &s);
	return r < 0 ? r : s.index;
}

static int wait_for_mac(int fd, const uint8_t mac[6])
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int index = 0;

	for (int i = 0; i < DEVICE_STEPS && index == 0; i++) {
		if (i)
			(void)nanosleep(&pause, NULL);
		index = find_mac(fd, mac);
	}
	return index;
}

/* Take the driver from the device with this address, if it has one. */
static int hide_spare(int fd, const struct json *o, struct err *err)
{
	char path[64 + IF_NAMESIZE], name[IF_NAMESIZE], target[256];
	uint8_t mac[6];
	int index, r = parse_mac(o, o->u.string, mac, err);
	ssize_t n;

	if (r < 0)
		return r;
	index = find_mac(fd, mac);
	if (index <= 0 || !if_indextoname((unsigned)index, name))
		return 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return err_sys(err, -errno, "net: device of '%s'", name);
	target[n] = '\0';
	r = fd_write_file(AT_FDCWD, VIRTIO_NET_DRIVER "/unbind", strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	return r < 0 ? err_sys(err, r, "net: hide the spare device") : 0;
}

/* Give hidden devices their driver back. */
static void show_spares(void)
{
	AUTO_DIR DIR *d = opendir(VIRTIO_DEVICES);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		AUTO_FREE char *id = xasprintf(VIRTIO_DEVICES "/%s/device", e->d_name), *driver = xasprintf(VIRTIO_DEVICES "/%s/driver", e->d_name);
		AUTO_FREE char *text = NULL;

		if (e->d_name[0] != '.' && access(driver, F_OK) < 0 && fd_read_file(AT_FDCWD, id, 64, &text, NULL) >= 0 && str_eq(text, VIRTIO_NET_ID))
			(void)!fd_write_file(AT_FDCWD, VIRTIO_NET_DRIVER "/bind", e->d_name); /* the search for the address tells */
	}
}

static int end_and_send(int fd, struct buf *b, size_t message)
{
	nl_end(b, message);
	return nl_talk(fd, b, NULL, NULL);
}

static int set_mac(int fd, int index, const uint8_t mac[6])
{
	struct ifinfomsg info = { .ifi_index = index };
	AUTO_BUF struct buf b = { 0 };
	size_t m = nl_begin(&b, RTM_SETLINK, NLM_F_ACK, &info, sizeof(info));

	nl_put(&b, IFLA_ADDRESS, mac, 6);
	return end_and_send(fd, &b, m);
}

static int set_link(int fd, int index, const char *name, uint32_t mtu, bool up)
{
	struct ifinfomsg info = { .ifi_index = index, .ifi_change = IFF_UP, .ifi_flags = up ? IFF_UP : 0 };
	AUTO_BUF struct buf b = { 0 };
	size_t m = nl_begin(&b, RTM_SETLINK, NLM_F_ACK, &info, sizeof(info));

	if (name && *name)
		nl_put_string(&b, IFLA_IFNAME, name);
	if (mtu)
		nl_put_u32(&b, IFLA_MTU, mtu);
	return end_and_send(fd, &b, m);
}

static int add_address(int fd, int index, const struct addr *a)
{
	struct ifaddrmsg info = { .ifa_family = (uint8_t)a->family, .ifa_prefixlen = (uint8_t)a->prefix, .ifa_index = (unsigned)index };
	AUTO_BUF struct buf b = { 0 };
	size_t m;

	if (a->family == AF_INET6)
		info.ifa_flags = IFA_F_NODAD; /* the host has the address checked; waiting would cost a second */
	m = nl_begin(&b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	nl_put(&b, IFA_LOCAL, a->bytes, addr_len(a));
	nl_put(&b, IFA_ADDRESS, a->bytes, addr_len(a));
	if (a->family == AF_INET && a->prefix < 31) {
		uint32_t ip, host = htonl(0xffffffffu >> a->prefix);

		memcpy(&ip, a->bytes, 4);
		ip |= host;
		nl_put(&b, IFA_BROADCAST, &ip, 4);
	}
	return end_and_send(fd, &b, m);
}

static int interface(int fd, const struct json *o, struct err *err)
{
	const char *name = text_of(o, "name");
	const struct json *list = json_get(o, "addresses");
	const char *device = *text_of(o, "device") ? text_of(o, "device") : text_of(o, "mac");
	uint64_t mtu = 0;
	uint8_t mac[6], own[6];
	int index, r = parse_mac(o, text_of(o, "mac"), mac, err);

	if (!r)
		r = parse_mac(o, device, own, err);
	if (!r)
		r = number_of(o, "mtu", 65535, &mtu, err);
	if (r < 0)
		return r;
	if (strlen(name) >= IFNAMSIZ)
		return json_err(err, "net", o, EINVAL, "name '%.64s' is too long", name);
	index = wait_for_mac(fd, own);
	if (index <= 0)
		return json_err(err, "net", o, ENODEV, "no device has the address %s", device);
	r = memcmp(mac, own, 6) == 0 ? 0 : set_mac(fd, index, mac);
	if (!r)
		r = set_link(fd, index, name, (uint32_t)mtu, false);
	if (!r)
		r = set_link(fd, index, NULL, 0, true);
	if (r < 0)
		return err_sys(err, r, "net: interface '%s'", name);
	for (const struct json *n = list && list->type == JSON_ARRAY ? list->u.kids.first : NULL; n; n = n->next) {
		struct addr a = { 0 };

		r = n->type == JSON_STRING ? parse_addr(n, n->u.string, &a, err) : json_err(err, "net", n, EINVAL, "not a string");
		if (r < 0)
			return r;
		r = add_address(fd, index, &a);
		if (r < 0)
			return err_sys(err, r, "net: address '%s' of '%s'", n->u.string, name);
	}
	return 0;
}

static int scope_of(const char *name, bool has_gateway)
{
	static const struct name_value scopes[] = {
		{ "global", RT_SCOPE_UNIVERSE }, { "site", RT_SCOPE_SITE }, { "link", RT_SCOPE_LINK },
		{ "host", RT_SCOPE_HOST },	 { NULL, 0 },
	};
	const struct name_value *v = *name ? name_find(scopes, name) : NULL;

	return v ? (int)v->value : has_gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
}

/* Addresses of a route; dst "default" takes the family of the gateway. */
struct route {
	struct addr dst, gateway, src;
	uint32_t index, metric;
	int scope;
	bool onlink;
};

static int parse_route(const struct json *o, struct route *rt, struct err *err)
{
	const char *dst = text_of(o, "dst"), *gateway = text_of(o, "gateway"), *src = text_of(o, "src"), *dev = text_of(o, "dev");
	uint64_t metric;
	int r = number_of(o, "metric", UINT32_MAX, &metric, err);

	if (!r && *gateway)
		r = parse_addr(o, gateway, &rt->gateway, err);
	if (!r && *src)
		r = parse_addr(o, src, &rt->src, err);
	if (!r && *dst && strcmp(dst, "default") != 0)
		r = parse_addr(o, dst, &rt->dst, err);
	else if (!r)
		rt->dst.family = *gateway ? rt->gateway.family : str_eq(text_of(o, "family"), "inet6") ? AF_INET6 : AF_INET;
	if (r < 0)
		return r;
	rt->metric = (uint32_t)metric;
	rt->scope = rt->dst.family == AF_INET6 ? RT_SCOPE_UNIVERSE : scope_of(text_of(o, "scope"), *gateway);
	rt->onlink = json_get(o, "onlink") && json_get(o, "onlink")->type == JSON_BOOL && json_get(o, "onlink")->u.boolean;
	rt->index = *dev ? if_nametoindex(dev) : 0;
	return *dev && !rt->index ? json_err(err, "net", o, ENODEV, "no interface '%s'", dev) : 0;
}

static int route(int fd, const struct json *o, struct err *err)
{
	struct route rt = { 0 };
	struct rtmsg info = { .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST };
	AUTO_BUF struct buf b = { 0 };
	size_t m;
	int r = parse_route(o, &rt, err);

	if (r < 0)
		return r;
	info.rtm_family = (uint8_t)rt.dst.family;
	info.rtm_dst_len = (uint8_t)rt.dst.prefix;
	info.rtm_scope = (uint8_t)rt.scope;
	info.rtm_flags = rt.onlink ? RTNH_F_ONLINK : 0;
	m = nl_begin(&b, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	if (rt.dst.prefix)
		nl_put(&b, RTA_DST, rt.dst.bytes, addr_len(&rt.dst));
	if (rt.gateway.family)
		nl_put(&b, RTA_GATEWAY, rt.gateway.bytes, addr_len(&rt.gateway));
	if (rt.src.family)
		nl_put(&b, RTA_PREFSRC, rt.src.bytes, addr_len(&rt.src));
	if (rt.index)
		nl_put_u32(&b, RTA_OIF, rt.index);
	if (rt.metric)
		nl_put_u32(&b, RTA_PRIORITY, rt.metric);
	r = end_and_send(fd, &b, m);
	return r < 0 && r != -EEXIST ? err_sys(err, r, "net: route to '%s' by '%s'", text_of(o, "dst"), text_of(o, "gateway")) : 0;
}

static int neighbour(int fd, const struct json *o, struct err *err)
{
	struct ndmsg info = { .ndm_state = NUD_PERMANENT };
	uint8_t mac[6];
	AUTO_BUF struct buf b = { 0 };
	size_t m;
	struct addr ip;
	int r = parse_addr(o, text_of(o, "ip"), &ip, err);

	if (!r)
		r = parse_mac(o, text_of(o, "mac"), mac, err);
	if (r < 0)
		return r;
	info.ndm_family = (uint8_t)ip.family;
	info.ndm_ifindex = (int)if_nametoindex(text_of(o, "dev"));
	if (!info.ndm_ifindex)
		return json_err(err, "net", o, ENODEV, "no interface '%s'", text_of(o, "dev"));
	m = nl_begin(&b, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	nl_put(&b, NDA_DST, ip.bytes, addr_len(&ip));
	nl_put(&b, NDA_LLADDR, mac, sizeof(mac));
	r = end_and_send(fd, &b, m);
	return r < 0 ? err_sys(err, r, "net: neighbour '%s'", text_of(o, "ip")) : 0;
}

/* f for each member of a list, all of one type. */
static int each(const struct json *root, const char *key, enum json_type type, int fd,
		int (*f)(int, const struct json *, struct err *), struct err *err)
{
	const struct json *list = json_get(root, key);

	if (!list)
		return 0;
	if (list->type != JSON_ARRAY || list->u.kids.n > MAX_ITEMS)
		return json_err(err, "net", list, EINVAL, "must be a list of at most %d", MAX_ITEMS);
	for (const struct json *n = list->u.kids.first; n; n = n->next) {
		int r = n->type == type ? f(fd, n, err) :
			json_err(err, "net", n, EINVAL, type == JSON_OBJECT ? "must be an object" : "not a string");

		if (r < 0)
			return r;
	}
	return 0;
}

/* Routes need their gateways to be reachable: those without a gateway first. */
static int link_route(int fd, const struct json *o, struct err *err)
{
	return *text_of(o, "gateway") ? 0 : route(fd, o, err);
}

static int gateway_route(int fd, const struct json *o, struct err *err)
{
	return *text_of(o, "gateway") ? route(fd, o, err) : 0;
}

int net_configure(const char *text, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	AUTO_CLOSE int fd = -1;
	struct json *root;
	int r = json_parse(&arena, "net", text, strlen(text), &root, err);

	if (!r && root->type != JSON_OBJECT)
		r = json_err(err, "net", root, EINVAL, "must be an object");
	if (!r && json_get(root, "interfaces"))
		r = modules_load("net", err);
	if (r < 0)
		return r;
	fd = nl_socket(NETLINK_ROUTE);
	if (fd < 0)
		return err_sys(err, fd, "netlink socket");
	r = each(root, "spares", JSON_STRING, fd, hide_spare, err);
	if (!r && json_get(root, "interfaces"))
		show_spares();
	if (!r)
		r = each(root, "interfaces", JSON_OBJECT, fd, interface, err);
	if (!r)
		r = each(root, "routes", JSON_OBJECT, fd, link_route, err);
	if (!r)
		r = each(root, "routes", JSON_OBJECT, fd, gateway_route, err);
	if (!r)
		r = each(root, "neighbours", JSON_OBJECT, fd, neighbour, err);
	return r;
}
