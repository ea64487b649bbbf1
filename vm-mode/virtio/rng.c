/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/rng.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "runtime/base/mem.h"

#define REQUEST_MAX 4096U

struct rng {
	struct virtio_dev dev; /* first */
	struct vq_chain chain;
};

static void rng_kick(struct virtio_dev *dev, unsigned i)
{
	struct rng *g = (struct rng *)(void *)dev;
	uint8_t bytes[REQUEST_MAX];

	while (vq_pop(&dev->queue[i].vq, &g->chain) > 0) {
		size_t n = g->chain.in_len < sizeof(bytes) ? g->chain.in_len : sizeof(bytes);
		ssize_t got = getrandom(bytes, n, 0);

		n = vq_chain_write(&g->chain, 0, bytes, got > 0 ? (size_t)got : 0);
		virtio_push(dev, i, g->chain.head, (uint32_t)n);
	}
	explicit_bzero(bytes, sizeof(bytes));
}

static void rng_destroy(struct virtio_dev *dev)
{
	virtio_dev_done(dev);
	free(dev);
}

static const struct virtio_ops rng_ops = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.kick = rng_kick,
	.destroy = rng_destroy,
};

int rng_new(const struct guest_mem *mem, struct virtio_dev **ret, struct err *err)
{
	struct rng *g = xcalloc(1, sizeof(*g));
	uint16_t size = 16;
	int r = virtio_dev_init(&g->dev, &rng_ops, mem, &size, 1, err);

	if (r < 0) {
		rng_destroy(&g->dev);
		return r;
	}
	*ret = &g->dev;
	return 0;
}
