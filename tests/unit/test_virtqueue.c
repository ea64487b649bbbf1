/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <errno.h>
#include <linux/virtio_ring.h>

#include "vm-mode/virtio/queue.h"

#define RAM  0x40000U
#define DESC 0x1000U
#define AVAIL 0x2000U
#define USED 0x3000U
#define DATA 0x10000U
#define QSIZE 8

struct world {
	_Alignas(4096) uint8_t ram[RAM];
	struct guest_mem mem;
	struct vq q;
	struct vq_chain chain;
};

static void start(struct world *w, bool event_idx)
{
	memset(w->ram, 0, sizeof(w->ram));
	w->mem = (struct guest_mem){ .n = 1, .region = { { .gpa = 0, .size = RAM, .hva = w->ram, .kind = MEM_RAM } } };
	vq_init(&w->q, &w->mem, QSIZE);
	w->q.desc_gpa = DESC;
	w->q.avail_gpa = AVAIL;
	w->q.used_gpa = USED;
	if (vq_enable(&w->q, event_idx) < 0)
		abort();
}

static void desc_at(struct world *w, uint32_t table, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc d = { .addr = addr, .len = len, .flags = flags, .next = next };

	memcpy(w->ram + table + i * sizeof(d), &d, sizeof(d));
}

static void put16(struct world *w, uint32_t at, uint16_t v)
{
	memcpy(w->ram + at, &v, sizeof(v));
}

static uint16_t get16(const struct world *w, uint32_t at)
{
	uint16_t v;

	memcpy(&v, w->ram + at, sizeof(v));
	return v;
}

static void offer(struct world *w, uint16_t slot, uint16_t head, uint16_t idx)
{
	put16(w, AVAIL + 4 + slot % QSIZE * 2U, head);
	put16(w, AVAIL + 2, idx);
}

static void test_good_chain(struct world *w)
{
	char buf[16] = { 0 };
	struct iovec iov[VQ_MAX_IOV];
	size_t len;

	start(w, false);
	desc_at(w, DESC, 2, DATA, 4, VRING_DESC_F_NEXT, 5);
	desc_at(w, DESC, 5, DATA + 100, 3, VRING_DESC_F_NEXT, 1);
	desc_at(w, DESC, 1, DATA + 200, 10, VRING_DESC_F_WRITE, 0);
	memcpy(w->ram + DATA, "abcd", 4);
	memcpy(w->ram + DATA + 100, "efg", 3);
	is_int(vq_pop(&w->q, &w->chain), 0, "queue: empty at first");
	offer(w, 0, 2, 1);
	is_int(vq_pop(&w->q, &w->chain), 1, "queue: gives the chain");
	ok(w->chain.head == 2 && w->chain.n_out == 2 && w->chain.n_in == 1, "queue: counts its buffers");
	ok(w->chain.out_len == 7 && w->chain.in_len == 10, "queue: adds up its bytes");
	is_int(vq_chain_read(&w->chain, 2, buf, 16), 5, "queue: reads across buffers");
	is_str(buf, "cdefg", "queue: reads the right bytes");
	is_int(vq_chain_out_iov(&w->chain, 5, 100, iov, &len), 1, "queue: cuts the first buffers off");
	is_int(len, 2, "queue: says how much is left");
	is_int(vq_chain_write(&w->chain, 8, "wxyz", 4), 2, "queue: never writes behind the end");
	vq_push(&w->q, w->chain.head, 10);
	is_int(get16(w, USED + 2), 1, "queue: moves the used index");
	is_int(get16(w, USED + 4), 2, "queue: returns the head");
	is_int(vq_pop(&w->q, &w->chain), 0, "queue: is empty again");
	vq_unpop(&w->q);
	is_int(vq_pop(&w->q, &w->chain), 1, "queue: gives a chain that was put back");
}

static void test_indirect(struct world *w)
{
	start(w, false);
	desc_at(w, DESC, 0, 0x8000, 2 * 16, VRING_DESC_F_INDIRECT, 0);
	desc_at(w, 0x8000, 0, DATA, 1, VRING_DESC_F_NEXT, 1);
	desc_at(w, 0x8000, 1, DATA, 1, VRING_DESC_F_WRITE, 0);
	offer(w, 0, 0, 1);
	is_int(vq_pop(&w->q, &w->chain), 1, "queue: follows an indirect table");
	ok(w->chain.n_out == 1 && w->chain.n_in == 1, "queue: finds its buffers");
}

