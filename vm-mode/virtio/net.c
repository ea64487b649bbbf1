/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define RX	   0U
#define TX	   1U
#define QUEUE_SIZE 256
#define HEADER_LEN ((int)sizeof(struct virtio_net_hdr_v1)) /* 12, what VERSION_1 makes it */

struct net {
	struct virtio_dev dev; /* first */
	struct io_thread thread;
	struct io_source tap; /* fd owned */
	bool watched;
	struct vq_chain chain;
};

static void watch(struct net *n, bool want)
{
	if (n->watched == want)
		return;
	if (!want)
		io_source_del(&n->thread, &n->tap);
	n->watched = want && io_source_add(&n->thread, &n->tap, EPOLLIN) == 0;
}

/* Tap to guest, one chain a packet (no merged buffers: with GUEST_TSO the driver gives 64 KiB chains). */
static void receive(struct net *n)
{
	struct vq *q = &n->dev.queue[RX].vq;

	while (vq_pop(q, &n->chain) > 0) {
		ssize_t r = n->chain.n_in ? readv(n->tap.fd, n->chain.iov + n->chain.n_out, (int)n->chain.n_in) : 0;

		if (r < 0) { /* nothing there, or the interface is gone or down */
			vq_unpop(q);
			watch(n, errno == EAGAIN || errno == EINTR);
			virtio_interrupt_queue(&n->dev, RX);
			return;
		}
		vq_push(q, n->chain.head, (uint32_t)r);
		virtio_interrupt_queue(&n->dev, RX);
	}
	watch(n, false); /* until the driver gives buffers */
}

static void tap_ready(struct io_source *src, uint32_t events)
{
	struct net *n = src->arg;

	(void)events;
	pthread_mutex_lock(n->dev.queue[RX].lock);
	receive(n);
	pthread_mutex_unlock(n->dev.queue[RX].lock);
}

static void transmit(struct net *n)
{
	struct vq *q = &n->dev.queue[TX].vq;

	while (vq_pop(q, &n->chain) > 0) {
		/* A tap that is full or down drops packets, as a wire would. */
		if (n->chain.out_len > (size_t)HEADER_LEN && writev(n->tap.fd, n->chain.iov, (int)n->chain.n_out) < 0)
			errno = 0;
		virtio_push(&n->dev, TX, n->chain.head, 0);
	}
}

static void net_kick(struct virtio_dev *dev, unsigned i)
{
	struct net *n = (struct net *)(void *)dev;

	if (i == TX)
		transmit(n);
	else
		receive(n);
}

/* The tap may hand over only what the driver understands. */
static void net_activate(struct virtio_dev *dev)
{
	static const struct {
		unsigned bit, offload;
	} map[] = { { VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		    { VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		    { VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 } };
	struct net *n = (struct net *)(void *)dev;
	unsigned offload = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (virtio_feature(dev, map[i].bit))
			offload |= map[i].offload;
	if (ioctl(n->tap.fd, TUNSETOFFLOAD, (unsigned long)offload) < 0)
		virtio_needs_reset(dev);
}

static void net_destroy(struct virtio_dev *dev)
{
	struct net *n = (struct net *)(void *)dev;

	io_thread_done(&n->thread);
	fd_close(&n->tap.fd);
	virtio_dev_done(dev);
	free(n);
}

static const struct virtio_ops net_ops = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.features = 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
		    1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_HOST_TSO4 |
		    1ULL << VIRTIO_NET_F_HOST_TSO6,
	.activate = net_activate,
	.kick = net_kick,
	.destroy = net_destroy,
};

static int take_tap(struct net *n, int tap_fd, struct err *err)
{
	int len = HEADER_LEN, flags;

	n->tap = (struct io_source){ .fd = fcntl(tap_fd, F_DUPFD_CLOEXEC, 3), .ready = tap_ready, .arg = n };
	if (n->tap.fd < 0)
		return err_sys(err, -errno, "virtio-net: duplicate the tap's descriptor");
	flags = fcntl(n->tap.fd, F_GETFL);
	if (flags < 0 || fcntl(n->tap.fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(err, -errno, "virtio-net: make the tap non-blocking");
	if (ioctl(n->tap.fd, TUNSETVNETHDRSZ, &len) < 0)
		return err_sys(err, -errno, "virtio-net: set the length of the tap's header");
	return 0;
}

int net_new(const struct guest_mem *mem, const struct net_config *config, struct virtio_dev **ret, struct err *err)
{
	static const uint16_t sizes[2] = { QUEUE_SIZE, QUEUE_SIZE };
	struct virtio_net_config c = { .mtu = config->mtu };
	struct net *n = xcalloc(1, sizeof(*n));
	int r;

	n->tap.fd = -1;
	r = virtio_dev_init(&n->dev, &net_ops, mem, sizes, 2, err);
	if (r == 0)
		r = take_tap(n, config->tap_fd, err);
	if (r == 0)
		r = io_thread_init(&n->thread, "vm-net", err);
	for (unsigned i = 0; i < 2 && r == 0; i++)
		r = virtio_queue_attach(&n->dev, i, &n->thread, err);
	if (r < 0) {
		net_destroy(&n->dev);
		return r;
	}
	memcpy(c.mac, config->mac, sizeof(c.mac));
	if (config->mtu)
		n->dev.features |= 1ULL << VIRTIO_NET_F_MTU;
	memcpy(n->dev.config, &c, sizeof(c));
	n->dev.config_len = sizeof(c);
	n->dev.threads = &n->thread;
	n->dev.n_threads = 1;
	*ret = &n->dev;
	return 0;
}

int net_open_tap(const char *name, struct err *err)
{
	AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (fd < 0)
		return err_sys(err, -errno, "open '/dev/net/tun'");
	if (strlen(name) >= sizeof(ifr.ifr_name))
		return err_set(err, EINVAL, "the interface name '%s' is too long", name);
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_sys(err, -errno, "make the tap interface '%s'", name);
	return TAKE_FD(fd);
}
