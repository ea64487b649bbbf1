/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define QUEUE_SIZE    128
#define CTRL_IN	      2U /* to the driver */
#define CTRL_OUT      3U
#define CTRL_PENDING  (CONSOLE_MAX_PORTS * 6U)
#define NO_CHAIN      (-1)

struct port {
	struct console *console;
	unsigned index;
	char name[CONSOLE_NAME_MAX];
	bool is_console, guest_open, in_ended;
	uint16_t cols, rows;
	struct io_source in, out; /* fds owned; -1: none */
	bool in_watched, out_watched;
	size_t out_done; /* bytes of the first unreturned chain that were written already */
};

/* A message to the driver that waits for a buffer. */
struct ctrl {
	struct virtio_console_control msg;
	unsigned name_of_port; /* with VIRTIO_CONSOLE_PORT_NAME: whose name follows */
};

struct console {
	struct virtio_dev dev; /* first */
	struct io_thread *thread;
	unsigned n_ports;
	struct port port[CONSOLE_MAX_PORTS];
	struct ctrl pending[CTRL_PENDING];
	unsigned n_pending;
	struct vq_chain chain; /* of the device's one thread */
	struct iovec iov[VQ_MAX_IOV];
};

static unsigned in_queue(unsigned port)
{
	return port == 0 ? 0 : 2 + port * 2;
}

static unsigned out_queue(unsigned port)
{
	return in_queue(port) + 1;
}

static void watch(struct console *c, struct io_source *src, bool *watched, bool want, uint32_t events)
{
	if (src->fd < 0 || *watched == want)
		return;
	/* Taken out rather than asked for no events: a hang-up would be reported for ever. */
	if (!want)
		io_source_del(c->thread, src);
	*watched = want && io_source_add(c->thread, src, events) == 0; /* a file is always ready, epoll refuses it */
}

/* Control messages */
static void flush_ctrl(struct console *c)
{
	struct vq *q = &c->dev.queue[CTRL_IN].vq;

	while (c->n_pending) {
		const struct ctrl *m = &c->pending[0];
		size_t n, name_len = 0;
		int r = vq_pop(q, &c->chain);

		if (r <= 0)
			return;
		n = vq_chain_write(&c->chain, 0, &m->msg, sizeof(m->msg));
		if (m->msg.event == VIRTIO_CONSOLE_PORT_NAME)
			name_len = strlen(c->port[m->name_of_port].name);
		n += vq_chain_write(&c->chain, n, c->port[m->name_of_port].name, name_len);
		virtio_push(&c->dev, CTRL_IN, c->chain.head, (uint32_t)n);
		memmove(&c->pending[0], &c->pending[1], --c->n_pending * sizeof(c->pending[0]));
	}
}

static void send_ctrl(struct console *c, unsigned port, uint16_t event, uint16_t value)
{
	/* Full only when a driver asks for the same things again and again without taking the answers. */
	if (c->n_pending == CTRL_PENDING)
		return;
	c->pending[c->n_pending++] =
		(struct ctrl){ .msg = { .id = port, .event = event, .value = value }, .name_of_port = port };
	flush_ctrl(c);
}

/* The size goes after the message's head: it takes the place of a name. */
static void send_size(struct console *c, const struct port *p)
{
	struct vq *q = &c->dev.queue[CTRL_IN].vq;
	struct {
		struct virtio_console_control head;
		uint16_t cols, rows;
	} m = { .head = { .id = p->index, .event = VIRTIO_CONSOLE_RESIZE }, .cols = p->cols, .rows = p->rows };

	if (!p->cols || c->n_pending || vq_pop(q, &c->chain) <= 0)
		return;
	virtio_push(&c->dev, CTRL_IN, c->chain.head, (uint32_t)vq_chain_write(&c->chain, 0, &m, sizeof(m)));
}

/* Host to guest */
static void fill_guest(struct port *p)
{
	struct console *c = p->console;
	unsigned qi = in_queue(p->index);
	struct vq *q = &c->dev.queue[qi].vq;

	if (p->in.fd < 0 || p->in_ended)
		return;
	while (p->guest_open) {
		ssize_t n;
		size_t len;
		unsigned k;
		int r = vq_pop(q, &c->chain);

		if (r <= 0)
			break;
		k = vq_chain_in_iov(&c->chain, 0, SIZE_MAX, c->iov, &len);
		n = k ? readv(p->in.fd, c->iov, (int)k) : 0;
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			vq_unpop(q);
			watch(c, &p->in, &p->in_watched, true, EPOLLIN);
			return;
		}
		if (n <= 0 && k) { /* end of file, or a terminal whose other side is gone */
			vq_unpop(q);
			p->in_ended = true;
			if (!p->is_console)
				send_ctrl(c, p->index, VIRTIO_CONSOLE_PORT_OPEN, 0);
			break;
		}
		virtio_push(&c->dev, qi, c->chain.head, (uint32_t)(n < 0 ? 0 : n));
		if ((size_t)n < len) { /* drained: epoll says when there is more */
			watch(c, &p->in, &p->in_watched, true, EPOLLIN);
			return;
		}
	}
	watch(c, &p->in, &p->in_watched, false, EPOLLIN);
}

