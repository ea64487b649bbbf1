/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_DEVICE_H
#define BRIG_VM_MODE_VIRTIO_DEVICE_H

#include <pthread.h>

#include "vm-mode/virtio/queue.h"
#include "vm-mode/vmm/io_thread.h"

/*
 * DOC: a virtio device
 *
 * A device type is a const struct virtio_ops; an instance embeds struct virtio_dev as its first member. The
 * transport (mmio.c) owns status, features and queue set-up; the device owns what happens to the chains.
 *
 * Threads: the transport's registers are touched by vCPU threads, under dev->lock; a queue is served by the I/O
 * thread that the queue was given, under the queue's lock (one for all queues of a device, unless it asks for virtio_dev_split_locks()). A reset takes every queue's lock, so it waits for the chain in
 * work and nothing of the device looks at a ring afterwards. Order: dev->lock, then queue locks by rising index.
 */
#define VIRTIO_MAX_QUEUES 40
#define VIRTIO_MAX_CONFIG 256

struct virtio_dev;

struct virtio_ops {
	const char *name;
	uint32_t id; /* virtio device id */
	uint64_t features; /* besides VERSION_1, INDIRECT_DESC and EVENT_IDX, which every device has */
	/* DRIVER_OK: queues are enabled, dev->features_on is final. May be NULL. */
	void (*activate)(struct virtio_dev *dev);
	/* The driver reset the device; every queue's lock is held. Forget chains in work. May be NULL. */
	void (*reset)(struct virtio_dev *dev);
	/* The device got its place in a VM; t serves the queues without a thread of their own. May be NULL. */
	int (*attach)(struct virtio_dev *dev, struct io_thread *t, struct err *err);
	/* New buffers in queue i; called in the queue's thread with its lock held. */
	void (*kick)(struct virtio_dev *dev, unsigned i);
	/* The driver wrote config space [offset, offset + n), inside config_len. NULL: read only. */
	void (*write_config)(struct virtio_dev *dev, uint32_t offset, const void *data, uint32_t n);
	/* Release what the device owns and the device itself. */
	void (*destroy)(struct virtio_dev *dev);
};

struct virtio_queue {
	struct vq vq;
	pthread_mutex_t *lock; /* own_lock, or that of queue 0 */
	pthread_mutex_t own_lock;
	int kick_fd; /* owned eventfd, tied to the notify register */
	struct io_thread *thread; /* borrowed */
	struct io_source source;
};

struct virtio_shm {
	uint64_t gpa, len; /* len 0: no region */
};

struct virtio_dev {
	const struct virtio_ops *ops;
	uint64_t features; /* offered */
	uint64_t features_on;
	unsigned n_queues;
	struct virtio_queue queue[VIRTIO_MAX_QUEUES];
	uint8_t config[VIRTIO_MAX_CONFIG];
	uint32_t config_len;
	struct virtio_shm shm; /* region 0 */
	struct io_thread *threads; /* borrowed: threads of its own, which the VM starts and stops */
	unsigned n_threads;

	/* transport state, see mmio.c */
	pthread_mutex_t lock;
	uint32_t status, device_features_sel, driver_features_sel, queue_sel, shm_sel;
	uint64_t driver_features;
	uint32_t config_generation;
	uint32_t interrupt_status; /* atomic */
	int irq_fd;		   /* owned eventfd, tied to gsi */
	uint64_t mmio_gpa;
	uint32_t gsi;
};

/* Initialise the embedded part. queue_sizes has n entries. mem is borrowed and must outlive the device. */
int virtio_dev_init(struct virtio_dev *dev, const struct virtio_ops *ops, const struct guest_mem *mem,
		    const uint16_t *queue_sizes, unsigned n, struct err *err) MUST_CHECK;
/* A lock for each queue, for devices that serve queues in parallel. Right after virtio_dev_init(). */
void virtio_dev_split_locks(struct virtio_dev *dev);
/* Release the embedded part (not dev itself). Accepts a half-built one. */
void virtio_dev_done(struct virtio_dev *dev);
/* ops->destroy; NULL is fine. */
void virtio_dev_destroy(struct virtio_dev *dev);

/* Serve queue i in this thread. Before the VM starts. */
int virtio_queue_attach(struct virtio_dev *dev, unsigned i, struct io_thread *t, struct err *err) MUST_CHECK;

/* Return a chain and interrupt the driver if it wants that. Queue lock held. */
void virtio_push(struct virtio_dev *dev, unsigned i, uint16_t head, uint32_t written);
/* The second half of virtio_push(), for callers that pushed several chains with vq_push(). */
void virtio_interrupt_queue(struct virtio_dev *dev, unsigned i);
/* The device changed its config space (under dev->lock): raise the generation and interrupt. */
void virtio_config_changed(struct virtio_dev *dev);
/* A guest error that the device cannot go on after: set DEVICE_NEEDS_RESET. Queue lock may be held. */
void virtio_needs_reset(struct virtio_dev *dev);

bool virtio_feature(const struct virtio_dev *dev, unsigned bit);

#endif
