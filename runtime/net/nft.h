/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_NFT_H
#define BRIG_RUNTIME_NET_NFT_H

#include "runtime/base/str.h"

#include <linux/netfilter/nf_tables.h>

/*
 * DOC: nf_tables messages
 *
 * A transaction is a struct buf between nft_begin() and nft_commit(): all of it happens or nothing. Rules are lists of expressions
 * on registers, as `nft --debug=netlink` prints them. Registers: NFT_REG32_00 + n are 4 bytes each; concatenated keys lie
 * one after the other from the first register on, each part padded to 4 bytes.
 */
void nft_begin(struct buf *b);
/* Send it over a NETLINK_NETFILTER socket. -errno; see nl_talk(). */
int nft_commit(int fd, struct buf *b, const int *fine, size_t *ret_index) MUST_CHECK;

void nft_table(struct buf *b, const char *table);
/* hook < 0: a chain that only rules jump to. type: "nat", "filter". */
void nft_chain(struct buf *b, const char *table, const char *chain, const char *type, int hook, int priority);

/* A set, or a map when data_len is not 0. key_type and data_type are nft's own numbers, which `nft list` prints by. */
struct nft_set {
	const char *table, *name;
	uint32_t id;		 /* unique in the transaction */
	uint32_t key_type, key_len;
	uint32_t data_type, data_len;
	bool intervals;
};
void nft_set(struct buf *b, const struct nft_set *s);
/* Adding what is there is EEXIST, removing what is not there ENOENT. */
void nft_set_element(struct buf *b, const char *table, const char *set, bool add, const void *key, size_t key_len, const void *data,
		     size_t data_len);

/* The addresses from first to last, both included, in a set of intervals; what is there already is fine. */
void nft_set_range(struct buf *b, const char *table, const char *set, bool add, const void *first, const void *last, size_t n);

/* Does the map send key to these data? data_len 0: is key in the set? */
bool nft_element_is(int fd, const char *table, const char *set, const void *key, size_t key_len, const void *data, size_t data_len);

/* Concatenated types, 6 bits each (nft's datatype numbers). */
#define NFT_TYPE_IPV4	 7
#define NFT_TYPE_IPV6	 8
#define NFT_TYPE_PROTO	 12
#define NFT_TYPE_SERVICE 13
#define NFT_TYPE_IFNAME	 41
#define NFT_TYPE_2(a, b)    (((uint32_t)(a) << 6) | (b))
#define NFT_TYPE_3(a, b, c) ((NFT_TYPE_2(a, b) << 6) | (c))

/* A rule: begin, expressions in order, end. family: NFPROTO_*; append at the end or insert at the beginning. */
struct nft_rule {
	size_t message, list;
};
struct nft_rule nft_rule_begin(struct buf *b, uint8_t family, const char *table, const char *chain, bool append);
void nft_rule_end(struct buf *b, struct nft_rule r);

void nft_meta(struct buf *b, uint32_t key, uint32_t reg);		      /* NFT_META_* */
void nft_payload(struct buf *b, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg);
void nft_cmp(struct buf *b, uint32_t reg, uint32_t op, const void *data, size_t n); /* NFT_CMP_EQ, NFT_CMP_NEQ */
void nft_lookup(struct buf *b, uint32_t reg, const char *set, uint32_t set_id, bool inverted);
void nft_lookup_map(struct buf *b, uint32_t reg, const char *set, uint32_t set_id, uint32_t ret_reg);
void nft_fib_type(struct buf *b, uint32_t reg);				      /* type of the destination address: RTN_LOCAL ... */
void nft_ct_status(struct buf *b, uint32_t mask, uint32_t reg);		      /* ct status & mask */
void nft_dnat(struct buf *b, uint32_t family, uint32_t addr_reg, uint32_t port_reg);
void nft_masquerade(struct buf *b);
void nft_counter(struct buf *b);
void nft_verdict(struct buf *b, int verdict, const char *chain);	      /* NF_ACCEPT, NF_DROP, NFT_JUMP */

/* Is there such a table? */
bool nft_table_exists(int fd, uint8_t family, const char *table);
/* The policy of a base chain: NF_ACCEPT, NF_DROP; -ENOENT. */
int nft_chain_policy(int fd, uint8_t family, const char *table, const char *chain) MUST_CHECK;
/* The handles of the rules of a chain that mention the bytes: new array. -ENOENT when there is no such chain. */
int nft_find_rules(int fd, uint8_t family, const char *table, const char *chain, const void *bytes, size_t n, uint64_t **ret,
		   size_t *ret_n) MUST_CHECK;
void nft_rule_delete(struct buf *b, uint8_t family, const char *table, const char *chain, uint64_t handle);

#endif
