/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/fd.h"

#define COMMON_FEATURES \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_RING_F_EVENT_IDX)

bool virtio_feature(const struct virtio_dev *dev, unsigned bit)
{
	return dev->features_on >> bit & 1;
}

static int new_eventfd(struct err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? err_sys(err, -errno, "make an eventfd") : fd;
}

int virtio_dev_init(struct virtio_dev *dev, const struct virtio_ops *ops, const struct guest_mem *mem,
		    const uint16_t *queue_sizes, unsigned n, struct err *err)
{
	dev->ops = ops;
	dev->features = ops->features | COMMON_FEATURES;
	dev->irq_fd = -1;
	(void)pthread_mutex_init(&dev->lock, NULL);
	if (n > VIRTIO_MAX_QUEUES)
		return err_set(err, EINVAL, "%s: %u queues are more than %d", ops->name, n, VIRTIO_MAX_QUEUES);
	for (unsigned i = 0; i < n; i++) {
		struct virtio_queue *q = &dev->queue[i];

		vq_init(&q->vq, mem, queue_sizes[i]);
		(void)pthread_mutex_init(&q->own_lock, NULL);
		q->lock = &dev->queue[0].own_lock;
		q->source.fd = -1;
		dev->n_queues = i + 1;
		q->kick_fd = new_eventfd(err);
		if (q->kick_fd < 0)
			return q->kick_fd;
	}
	dev->irq_fd = new_eventfd(err);
	return dev->irq_fd < 0 ? dev->irq_fd : 0;
}

void virtio_dev_split_locks(struct virtio_dev *dev)
{
	for (unsigned i = 0; i < dev->n_queues; i++)
		dev->queue[i].lock = &dev->queue[i].own_lock;
}

void virtio_dev_done(struct virtio_dev *dev)
{
	if (!dev->ops)
		return;
	for (unsigned i = 0; i < dev->n_queues; i++) {
		fd_close(&dev->queue[i].kick_fd);
		(void)pthread_mutex_destroy(&dev->queue[i].own_lock);
	}
	fd_close(&dev->irq_fd);
	(void)pthread_mutex_destroy(&dev->lock);
}

void virtio_dev_destroy(struct virtio_dev *dev)
{
	if (dev)
		dev->ops->destroy(dev);
}

static void queue_kicked(struct io_source *src, uint32_t events)
{
	struct virtio_dev *dev = src->arg;
	struct virtio_queue *q = (struct virtio_queue *)(void *)((char *)src - offsetof(struct virtio_queue, source));
	uint64_t count;

	(void)events;
	if (read(q->kick_fd, &count, sizeof(count)) < 0) /* somebody else was quicker: nothing lost */
		return;
	pthread_mutex_lock(q->lock);
	if (q->vq.enabled && !q->vq.broken)
		dev->ops->kick(dev, (unsigned)(q - dev->queue));
	if (q->vq.broken)
		virtio_needs_reset(dev);
	pthread_mutex_unlock(q->lock);
}

int virtio_queue_attach(struct virtio_dev *dev, unsigned i, struct io_thread *t, struct err *err)
{
	struct virtio_queue *q = &dev->queue[i];
	int r;

	q->thread = t;
	q->source = (struct io_source){ .fd = q->kick_fd, .ready = queue_kicked, .arg = dev };
	r = io_source_add(t, &q->source, EPOLLIN);
	return r < 0 ? err_sys(err, r, "%s: watch queue %u", dev->ops->name, i) : 0;
}

static void raise_interrupt(struct virtio_dev *dev, uint32_t reason)
{
	uint64_t one = 1;

	__atomic_or_fetch(&dev->interrupt_status, reason, __ATOMIC_SEQ_CST);
	/* EAGAIN would need 2^64 - 2 interrupts that KVM has not taken. */
	if (write(dev->irq_fd, &one, sizeof(one)) < 0)
		return;
}

void virtio_interrupt_queue(struct virtio_dev *dev, unsigned i)
{
	if (vq_needs_interrupt(&dev->queue[i].vq))
		raise_interrupt(dev, VIRTIO_MMIO_INT_VRING);
}

void virtio_push(struct virtio_dev *dev, unsigned i, uint16_t head, uint32_t written)
{
	vq_push(&dev->queue[i].vq, head, written);
	virtio_interrupt_queue(dev, i);
}

void virtio_config_changed(struct virtio_dev *dev)
{
	dev->config_generation++;
	if (__atomic_load_n(&dev->status, __ATOMIC_RELAXED) & VIRTIO_CONFIG_S_DRIVER_OK)
		raise_interrupt(dev, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_needs_reset(struct virtio_dev *dev)
{
	uint32_t old = __atomic_fetch_or(&dev->status, VIRTIO_CONFIG_S_NEEDS_RESET, __ATOMIC_SEQ_CST);

	if (!(old & VIRTIO_CONFIG_S_NEEDS_RESET))
		raise_interrupt(dev, VIRTIO_MMIO_INT_CONFIG);
}
