/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_PMEM_H
#define BRIG_VM_MODE_VIRTIO_PMEM_H

#include "vm-mode/virtio/device.h"

/*
 * A file as persistent memory of the guest, read-only: the guest uses the host's page cache and has no copy of its own.
 * The memory slot itself is read-only, so a guest that writes ends (VM_GUEST_ERROR) whatever its mount options say.
 * The file must not get shorter while the guest runs. Its length is rounded up to 2 MiB with zeros.
 */
int pmem_new(struct guest_mem *mem, int fd, struct virtio_dev **ret, struct err *err) MUST_CHECK;

#endif
