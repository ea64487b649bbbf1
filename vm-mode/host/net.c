/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/net.h"

#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/netlink.h"
#include "runtime/base/sys.h"
#include "vm-mode/host/net_tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ADDRESSES 64
#define MAX_ROUTES    64
#define MAX_JSON      (48u << 10)

struct link {
	int index;
	char name[IFNAMSIZ];
	uint8_t mac[6];
	uint16_t mtu;
	char addresses[MAX_ADDRESSES][64];
	size_t n_addresses;
};

/* What is read of a network namespace. */
struct scan {
	struct link links[MACHINE_MAX_NICS];
	size_t n_links;
	uint8_t spare[6]; /* MAC address of the spare tap, when there is one */
	bool has_spare, late;
	struct json_writer *w; /* where routes and neighbours go */
	size_t n_written;
};

void vm_net_done(struct vm_net *n)
{
	for (size_t i = 0; i < n->n; i++)
		fd_close(&n->nics[i].tap_fd);
	free(n->json);
	*n = (struct vm_net){ 0 };
}

static struct link *find_link(struct scan *s, int index)
{
	for (size_t i = 0; i < s->n_links; i++)
		if (s->links[i].index == index)
			return &s->links[i];
	return NULL;
}

/* Taps of machines. Those of engines (slirp4netns, pasta) are interfaces as others. */
static bool is_ours(struct scan *s, const char *name, const uint8_t mac[6])
{
	size_t n = strlen(NET_TAP_PREFIX);

	if (str_eq(name, NET_TAP_SPARE)) {
		memcpy(s->spare, mac, 6);
		s->has_spare = true;
		return true;
	}
	return strncmp(name, NET_TAP_PREFIX, n) == 0 && name[n] >= '0' && name[n] <= '9' && name[n + 1] == '\0';
}

/* The family's header of an object of this kind; false for others. */
static bool is_object(const struct nlmsghdr *h, uint16_t type, void *header, size_t n)
{
	if (h->nlmsg_type != type || h->nlmsg_len < NLMSG_LENGTH(n))
		return false;
	memcpy(header, nl_body(h), n);
	return true;
}

/* Ethernet interfaces that are up: not lo, not the fall-back tunnels that each namespace has. */
static int take_link(void *arg, const struct nlmsghdr *h)
{
	struct link l = { 0 };
	struct scan *s = arg;
	struct ifinfomsg info;
	uint32_t mtu = 0;
	size_t n = 0;
	const char *name;

	if (!is_object(h, RTM_NEWLINK, &info, sizeof(info)))
		return 0;
	name = nl_attr(h, sizeof(info), IFLA_IFNAME, &n);
	if (!nl_attr_copy(h, sizeof(info), IFLA_ADDRESS, l.mac, sizeof(l.mac)) || !name || !n || n > IFNAMSIZ || is_ours(s, name, l.mac))
		return 0;
	if (info.ifi_type != ARPHRD_ETHER || !(info.ifi_flags & IFF_UP) || info.ifi_flags & IFF_LOOPBACK)
		return 0;
	if (s->n_links == MACHINE_MAX_NICS) {
		log_warn("vm-mode: more than %d network interfaces: the rest is left out", MACHINE_MAX_NICS);
		return 0;
	}
	memcpy(l.name, name, n - 1);
	(void)nl_attr_copy(h, sizeof(info), IFLA_MTU, &mtu, sizeof(mtu));
	l.index = info.ifi_index;
	l.mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
	s->links[s->n_links++] = l;
	return 0;
}

/* An address that is an attribute, as text: false when there is none. */
static bool address_text(const struct nlmsghdr *h, size_t header, uint16_t type, int family, char out[INET6_ADDRSTRLEN])
{
	unsigned char bytes[16];

	return nl_attr_copy(h, header, type, bytes, family == AF_INET ? 4 : 16) && inet_ntop(family, bytes, out, INET6_ADDRSTRLEN);
}

static bool is_ip(int family)
{
	return family == AF_INET || family == AF_INET6;
}

/* The guest's kernel makes its own link-local addresses, of the same MAC address. */
static int take_address(void *arg, const struct nlmsghdr *h)
{
	char text[INET6_ADDRSTRLEN];
	struct ifaddrmsg info;
	struct link *l;

	if (!is_object(h, RTM_NEWADDR, &info, sizeof(info)))
		return 0;
	l = find_link(arg, (int)info.ifa_index);
	if (!l || !is_ip(info.ifa_family) || l->n_addresses == MAX_ADDRESSES)
		return 0;
	if (info.ifa_family == AF_INET6 && info.ifa_scope == RT_SCOPE_LINK)
		return 0;
	if ((info.ifa_family == AF_INET && address_text(h, sizeof(info), IFA_LOCAL, AF_INET, text)) ||
	    address_text(h, sizeof(info), IFA_ADDRESS, info.ifa_family, text))
		snprintf(l->addresses[l->n_addresses++], sizeof(l->addresses[0]), "%s/%u", text, info.ifa_prefixlen);
	return 0;
}