struct hostile {
	const char *what;
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next, head, idx;
};

static const struct hostile hostile[] = {
	{ "an address behind memory", RAM, 1, 0, 0, 0, 1 },
	{ "a buffer that ends behind memory", RAM - 4, 5, 0, 0, 0, 1 },
	{ "an address that wraps", UINT64_MAX - 3, 8, 0, 0, 0, 1 },
	{ "a buffer without length", DATA, 0, 0, 0, 0, 1 },
	{ "the largest length", DATA, UINT32_MAX, 0, 0, 0, 1 },
	{ "a chain that loops", DATA, 1, VRING_DESC_F_NEXT, 0, 0, 1 },
	{ "a next behind the table", DATA, 1, VRING_DESC_F_NEXT, QSIZE, 0, 1 },
	{ "a head behind the table", DATA, 1, 0, 0, QSIZE, 1 },
	{ "an index that jumps", DATA, 1, 0, 0, 0, QSIZE + 1 },
	{ "an index that goes back", DATA, 1, 0, 0, 0, UINT16_MAX },
	{ "an indirect table of half a descriptor", 0x8000, 8, VRING_DESC_F_INDIRECT, 0, 0, 1 },
	{ "an indirect table without length", 0x8000, 0, VRING_DESC_F_INDIRECT, 0, 0, 1 },
	{ "an indirect table behind memory", RAM, 16, VRING_DESC_F_INDIRECT, 0, 0, 1 },
	{ "an indirect table that is too long", 0x8000, (VQ_MAX_IOV + 1) * 16, VRING_DESC_F_INDIRECT, 0, 0, 1 },
	{ "indirect together with next", 0x8000, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1, 0, 1 },
	{ "an indirect table in itself", 0x8000, 16, VRING_DESC_F_INDIRECT, 0, 0, 1 },
};

static void test_hostile(struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		const struct hostile *h = &hostile[i];

		start(w, false);
		desc_at(w, DESC, 0, h->addr, h->len, h->flags, h->next);
		desc_at(w, 0x8000, 0, 0x8000, 16, VRING_DESC_F_INDIRECT, 0);
		offer(w, 0, h->head, h->idx);
		ok(vq_pop(&w->q, &w->chain) < 0 && w->q.broken, "queue: breaks at %s", h->what);
		offer(w, 0, 1, 1);
		ok(vq_pop(&w->q, &w->chain) < 0, "queue: stays broken after %s", h->what);
	}
	start(w, false);
	desc_at(w, DESC, 0, DATA, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	desc_at(w, DESC, 1, DATA, 1, 0, 0);
	offer(w, 0, 0, 1);
	ok(vq_pop(&w->q, &w->chain) < 0, "queue: breaks at a readable buffer behind a writable one");
}

