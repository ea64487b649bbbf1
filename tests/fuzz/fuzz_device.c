/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input is what a hostile driver does to one device: byte 0 chooses the device, byte 1 the features that the driver leaves out, then
 * come operations (enum op). The queues are set up first, as a driver would, so that the bytes reach the device behind them; what
 * breaks that set-up can be written by the input, too. The device's threads do not run: their sources are served here.
 */
#include <fcntl.h>
#include <ftw.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "vm-mode/virtio/balloon.h"
#include "vm-mode/virtio/blk.h"
#include "vm-mode/virtio/console.h"
#include "vm-mode/virtio/fs.h"
#include "vm-mode/virtio/mmio.h"
#include "vm-mode/virtio/net.h"
#include "vm-mode/virtio/pmem.h"
#include "vm-mode/virtio/rng.h"

#define RAM	   (1U << 20)
#define QUEUE_SIZE 16U
/* Queue i has the page i: descriptors, then the available ring, then the used ring. */
#define PAGE	   0x1000U
#define AVAIL	   0x400U
#define USED	   0x800U
#define MAX_ROUNDS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum device { RNG, BALLOON, PMEM, BLK, NET, CONSOLE, FS, DEVICES };

enum op {
	OP_CHAIN,   /* queue, n, then n of { flags, u16 address, u16 length }: make it available and notify */
	OP_MEMORY,  /* u16 address, n, n bytes: write guest memory */
	OP_REGISTER, /* u16 offset, width, 8 bytes: write a register or the device's configuration */
	OP_LOOK,    /* u16 offset, width: read one */
	OP_SERVE,   /* serve whatever waits */
	OPS
};

struct input {
	const uint8_t *p;
	size_t n;
};

struct world {
	struct guest_mem mem;
	struct io_thread io;
	struct virtio_dev *dev;
	uint16_t avail[VIRTIO_MAX_QUEUES], next_desc[VIRTIO_MAX_QUEUES];
	int fds[2]; /* what the device works on */
	char dir[32];
};

static unsigned take(struct input *in, unsigned bytes)
{
	unsigned v = 0;

	for (unsigned i = 0; i < bytes && in->n; i++, in->p++, in->n--)
		v |= (unsigned)*in->p << 8 * i;
	return v;
}

/* ---- devices ---- */

static int temporary_file(off_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	return fd >= 0 && ftruncate(fd, size) == 0 ? fd : -1;
}

/* In a network namespace of its own, which an unprivileged user gets by a user namespace. */
static int tap(void)
{
	static bool entered;

	if (!entered)
		entered = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
	return entered ? net_open_tap("fuzz0", NULL) : -1;
}

static int make_console(struct world *w)
{
	struct console_port_config ports[2] = { { .in_fd = -1, .out_fd = -1, .console = true },
						{ .name = "agent", .in_fd = -1, .out_fd = -1 } };

	if (pipe2(w->fds, O_CLOEXEC | O_NONBLOCK) < 0 || write(w->fds[1], "typed by somebody", 17) != 17)
		return -1;
	ports[0].in_fd = w->fds[0];
	ports[1].out_fd = w->fds[1];
	return console_new(&w->mem, ports, 2, &w->dev, NULL);
}

