/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/fs.h"

#include <errno.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "runtime/base/mem.h"
#include "vm-mode/virtio/fs_server.h"

#define QUEUES	      2U /* 0: forget and interrupt, 1: requests */
#define QUEUE_SIZE    1024
#define DAX_ALIGN     (2ULL << 20)
#define LOCK_RETRY_MS 5

struct fs {
	struct virtio_dev dev; /* first */
	struct io_thread thread;
	struct fs_server server;
	bool server_made;
	struct vq_chain chain;
	/* The answer of a parked request goes to where its chain's buffers are: kept here, by parking slot. */
	struct {
		bool used;
		uint16_t head;
		struct vq_chain chain;
	} parked[FS_MAX_PARKED];
	void *dax; /* owned mapping of dax_len bytes */
	uint64_t dax_len;
};

static void park(struct fs *f)
{
	for (unsigned i = 0; i < FS_MAX_PARKED; i++) {
		if (f->parked[i].used)
			continue;
		f->parked[i].used = true;
		f->parked[i].head = f->chain.head;
		f->parked[i].chain = f->chain;
		break;
	}
	f->thread.timeout_ms = LOCK_RETRY_MS;
}

static void complete(void *arg, const struct fs_parked *p, int result)
{
	struct fs *f = arg;

	for (unsigned i = 0; i < FS_MAX_PARKED; i++) {
		if (!f->parked[i].used || f->parked[i].head != p->head)
			continue;
		f->parked[i].used = false;
		virtio_push(&f->dev, p->queue, p->head, fs_write_header(&f->parked[i].chain, p->unique, result));
		return;
	}
}

static void fs_kick(struct virtio_dev *dev, unsigned i)
{
	struct fs *f = (struct fs *)(void *)dev;

	while (vq_pop(&dev->queue[i].vq, &f->chain) > 0) {
		int r = fs_server_handle(&f->server, &f->chain, i);

		if (r == FS_PARKED)
			park(f);
		else
			virtio_push(dev, i, f->chain.head, (uint32_t)r);
	}
}

static void fs_tick(void *arg)
{
	struct fs *f = arg;

	pthread_mutex_lock(f->dev.queue[0].lock);
	if (!fs_lock_retry(&f->server))
		f->thread.timeout_ms = -1;
	pthread_mutex_unlock(f->dev.queue[0].lock);
}

static void fs_reset(struct virtio_dev *dev)
{
	struct fs *f = (struct fs *)(void *)dev;

	fs_server_reset(&f->server);
	for (unsigned i = 0; i < FS_MAX_PARKED; i++)
		f->parked[i].used = false;
}

static int fs_enter(void *arg, struct err *err)
{
	struct fs *f = arg;

	return fs_server_enter(&f->server, err);
}

static void fs_destroy(struct virtio_dev *dev)
{
	struct fs *f = (struct fs *)(void *)dev;

	io_thread_done(&f->thread);
	if (f->server_made)
		fs_server_done(&f->server);
	if (f->dax)
		(void)munmap(f->dax, f->dax_len);
	virtio_dev_done(dev);
	free(f);
}

static const struct virtio_ops fs_ops = {
	.name = "fs",
	.id = VIRTIO_ID_FS,
	.reset = fs_reset,
	.kick = fs_kick,
	.destroy = fs_destroy,
};

static int make_dax(struct fs *f, struct guest_mem *mem, uint64_t len, struct err *err)
{
	int r;

	if (len % DAX_ALIGN)
		return err_set(err, EINVAL, "virtio-fs: a DAX window of %llu bytes is not a multiple of 2 MiB",
			       (unsigned long long)len);
	f->dax = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->dax == MAP_FAILED) {
		f->dax = NULL;
		return err_sys(err, -errno, "virtio-fs: map a DAX window");
	}
	f->server.dax_len = f->dax_len = len;
	r = guest_mem_add_device(mem, f->dax, len, DAX_ALIGN, false, &f->dev.shm.gpa);
	if (r < 0)
		return err_sys(err, r, "virtio-fs: place the DAX window");
	f->dev.shm.len = len;
	f->server.dax = f->dax;
	return 0;
}

/* An inode that the guest knows is a descriptor: take as many as we may. */
static void raise_fd_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int make(struct fs *f, struct guest_mem *mem, const struct fs_config *config, struct err *err)
{
	static const uint16_t sizes[QUEUES] = { QUEUE_SIZE, QUEUE_SIZE };
	struct virtio_fs_config fc = { .num_request_queues = 1 };
	int r = virtio_dev_init(&f->dev, &fs_ops, mem, sizes, QUEUES, err);

	if (r < 0)
		return r;
	if (!config->tag[0] || strlen(config->tag) > sizeof(fc.tag))
		return err_set(err, EINVAL, "virtio-fs: the tag '%s' has a bad length", config->tag);
	memcpy(fc.tag, config->tag, strnlen(config->tag, sizeof(fc.tag)));
	memcpy(f->dev.config, &fc, sizeof(fc));
	f->dev.config_len = sizeof(fc);
	f->server_made = true;
	r = fs_server_init(&f->server, config, err);
	if (r == 0 && config->dax_bytes)
		r = make_dax(f, mem, config->dax_bytes, err);
	if (r == 0)
		r = io_thread_init(&f->thread, "vm-fs", err);
	if (r < 0)
		return r;
	raise_fd_limit();
	f->server.complete = complete;
	f->server.complete_arg = f;
	f->thread.enter = fs_enter;
	f->thread.enter_arg = f;
	f->thread.tick = fs_tick;
	f->thread.tick_arg = f;
	f->dev.threads = &f->thread;
	f->dev.n_threads = 1;
	for (unsigned i = 0; i < QUEUES && r == 0; i++)
		r = virtio_queue_attach(&f->dev, i, &f->thread, err);
	return r;
}

int fs_new(struct guest_mem *mem, const struct fs_config *config, struct virtio_dev **ret, struct err *err)
{
	struct fs *f = xcalloc(1, sizeof(*f));
	int r = make(f, mem, config, err);

	if (r < 0) {
		fs_destroy(&f->dev);
		return r;
	}
	*ret = &f->dev;
	return 0;
}