static const char *scope_name(unsigned char scope)
{
	return scope == RT_SCOPE_LINK ? "link" : scope == RT_SCOPE_HOST ? "host" : "global";
}

/* Routes that somebody made; those of the addresses come with the addresses. */
static int take_route(void *arg, const struct nlmsghdr *h)
{
	struct scan *s = arg;
	char dst[INET6_ADDRSTRLEN], via[INET6_ADDRSTRLEN] = "", src[INET6_ADDRSTRLEN] = "", text[80];
	struct rtmsg info;
	uint32_t metric = 0;
	int oif = 0;
	struct link *l;

	if (!is_object(h, RTM_NEWROUTE, &info, sizeof(info)))
		return 0;
	(void)nl_attr_copy(h, sizeof(info), RTA_OIF, &oif, sizeof(oif));
	l = find_link(s, oif);
	if (!l || info.rtm_table != RT_TABLE_MAIN || info.rtm_type != RTN_UNICAST || info.rtm_protocol == RTPROT_KERNEL ||
	    !is_ip(info.rtm_family) || s->n_written == MAX_ROUTES)
		return 0;
	if (info.rtm_dst_len == 0)
		snprintf(text, sizeof(text), "default");
	else if (address_text(h, sizeof(info), RTA_DST, info.rtm_family, dst))
		snprintf(text, sizeof(text), "%s/%u", dst, info.rtm_dst_len);
	else
		return 0;
	(void)address_text(h, sizeof(info), RTA_GATEWAY, info.rtm_family, via);
	(void)address_text(h, sizeof(info), RTA_PREFSRC, info.rtm_family, src);
	(void)nl_attr_copy(h, sizeof(info), RTA_PRIORITY, &metric, sizeof(metric));
	/* A default route of IPv6 without a gateway has to say its family. */
	if (info.rtm_dst_len == 0 && info.rtm_family == AF_INET6 && !via[0])
		snprintf(text, sizeof(text), "::/0");
	s->n_written++;
	json_begin_object(s->w);
	json_kv_string(s->w, "dst", text);
	json_kv_string(s->w, "gateway", via);
	json_kv_string(s->w, "dev", l->name);
	json_kv_string(s->w, "src", src);
	json_kv_u64(s->w, "metric", metric);
	json_kv_string(s->w, "scope", scope_name(info.rtm_scope));
	json_end_object(s->w);
	return 0;
}