static void test_enable(struct world *w)
{
	static const struct {
		uint64_t desc, avail, used;
		uint16_t size;
		int want;
		const char *what;
	} rows[] = {
		{ DESC, AVAIL, USED, 0, -EINVAL, "size 0" },
		{ DESC, AVAIL, USED, 3, -EINVAL, "a size that is no power of two" },
		{ DESC, AVAIL, USED, 16, -EINVAL, "a size above the maximum" },
		{ DESC + 8, AVAIL, USED, 8, -EINVAL, "a misaligned table" },
		{ DESC, AVAIL + 1, USED, 8, -EINVAL, "a misaligned available ring" },
		{ DESC, AVAIL, USED + 2, 8, -EINVAL, "a misaligned used ring" },
		{ RAM - 16, AVAIL, USED, 8, -EFAULT, "a table that ends behind memory" },
		{ DESC, RAM, USED, 8, -EFAULT, "an available ring outside of memory" },
		{ DESC, AVAIL, UINT64_MAX - 3, 8, -EFAULT, "a used ring at the end of the address space" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		start(w, false);
		vq_init(&w->q, &w->mem, QSIZE);
		w->q.desc_gpa = rows[i].desc;
		w->q.avail_gpa = rows[i].avail;
		w->q.used_gpa = rows[i].used;
		w->q.size = rows[i].size;
		is_int(vq_enable(&w->q, false), rows[i].want, "queue: refuses %s", rows[i].what);
		ok(!w->q.enabled, "queue: stays off with %s", rows[i].what);
	}
	start(w, false);
	w->mem.region[0].kind = MEM_DEVICE;
	vq_init(&w->q, &w->mem, QSIZE);
	w->q.desc_gpa = DESC;
	w->q.avail_gpa = AVAIL;
	w->q.used_gpa = USED;
	is_int(vq_enable(&w->q, false), -EFAULT, "queue: refuses rings in device memory");
}

static void test_interrupts(struct world *w)
{
	start(w, false);
	vq_push(&w->q, 0, 0);
	ok(vq_needs_interrupt(&w->q), "queue: interrupts without event index");
	put16(w, AVAIL, VRING_AVAIL_F_NO_INTERRUPT);
	ok(!vq_needs_interrupt(&w->q), "queue: heeds NO_INTERRUPT");
	start(w, true);
	put16(w, AVAIL + 4 + QSIZE * 2, 1); /* tell me after the second */
	(void)vq_needs_interrupt(&w->q);
	vq_push(&w->q, 0, 0);
	ok(!vq_needs_interrupt(&w->q), "queue: waits for the event index");
	vq_push(&w->q, 0, 0);
	ok(vq_needs_interrupt(&w->q), "queue: interrupts at the event index");
	vq_push(&w->q, 0, 0);
	ok(!vq_needs_interrupt(&w->q), "queue: interrupts once only");
	desc_at(w, DESC, 0, DATA, 1, 0, 0);
	offer(w, 0, 0, 1);
	ok(vq_pop(&w->q, &w->chain) == 1 && vq_pop(&w->q, &w->chain) == 0, "queue: drains");
	is_int(get16(w, USED + 4 + QSIZE * 8), 1, "queue: asks for a kick at the next buffer");
}

static void test_memory(void)
{
	static uint8_t low[8192], high[4096], device[4096];
	struct guest_mem m = { .n = 2,
			       .region = { { .gpa = 0, .size = sizeof(low), .hva = low, .kind = MEM_RAM },
					   { .gpa = MEM_HOLE_END, .size = sizeof(high), .hva = high, .kind = MEM_RAM } } };
	struct mem_span s;
	uint64_t gpa;

	ok(guest_mem_span(&m, 0, 8192, MEM_READ, &s) == 0 && s.p == low && s.len == 8192, "memory: a whole region");
	is_int(guest_mem_span(&m, 1, 8192, MEM_READ, &s), -EFAULT, "memory: one byte too many");
	is_int(guest_mem_span(&m, MEM_HOLE_START, 1, MEM_READ, &s), -EFAULT, "memory: nothing in the hole");
	is_int(guest_mem_span(&m, MEM_HOLE_END - 1, 2, MEM_READ, &s), -EFAULT, "memory: not across a region's start");
	is_int(guest_mem_span(&m, MEM_HOLE_END + 4095, 2, MEM_READ, &s), -EFAULT, "memory: not across a region's end");
	is_int(guest_mem_span(&m, 1, UINT64_MAX, MEM_READ, &s), -EFAULT, "memory: a length that wraps");
	is_int(guest_mem_add_device(&m, device, 4096, 0, true, &gpa), 0, "memory: adds a device's region");
	ok(gpa == MEM_HOLE_END + (2U << 20), "memory: aligns it above RAM");
	is_int(guest_mem_span(&m, gpa, 1, MEM_READ, &s), 0, "memory: a read-only region can be read");
	is_int(guest_mem_span(&m, gpa, 1, MEM_WRITE, &s), -EFAULT, "memory: and not be written");
	is_int(guest_mem_discard(&m, gpa, 4096), -EFAULT, "memory: only RAM is discarded");
}

int main(void)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) & ~4095UL);

	if (!w)
		return 1;
	test_good_chain(w);
	test_indirect(w);
	test_hostile(w);
	test_enable(w);
	test_interrupts(w);
	test_memory();
	free(w);
	return done();
}
