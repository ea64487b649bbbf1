/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define SECTOR	   512U
#define QUEUE_SIZE 256
#define SEG_MAX	   (QUEUE_SIZE - 2U)

struct blk {
	struct virtio_dev dev; /* first */
	struct io_thread thread;
	int fd;
	bool readonly;
	uint64_t sectors;
	char serial[VIRTIO_BLK_ID_BYTES];
	struct vq_chain chain;
	struct iovec iov[VQ_MAX_IOV];
};

/* True when [sector, sector + bytes) is on the disk and whole sectors. */
static bool in_range(const struct blk *b, uint64_t sector, uint64_t bytes)
{
	uint64_t n = bytes / SECTOR;

	return bytes % SECTOR == 0 && sector <= b->sectors && n <= b->sectors - sector;
}

/* All of a request's data; a file that is shorter than it was is an error. */
static uint8_t transfer(struct blk *b, uint64_t sector, size_t bytes, bool write)
{
	size_t done = 0, len;

	if (!in_range(b, sector, bytes))
		return VIRTIO_BLK_S_IOERR;
	while (done < bytes) {
		off_t at = (off_t)(sector * SECTOR + done);
		unsigned n = write ? vq_chain_out_iov(&b->chain, sizeof(struct virtio_blk_outhdr) + done, bytes - done, b->iov, &len) :
				     vq_chain_in_iov(&b->chain, done, bytes - done, b->iov, &len);
		ssize_t r = write ? pwritev(b->fd, b->iov, (int)n, at) : preadv(b->fd, b->iov, (int)n, at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return VIRTIO_BLK_S_IOERR;
		done += (size_t)r;
	}
	return VIRTIO_BLK_S_OK;
}

/* Carry one request out; *ret_len: bytes of data written to the guest, without the status byte. */
static uint8_t serve(struct blk *b, const struct virtio_blk_outhdr *h, size_t in_room, size_t *ret_len)
{
	size_t out_room = b->chain.out_len - sizeof(*h);
	uint8_t status;

	switch (h->type) {
	case VIRTIO_BLK_T_IN:
		status = transfer(b, h->sector, in_room, false);
		*ret_len = status == VIRTIO_BLK_S_OK ? in_room : 0;
		return status;
	case VIRTIO_BLK_T_OUT:
		return b->readonly ? VIRTIO_BLK_S_IOERR : transfer(b, h->sector, out_room, true);
	case VIRTIO_BLK_T_FLUSH:
		return b->readonly || fdatasync(b->fd) == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
	case VIRTIO_BLK_T_GET_ID:
		*ret_len = vq_chain_write(&b->chain, 0, b->serial, in_room < sizeof(b->serial) ? in_room : sizeof(b->serial));
		return VIRTIO_BLK_S_OK;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

static void blk_kick(struct virtio_dev *dev, unsigned i)
{
	struct blk *b = (struct blk *)(void *)dev;

	while (vq_pop(&dev->queue[i].vq, &b->chain) > 0) {
		struct virtio_blk_outhdr h;
		uint8_t status = VIRTIO_BLK_S_IOERR;
		size_t len = 0;

		/* The status byte is the last one that we may write; without room for it there is nothing to say. */
		if (!b->chain.in_len) {
			virtio_push(dev, i, b->chain.head, 0);
			continue;
		}
		if (vq_chain_read(&b->chain, 0, &h, sizeof(h)) == sizeof(h))
			status = serve(b, &h, b->chain.in_len - 1, &len);
		(void)vq_chain_write(&b->chain, b->chain.in_len - 1, &status, 1);
		virtio_push(dev, i, b->chain.head, (uint32_t)len + 1);
	}
}

static void blk_destroy(struct virtio_dev *dev)
{
	struct blk *b = (struct blk *)(void *)dev;

	io_thread_done(&b->thread);
	fd_close(&b->fd);
	virtio_dev_done(dev);
	free(b);
}

static const struct virtio_ops blk_ops = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_FLUSH,
	.kick = blk_kick,
	.destroy = blk_destroy,
};

static int measure(struct blk *b, int fd, struct err *err)
{
	uint64_t bytes = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "virtio-blk: stat the image");
	if (S_ISREG(st.st_mode))
		bytes = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode) || ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return err_set(err, EINVAL, "virtio-blk: neither a file nor a block device");
	b->sectors = bytes / SECTOR;
	b->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return b->fd < 0 ? err_sys(err, -errno, "virtio-blk: duplicate the image's descriptor") : 0;
}

int blk_new(const struct guest_mem *mem, const struct blk_config *config, struct virtio_dev **ret, struct err *err)
{
	struct blk *b = xcalloc(1, sizeof(*b));
	struct virtio_blk_config c = { .seg_max = SEG_MAX };
	uint16_t size = QUEUE_SIZE;
	int r;

	b->fd = -1;
	b->readonly = config->readonly;
	memcpy(b->serial, config->serial ? config->serial : "", strnlen(config->serial ? config->serial : "", sizeof(b->serial)));
	r = virtio_dev_init(&b->dev, &blk_ops, mem, &size, 1, err);
	if (r == 0)
		r = measure(b, config->fd, err);
	if (r == 0)
		r = io_thread_init(&b->thread, "vm-blk", err);
	if (r == 0)
		r = virtio_queue_attach(&b->dev, 0, &b->thread, err);
	if (r < 0) {
		blk_destroy(&b->dev);
		return r;
	}
	if (b->readonly)
		b->dev.features |= 1ULL << VIRTIO_BLK_F_RO;
	c.capacity = b->sectors;
	memcpy(b->dev.config, &c, sizeof(c));
	b->dev.config_len = sizeof(c);
	b->dev.threads = &b->thread;
	b->dev.n_threads = 1;
	*ret = &b->dev;
	return 0;
}
