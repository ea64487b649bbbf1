/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/net_tap.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

/* Ours alone, so that what a machine left behind in a namespace that outlives it can be told from filters of others. */
#define FILTER_PRIORITY 46358u

void net_tap_qdisc(struct buf *b, int index)
{
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_handle = 0xffff0000u, .tcm_parent = TC_H_INGRESS };
	size_t message = nl_begin(b, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &t, sizeof(t));

	nl_put_string(b, TCA_KIND, "ingress");
	nl_end(b, message);
}

static void add_redirect(struct buf *b, unsigned short actions_attr, int to)
{
	struct tc_mirred redirect = { .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = (uint32_t)to };
	size_t actions = nl_nest(b, actions_attr), first = nl_nest(b, 1), options;

	nl_put_string(b, TCA_ACT_KIND, "mirred");
	options = nl_nest(b, TCA_ACT_OPTIONS);
	nl_put(b, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
	nl_nest_end(b, options);
	nl_nest_end(b, first);
	nl_nest_end(b, actions);
}

void net_tap_filter(struct buf *b, int from, int to, bool matchall)
{
	/* One key, which follows the selector, and that everything matches: zero bits of the first word. */
	const struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	char all[sizeof(sel) + sizeof(struct tc_u32_key)] = { 0 };
	const char *kind = matchall ? "matchall" : "u32";
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = from, .tcm_parent = 0xffff0000u,
			   .tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL)) };
	size_t options, message = nl_begin(b, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &t, sizeof(t));

	nl_put_string(b, TCA_KIND, kind);
	options = nl_nest(b, TCA_OPTIONS);
	memcpy(all, &sel, sizeof(sel));
	if (!matchall)
		nl_put(b, TCA_U32_SEL, all, sizeof(all));
	add_redirect(b, matchall ? TCA_MATCHALL_ACT : TCA_U32_ACT, to);
	nl_nest_end(b, options);
	nl_end(b, message);
}

static int filter(int fd, int from, int to, bool matchall)
{
	AUTO_BUF struct buf b = { 0 };

	net_tap_filter(&b, from, to, matchall);
	return nl_talk(fd, &b, NULL, NULL);
}

/* The filter of a machine that has ended: it redirects to a tap that is gone. */
static void remove_filter(int fd, int from)
{
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = from, .tcm_parent = 0xffff0000u,
			   .tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL)) };
	AUTO_BUF struct buf b = { 0 };

	nl_end(&b, nl_begin(&b, RTM_DELTFILTER, NLM_F_ACK, &t, sizeof(t)));
	(void)!nl_talk(fd, &b, NULL, NULL); /* mostly there is none */
}

static int redirect(int fd, int from, int to, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	bool is_there;
	int r;

	net_tap_qdisc(&b, from);
	r = nl_talk(fd, &b, NULL, NULL);
	is_there = r == -EEXIST; /* somebody shapes its traffic already */
	if (r < 0 && !is_there)
		return err_sys(err, r, "tc: make the ingress queue (does the kernel have sch_ingress?)");
	if (is_there)
		remove_filter(fd, from);
	r = filter(fd, from, to, false);
	if (r == -ENOENT)
		r = filter(fd, from, to, true);
	return r < 0 ? err_sys(err, r, "tc: redirect (does the kernel have cls_u32 and act_mirred?)") : 0;
}

static int link_up(int fd, int index, uint16_t mtu)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	AUTO_BUF struct buf b = { 0 };
	size_t message = nl_begin(&b, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));

	if (mtu)
		nl_put_u32(&b, IFLA_MTU, mtu);
	nl_end(&b, message);
	return nl_talk(fd, &b, NULL, NULL);
}

int net_tap_make(const char *name, struct err *err)
{
	AUTO_CLOSE int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (tap < 0)
		return err_sys(err, -errno, "open '/dev/net/tun'");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(tap, TUNSETIFF, &ifr) == 0)
		return TAKE_FD(tap);
	return errno == EBUSY ? err_set(err, EBUSY, "another machine uses this network namespace: only the containers of a pod can share one") :
				err_sys(err, -errno, "make the tap '%s'", name);
}

int net_tap_join(int nl_fd, const char *tap, int index, uint16_t mtu, struct err *err)
{
	int tap_index = (int)if_nametoindex(tap);
	int r = link_up(nl_fd, tap_index, mtu);

	if (r < 0)
		return err_sys(err, r, "bring up '%s'", tap);
	r = redirect(nl_fd, index, tap_index, err);
	return r < 0 ? r : redirect(nl_fd, tap_index, index, err);
}
