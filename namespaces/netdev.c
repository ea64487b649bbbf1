/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * DOC: network devices
 *
 * A new network namespace gets its loopback up. linux.netDevices are moved by the parent, over rtnetlink: the device
 * goes down, loses its addresses in the move, and gets its permanent global ones back inside, then comes up.
 */
int netdev_loopback_up(struct err *err)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	if (fd < 0)
		return err_sys(err, -errno, "socket");
	ifr.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return err_sys(err, -errno, "bring up loopback");
	return 0;
}

struct message {
	struct nlmsghdr head;
	char body[1024];
};

static void add_attr(struct message *m, unsigned short type, const void *data, size_t n)
{
	size_t at = NLMSG_ALIGN(m->head.nlmsg_len);
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(n), .rta_type = type };

	if (at + RTA_SPACE(n) > sizeof(*m))
		return; /* cannot happen: names and addresses are short */
	memcpy((char *)m + at, &a, sizeof(a));
	memcpy((char *)m + at + RTA_LENGTH(0), data, n);
	m->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(n));
}

static int ask(int fd, struct message *m)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[1024];
	} reply;

	m->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, m, m->head.nlmsg_len, 0) < 0)
		return -errno;
	if (recv(fd, &reply, sizeof(reply), 0) < (ssize_t)sizeof(reply.head))
		return -EIO;
	return reply.head.nlmsg_type == NLMSG_ERROR ? reply.error.error : -EPROTO;
}

static int link_request(int fd, unsigned index, unsigned flags, unsigned change, const char *name, int netns_fd)
{
	struct message m = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_SETLINK } };
	struct ifinfomsg info = { .ifi_index = (int)index, .ifi_flags = flags, .ifi_change = change };

	memcpy(m.body, &info, sizeof(info));
	if (name)
		add_attr(&m, IFLA_IFNAME, name, strlen(name) + 1);
	if (netns_fd >= 0)
		add_attr(&m, IFLA_NET_NS_FD, &netns_fd, sizeof(netns_fd));
	return ask(fd, &m);
}

struct addresses {
	struct message *v; /* ready RTM_NEWADDR requests but for the index */
	size_t n;
};

static void keep_address(struct addresses *list, const struct nlmsghdr *h, const struct ifaddrmsg *addr)
{
	struct message m = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(*addr)), .nlmsg_type = RTM_NEWADDR,
				       .nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE } };
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*addr));
	const char *p = (const char *)h + NLMSG_LENGTH(sizeof(*addr));

	memcpy(m.body, addr, sizeof(*addr));
	while (left >= sizeof(struct rtattr)) {
		struct rtattr a;

		memcpy(&a, p, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > left)
			break;
		if (a.rta_type == IFA_LOCAL || a.rta_type == IFA_ADDRESS || a.rta_type == IFA_BROADCAST)
			add_attr(&m, a.rta_type, p + RTA_LENGTH(0), a.rta_len - RTA_LENGTH(0));
		p += RTA_ALIGN(a.rta_len);
		left -= RTA_ALIGN(a.rta_len) < left ? RTA_ALIGN(a.rta_len) : left;
	}
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = m;
}

/* The permanent addresses of global scope, of any family. */
static int dump_addresses(int fd, unsigned index, struct addresses *ret)
{
	struct message m = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)), .nlmsg_type = RTM_GETADDR,
				       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	_Alignas(struct nlmsghdr) char buf[16384];

	if (send(fd, &m, m.head.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		size_t left;

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		left = (size_t)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			struct ifaddrmsg addr;

			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type != RTM_NEWADDR)
				return -EPROTO;
			memcpy(&addr, NLMSG_DATA(h), sizeof(addr));
			if (addr.ifa_index == index && addr.ifa_scope == RT_SCOPE_UNIVERSE && (addr.ifa_flags & IFA_F_PERMANENT))
				keep_address(ret, h, &addr);
		}
	}
}

static int restore_inside(const struct spec_net_device *d, struct addresses *list, int fd, struct err *err)
{
	unsigned index = if_nametoindex(d->name);
	int r;

	if (!index && strchr(d->name, '%'))
		return 0; /* a template: the kernel chose the name; the device has the highest index, but nobody promises that */
	if (!index)
		return err_sys(err, -errno, "linux.netDevices '%s': find '%s' inside", d->host_name, d->name);
	for (size_t i = 0; i < list->n; i++) {
		struct ifaddrmsg addr;

		memcpy(&addr, list->v[i].body, sizeof(addr));
		addr.ifa_index = index;
		memcpy(list->v[i].body, &addr, sizeof(addr));
		r = ask(fd, &list->v[i]);
		if (r < 0 && r != -EEXIST)
			return err_sys(err, r, "linux.netDevices '%s': restore an address", d->host_name);
	}
	r = link_request(fd, index, IFF_UP, IFF_UP, NULL, -1);
	return r < 0 ? err_sys(err, r, "linux.netDevices '%s': bring it up", d->host_name) : 0;
}

static int in_namespace(const struct spec_net_device *d, struct addresses *list, int netns_fd, struct err *err)
{
	AUTO_CLOSE int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	int r;

	if (own < 0 || setns(netns_fd, CLONE_NEWNET) < 0)
		return err_sys(err, -errno, "enter the container's network namespace");
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	r = fd < 0 ? err_sys(err, -errno, "netlink socket") : restore_inside(d, list, fd, err);
	if (setns(own, CLONE_NEWNET) < 0)
		return err_sys(err, -errno, "return to own network namespace");
	return r;
}

int netdev_move(const struct spec_net_device *d, int netns_fd, struct err *err)
{
	AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	unsigned index = if_nametoindex(d->host_name);
	struct addresses list = { 0 };
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "netlink socket");
	if (!index)
		return err_sys(err, -ENODEV, "linux.netDevices '%s'", d->host_name);
	r = dump_addresses(fd, index, &list);
	if (!r)
		r = link_request(fd, index, 0, IFF_UP, NULL, -1);
	if (!r)
		r = link_request(fd, index, 0, 0, d->name, netns_fd);
	r = r < 0 ? err_sys(err, r, "linux.netDevices '%s': move it as '%s'", d->host_name, d->name) :
		    in_namespace(d, &list, netns_fd, err);
	free(list.v);
	return r;
}
