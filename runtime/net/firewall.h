/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_FIREWALL_H
#define BRIG_RUNTIME_NET_FIREWALL_H

#include "runtime/net/network.h"

/*
 * DOC: rules of brig's bridges
 *
 * One nftables table, `inet brig`, made with the first bridge; afterwards only elements of its sets come and go, each change one
 * transaction.
 *   masquerade   what comes from a bridge's subnet and leaves by something that is not a bridge; what was sent to a published port and
 *                goes to a bridge from the same bridge or from loopback, whose answers would take a short cut otherwise
 *   dnat         destination address is the host's own: (address, protocol, port), else (protocol, port), names the container
 *   drop         what comes from a bridge for 127.0.0.0/8 (route_localnet, which lets 127.0.0.1:PORT reach a container, would
 *                open the host's loopback to containers); what enters or leaves an internal bridge by another interface
 * So published ports work from other machines, from the host by any address with 127.0.0.1, and from containers, with no proxy
 * process. [::1] is not reached: the kernel does not route it away from loopback.
 *
 * Where another firewall (docker's, say) forwards nothing by default, the bridge is let through its FORWARD chain.
 */
int firewall_add_bridge(const struct network *n, struct err *err) MUST_CHECK;
int firewall_remove_bridge(const struct network *n, struct err *err) MUST_CHECK;

/* Publish all ports, or none. EADDRINUSE when one is taken. v4, v6: the container's; family 0: none. */
int firewall_add_ports(const struct net_port *ports, size_t n, const struct ip_addr *v4, const struct ip_addr *v6,
		       struct err *err) MUST_CHECK;
/* Those that are still there are removed. */
int firewall_remove_ports(const struct net_port *ports, size_t n, const struct ip_addr *v4, const struct ip_addr *v6,
			  struct err *err) MUST_CHECK;

/* firewall_forward.c, for firewall.c: the FORWARD chains of others. fd: a NETLINK_NETFILTER socket. */
int firewall_let_through(int fd, const char *bridge, bool v6, struct err *err) MUST_CHECK;
int firewall_take_back(int fd, const char *bridge) MUST_CHECK;

#endif
