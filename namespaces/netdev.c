/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/netlink.h"

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

static int link_request(int fd, unsigned index, unsigned flags, unsigned change, const char *name, int netns_fd)
{
	struct ifinfomsg info = { .ifi_index = (int)index, .ifi_flags = flags, .ifi_change = change };
	AUTO_BUF struct buf b = { 0 };
	size_t message = nl_begin(&b, RTM_SETLINK, NLM_F_ACK, &info, sizeof(info));

	if (name)
		nl_put_string(&b, IFLA_IFNAME, name);
	if (netns_fd >= 0)
		nl_put_u32(&b, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nl_end(&b, message);
	return nl_talk(fd, &b, NULL, NULL);
}

struct addresses {
	unsigned index; /* whose */
	struct buf requests; /* RTM_NEWADDR, ready but for the index of the interface */
};

/* A permanent address of global scope, of any family. */
static int keep_address(void *ctx, const struct nlmsghdr *h)
{
	static const uint16_t kept[] = { IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST };
	struct addresses *list = ctx;
	struct ifaddrmsg addr;
	size_t message;

	if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(addr)))
		return 0;
	memcpy(&addr, nl_body(h), sizeof(addr));
	if (addr.ifa_index != list->index || addr.ifa_scope != RT_SCOPE_UNIVERSE || !(addr.ifa_flags & IFA_F_PERMANENT))
		return 0;
	message = nl_begin(&list->requests, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &addr, sizeof(addr));
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		size_t n = 0;
		const void *p = nl_attr(h, sizeof(addr), kept[i], &n);

		if (p)
			nl_put(&list->requests, kept[i], p, n);
	}
	nl_end(&list->requests, message);
	return 0;
}

static int dump_addresses(int fd, struct addresses *list)
{
	const struct ifaddrmsg any = { .ifa_family = AF_UNSPEC };
	AUTO_BUF struct buf b = { 0 };

	nl_end(&b, nl_begin(&b, RTM_GETADDR, NLM_F_DUMP, &any, sizeof(any)));
	return nl_query(fd, &b, keep_address, list);
}

/* The interface has another index in its new namespace. */
static void set_index(struct buf *requests, unsigned index)
{
	uint32_t value = index;
	struct nlmsghdr h;

	for (size_t at = 0; at < requests->len; at += h.nlmsg_len) {
		memcpy(&h, requests->p + at, sizeof(h));
		memcpy(requests->p + at + NLMSG_HDRLEN + offsetof(struct ifaddrmsg, ifa_index), &value, sizeof(value));
	}
}

static int restore_inside(const struct spec_net_device *d, struct addresses *list, int fd, struct err *err)
{
	static const int there_already[] = { EEXIST, 0 };
	unsigned index = if_nametoindex(d->name);
	int r;

	if (!index && strchr(d->name, '%'))
		return 0; /* a template: the kernel chose the name; the device has the highest index, but nobody promises that */
	if (!index)
		return err_sys(err, -errno, "linux.netDevices '%s': find '%s' inside", d->host_name, d->name);
	set_index(&list->requests, index);
	r = nl_talk(fd, &list->requests, there_already, NULL);
	if (r < 0)
		return err_sys(err, r, "linux.netDevices '%s': restore its addresses", d->host_name);
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
	fd = nl_socket(NETLINK_ROUTE);
	r = fd < 0 ? err_sys(err, fd, "netlink socket") : restore_inside(d, list, fd, err);
	if (setns(own, CLONE_NEWNET) < 0)
		return err_sys(err, -errno, "return to own network namespace");
	return r;
}

int netdev_move(const struct spec_net_device *d, int netns_fd, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_ROUTE);
	unsigned index = if_nametoindex(d->host_name);
	struct addresses list = { .index = index };
	int r;

	if (fd < 0)
		return err_sys(err, fd, "netlink socket");
	if (!index)
		return err_sys(err, -ENODEV, "linux.netDevices '%s'", d->host_name);
	r = dump_addresses(fd, &list);
	if (!r)
		r = link_request(fd, index, 0, IFF_UP, NULL, -1);
	if (!r)
		r = link_request(fd, index, 0, 0, d->name, netns_fd);
	r = r < 0 ? err_sys(err, r, "linux.netDevices '%s': move it as '%s'", d->host_name, d->name) :
		    in_namespace(d, &list, netns_fd, err);
	buf_done(&list.requests);
	return r;
}
