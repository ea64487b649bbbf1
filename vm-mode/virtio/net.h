/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_NET_H
#define BRIG_VM_MODE_VIRTIO_NET_H

#include "vm-mode/virtio/device.h"

/*
 * virtio-net on a tap descriptor. The tap must have IFF_TAP | IFF_NO_PI | IFF_VNET_HDR; net_open_tap() makes one in the
 * network namespace that the caller is in. Packets go between the ring and the tap without a copy of ours; checksums and
 * segmentation are left to whoever needs them at last.
 */
struct net_config {
	int tap_fd; /* duplicated; becomes non-blocking */
	uint8_t mac[6];
	uint16_t mtu; /* 0: do not say */
};

int net_new(const struct guest_mem *mem, const struct net_config *config, struct virtio_dev **ret, struct err *err) MUST_CHECK;

/* Open the tap interface `name` (made if it is not there; gone with its last descriptor). Returns an fd or -errno. */
int net_open_tap(const char *name, struct err *err) MUST_CHECK;

#endif
