/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_CONTAINER_NET_H
#define BRIG_RUNTIME_CLI_CONTAINER_NET_H

#include "images/image_config.h"
#include "runtime/cli/record.h"
#include "runtime/cli/run_options.h"
#include "runtime/net/net.h"

/* The flags as the network layer wants them; image may be NULL (its exposed ports are left out). Errors name the flag. */
int container_net_request(const struct run_options *o, const struct image_config *image, struct net_request *ret, struct err *err) MUST_CHECK;

/* Make the network of a container that is about to start, with hosts and resolv.conf in its run_dir. userns_fd: the user namespace
 * that owns it, or -1. */
int container_net_setup(struct record *r, const struct run_options *o, const struct image_config *image, const char *hostname,
		  int userns_fd, struct net_result *ret, struct err *err) MUST_CHECK;
/* Undo; a container without a network is no error. */
int container_net_teardown(struct record *r, struct err *err) MUST_CHECK;
/* What it has now: for inspect and ps. */
int container_net_load(struct record *r, struct net_result *ret, struct err *err) MUST_CHECK;

#endif
