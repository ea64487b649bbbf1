/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_NETNS_H
#define BRIG_RUNTIME_NET_NETNS_H

#include "runtime/base/err.h"

/* A network namespace with its loopback up, that is held by ns_fd alone, and an rtnetlink socket that works inside it.
 * Both belong to the caller. It is owned by the user namespace userns_fd; -1: by ours. */
int netns_create(int userns_fd, int *ret_ns_fd, int *ret_route_fd, struct err *err) MUST_CHECK;

/* An rtnetlink socket inside the namespace ns_fd, or -errno. */
int netns_route_socket(int ns_fd) MUST_CHECK;

#endif
