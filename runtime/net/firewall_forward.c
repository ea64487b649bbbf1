/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/net/firewall.h"
#include "runtime/net/helper.h"
#include "runtime/net/nft.h"
#include "runtime/base/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <net/if.h>

/*
 * An accept in our own table does not outweigh a drop in another. Hosts with docker, ufw and the like have the policy DROP in
 * the chain FORWARD that `iptables` made; so the bridge is let through there, with rules that iptables-nft can show (anything
 * that it does not know makes it refuse the whole table).
 */
static void put_accept(struct buf *b, uint8_t family, uint32_t which, const char name[IFNAMSIZ])
{
	struct nft_rule r = nft_rule_begin(b, family, "filter", "FORWARD", false);

	nft_meta(b, which, NFT_REG_1);
	nft_cmp(b, NFT_REG_1, NFT_CMP_EQ, name, strlen(name) + 1);
	nft_counter(b);
	nft_verdict(b, NF_ACCEPT, NULL);
	nft_rule_end(b, r);
}

/* Rules that compare with exactly this name: the search is for the whole attribute, length included. */
static int find_ours(int fd, uint8_t family, const char *name, uint64_t **ret, size_t *ret_n)
{
	AUTO_BUF struct buf value = { 0 };

	nl_put_string(&value, NFTA_DATA_VALUE, name);
	return nft_find_rules(fd, family, "filter", "FORWARD", value.p, NLA_HDRLEN + strlen(name) + 1, ret, ret_n);
}

static int let_family(int fd, uint8_t family, const char *bridge)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE uint64_t *have = NULL;
	char name[IFNAMSIZ] = { 0 };
	size_t n = 0;

	snprintf(name, sizeof(name), "%s", bridge);
	if (nft_chain_policy(fd, family, "filter", "FORWARD") != NF_DROP)
		return 0;
	if (find_ours(fd, family, name, &have, &n) < 0 || n)
		return 0;
	nft_begin(&b);
	put_accept(&b, family, NFT_META_OIFNAME, name);
	put_accept(&b, family, NFT_META_IIFNAME, name);
	return nft_commit(fd, &b, NULL, NULL);
}

/* Does the kernel have tables of the old iptables? Then its program is the one to ask. */
static bool legacy(const char *names_file)
{
	AUTO_FREE char *names = NULL;

	return fd_read_file(AT_FDCWD, names_file, 4096, &names, NULL) == 0 && strstr(names, "filter");
}

static void run_iptables(const char *action, const char *bridge)
{
	static const char *const ways[] = { "-i", "-o" };
	static const char *const programs[] = { "iptables-legacy", "iptables" };

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
			const char *check[] = { programs[p], "-w", "-C", "FORWARD", ways[w], bridge, "-j", "ACCEPT", NULL };
			const char *change[] = { programs[p], "-w", action, "FORWARD", ways[w], bridge, "-j", "ACCEPT", NULL };
			bool there = helper_run(check, NULL) == 0;

			if (there == (strcmp(action, "-I") == 0) || helper_run(change, NULL) == 0)
				break; /* nothing to do, or done; else this program is not installed: the next */
		}
	}
}

int firewall_let_through(int fd, const char *bridge, bool v6, struct err *err)
{
	int r = let_family(fd, NFPROTO_IPV4, bridge);

	if (r >= 0 && v6)
		r = let_family(fd, NFPROTO_IPV6, bridge);
	if (r < 0)
		return err_sys(err, r, "let the bridge '%s' through the chain FORWARD", bridge);
	if (legacy("/proc/self/net/ip_tables_names"))
		run_iptables("-I", bridge);
	return 0;
}

static int take_family(int fd, uint8_t family, const char *bridge)
{
	static const int fine[] = { ENOENT, 0 };
	AUTO_BUF struct buf b = { 0 };
	AUTO_FREE uint64_t *have = NULL;
	size_t n = 0;

	if (find_ours(fd, family, bridge, &have, &n) < 0 || !n)
		return 0;
	nft_begin(&b);
	for (size_t i = 0; i < n; i++)
		nft_rule_delete(&b, family, "filter", "FORWARD", have[i]);
	return nft_commit(fd, &b, fine, NULL);
}

int firewall_take_back(int fd, const char *bridge)
{
	int r = take_family(fd, NFPROTO_IPV4, bridge), r6 = take_family(fd, NFPROTO_IPV6, bridge);

	if (legacy("/proc/self/net/ip_tables_names"))
		run_iptables("-D", bridge);
	return r < 0 ? r : r6;
}
