/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_GUEST_NETLINK_H
#define BRIG_VM_MODE_GUEST_NETLINK_H

#include "runtime/base/attr.h"

#include <linux/rtnetlink.h>

/* One rtnetlink request: a header, a body, attributes. Names and addresses are short, so it never overflows. */
struct nl_request {
	struct nlmsghdr head;
	char body[512];
};
void nl_init(struct nl_request *m, uint16_t type, uint16_t flags, const void *body, size_t n);
void nl_attr(struct nl_request *m, unsigned short type, const void *data, size_t n);
int nl_open(void) MUST_CHECK;
/* Send it and wait for its answer: 0 or -errno. */
int nl_ask(int fd, struct nl_request *m) MUST_CHECK;
/* Index of the interface with this hardware address, 0 when there is none, or -errno. */
int nl_find_mac(int fd, const uint8_t mac[6]) MUST_CHECK;

#endif
