/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <unistd.h>

#define MAGIC	   0x74726976U /* "virt" */
#define VENDOR	   0x47495242U /* "BRIG" */

static uint32_t status_of(const struct virtio_dev *dev)
{
	return __atomic_load_n(&dev->status, __ATOMIC_SEQ_CST);
}

static bool in_state(const struct virtio_dev *dev, uint32_t set, uint32_t clear)
{
	uint32_t s = status_of(dev);

	return (s & set) == set && !(s & (clear | VIRTIO_CONFIG_S_FAILED));
}

/* The queue that the driver selected, or NULL. */
static struct vq *selected(struct virtio_dev *dev)
{
	return dev->queue_sel < dev->n_queues ? &dev->queue[dev->queue_sel].vq : NULL;
}

/* The selected queue, if the driver may set it up now. */
static struct vq *selected_open(struct virtio_dev *dev)
{
	struct vq *q = selected(dev);

	if (!q || q->enabled || !in_state(dev, VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER_OK))
		return NULL;
	return q;
}

static uint32_t half(uint64_t v, uint32_t sel)
{
	return sel == 0 ? (uint32_t)v : sel == 1 ? (uint32_t)(v >> 32) : 0;
}

static void set_half(uint64_t *v, bool high, uint32_t part)
{
	*v = high ? (*v & 0xffffffffU) | (uint64_t)part << 32 : (*v & ~0xffffffffULL) | part;
}

static uint32_t shm_half(const struct virtio_dev *dev, uint64_t v, bool high)
{
	if (dev->shm_sel != 0 || !dev->shm.len)
		v = UINT64_MAX; /* 4.2.2: what does not exist has length -1 */
	return half(v, high);
}

static uint32_t read_register(struct virtio_dev *dev, uint32_t offset)
{
	const struct vq *q = selected(dev);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return half(dev->features, dev->device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return q ? q->size_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return q && q->enabled;
	case VIRTIO_MMIO_STATUS:
		return status_of(dev);
	case VIRTIO_MMIO_SHM_LEN_LOW:
		return shm_half(dev, dev->shm.len, false);
	case VIRTIO_MMIO_SHM_LEN_HIGH:
		return shm_half(dev, dev->shm.len, true);
	case VIRTIO_MMIO_SHM_BASE_LOW:
		return shm_half(dev, dev->shm.gpa, false);
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return shm_half(dev, dev->shm.gpa, true);
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return dev->config_generation;
	default:
		return UINT32_MAX;
	}
}

void virtio_mmio_read(struct virtio_dev *dev, uint32_t offset, void *data, uint32_t n)
{
	uint32_t v;

	memset(data, 0xff, n);
	/* Read at every interrupt: no lock, so that a busy queue never holds a vCPU up here. */
	if (offset == VIRTIO_MMIO_INTERRUPT_STATUS && n == 4) {
		v = __atomic_load_n(&dev->interrupt_status, __ATOMIC_SEQ_CST);
		memcpy(data, &v, 4);
		return;
	}
	pthread_mutex_lock(&dev->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		uint32_t at = offset - VIRTIO_MMIO_CONFIG;

		if (at < dev->config_len && n <= dev->config_len - at)
			memcpy(data, dev->config + at, n);
	} else if (n == 4 && offset % 4 == 0) {
		v = read_register(dev, offset);
		memcpy(data, &v, 4);
	}
	pthread_mutex_unlock(&dev->lock);
}

static void lock_queues(struct virtio_dev *dev)
{
	for (unsigned i = 0; i < dev->n_queues; i++)
		if (i == 0 || dev->queue[i].lock != dev->queue[0].lock)
			pthread_mutex_lock(dev->queue[i].lock);
}

static void unlock_queues(struct virtio_dev *dev)
{
	for (unsigned i = dev->n_queues; i-- > 0;)
		if (i == 0 || dev->queue[i].lock != dev->queue[0].lock)
			pthread_mutex_unlock(dev->queue[i].lock);
}

static void reset(struct virtio_dev *dev)
{
	lock_queues(dev);
	if (dev->ops->reset)
		dev->ops->reset(dev);
	for (unsigned i = 0; i < dev->n_queues; i++)
		vq_init(&dev->queue[i].vq, dev->queue[i].vq.mem, dev->queue[i].vq.size_max);
	dev->driver_features = dev->features_on = 0;
	dev->device_features_sel = dev->driver_features_sel = dev->queue_sel = dev->shm_sel = 0;
	__atomic_store_n(&dev->interrupt_status, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&dev->status, 0, __ATOMIC_SEQ_CST);
	unlock_queues(dev);
}

