/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to nf_tables. */
#include "runtime/base/mem.h"
#include "runtime/net/nft.h"
#include "runtime/base/netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

static size_t begin(struct buf *b, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg msg = { .nfgen_family = family, .version = NFNETLINK_V0 };

	return nl_begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &msg, sizeof(msg));
}

/* The attributes of an answer. */
static const char *attributes(const struct nlmsghdr *h, size_t *ret_n)
{
	size_t head = NLMSG_LENGTH(sizeof(struct nfgenmsg));

	*ret_n = h->nlmsg_len > head ? h->nlmsg_len - head : 0;
	return (const char *)h + head;
}

static int note_found(void *ctx, const struct nlmsghdr *h UNUSED)
{
	*(bool *)ctx = true;
	return 0;
}

bool nft_table_exists(int fd, uint8_t family, const char *table)
{
	AUTO_BUF struct buf b = { 0 };
	size_t m = begin(&b, NFT_MSG_GETTABLE, 0, family);
	bool found = false;

	nl_put_string(&b, NFTA_TABLE_NAME, table);
	nl_end(&b, m);
	return nl_query(fd, &b, note_found, &found) == 0 && found;
}

static int take_policy(void *ctx, const struct nlmsghdr *h)
{
	size_t all, n;
	const char *attrs = attributes(h, &all);
	const void *p = nl_find(attrs, all, NFTA_CHAIN_POLICY, &n);
	uint32_t policy;

	if (p && n == sizeof(policy)) {
		memcpy(&policy, p, sizeof(policy));
		*(int *)ctx = (int)ntohl(policy);
	}
	return 0;
}

int nft_chain_policy(int fd, uint8_t family, const char *table, const char *chain)
{
	AUTO_BUF struct buf b = { 0 };
	size_t m = begin(&b, NFT_MSG_GETCHAIN, 0, family);
	int policy = -ENOENT, r;

	nl_put_string(&b, NFTA_CHAIN_TABLE, table);
	nl_put_string(&b, NFTA_CHAIN_NAME, chain);
	nl_end(&b, m);
	r = nl_query(fd, &b, take_policy, &policy);
	return r < 0 ? r : policy;
}

struct bytes {
	const void *p;
	size_t n;
	bool found;
};

static int note_bytes(void *ctx, const struct nlmsghdr *h)
{
	struct bytes *b = ctx;
	size_t n;
	const char *attrs = attributes(h, &n);

	b->found = b->found || !b->n || memmem(attrs, n, b->p, b->n);
	return 0;
}

bool nft_element_is(int fd, const char *table, const char *set, const void *key, size_t key_len, const void *data, size_t data_len)
{
	AUTO_BUF struct buf b = { 0 };
	struct bytes want = { .p = data, .n = data_len };
	size_t m = begin(&b, NFT_MSG_GETSETELEM, 0, NFPROTO_INET), list, element, nest;

	nl_put_string(&b, NFTA_SET_ELEM_LIST_TABLE, table);
	nl_put_string(&b, NFTA_SET_ELEM_LIST_SET, set);
	list = nl_nest(&b, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = nl_nest(&b, NFTA_LIST_ELEM);
	nest = nl_nest(&b, NFTA_SET_ELEM_KEY);
	nl_put(&b, NFTA_DATA_VALUE, key, key_len);
	nl_nest_end(&b, nest);
	nl_nest_end(&b, element);
	nl_nest_end(&b, list);
	nl_end(&b, m);
	return nl_query(fd, &b, note_bytes, &want) == 0 && want.found;
}

struct handles {
	struct bytes want;
	uint64_t *v; /* owned */
	size_t n;
};

static int note_rule(void *ctx, const struct nlmsghdr *h)
{
	struct handles *list = ctx;
	size_t all, n;
	const char *attrs = attributes(h, &all);
	const void *handle = nl_find(attrs, all, NFTA_RULE_HANDLE, &n);
	uint64_t be;

	if (!handle || n != sizeof(be) || !memmem(attrs, all, list->want.p, list->want.n))
		return 0;
	memcpy(&be, handle, sizeof(be));
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = be64toh(be);
	return 0;
}

int nft_find_rules(int fd, uint8_t family, const char *table, const char *chain, const void *bytes, size_t n, uint64_t **ret,
		   size_t *ret_n)
{
	AUTO_BUF struct buf b = { 0 };
	struct handles list = { .want = { .p = bytes, .n = n } };
	size_t m = begin(&b, NFT_MSG_GETRULE, NLM_F_DUMP, family);
	int r;

	nl_put_string(&b, NFTA_RULE_TABLE, table);
	nl_put_string(&b, NFTA_RULE_CHAIN, chain);
	nl_end(&b, m);
	r = nl_query(fd, &b, note_rule, &list);
	if (r < 0) {
		free(list.v);
		return r;
	}
	*ret = list.v;
	*ret_n = list.n;
	return 0;
}
