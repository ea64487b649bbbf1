/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/virtio/queue.h"

#include <errno.h>
#include <linux/virtio_ring.h>

/* Offsets in the rings; ours, because the structs of linux/virtio_ring.h end in flexible arrays. */
#define AVAIL_IDX     2U
#define AVAIL_RING    4U
#define USED_IDX      2U
#define USED_RING     4U
#define USED_ELEM_LEN 8U
#define DESC_LEN      16U

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* Loads and stores that the compiler can neither tear nor repeat. The callers have checked offset. */
static uint16_t load16(const struct mem_span *s, size_t offset, int order)
{
	const uint16_t *p = (const void *)((const uint8_t *)s->p + offset);

	return order == __ATOMIC_ACQUIRE ? __atomic_load_n(p, __ATOMIC_ACQUIRE) : __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store16(const struct mem_span *s, size_t offset, uint16_t v)
{
	uint16_t *p = (void *)((uint8_t *)s->p + offset);

	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static struct desc load_desc(const uint8_t *p)
{
	return (struct desc){
		.addr = __atomic_load_n((const uint64_t *)(const void *)p, __ATOMIC_RELAXED),
		.len = __atomic_load_n((const uint32_t *)(const void *)(p + 8), __ATOMIC_RELAXED),
		.flags = __atomic_load_n((const uint16_t *)(const void *)(p + 12), __ATOMIC_RELAXED),
		.next = __atomic_load_n((const uint16_t *)(const void *)(p + 14), __ATOMIC_RELAXED),
	};
}

void vq_init(struct vq *q, const struct guest_mem *mem, uint16_t size_max)
{
	*q = (struct vq){ .mem = mem, .size_max = size_max, .size = size_max };
}

int vq_enable(struct vq *q, bool event_idx)
{
	size_t n = q->size;

	if (!n || n > q->size_max || (n & (n - 1)))
		return -EINVAL;
	if (q->desc_gpa % 16 || q->avail_gpa % 2 || q->used_gpa % 4)
		return -EINVAL;
	if (guest_mem_span(q->mem, q->desc_gpa, n * DESC_LEN, MEM_RING, &q->desc) < 0 ||
	    guest_mem_span(q->mem, q->avail_gpa, AVAIL_RING + n * 2 + 2, MEM_RING, &q->avail) < 0 ||
	    guest_mem_span(q->mem, q->used_gpa, USED_RING + n * USED_ELEM_LEN + 2, MEM_RING, &q->used) < 0)
		return -EFAULT;
	q->event_idx = event_idx;
	q->next_avail = q->next_used = 0;
	q->signalled_valid = false;
	q->broken = false;
	q->enabled = true;
	return 0;
}

static int broken(struct vq *q, int code)
{
	q->broken = true;
	return -code;
}

/* One buffer into the chain; out buffers must all come before in buffers (2.7.4.2). */
static int add_buffer(struct vq *q, struct vq_chain *c, const struct desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;
	struct mem_span s;

	if (c->n_out + c->n_in == VQ_MAX_IOV || (!in && c->n_in))
		return -EINVAL;
	if (guest_mem_span(q->mem, d->addr, d->len, in ? MEM_WRITE : MEM_READ, &s) < 0)
		return -EFAULT;
	c->iov[c->n_out + c->n_in] = (struct iovec){ .iov_base = s.p, .iov_len = s.len };
	if (in) {
		c->n_in++;
		c->in_len += s.len;
	} else {
		c->n_out++;
		c->out_len += s.len;
	}
	return 0;
}

/* Follow a table of n descriptors from index i. A table that loops ends at n steps. */
static int walk(struct vq *q, struct vq_chain *c, const uint8_t *table, size_t n, uint16_t i, struct desc *ret_indirect)
{
	for (size_t steps = 0; steps < n; steps++) {
		struct desc d;
		int r;

		if (i >= n)
			return -EINVAL;
		d = load_desc(table + i * (size_t)DESC_LEN);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			/* 2.7.5.3.1: not inside a table, and not together with NEXT. */
			if (!ret_indirect || (d.flags & VRING_DESC_F_NEXT))
				return -EINVAL;
			*ret_indirect = d;
			return 1;
		}
		r = add_buffer(q, c, &d);
		if (r < 0)
			return r;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
	return -EINVAL;
}

static int load_chain(struct vq *q, struct vq_chain *c)
{
	struct mem_span table;
	struct desc d;
	int r = walk(q, c, q->desc.p, q->size, c->head, &d);

	if (r <= 0)
		return r;
	if (!d.len || d.len % DESC_LEN || d.len / DESC_LEN > VQ_MAX_IOV || d.addr % 8)
		return -EINVAL;
	if (guest_mem_span(q->mem, d.addr, d.len, MEM_RING, &table) < 0)
		return -EFAULT;
	return walk(q, c, table.p, d.len / DESC_LEN, 0, NULL);
}

/* The queue looks empty: ask to be told about the next buffer. True when one came in the meantime. */
static bool arm(struct vq *q)
{
	if (!q->event_idx)
		return false; /* the driver tells always */
	store16(&q->used, USED_RING + q->size * (size_t)USED_ELEM_LEN, q->next_avail);
	/* Our wish must be visible before we look at the index again, or a buffer added in between is lost (2.7.10). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(&q->avail, AVAIL_IDX, __ATOMIC_ACQUIRE) != q->next_avail;
}

int vq_pop(struct vq *q, struct vq_chain *c)
{
	uint16_t avail, head;
	int r;

	if (!q->enabled)
		return 0;
	if (q->broken)
		return -EIO;
	avail = load16(&q->avail, AVAIL_IDX, __ATOMIC_ACQUIRE);
	if (avail == q->next_avail) {
		if (!arm(q))
			return 0;
		avail = load16(&q->avail, AVAIL_IDX, __ATOMIC_ACQUIRE);
	}
	if ((uint16_t)(avail - q->next_avail) > q->size)
		return broken(q, EINVAL);
	head = load16(&q->avail, AVAIL_RING + (q->next_avail & (q->size - 1U)) * 2U, __ATOMIC_RELAXED);
	if (head >= q->size)
		return broken(q, EINVAL);
	c->head = head;
	c->n_out = c->n_in = 0;
	c->out_len = c->in_len = 0;
	r = load_chain(q, c);
	if (r < 0)
		return broken(q, -r);
	q->next_avail++;
	return 1;
}

void vq_unpop(struct vq *q)
{
	q->next_avail--;
}

void vq_push(struct vq *q, uint16_t head, uint32_t written)
{
	size_t slot = USED_RING + (q->next_used & (q->size - 1U)) * (size_t)USED_ELEM_LEN;
	uint8_t *p = (uint8_t *)q->used.p + slot;

	if (!q->enabled)
		return;
	__atomic_store_n((uint32_t *)(void *)p, head, __ATOMIC_RELAXED);
	__atomic_store_n((uint32_t *)(void *)(p + 4), written, __ATOMIC_RELAXED);
	q->next_used++;
	store16(&q->used, USED_IDX, q->next_used);
}

bool vq_needs_interrupt(struct vq *q)
{
	uint16_t old = q->signalled_used, event;
	bool was_valid = q->signalled_valid;

	if (!q->enabled || q->broken)
		return false;
	/* The used index must be visible before we look at what the driver asks for (2.7.7). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return !(load16(&q->avail, 0, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT);
	event = load16(&q->avail, AVAIL_RING + q->size * 2U, __ATOMIC_RELAXED);
	q->signalled_used = q->next_used;
	q->signalled_valid = true;
	return !was_valid || (uint16_t)(q->next_used - event - 1) < (uint16_t)(q->next_used - old);
}

/* Entries of iov[0..n) from byte offset on, at most max bytes. */
static unsigned cut(const struct iovec *iov, unsigned n, size_t offset, size_t max, struct iovec *out, size_t *ret_len)
{
	unsigned k = 0;
	size_t sum = 0;

	for (unsigned i = 0; i < n && sum < max; i++) {
		size_t len = iov[i].iov_len;

		if (offset >= len) {
			offset -= len;
			continue;
		}
		len -= offset;
		if (len > max - sum)
			len = max - sum;
		out[k++] = (struct iovec){ .iov_base = (uint8_t *)iov[i].iov_base + offset, .iov_len = len };
		sum += len;
		offset = 0;
	}
	*ret_len = sum;
	return k;
}

unsigned vq_chain_out_iov(const struct vq_chain *c, size_t offset, size_t max, struct iovec *out, size_t *ret_len)
{
	return cut(c->iov, c->n_out, offset, max, out, ret_len);
}

unsigned vq_chain_in_iov(const struct vq_chain *c, size_t offset, size_t max, struct iovec *out, size_t *ret_len)
{
	return cut(c->iov + c->n_out, c->n_in, offset, max, out, ret_len);
}

/* Copy between buf and iov[0..n) from byte offset on. */
static size_t copy(const struct iovec *iov, unsigned n, size_t offset, uint8_t *to, const uint8_t *from, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len;
		uint8_t *p = iov[i].iov_base;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part -= offset;
		if (part > len - done)
			part = len - done;
		if (to)
			memcpy(to + done, p + offset, part);
		else if (from)
			memcpy(p + offset, from + done, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t vq_chain_read(const struct vq_chain *c, size_t offset, void *buf, size_t n)
{
	return copy(c->iov, c->n_out, offset, buf, NULL, n);
}

size_t vq_chain_write(const struct vq_chain *c, size_t offset, const void *buf, size_t n)
{
	return copy(c->iov + c->n_out, c->n_in, offset, NULL, buf, n);
}