static void in_ready(struct io_source *src, uint32_t events)
{
	struct port *p = src->arg;
	pthread_mutex_t *lock = p->console->dev.queue[0].lock;

	(void)events;
	pthread_mutex_lock(lock);
	fill_guest(p);
	pthread_mutex_unlock(lock);
}

/* Guest to host. Returns false when the descriptor takes no more for now. */
static bool write_chain(struct port *p)
{
	struct console *c = p->console;

	while (p->out.fd >= 0 && p->out_done < c->chain.out_len) {
		size_t len;
		unsigned k = vq_chain_out_iov(&c->chain, p->out_done, SIZE_MAX, c->iov, &len);
		ssize_t n = writev(p->out.fd, c->iov, (int)k);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch(c, &p->out, &p->out_watched, true, EPOLLOUT);
			if (p->out_watched)
				return false;
		}
		if (n < 0) { /* nobody reads any more: the guest's output is dropped, as on a closed terminal */
			watch(c, &p->out, &p->out_watched, false, 0);
			fd_close(&p->out.fd);
			break;
		}
		p->out_done += (size_t)n;
	}
	return true;
}

static void drain_guest(struct port *p)
{
	struct console *c = p->console;
	unsigned qi = out_queue(p->index);
	struct vq *q = &c->dev.queue[qi].vq;

	while (vq_pop(q, &c->chain) > 0) {
		if (!write_chain(p)) {
			vq_unpop(q);
			return;
		}
		p->out_done = 0;
		virtio_push(&c->dev, qi, c->chain.head, 0);
	}
	watch(c, &p->out, &p->out_watched, false, EPOLLOUT);
}

static void out_ready(struct io_source *src, uint32_t events)
{
	struct port *p = src->arg;
	pthread_mutex_t *lock = p->console->dev.queue[0].lock;

	(void)events;
	pthread_mutex_lock(lock);
	drain_guest(p);
	pthread_mutex_unlock(lock);
}

/* Messages of the driver */
static void announce(struct console *c, struct port *p)
{
	if (p->is_console)
		send_ctrl(c, p->index, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	if (p->name[0])
		send_ctrl(c, p->index, VIRTIO_CONSOLE_PORT_NAME, 1);
	if (!p->in_ended || p->out.fd >= 0)
		send_ctrl(c, p->index, VIRTIO_CONSOLE_PORT_OPEN, 1);
	if (p->is_console)
		send_size(c, p);
}

static void handle_ctrl(struct console *c, const struct virtio_console_control *m)
{
	if (m->event == VIRTIO_CONSOLE_DEVICE_READY) {
		for (unsigned i = 0; i < c->n_ports && m->value == 1; i++)
			send_ctrl(c, i, VIRTIO_CONSOLE_PORT_ADD, 1);
		return;
	}
	if (m->id >= c->n_ports)
		return;
	if (m->event == VIRTIO_CONSOLE_PORT_READY && m->value == 1) {
		announce(c, &c->port[m->id]);
	} else if (m->event == VIRTIO_CONSOLE_PORT_OPEN) {
		c->port[m->id].guest_open = m->value != 0;
		fill_guest(&c->port[m->id]);
	}
}

static void ctrl_out(struct console *c)
{
	struct vq *q = &c->dev.queue[CTRL_OUT].vq;
	struct virtio_console_control m;

	while (vq_pop(q, &c->chain) > 0) {
		size_t n = vq_chain_read(&c->chain, 0, &m, sizeof(m));

		virtio_push(&c->dev, CTRL_OUT, c->chain.head, 0);
		if (n == sizeof(m))
			handle_ctrl(c, &m);
	}
}

static void console_kick(struct virtio_dev *dev, unsigned i)
{
	struct console *c = (struct console *)(void *)dev;
	unsigned port = i < 2 ? 0 : i / 2 - 1;

	if (i == CTRL_IN)
		flush_ctrl(c);
	else if (i == CTRL_OUT)
		ctrl_out(c);
	else if (i % 2)
		drain_guest(&c->port[port]);
	else
		fill_guest(&c->port[port]);
}

static void console_reset(struct virtio_dev *dev)
{
	struct console *c = (struct console *)(void *)dev;

	c->n_pending = 0;
	for (unsigned i = 0; i < c->n_ports; i++) {
		c->port[i].guest_open = false;
		c->port[i].out_done = 0;
	}
}

/* A driver without multiport has one port, which is always open. */
static void console_activate(struct virtio_dev *dev)
{
	struct console *c = (struct console *)(void *)dev;

	if (!virtio_feature(dev, VIRTIO_CONSOLE_F_MULTIPORT))
		c->port[0].guest_open = true;
}

static int console_attach(struct virtio_dev *dev, struct io_thread *t, struct err *err)
{
	struct console *c = (struct console *)(void *)dev;

	(void)err;
	c->thread = t;
	for (unsigned i = 0; i < c->n_ports; i++)
		watch(c, &c->port[i].in, &c->port[i].in_watched, true, EPOLLIN);
	return 0;
}

static void console_destroy(struct virtio_dev *dev)
{
	struct console *c = (struct console *)(void *)dev;

	for (unsigned i = 0; i < c->n_ports; i++) {
		fd_close(&c->port[i].in.fd);
		fd_close(&c->port[i].out.fd);
	}
	virtio_dev_done(dev);
	free(c);
}

static const struct virtio_ops console_ops = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.features = 1ULL << VIRTIO_CONSOLE_F_MULTIPORT | 1ULL << VIRTIO_CONSOLE_F_SIZE,
	.activate = console_activate,
	.reset = console_reset,
	.attach = console_attach,
	.kick = console_kick,
	.destroy = console_destroy,
};

