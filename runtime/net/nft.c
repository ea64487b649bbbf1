/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/nft.h"

#include "runtime/base/netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

static size_t begin(struct buf *b, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg msg = { .nfgen_family = family, .version = NFNETLINK_V0 };

	return nl_begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &msg, sizeof(msg));
}

static void marker(struct buf *b, uint16_t type)
{
	struct nfgenmsg msg = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_end(b, nl_begin(b, type, 0, &msg, sizeof(msg)));
}

void nft_begin(struct buf *b)
{
	marker(b, NFNL_MSG_BATCH_BEGIN);
}

int nft_commit(int fd, struct buf *b, const int *fine, size_t *ret_index)
{
	marker(b, NFNL_MSG_BATCH_END);
	return nl_talk(fd, b, fine, ret_index);
}

void nft_table(struct buf *b, const char *table)
{
	size_t m = begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, NFPROTO_INET);

	nl_put_string(b, NFTA_TABLE_NAME, table);
	nl_end(b, m);
}

void nft_chain(struct buf *b, const char *table, const char *chain, const char *type, int hook, int priority)
{
	size_t m = begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK, NFPROTO_INET), nest;

	nl_put_string(b, NFTA_CHAIN_TABLE, table);
	nl_put_string(b, NFTA_CHAIN_NAME, chain);
	if (hook >= 0) {
		nl_put_string(b, NFTA_CHAIN_TYPE, type);
		nest = nl_nest(b, NFTA_CHAIN_HOOK);
		nl_put_be32(b, NFTA_HOOK_HOOKNUM, (uint32_t)hook);
		nl_put_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)priority);
		nl_nest_end(b, nest);
	}
	nl_end(b, m);
}

void nft_set(struct buf *b, const struct nft_set *s)
{
	static const uint8_t host_order[] = { 0, 4, 1, 0, 0, 0 }; /* type: byte order of the key; length; host's */
	size_t m = begin(b, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_ACK, NFPROTO_INET);

	nl_put_string(b, NFTA_SET_TABLE, s->table);
	nl_put_string(b, NFTA_SET_NAME, s->name);
	nl_put_be32(b, NFTA_SET_ID, s->id);
	nl_put_be32(b, NFTA_SET_KEY_TYPE, s->key_type);
	nl_put_be32(b, NFTA_SET_KEY_LEN, s->key_len);
	nl_put_be32(b, NFTA_SET_FLAGS, (s->data_len ? NFT_SET_MAP : 0) | (s->intervals ? NFT_SET_INTERVAL : 0));
	if (s->key_type == NFT_TYPE_IFNAME) /* how nft has to print it */
		nl_put(b, NFTA_SET_USERDATA, host_order, sizeof(host_order));
	if (s->data_len) {
		nl_put_be32(b, NFTA_SET_DATA_TYPE, s->data_type);
		nl_put_be32(b, NFTA_SET_DATA_LEN, s->data_len);
	}
	nl_end(b, m);
}

static void put_data(struct buf *b, uint16_t type, const void *data, size_t n)
{
	size_t nest = nl_nest(b, type);

	nl_put(b, NFTA_DATA_VALUE, data, n);
	nl_nest_end(b, nest);
}

void nft_set_element(struct buf *b, const char *table, const char *set, bool add, const void *key, size_t key_len, const void *data,
		     size_t data_len)
{
	size_t m = begin(b, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, (add ? NLM_F_CREATE | NLM_F_EXCL : 0) | NLM_F_ACK,
			 NFPROTO_INET);
	size_t list, element;

	nl_put_string(b, NFTA_SET_ELEM_LIST_TABLE, table);
	nl_put_string(b, NFTA_SET_ELEM_LIST_SET, set);
	list = nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = nl_nest(b, NFTA_LIST_ELEM);
	put_data(b, NFTA_SET_ELEM_KEY, key, key_len);
	if (data_len)
		put_data(b, NFTA_SET_ELEM_DATA, data, data_len);
	nl_nest_end(b, element);
	nl_nest_end(b, list);
	nl_end(b, m);
}

/* An interval is two elements: its beginning, and the first address behind it. */
void nft_set_range(struct buf *b, const char *table, const char *set, bool add, const void *first, const void *last, size_t n)
{
	uint8_t end[16];
	size_t m, list, element, i = n;

	memcpy(end, last, n);
	while (i-- > 0 && ++end[i] == 0)
		;
	m = begin(b, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, (add ? NLM_F_CREATE : 0) | NLM_F_ACK, NFPROTO_INET);
	nl_put_string(b, NFTA_SET_ELEM_LIST_TABLE, table);
	nl_put_string(b, NFTA_SET_ELEM_LIST_SET, set);
	list = nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = nl_nest(b, NFTA_LIST_ELEM);
	put_data(b, NFTA_SET_ELEM_KEY, first, n);
	nl_nest_end(b, element);
	element = nl_nest(b, NFTA_LIST_ELEM);
	nl_put_be32(b, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	put_data(b, NFTA_SET_ELEM_KEY, end, n);
	nl_nest_end(b, element);
	nl_nest_end(b, list);
	nl_end(b, m);
}

struct nft_rule nft_rule_begin(struct buf *b, uint8_t family, const char *table, const char *chain, bool append)
{
	struct nft_rule r = { .message = begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_ACK | (append ? NLM_F_APPEND : 0), family) };

	nl_put_string(b, NFTA_RULE_TABLE, table);
	nl_put_string(b, NFTA_RULE_CHAIN, chain);
	r.list = nl_nest(b, NFTA_RULE_EXPRESSIONS);
	return r;
}

