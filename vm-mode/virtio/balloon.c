/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/balloon.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#include "runtime/base/mem.h"

#define PAGE_SHIFT 12
#define QUEUE_SIZE 256

enum { INFLATE, DEFLATE, REPORTING, QUEUES };

struct balloon {
	struct virtio_dev dev; /* first */
	struct vq_chain chain;
};

/* Page frame numbers, 32 bits each: neighbours are given back together. */
static void inflate(struct balloon *b)
{
	uint64_t start = 0, len = 0;
	uint32_t pfn;

	for (size_t at = 0; vq_chain_read(&b->chain, at, &pfn, sizeof(pfn)) == sizeof(pfn); at += sizeof(pfn)) {
		uint64_t gpa = (uint64_t)pfn << PAGE_SHIFT;

		if (len && gpa == start + len) {
			len += MEM_PAGE;
			continue;
		}
		if (len)
			(void)!guest_mem_discard(b->dev.queue[0].vq.mem, start, len); /* a bad number harms nobody */
		start = gpa;
		len = MEM_PAGE;
	}
	if (len)
		(void)!guest_mem_discard(b->dev.queue[0].vq.mem, start, len);
}

/* The buffers of a report are the free memory itself. */
static void report(const struct balloon *b)
{
	const struct guest_mem *mem = b->dev.queue[0].vq.mem;

	for (unsigned i = 0; i < b->chain.n_in; i++) {
		const struct iovec *v = &b->chain.iov[b->chain.n_out + i];

		for (unsigned k = 0; k < mem->n; k++) {
			const struct mem_region *g = &mem->region[k];
			uint64_t at = (uint64_t)((uint8_t *)v->iov_base - g->hva);

			if (g->kind == MEM_RAM && at < g->size)
				(void)!guest_mem_discard(mem, g->gpa + at, v->iov_len);
		}
	}
}

static void balloon_kick(struct virtio_dev *dev, unsigned i)
{
	struct balloon *b = (struct balloon *)(void *)dev;

	while (vq_pop(&dev->queue[i].vq, &b->chain) > 0) {
		if (i == INFLATE)
			inflate(b);
		else if (i == REPORTING)
			report(b);
		virtio_push(dev, i, b->chain.head, 0);
	}
}

static void balloon_write_config(struct virtio_dev *dev, uint32_t offset, const void *data, uint32_t n)
{
	if (offset == offsetof(struct virtio_balloon_config, actual) && n == sizeof(uint32_t))
		memcpy(dev->config + offset, data, n);
}

static void balloon_destroy(struct virtio_dev *dev)
{
	virtio_dev_done(dev);
	free(dev);
}

static const struct virtio_ops balloon_ops = {
	.name = "balloon",
	.id = VIRTIO_ID_BALLOON,
	.features = 1ULL << VIRTIO_BALLOON_F_REPORTING | 1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	.kick = balloon_kick,
	.write_config = balloon_write_config,
	.destroy = balloon_destroy,
};

int balloon_new(const struct guest_mem *mem, struct virtio_dev **ret, struct err *err)
{
	/* Queues that were not negotiated (statistics, hints) take no number on this transport. */
	static const uint16_t sizes[QUEUES] = { QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE };
	struct balloon *b = xcalloc(1, sizeof(*b));
	int r = virtio_dev_init(&b->dev, &balloon_ops, mem, sizes, QUEUES, err);

	if (r < 0) {
		balloon_destroy(&b->dev);
		return r;
	}
	b->dev.config_len = 2 * sizeof(uint32_t);
	*ret = &b->dev;
	return 0;
}

void balloon_set_target(struct virtio_dev *dev, uint64_t bytes)
{
	uint32_t pages = (uint32_t)(bytes >> PAGE_SHIFT);

	pthread_mutex_lock(&dev->lock);
	memcpy(dev->config + offsetof(struct virtio_balloon_config, num_pages), &pages, sizeof(pages));
	virtio_config_changed(dev);
	pthread_mutex_unlock(&dev->lock);
}

uint64_t balloon_actual(struct virtio_dev *dev)
{
	uint32_t pages;

	pthread_mutex_lock(&dev->lock);
	memcpy(&pages, dev->config + offsetof(struct virtio_balloon_config, actual), sizeof(pages));
	pthread_mutex_unlock(&dev->lock);
	return (uint64_t)pages << PAGE_SHIFT;
}
