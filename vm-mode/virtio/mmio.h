/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_MMIO_H
#define BRIG_VM_MODE_VIRTIO_MMIO_H

#include "vm-mode/virtio/device.h"

/*
 * DOC: virtio over MMIO, version 2 (virtio 1.2, section 4.2)
 *
 * A window of 4 KiB a device. The status register is a strict state machine: features can be written only between
 * DRIVER and FEATURES_OK, queues only between FEATURES_OK and DRIVER_OK; whatever comes at another time is ignored. So
 * nothing that a device relies on changes while it works.
 */
#define VIRTIO_MMIO_SIZE 0x1000U

/* A guest access of n bytes (1, 2, 4, 8) at offset inside the window. Unknown or misaligned reads give all ones,
 * such writes do nothing. */
void virtio_mmio_read(struct virtio_dev *dev, uint32_t offset, void *data, uint32_t n);
void virtio_mmio_write(struct virtio_dev *dev, uint32_t offset, const void *data, uint32_t n);

#endif
