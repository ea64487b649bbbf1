/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_QUEUE_H
#define BRIG_VM_MODE_VIRTIO_QUEUE_H

#include <sys/uio.h>

#include "vm-mode/vmm/memory.h"

/*
 * DOC: the device's side of a split virtqueue (virtio 1.2, section 2.7)
 *
 * Everything in guest memory is hostile and may change while we look at it. So:
 *  - addresses and size are checked once, when the driver sets the queue ready, and cannot change until a reset;
 *  - each descriptor is copied, field by field, to our own memory before any of it is judged;
 *  - a chain has at most VQ_MAX_IOV buffers, and each of them lies inside one region of guest memory;
 *  - whatever breaks a rule breaks the queue: it gives nothing any more until the driver resets the device.
 * Nothing here allocates, blocks or calls the kernel, so it can be fuzzed without KVM.
 */
#define VQ_MAX_SIZE 1024
#define VQ_MAX_IOV  1024

struct vq {
	const struct guest_mem *mem; /* borrowed */
	uint16_t size_max;	     /* power of two, at most VQ_MAX_SIZE */

	/* written by the driver through the transport, frozen by vq_enable() */
	uint16_t size;
	uint64_t desc_gpa, avail_gpa, used_gpa;

	/* of the device */
	bool enabled, broken, event_idx;
	uint16_t next_avail, next_used;
	uint16_t signalled_used; /* next_used at the last interrupt */
	bool signalled_valid;
	struct mem_span desc, avail, used;
};

struct vq_chain {
	uint16_t head;
	unsigned n_out, n_in;	/* buffers that we read, then buffers that we write */
	size_t out_len, in_len; /* their bytes in all */
	struct iovec iov[VQ_MAX_IOV]; /* n_out, then n_in entries */
};

/* Before use, and at a reset: no ring. */
void vq_init(struct vq *q, const struct guest_mem *mem, uint16_t size_max);

/* Freeze the driver's values. -EINVAL when size or an alignment is wrong, -EFAULT when a ring is not in RAM. */
int vq_enable(struct vq *q, bool event_idx) MUST_CHECK;

/* Take the next chain. 1: there is one; 0: the queue is empty, and the driver will notify us of the next buffer; -errno: the queue is broken (now or before). */
int vq_pop(struct vq *q, struct vq_chain *chain) MUST_CHECK;

/* Put the last chain back as if it had not been taken (no buffer of it was used). */
void vq_unpop(struct vq *q);

/* Return a chain, of which the device wrote `written` bytes. Makes it visible at once. */
void vq_push(struct vq *q, uint16_t head, uint32_t written);

/* True when the driver wants an interrupt for what was pushed since the last true. */
bool vq_needs_interrupt(struct vq *q);

/* The chain's buffers as a cursor over bytes, for headers: copies up to n bytes from the start of the out part, or to
 * the start of the in part; returns the bytes copied. */
size_t vq_chain_read(const struct vq_chain *c, size_t offset, void *buf, size_t n);
size_t vq_chain_write(const struct vq_chain *c, size_t offset, const void *buf, size_t n);

/* Buffers of the out (in) part from offset on, at most max bytes, as iovecs in out[] (room for VQ_MAX_IOV).
 * Returns how many; *ret_len is their sum. */
unsigned vq_chain_out_iov(const struct vq_chain *c, size_t offset, size_t max, struct iovec *out, size_t *ret_len);
unsigned vq_chain_in_iov(const struct vq_chain *c, size_t offset, size_t max, struct iovec *out, size_t *ret_len);

#endif
