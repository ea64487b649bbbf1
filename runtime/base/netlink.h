/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_NETLINK_H
#define BRIG_RUNTIME_BASE_NETLINK_H

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

struct nlmsghdr;

/*
 * DOC: netlink messages
 *
 * Messages are built one after the other in a struct buf and sent together: rtnetlink works through them in order and
 * answers each; nfnetlink takes those between its batch markers as one transaction. Attribute names are the kernel's.
 */

/* A CLOEXEC socket of a protocol such as NETLINK_ROUTE in the caller's network namespace, or -errno. */
int nl_socket(int protocol) MUST_CHECK;

/* Begin a message (nlmsg_type, NLM_F_* besides REQUEST, and the family's header); end it with the place that begin returned. */
size_t nl_begin(struct buf *b, uint16_t type, uint16_t flags, const void *header, size_t n);
void nl_end(struct buf *b, size_t message);

void nl_put(struct buf *b, uint16_t type, const void *data, size_t n);
void nl_put_string(struct buf *b, uint16_t type, const char *s);
void nl_put_u8(struct buf *b, uint16_t type, uint8_t v);
void nl_put_u32(struct buf *b, uint16_t type, uint32_t v);
void nl_put_be32(struct buf *b, uint16_t type, uint32_t v); /* v in host order */
size_t nl_nest(struct buf *b, uint16_t type);
void nl_nest_end(struct buf *b, size_t nest);

/* Send all messages (none: fine) and read the answers of those that have NLM_F_ACK. The first error that is not listed in `fine` (ends with 0; may
 * be NULL) is returned with the message's index in *ret_index (may be NULL). For batches of nfnetlink any error means that nothing
 * was done. */
int nl_talk(int fd, const struct buf *b, const int *fine, size_t *ret_index) MUST_CHECK;

/* Send one message and call each for every answer until the end of a dump (NLM_F_DUMP) or the first answer. each returns < 0 to
 * stop. */
int nl_query(int fd, const struct buf *b, int (*each)(void *ctx, const struct nlmsghdr *h), void *ctx) MUST_CHECK;

/* The family's header of a message, NLMSG_DATA() for what is const. */
const void *nl_body(const struct nlmsghdr *h);
/* An attribute in n bytes at p, or NULL. *ret_n: its length. */
const void *nl_find(const void *p, size_t n, uint16_t type, size_t *ret_n);
/* An attribute of message h, behind its family's header of `header` bytes (struct ifinfomsg ...), or NULL. */
const void *nl_attr(const struct nlmsghdr *h, size_t header, uint16_t type, size_t *ret_n);
/* The same, copied to out: false when it is not there or does not have exactly n bytes. */
bool nl_attr_copy(const struct nlmsghdr *h, size_t header, uint16_t type, void *out, size_t n);

#endif
