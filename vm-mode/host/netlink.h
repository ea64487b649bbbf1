/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_NETLINK_H
#define BRIG_VM_MODE_HOST_NETLINK_H

#include "runtime/base/attr.h"

#include <linux/rtnetlink.h>

/* rtnetlink: requests with nested attributes, and dumps. */
struct nlmsg {
	struct nlmsghdr head;
	char body[1024];
};
/* Returns an fd or -errno. */
int nlmsg_open(void) MUST_CHECK;
void nlmsg_init(struct nlmsg *m, uint16_t type, uint16_t flags, const void *body, size_t n);
/* What does not fit is left out, and the kernel then refuses the message: names and addresses are short, so that does not happen. */
void nlmsg_attr(struct nlmsg *m, unsigned short type, const void *data, size_t n);
/* An attribute that holds those that follow, up to nlmsg_end(). */
size_t nlmsg_begin(struct nlmsg *m, unsigned short type);
void nlmsg_end(struct nlmsg *m, size_t begun);
/* Send it and wait for its answer: 0 or -errno. */
int nlmsg_ask(int fd, struct nlmsg *m) MUST_CHECK;

/* The attributes of one object of a dump, by type; NULL: not there. */
#define NLMSG_MAX_ATTR 64
struct nlattrs {
	const void *data[NLMSG_MAX_ATTR + 1];
	size_t len[NLMSG_MAX_ATTR + 1];
};
/* Ask for all objects of a kind: cb gets the body (struct ifinfomsg ...) of each and its attributes; negative ends it. */
int nlmsg_dump(int fd, uint16_t type, const void *body, size_t n,
	       int (*cb)(void *arg, uint16_t type, const void *body, const struct nlattrs *attrs), void *arg) MUST_CHECK;

#endif