void nft_rule_end(struct buf *b, struct nft_rule r)
{
	nl_nest_end(b, r.list);
	nl_end(b, r.message);
}

struct expr {
	size_t element, data;
};

void nft_rule_delete(struct buf *b, uint8_t family, const char *table, const char *chain, uint64_t handle)
{
	size_t m = begin(b, NFT_MSG_DELRULE, NLM_F_ACK, family);
	uint64_t be = htobe64(handle);

	nl_put_string(b, NFTA_RULE_TABLE, table);
	nl_put_string(b, NFTA_RULE_CHAIN, chain);
	nl_put(b, NFTA_RULE_HANDLE, &be, sizeof(be));
	nl_end(b, m);
}

static struct expr expr_begin(struct buf *b, const char *name)
{
	struct expr e = { .element = nl_nest(b, NFTA_LIST_ELEM) };

	nl_put_string(b, NFTA_EXPR_NAME, name);
	e.data = nl_nest(b, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct buf *b, struct expr e)
{
	nl_nest_end(b, e.data);
	nl_nest_end(b, e.element);
}

void nft_meta(struct buf *b, uint32_t key, uint32_t reg)
{
	struct expr e = expr_begin(b, "meta");

	nl_put_be32(b, NFTA_META_DREG, reg);
	nl_put_be32(b, NFTA_META_KEY, key);
	expr_end(b, e);
}

void nft_payload(struct buf *b, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct expr e = expr_begin(b, "payload");

	nl_put_be32(b, NFTA_PAYLOAD_DREG, reg);
	nl_put_be32(b, NFTA_PAYLOAD_BASE, base);
	nl_put_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(b, NFTA_PAYLOAD_LEN, len);
	expr_end(b, e);
}

void nft_cmp(struct buf *b, uint32_t reg, uint32_t op, const void *data, size_t n)
{
	struct expr e = expr_begin(b, "cmp");

	nl_put_be32(b, NFTA_CMP_SREG, reg);
	nl_put_be32(b, NFTA_CMP_OP, op);
	put_data(b, NFTA_CMP_DATA, data, n);
	expr_end(b, e);
}

void nft_lookup(struct buf *b, uint32_t reg, const char *set, uint32_t set_id, bool inverted)
{
	struct expr e = expr_begin(b, "lookup");

	nl_put_string(b, NFTA_LOOKUP_SET, set);
	nl_put_be32(b, NFTA_LOOKUP_SET_ID, set_id);
	nl_put_be32(b, NFTA_LOOKUP_SREG, reg);
	nl_put_be32(b, NFTA_LOOKUP_FLAGS, inverted ? NFT_LOOKUP_F_INV : 0);
	expr_end(b, e);
}

void nft_lookup_map(struct buf *b, uint32_t reg, const char *set, uint32_t set_id, uint32_t ret_reg)
{
	struct expr e = expr_begin(b, "lookup");

	nl_put_string(b, NFTA_LOOKUP_SET, set);
	nl_put_be32(b, NFTA_LOOKUP_SET_ID, set_id);
	nl_put_be32(b, NFTA_LOOKUP_SREG, reg);
	nl_put_be32(b, NFTA_LOOKUP_DREG, ret_reg);
	expr_end(b, e);
}

void nft_fib_type(struct buf *b, uint32_t reg)
{
	struct expr e = expr_begin(b, "fib");

	nl_put_be32(b, NFTA_FIB_DREG, reg);
	nl_put_be32(b, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_put_be32(b, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	expr_end(b, e);
}

void nft_ct_status(struct buf *b, uint32_t mask, uint32_t reg)
{
	struct expr e = expr_begin(b, "ct");
	uint32_t zero = 0;

	nl_put_be32(b, NFTA_CT_DREG, reg);
	nl_put_be32(b, NFTA_CT_KEY, NFT_CT_STATUS);
	expr_end(b, e);
	e = expr_begin(b, "bitwise");
	nl_put_be32(b, NFTA_BITWISE_SREG, reg);
	nl_put_be32(b, NFTA_BITWISE_DREG, reg);
	nl_put_be32(b, NFTA_BITWISE_LEN, sizeof(mask));
	put_data(b, NFTA_BITWISE_MASK, &mask, sizeof(mask));
	put_data(b, NFTA_BITWISE_XOR, &zero, sizeof(zero));
	expr_end(b, e);
}

void nft_dnat(struct buf *b, uint32_t family, uint32_t addr_reg, uint32_t port_reg)
{
	struct expr e = expr_begin(b, "nat");

	nl_put_be32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_put_be32(b, NFTA_NAT_FAMILY, family);
	nl_put_be32(b, NFTA_NAT_REG_ADDR_MIN, addr_reg);
	nl_put_be32(b, NFTA_NAT_REG_PROTO_MIN, port_reg);
	expr_end(b, e);
}

void nft_masquerade(struct buf *b)
{
	expr_end(b, expr_begin(b, "masq"));
}

void nft_counter(struct buf *b)
{
	expr_end(b, expr_begin(b, "counter"));
}

void nft_verdict(struct buf *b, int verdict, const char *chain)
{
	struct expr e = expr_begin(b, "immediate");
	size_t data, nest;

	nl_put_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(b, NFTA_IMMEDIATE_DATA);
	nest = nl_nest(b, NFTA_DATA_VERDICT);
	nl_put_be32(b, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		nl_put_string(b, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(b, nest);
	nl_nest_end(b, data);
	expr_end(b, e);
}
