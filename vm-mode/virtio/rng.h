/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_RNG_H
#define BRIG_VM_MODE_VIRTIO_RNG_H

#include "vm-mode/virtio/device.h"

/* Random bytes of the host, from getrandom(2): at most 4 KiB a request. */
int rng_new(const struct guest_mem *mem, struct virtio_dev **ret, struct err *err) MUST_CHECK;

#endif
