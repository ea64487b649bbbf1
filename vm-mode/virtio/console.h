/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_CONSOLE_H
#define BRIG_VM_MODE_VIRTIO_CONSOLE_H

#include "vm-mode/virtio/device.h"

/*
 * virtio-console with several ports. Port 0 is hvc0; the others appear in the guest as /dev/vportNpM and under their
 * names in /dev/virtio-ports where udev runs (sysfs has the name always).
 *
 * Back-pressure goes both ways: bytes for the guest stay in the descriptor until the guest's port is open and has buffers;
 * buffers of the guest stay unused while the descriptor takes no bytes. So a descriptor should be non-blocking; a blocking
 * one stops the shared device thread while it blocks.
 */
#define CONSOLE_MAX_PORTS 16
#define CONSOLE_NAME_MAX  64

struct console_port_config {
	const char *name;  /* borrowed during the call; NULL: none */
	int in_fd, out_fd; /* duplicated; -1: no bytes in this direction. May be the same socket or terminal. */
	bool console;	   /* an hvc console rather than a plain byte stream */
};

int console_new(const struct guest_mem *mem, const struct console_port_config *ports, unsigned n,
		struct virtio_dev **ret, struct err *err) MUST_CHECK;

/* Tell the guest the size of a console port's terminal. Any thread. */
void console_resize(struct virtio_dev *dev, unsigned port, uint16_t cols, uint16_t rows);

#endif
