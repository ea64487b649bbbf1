/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/net_tap.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "vm-mode/host/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

/* Ours alone, so that what a machine left behind in a namespace that outlives it can be told from filters of others. */
#define FILTER_PRIORITY 46358u

void net_tap_qdisc(struct nlmsg *m, int index)
{
	static const char kind[] = "ingress";
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_handle = 0xffff0000u, .tcm_parent = TC_H_INGRESS };

	nlmsg_init(m, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &t, sizeof(t));
	nlmsg_attr(m, TCA_KIND, kind, sizeof(kind));
}

static void add_redirect(struct nlmsg *m, unsigned short actions_attr, int to)
{
	static const char kind[] = "mirred";
	struct tc_mirred redirect = { .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = (uint32_t)to };
	size_t actions = nlmsg_begin(m, actions_attr), first = nlmsg_begin(m, 1), options;

	nlmsg_attr(m, TCA_ACT_KIND, kind, sizeof(kind));
	options = nlmsg_begin(m, TCA_ACT_OPTIONS);
	nlmsg_attr(m, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
	nlmsg_end(m, options);
	nlmsg_end(m, first);
	nlmsg_end(m, actions);
}

void net_tap_filter(struct nlmsg *m, int from, int to, bool matchall)
{
	/* One key that everything matches: zero bits of the first word. */
	struct {
		struct tc_u32_sel sel;
		struct tc_u32_key key;
	} all = { .sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 } };
	const char *kind = matchall ? "matchall" : "u32";
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = from, .tcm_parent = 0xffff0000u,
			   .tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL)) };
	size_t options;

	nlmsg_init(m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &t, sizeof(t));
	nlmsg_attr(m, TCA_KIND, kind, strlen(kind) + 1);
	options = nlmsg_begin(m, TCA_OPTIONS);
	if (!matchall)
		nlmsg_attr(m, TCA_U32_SEL, &all, sizeof(all));
	add_redirect(m, matchall ? TCA_MATCHALL_ACT : TCA_U32_ACT, to);
	nlmsg_end(m, options);
}

/* The filter of a machine that has ended: it redirects to a tap that is gone. */
static void remove_filter(int fd, int from)
{
	struct tcmsg t = { .tcm_family = AF_UNSPEC, .tcm_ifindex = from, .tcm_parent = 0xffff0000u,
			   .tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL)) };
	struct nlmsg m;

	nlmsg_init(&m, RTM_DELTFILTER, 0, &t, sizeof(t));
	(void)!nlmsg_ask(fd, &m); /* mostly there is none */
}

static int redirect(int fd, int from, int to, struct err *err)
{
	struct nlmsg m;
	int r;

	net_tap_qdisc(&m, from);
	r = nlmsg_ask(fd, &m);
	if (r < 0 && r != -EEXIST) /* somebody shapes its traffic already */
		return err_sys(err, r, "tc: make the ingress queue (does the kernel have sch_ingress?)");
	if (r == -EEXIST)
		remove_filter(fd, from);
	net_tap_filter(&m, from, to, false);
	r = nlmsg_ask(fd, &m);
	if (r == -ENOENT) {
		net_tap_filter(&m, from, to, true);
		r = nlmsg_ask(fd, &m);
	}
	return r < 0 ? err_sys(err, r, "tc: redirect (does the kernel have cls_u32 and act_mirred?)") : 0;
}

static int link_up(int fd, int index, uint16_t mtu)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	uint32_t value = mtu;
	struct nlmsg m;

	nlmsg_init(&m, RTM_NEWLINK, 0, &info, sizeof(info));
	if (value)
		nlmsg_attr(&m, IFLA_MTU, &value, sizeof(value));
	return nlmsg_ask(fd, &m);
}

int net_tap_make(const char *name, struct err *err)
{
	AUTO_CLOSE int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (tap < 0)
		return err_sys(err, -errno, "open '/dev/net/tun'");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(tap, TUNSETIFF, &ifr) < 0 && errno == EBUSY)
		return err_set(err, EBUSY, "another machine uses this network namespace: only the containers of a pod can share one");
	return if_nametoindex(name) ? TAKE_FD(tap) : err_sys(err, -errno, "make the tap '%s'", name);
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