static void mac_text(const uint8_t *m, char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* Those that somebody made; the others are found again. */
static int take_neighbour(void *arg, const struct nlmsghdr *h)
{
	struct scan *s = arg;
	char ip[INET6_ADDRSTRLEN], mac[18];
	struct ndmsg info;
	uint8_t bytes[6];
	struct link *l;

	if (!is_object(h, RTM_NEWNEIGH, &info, sizeof(info)) || !(info.ndm_state & NUD_PERMANENT) || !is_ip(info.ndm_family))
		return 0;
	l = find_link(s, info.ndm_ifindex);
	if (!l || s->n_written == MAX_ROUTES || !nl_attr_copy(h, sizeof(info), NDA_LLADDR, bytes, sizeof(bytes)) ||
	    !address_text(h, sizeof(info), NDA_DST, info.ndm_family, ip))
		return 0;
	mac_text(bytes, mac);
	s->n_written++;
	json_begin_object(s->w);
	json_kv_string(s->w, "ip", ip);
	json_kv_string(s->w, "mac", mac);
	json_kv_string(s->w, "dev", l->name);
	json_end_object(s->w);
	return 0;
}

static void write_interfaces(const struct scan *s)
{
	json_key(s->w, "interfaces");
	json_begin_array(s->w);
	for (size_t i = 0; i < s->n_links; i++) {
		const struct link *l = &s->links[i];
		char mac[18];

		mac_text(l->mac, mac);
		json_begin_object(s->w);
		json_kv_string(s->w, "mac", mac);
		if (s->late) {
			mac_text(s->spare, mac);
			json_kv_string(s->w, "device", mac);
		}
		json_kv_string(s->w, "name", l->name);
		json_kv_u64(s->w, "mtu", l->mtu);
		json_key(s->w, "addresses");
		json_begin_array(s->w);
		for (size_t k = 0; k < l->n_addresses; k++)
			json_string(s->w, l->addresses[k]);
		json_end_array(s->w);
		json_end_object(s->w);
	}
	json_end_array(s->w);
}

static int dump(int fd, uint16_t type, const void *body, size_t n, int (*cb)(void *, const struct nlmsghdr *), struct scan *s)
{
	AUTO_BUF struct buf b = { 0 };

	nl_end(&b, nl_begin(&b, type, NLM_F_DUMP, body, n));
	return nl_query(fd, &b, cb, s);
}

static int dump_list(int fd, struct scan *s, const char *key, uint16_t type, const void *body, size_t n,
		     int (*cb)(void *, const struct nlmsghdr *))
{
	int r;

	s->n_written = 0;
	json_key(s->w, key);
	json_begin_array(s->w);
	r = dump(fd, type, body, n, cb, s);
	json_end_array(s->w);
	return r;
}

static int read_namespace(int fd, struct scan *s)
{
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	struct ifaddrmsg address = { .ifa_family = AF_UNSPEC };
	struct rtmsg route = { .rtm_family = AF_UNSPEC };
	struct ndmsg neighbour = { .ndm_family = AF_UNSPEC };
	int r = dump(fd, RTM_GETLINK, &link, sizeof(link), take_link, s);

	if (r < 0 || !s->n_links || (s->late && !s->has_spare))
		return r;
	if (s->late && s->n_links > 1) {
		log_warn("vm-mode: of the interfaces that were made after create, the machine gets only '%s'", s->links[0].name);
		s->n_links = 1;
	}
	r = dump(fd, RTM_GETADDR, &address, sizeof(address), take_address, s);
	if (r < 0)
		return r;
	json_begin_object(s->w);
	write_interfaces(s);
	r = dump_list(fd, s, "routes", RTM_GETROUTE, &route, sizeof(route), take_route);
	if (r >= 0)
		r = dump_list(fd, s, "neighbours", RTM_GETNEIGH, &neighbour, sizeof(neighbour), take_neighbour);
	json_end_object(s->w);
	return r;
}

static int take_json(struct buf *json, struct vm_net *ret, struct err *err)
{
	if (json->len > MAX_JSON)
		return err_set(err, E2BIG, "the container's network has too many addresses and routes");
	ret->json = json->len ? buf_take(json) : NULL;
	return 0;
}

/* A device whose tap leads nowhere yet. */
static int add_spare(struct vm_net *ret, struct err *err)
{
	struct machine_nic *nic = &ret->nics[0];
	struct ifreq ifr = { .ifr_name = NET_TAP_SPARE };
	AUTO_BUF struct buf json = { 0 };
	AUTO_CLOSE int sock = -1;
	char mac[18];

	*nic = (struct machine_nic){ .tap_fd = net_tap_make(NET_TAP_SPARE, err) };
	if (nic->tap_fd < 0) { /* most machines do well without: an engine's later interface will be missed */
		log_debug("no spare network device: %s", err->msg);
		*err = (struct err){ 0 };
		return 0;
	}
	ret->n = 1;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || ioctl(sock, SIOCGIFHWADDR, &ifr) < 0)
		return err_sys(err, -errno, "read the address of '%s'", NET_TAP_SPARE);
	memcpy(nic->mac, ifr.ifr_hwaddr.sa_data, 6);
	mac_text(nic->mac, mac);
	buf_addf(&json, "{\"spares\":[\"%s\"]}", mac);
	return take_json(&json, ret, err);
}

static int make_nics(int fd, const struct scan *s, struct vm_net *ret, struct err *err)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct link *l = &s->links[i];
		struct machine_nic *nic = &ret->nics[i];
		char name[IFNAMSIZ];

		*nic = (struct machine_nic){ .tap_fd = -1, .mtu = l->mtu };
		memcpy(nic->mac, l->mac, sizeof(nic->mac));
		snprintf(name, sizeof(name), NET_TAP_PREFIX "%zu", i);
		nic->tap_fd = net_tap_make(name, err);
		if (nic->tap_fd < 0)
			return nic->tap_fd;
		ret->n++;
		if (net_tap_join(fd, name, l->index, l->mtu, err) < 0)
			return err_wrap(err, "interface '%s'", l->name);
	}
	return 0;
}

static int scan_here(int fd, struct scan *s, struct err *err)
{
	int r = fd < 0 ? fd : read_namespace(fd, s);

	return r < 0 ? err_sys(err, r, "read the container's network namespace") : 0;
}

int vm_net_make_here(struct vm_net *ret, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_ROUTE);
	AUTO_BUF struct buf json = { 0 };
	struct json_writer w = { .out = &json };
	struct scan s = { .w = &w };
	int r = scan_here(fd, &s, err);

	if (r < 0)
		return r;
	if (!s.n_links)
		return add_spare(ret, err);
	r = make_nics(fd, &s, ret, err);
	return r < 0 ? r : take_json(&json, ret, err);
}

