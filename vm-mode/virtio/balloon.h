/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_BALLOON_H
#define BRIG_VM_MODE_VIRTIO_BALLOON_H

#include "vm-mode/virtio/device.h"

/*
 * Balloon with free page reporting: what the guest's kernel frees goes back to the host by itself; the balloon proper
 * takes memory that the guest would keep. Pages come back as zeros when the guest touches them.
 */
int balloon_new(const struct guest_mem *mem, struct virtio_dev **ret, struct err *err) MUST_CHECK;

/* Ask the guest to give up this many bytes in all (rounded to 4 KiB pages). Any thread. */
void balloon_set_target(struct virtio_dev *dev, uint64_t bytes);

/* Bytes that the guest says it has given up: a hint, the guest may lie. */
uint64_t balloon_actual(struct virtio_dev *dev);

#endif
