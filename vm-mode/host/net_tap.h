/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_NET_TAP_H
#define BRIG_VM_MODE_HOST_NET_TAP_H

#include "runtime/base/err.h"

struct buf;

/* In the current network namespace: make the tap brigNUMBER, with the MTU of the interface index, bring it up, and redirect all
 * that comes in at one of the two to the other. nl_fd: rtnetlink. Returns the tap's fd; the tap goes with its last one. */
int net_tap_join(int nl_fd, int index, uint16_t mtu, unsigned number, struct err *err) MUST_CHECK;

/* Pure, for tests: the messages of tc. */
void net_tap_qdisc(struct buf *b, int index);
void net_tap_filter(struct buf *b, int from, int to, bool matchall);

#endif