static int join_late(struct vm_net *ret, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_ROUTE);
	AUTO_BUF struct buf json = { 0 };
	struct json_writer w = { .out = &json };
	struct scan s = { .w = &w, .late = true };
	int r = scan_here(fd, &s, err);

	if (r < 0 || !s.has_spare || !s.n_links)
		return r;
	r = net_tap_join(fd, NET_TAP_SPARE, s.links[0].index, s.links[0].mtu, err);
	return r < 0 ? err_wrap(err, "interface '%s'", s.links[0].name) : take_json(&json, ret, err);
}

/* ---- in a process of its own, because a user namespace cannot be left again ---- */

struct answer {
	struct err err;
	size_t n;
	uint8_t mac[MACHINE_MAX_NICS][6];
	uint16_t mtu[MACHINE_MAX_NICS];
	char json[MAX_JSON + 1];
};

static int enter(pid_t pid, bool userns, struct err *err)
{
	char path[48];
	AUTO_CLOSE int user = -1;
	AUTO_CLOSE int net = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	net = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	user = userns ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (net < 0 || (userns && user < 0))
		return err_sys(err, -errno, "open the container's network namespace");
	if (userns && setns(user, CLONE_NEWUSER) < 0)
		return err_sys(err, -errno, "join the container's user namespace");
	return setns(net, CLONE_NEWNET) < 0 ? err_sys(err, -errno, "join the container's network namespace") : 0;
}

static void answer_main(int sock, pid_t pid, bool userns, int (*work)(struct vm_net *, struct err *))
{
	CLEANUP(vm_net_done) struct vm_net net = { 0 };
	struct answer *a = xcalloc(1, sizeof(*a));
	int fds[MACHINE_MAX_NICS];
	int r = enter(pid, userns, &a->err);

	if (r >= 0)
		r = work(&net, &a->err);
	a->n = net.n;
	for (size_t i = 0; i < net.n; i++) {
		memcpy(a->mac[i], net.nics[i].mac, 6);
		a->mtu[i] = net.nics[i].mtu;
		fds[i] = net.nics[i].tap_fd;
	}
	if (net.json)
		snprintf(a->json, sizeof(a->json), "%s", net.json);
	(void)!fd_send(sock, a, sizeof(*a), fds, r < 0 ? 0 : net.n); /* the parent notices */
	_exit(0);
}

static int take_answer(int sock, struct vm_net *ret, struct err *err)
{
	AUTO_FREE struct answer *a = xcalloc(1, sizeof(*a));
	int fds[MACHINE_MAX_NICS];
	size_t nfds = 0;
	ssize_t n = fd_recv(sock, a, sizeof(*a), fds, MACHINE_MAX_NICS, &nfds);

	for (size_t i = 0; i < nfds; i++)
		ret->nics[i].tap_fd = fds[i];
	ret->n = nfds;
	if (n != (ssize_t)sizeof(*a))
		return n < 0 ? err_sys(err, (int)n, "set up the machine's network") : err_set(err, EIO, "set up the machine's network: no answer");
	if (a->err.code) {
		*err = a->err;
		err_sanitize(err);
		return -err->code;
	}
	if (a->n != nfds)
		return err_set(err, EPROTO, "set up the machine's network: bad answer");
	for (size_t i = 0; i < nfds; i++) {
		memcpy(ret->nics[i].mac, a->mac[i], 6);
		ret->nics[i].mtu = a->mtu[i];
	}
	a->json[MAX_JSON] = '\0';
	ret->json = a->json[0] ? xstrdup(a->json) : NULL;
	return 0;
}

static int in_namespace(pid_t pid, bool userns, int (*work)(struct vm_net *, struct err *), struct vm_net *ret, struct err *err)
{
	int pair[2], size = (int)sizeof(struct answer) * 2, r;
	pid_t child;

	*ret = (struct vm_net){ 0 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	AUTO_CLOSE int ours = pair[0];
	AUTO_CLOSE int theirs = pair[1];
	(void)setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	child = fork();
	if (child < 0)
		return err_sys(err, -errno, "fork");
	if (child == 0)
		answer_main(theirs, pid, userns, work);
	fd_close(&theirs);
	r = take_answer(ours, ret, err);
	(void)!sys_wait_pid(child);
	if (r < 0)
		vm_net_done(ret);
	return r;
}

int vm_net_make(pid_t pid, bool userns, struct vm_net *ret, struct err *err)
{
	return in_namespace(pid, userns, vm_net_make_here, ret, err);
}

int vm_net_late(pid_t pid, bool userns, struct vm_net *ret, struct err *err)
{
	return in_namespace(pid, userns, join_late, ret, err);
}
