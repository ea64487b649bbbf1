/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_NET_TAP_H
#define BRIG_VM_MODE_HOST_NET_TAP_H

#include "runtime/base/err.h"

struct buf;

#define NET_TAP_PREFIX "brig" /* brig0, brig1 ... */
#define NET_TAP_SPARE  "brig-spare"

/* All of these in the current network namespace; nl_fd: rtnetlink. A tap goes with the last descriptor of it. */

/* Make the tap name. Returns its fd. */
int net_tap_make(const char *name, struct err *err) MUST_CHECK;
/* Bring the tap up with the MTU of the interface index, and redirect all that comes in at one of the two to the other. */
int net_tap_join(int nl_fd, const char *tap, int index, uint16_t mtu, struct err *err) MUST_CHECK;

/* Pure, for tests: the messages of tc. */
void net_tap_qdisc(struct buf *b, int index);
void net_tap_filter(struct buf *b, int from, int to, bool matchall);

#endif