static int make_fs(struct world *w)
{
	struct fs_config config = { .tag = "fuzz", .dax_bytes = 2 << 20 };
	int r;

	snprintf(w->dir, sizeof(w->dir), "/tmp/fuzz-fs.XXXXXX");
	if (!mkdtemp(w->dir))
		return -1;
	w->fds[0] = config.root_fd = open(w->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = config.root_fd < 0 ? -1 : fs_new(&w->mem, &config, &w->dev, NULL);
	if (r == 0)
		r = w->dev->threads->enter(w->dev->threads->enter_arg, NULL);
	return r;
}

static int make_device(struct world *w, enum device which)
{
	struct net_config net = { .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500 };

	switch (which) {
	case RNG:
		return rng_new(&w->mem, &w->dev, NULL);
	case BALLOON:
		return balloon_new(&w->mem, &w->dev, NULL);
	case PMEM:
		w->fds[0] = temporary_file(8192);
		return pmem_new(&w->mem, w->fds[0], &w->dev, NULL);
	case BLK:
		w->fds[0] = temporary_file(65536);
		return blk_new(&w->mem, &(struct blk_config){ .fd = w->fds[0], .serial = "fuzz" }, &w->dev, NULL);
	case NET:
		w->fds[0] = net.tap_fd = tap();
		return net.tap_fd < 0 ? -1 : net_new(&w->mem, &net, &w->dev, NULL);
	case CONSOLE:
		return make_console(w);
	case FS:
		return make_fs(w);
	case DEVICES:
		break;
	}
	return -1;
}

static int attach(struct world *w)
{
	int r = 0;

	for (unsigned i = 0; i < w->dev->n_queues && r == 0; i++)
		if (!w->dev->queue[i].thread)
			r = virtio_queue_attach(w->dev, i, &w->io, NULL);
	return r == 0 && w->dev->ops->attach ? w->dev->ops->attach(w->dev, &w->io, NULL) : r;
}

/* ---- the driver ---- */

static void set(struct world *w, uint32_t offset, uint32_t v)
{
	virtio_mmio_write(w->dev, offset, &v, 4);
}

static void set_up(struct world *w, unsigned without)
{
	uint64_t features = w->dev->features & ~(uint64_t)without;

	if (without & 0x80)
		features &= ~(1ULL << VIRTIO_RING_F_EVENT_IDX);
	set(w, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set(w, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER);
	for (unsigned half = 0; half < 2; half++) {
		set(w, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
		set(w, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32 * half));
	}
	set(w, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned i = 0; i < w->dev->n_queues; i++) {
		set(w, VIRTIO_MMIO_QUEUE_SEL, i);
		set(w, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
		set(w, VIRTIO_MMIO_QUEUE_DESC_LOW, i * PAGE);
		set(w, VIRTIO_MMIO_QUEUE_AVAIL_LOW, i * PAGE + AVAIL);
		set(w, VIRTIO_MMIO_QUEUE_USED_LOW, i * PAGE + USED);
		set(w, VIRTIO_MMIO_QUEUE_READY, 1);
	}
	set(w, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
}

static void put(struct world *w, uint64_t gpa, const void *p, size_t n)
{
	(void)!guest_mem_write(&w->mem, gpa, p, n);
}

static void make_chain(struct world *w, struct input *in)
{
	unsigned i = take(in, 1) % w->dev->n_queues, n = take(in, 1) % QUEUE_SIZE;
	uint16_t head = w->next_desc[i] % QUEUE_SIZE, at;

	for (unsigned k = 0; k <= n; k++) {
		uint16_t index = w->next_desc[i]++ % QUEUE_SIZE;
		struct vring_desc d = { .flags = (uint16_t)(take(in, 1) & 7), .next = w->next_desc[i] % QUEUE_SIZE };

		d.addr = take(in, 2);
		d.len = take(in, 2);
		if (k < n)
			d.flags |= VRING_DESC_F_NEXT;
		put(w, i * PAGE + index * sizeof(d), &d, sizeof(d));
	}
	at = (uint16_t)(w->avail[i]++ % QUEUE_SIZE);
	put(w, i * PAGE + AVAIL + 4 + 2 * at, &head, 2);
	put(w, i * PAGE + AVAIL + 2, &w->avail[i], 2);
	set(w, VIRTIO_MMIO_QUEUE_NOTIFY, i);
}

static bool serve_one(struct io_thread *t)
{
	struct epoll_event ev[16];
	int n = epoll_wait(t->epoll_fd, ev, 16, 0);

	for (int i = 0; i < n; i++) {
		struct io_source *src = ev[i].data.ptr;

		if (src)
			src->ready(src, ev[i].events);
	}
	if (t->tick && t->timeout_ms >= 0)
		t->tick(t->tick_arg);
	return n > 0;
}

static void serve(struct world *w)
{
	bool more = true;

	for (unsigned i = 0; i < MAX_ROUNDS && more; i++) {
		more = serve_one(&w->io);
		for (unsigned t = 0; t < w->dev->n_threads; t++)
			more = serve_one(&w->dev->threads[t]) || more;
	}
}

static void do_memory(struct world *w, struct input *in)
{
	unsigned at = take(in, 2), n = take(in, 1);

	n = n < in->n ? n : (unsigned)in->n;
	put(w, at, in->p, n);
	in->p += n;
	in->n -= n;
}

static void do_register(struct world *w, struct input *in, bool write)
{
	unsigned offset = take(in, 2) % VIRTIO_MMIO_SIZE, width = 1U << take(in, 1) % 4;
	uint64_t v = 0;

	if (write) {
		v = take(in, 4);
		v |= (uint64_t)take(in, 4) << 32;
		virtio_mmio_write(w->dev, offset, &v, width);
	} else {
		virtio_mmio_read(w->dev, offset, &v, width);
	}
}

static void drive(struct world *w, struct input *in)
{
	while (in->n)
		switch ((enum op)(take(in, 1) % OPS)) {
		case OP_CHAIN:
			make_chain(w, in);
			break;
		case OP_MEMORY:
			do_memory(w, in);
			break;
		case OP_REGISTER:
			do_register(w, in, true);
			break;
		case OP_LOOK:
			do_register(w, in, false);
			break;
		case OP_SERVE:
		case OPS:
			serve(w);
			break;
		}
	serve(w);
}

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *f UNUSED)
{
	return remove(path);
}

static void world_done(struct world *w)
{
	virtio_dev_destroy(w->dev);
	io_thread_done(&w->io);
	guest_mem_done(&w->mem);
	fd_close(&w->fds[0]);
	fd_close(&w->fds[1]);
	if (w->dir[0])
		(void)nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rlimit small = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 }; /* or FALLOCATE fills the disk */
	struct input in = { .p = data, .n = n };
	struct world w = { .fds = { -1, -1 } };
	enum device which = take(&in, 1) % DEVICES;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &small);
	if (guest_mem_init(&w.mem, RAM, NULL) == 0 && io_thread_init(&w.io, "fuzz", NULL) == 0 && make_device(&w, which) == 0 && attach(&w) == 0) {
		set_up(&w, take(&in, 1));
		drive(&w, &in);
	}
	world_done(&w);
	return 0;
}
