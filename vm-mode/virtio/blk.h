/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_BLK_H
#define BRIG_VM_MODE_VIRTIO_BLK_H

#include "vm-mode/virtio/device.h"

struct blk_config {
	int fd; /* a raw image or a block device, opened as needed; duplicated. Its format is never guessed. */
	bool readonly;
	const char *serial; /* at most 20 bytes; NULL: none */
};

int blk_new(const struct guest_mem *mem, const struct blk_config *config, struct virtio_dev **ret, struct err *err) MUST_CHECK;

#endif
