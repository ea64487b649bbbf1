/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/pmem.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pmem.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "runtime/base/mem.h"

#define ALIGN (2ULL << 20)

struct pmem {
	struct virtio_dev dev; /* first */
	struct vq_chain chain;
	void *map; /* owned, len bytes; NULL: none */
	uint64_t len;
};

/* Every request is a flush, and there is never anything to flush. */
static void pmem_kick(struct virtio_dev *dev, unsigned i)
{
	struct pmem *p = (struct pmem *)(void *)dev;
	struct virtio_pmem_resp ok = { .ret = 0 };

	while (vq_pop(&dev->queue[i].vq, &p->chain) > 0)
		virtio_push(dev, i, p->chain.head, (uint32_t)vq_chain_write(&p->chain, 0, &ok, sizeof(ok)));
}

static void pmem_destroy(struct virtio_dev *dev)
{
	struct pmem *p = (struct pmem *)(void *)dev;

	if (p->map)
		(void)munmap(p->map, p->len);
	virtio_dev_done(dev);
	free(p);
}

static const struct virtio_ops pmem_ops = {
	.name = "pmem",
	.id = VIRTIO_ID_PMEM,
	.kick = pmem_kick,
	.destroy = pmem_destroy,
};

/* The file's pages, and zeros behind them up to the alignment. */
static int map_file(struct pmem *p, int fd, struct err *err)
{
	uint64_t pages;
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "virtio-pmem: stat the file");
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > 1LL << 40)
		return err_set(err, EINVAL, "virtio-pmem: not a regular file of 1 byte to 1 TiB");
	p->len = ((uint64_t)st.st_size + ALIGN - 1) & ~(ALIGN - 1);
	pages = ((uint64_t)st.st_size + MEM_PAGE - 1) & ~(uint64_t)(MEM_PAGE - 1);
	map = mmap(NULL, p->len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return err_sys(err, -errno, "virtio-pmem: reserve memory");
	p->map = map;
	if (mmap(map, pages, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return err_sys(err, -errno, "virtio-pmem: map the file");
	return 0;
}

int pmem_new(struct guest_mem *mem, int fd, struct virtio_dev **ret, struct err *err)
{
	struct pmem *p = xcalloc(1, sizeof(*p));
	struct virtio_pmem_config c = { 0 };
	uint16_t size = 64;
	uint64_t gpa = 0;
	int r = virtio_dev_init(&p->dev, &pmem_ops, mem, &size, 1, err);

	if (r == 0)
		r = map_file(p, fd, err);
	if (r == 0) {
		r = guest_mem_add_device(mem, p->map, p->len, ALIGN, true, &gpa);
		if (r < 0)
			r = err_sys(err, r, "virtio-pmem: place the memory");
	}
	if (r < 0) {
		pmem_destroy(&p->dev);
		return r;
	}
	c.start = gpa;
	c.size = p->len;
	memcpy(p->dev.config, &c, sizeof(c));
	p->dev.config_len = sizeof(c);
	*ret = &p->dev;
	return 0;
}