static int add_port(struct console *c, const struct console_port_config *config, struct err *err)
{
	struct port *p = &c->port[c->n_ports];

	*p = (struct port){ .console = c, .index = c->n_ports, .is_console = config->console };
	p->in = (struct io_source){ .fd = -1, .ready = in_ready, .arg = p };
	p->out = (struct io_source){ .fd = -1, .ready = out_ready, .arg = p };
	c->n_ports++;
	snprintf(p->name, sizeof(p->name), "%s", config->name ? config->name : "");
	if (config->in_fd >= 0)
		p->in.fd = fcntl(config->in_fd, F_DUPFD_CLOEXEC, 3);
	if (config->out_fd >= 0)
		p->out.fd = fcntl(config->out_fd, F_DUPFD_CLOEXEC, 3);
	if ((config->in_fd >= 0 && p->in.fd < 0) || (config->out_fd >= 0 && p->out.fd < 0))
		return err_sys(err, -errno, "console: duplicate a descriptor of port %u", p->index);
	return 0;
}

int console_new(const struct guest_mem *mem, const struct console_port_config *ports, unsigned n,
		struct virtio_dev **ret, struct err *err)
{
	struct virtio_console_config config = { .max_nr_ports = n };
	uint16_t sizes[4 + 2 * CONSOLE_MAX_PORTS];
	struct console *c;
	int r;

	if (!n || n > CONSOLE_MAX_PORTS)
		return err_set(err, EINVAL, "console: %u ports: 1 to %d are supported", n, CONSOLE_MAX_PORTS);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		sizes[i] = QUEUE_SIZE;
	c = xcalloc(1, sizeof(*c));
	r = virtio_dev_init(&c->dev, &console_ops, mem, sizes, 2 + 2 * n, err);
	memcpy(c->dev.config, &config, sizeof(config));
	c->dev.config_len = sizeof(config);
	for (unsigned i = 0; i < n && r == 0; i++)
		r = add_port(c, &ports[i], err);
	if (r < 0) {
		console_destroy(&c->dev);
		return r;
	}
	*ret = &c->dev;
	return 0;
}

void console_resize(struct virtio_dev *dev, unsigned port, uint16_t cols, uint16_t rows)
{
	struct console *c = (struct console *)(void *)dev;

	if (port >= c->n_ports)
		return;
	pthread_mutex_lock(dev->queue[0].lock);
	c->port[port].cols = cols;
	c->port[port].rows = rows;
	if (virtio_feature(dev, VIRTIO_CONSOLE_F_MULTIPORT))
		send_size(c, &c->port[port]);
	pthread_mutex_unlock(dev->queue[0].lock);
}
