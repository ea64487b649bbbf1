/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_IPAM_H
#define BRIG_RUNTIME_NET_IPAM_H

#include "runtime/net/network.h"

/* Lease an address of the subnet for the container id: the one after the last lease that is free, or `wanted` (NULL: any).
 * A lease is a file that is made exclusively; no lock is held. EADDRINUSE, EADDRNOTAVAIL. */
int ipam_lease(const struct net_env *env, const char *network, const struct network_subnet *s, const struct ip_addr *wanted, const char *id,
	       struct ip_addr *ret, struct err *err) MUST_CHECK;

/* Give an address back, if it is id's. */
void ipam_release(const struct net_env *env, const char *network, const char *address, const char *id);

#endif
