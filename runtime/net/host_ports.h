/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_HOST_PORTS_H
#define BRIG_RUNTIME_NET_HOST_PORTS_H

#include "runtime/net/netrec.h"

/* The ports to publish with numbers for all: those of r->ports, and with publish_all the exposed ones. Ports of the host that a
 * process listens on are EADDRINUSE. They are not held: another container's claim fails when the rules are made. */
int host_ports_resolve(const struct net_request *q, struct netrec *r, struct err *err) MUST_CHECK;

#endif