static void activate(struct virtio_dev *dev)
{
	uint64_t one = 1;

	lock_queues(dev);
	if (dev->ops->activate)
		dev->ops->activate(dev);
	unlock_queues(dev);
	/* A driver may fill rings before DRIVER_OK and never kick again. */
	for (unsigned i = 0; i < dev->n_queues; i++)
		if (dev->queue[i].vq.enabled && write(dev->queue[i].kick_fd, &one, sizeof(one)) < 0)
			virtio_needs_reset(dev);
}

/* Status bits come one at a time and in order (3.1.1); they go only by a reset. */
static void write_status(struct virtio_dev *dev, uint32_t v)
{
	static const struct {
		uint32_t bit, needs;
	} steps[] = {
		{ VIRTIO_CONFIG_S_ACKNOWLEDGE, 0 },
		{ VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE },
		{ VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER },
		{ VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK },
	};

	if (v == 0) {
		reset(dev);
		return;
	}
	if (v & VIRTIO_CONFIG_S_FAILED)
		__atomic_or_fetch(&dev->status, VIRTIO_CONFIG_S_FAILED, __ATOMIC_SEQ_CST);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (!(v & steps[i].bit) || (status_of(dev) & steps[i].bit) || !in_state(dev, steps[i].needs, 0))
			continue;
		if (steps[i].bit == VIRTIO_CONFIG_S_FEATURES_OK) {
			/* Refuse what was not offered, and legacy drivers. */
			if (dev->driver_features & ~dev->features || !(dev->driver_features >> VIRTIO_F_VERSION_1 & 1))
				return;
			dev->features_on = dev->driver_features;
		}
		__atomic_or_fetch(&dev->status, steps[i].bit, __ATOMIC_SEQ_CST);
		if (steps[i].bit == VIRTIO_CONFIG_S_DRIVER_OK)
			activate(dev);
	}
}

static void write_queue(struct virtio_dev *dev, uint32_t offset, uint32_t v)
{
	struct vq *q = selected_open(dev);

	if (!q)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->size = v <= q->size_max ? (uint16_t)v : 0; /* 0 makes vq_enable() refuse */
		return;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->desc_gpa, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, v);
		return;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->avail_gpa, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, v);
		return;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&q->used_gpa, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, v);
		return;
	default: /* VIRTIO_MMIO_QUEUE_READY; that it stays 0 tells the driver about a refusal */
		if (v == 1)
			(void)(vq_enable(q, virtio_feature(dev, 29)) < 0);
		return;
	}
}

static void write_register(struct virtio_dev *dev, uint32_t offset, uint32_t v)
{
	uint64_t one = 1;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		dev->device_features_sel = v;
		return;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		dev->driver_features_sel = v;
		return;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (dev->driver_features_sel < 2 && in_state(dev, VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&dev->driver_features, dev->driver_features_sel == 1, v);
		return;
	case VIRTIO_MMIO_QUEUE_SEL:
		dev->queue_sel = v;
		return;
	case VIRTIO_MMIO_QUEUE_NOTIFY: /* the usual way is the ioeventfd, which never comes here */
		if (v < dev->n_queues && write(dev->queue[v].kick_fd, &one, sizeof(one)) < 0)
			virtio_needs_reset(dev);
		return;
	case VIRTIO_MMIO_STATUS:
		write_status(dev, v);
		return;
	case VIRTIO_MMIO_SHM_SEL:
		dev->shm_sel = v;
		return;
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_READY:
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		write_queue(dev, offset, v);
		return;
	default:
		return;
	}
}

void virtio_mmio_write(struct virtio_dev *dev, uint32_t offset, const void *data, uint32_t n)
{
	uint32_t v = 0;

	if (n == 4)
		memcpy(&v, data, 4);
	if (offset == VIRTIO_MMIO_INTERRUPT_ACK && n == 4) {
		__atomic_and_fetch(&dev->interrupt_status, ~v, __ATOMIC_SEQ_CST);
		return;
	}
	pthread_mutex_lock(&dev->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		uint32_t at = offset - VIRTIO_MMIO_CONFIG;

		if (dev->ops->write_config && at < dev->config_len && n <= dev->config_len - at &&
		    in_state(dev, VIRTIO_CONFIG_S_DRIVER, 0))
			dev->ops->write_config(dev, at, data, n);
	} else if (n == 4 && offset % 4 == 0) {
		write_register(dev, offset, v);
	}
	pthread_mutex_unlock(&dev->lock);
}
