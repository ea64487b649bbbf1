/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/memory.h"

#include <errno.h>
#include <sys/mman.h>

/* Memory starts at a multiple of this, here and in the guest, so that KVM can map it with large pages. */
#define LARGE_PAGE (2ULL << 20)

static void add_region(struct guest_mem *m, uint64_t gpa, uint64_t size, uint8_t *hva, enum mem_kind kind)
{
	m->region[m->n++] = (struct mem_region){ .gpa = gpa, .size = size, .hva = hva, .kind = kind };
}

/* NORESERVE: a guest's size is a limit (the cgroup enforces it), not memory in use. */
static void *map_ram(uint64_t size)
{
	uint64_t all = size + LARGE_PAGE, before;
	uint8_t *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	before = (LARGE_PAGE - (uintptr_t)p % LARGE_PAGE) % LARGE_PAGE;
	if (before)
		(void)munmap(p, before);
	(void)munmap(p + before + size, LARGE_PAGE - before);
	return p + before;
}

int guest_mem_init(struct guest_mem *m, uint64_t ram_size, struct err *err)
{
	uint64_t low = ram_size < MEM_HOLE_START ? ram_size : MEM_HOLE_START;
	void *p;

	*m = (struct guest_mem){ 0 };
	if (ram_size < (1U << 20) || ram_size % MEM_PAGE || ram_size > (1ULL << 42))
		return err_set(err, EINVAL, "guest memory of %llu bytes is not supported", (unsigned long long)ram_size);
	p = map_ram(ram_size);
	if (!p)
		return err_sys(err, -errno, "map %llu bytes of guest memory", (unsigned long long)ram_size);
	(void)madvise(p, ram_size, MADV_HUGEPAGE); /* a boot takes a third of the faults; free page reporting gives as large pieces back */
	(void)madvise(p, ram_size, MADV_DONTDUMP); /* a core file of the VMM must not hold the guest's secrets */
	m->ram = p;
	m->ram_size = ram_size;
	add_region(m, 0, low, p, MEM_RAM);
	if (ram_size > low)
		add_region(m, MEM_HOLE_END, ram_size - low, m->ram + low, MEM_RAM);
	return 0;
}

void guest_mem_done(struct guest_mem *m)
{
	if (m->ram)
		(void)munmap(m->ram, m->ram_size);
	*m = (struct guest_mem){ 0 };
}

uint64_t guest_mem_end(const struct guest_mem *m)
{
	uint64_t end = MEM_HOLE_END;

	for (unsigned i = 0; i < m->n; i++)
		if (m->region[i].gpa + m->region[i].size > end)
			end = m->region[i].gpa + m->region[i].size;
	return end;
}

int guest_mem_add_device(struct guest_mem *m, void *hva, uint64_t size, uint64_t align, bool readonly, uint64_t *ret_gpa)
{
	uint64_t gpa = guest_mem_end(m);

	if (align < LARGE_PAGE)
		align = LARGE_PAGE;
	if (!size || size % MEM_PAGE || (align & (align - 1)) || size > (1ULL << 42) || align > (1ULL << 40))
		return -EINVAL;
	if (m->n == MEM_MAX_REGIONS)
		return -ENOSPC;
	gpa = (gpa + align - 1) & ~(align - 1);
	add_region(m, gpa, size, hva, readonly ? MEM_DEVICE_READONLY : MEM_DEVICE);
	*ret_gpa = gpa;
	return 0;
}

static bool may(enum mem_kind kind, enum mem_access access)
{
	switch (kind) {
	case MEM_RAM:
		return true;
	case MEM_DEVICE:
		return access != MEM_RING;
	case MEM_DEVICE_READONLY:
		return access == MEM_READ;
	}
	return false;
}

int guest_mem_span(const struct guest_mem *m, uint64_t gpa, uint64_t len, enum mem_access access, struct mem_span *ret)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct mem_region *r = &m->region[i];
		uint64_t offset = gpa - r->gpa; /* wraps to a huge value when gpa is below the region */

		if (offset >= r->size)
			continue;
		if (!len || len > r->size - offset || !may(r->kind, access))
			return -EFAULT;
		*ret = (struct mem_span){ .p = r->hva + offset, .len = len };
		return 0;
	}
	return -EFAULT;
}

int guest_mem_read(const struct guest_mem *m, uint64_t gpa, void *buf, size_t len)
{
	struct mem_span s;
	int r = guest_mem_span(m, gpa, len, MEM_READ, &s);

	if (r < 0)
		return r;
	memcpy(buf, s.p, len);
	return 0;
}

int guest_mem_write(const struct guest_mem *m, uint64_t gpa, const void *buf, size_t len)
{
	struct mem_span s;
	int r = guest_mem_span(m, gpa, len, MEM_WRITE, &s);

	if (r < 0)
		return r;
	memcpy(s.p, buf, len);
	return 0;
}

int guest_mem_map_file(struct guest_mem *m, uint64_t gpa, uint64_t len, int fd, uint64_t offset)
{
	struct mem_span s;
	int r;

	if (gpa % MEM_PAGE || len % MEM_PAGE || offset % MEM_PAGE || offset > INT64_MAX)
		return -EINVAL;
	r = guest_mem_span(m, gpa, len, MEM_RING, &s);
	if (r < 0)
		return r;
	if (mmap(s.p, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED)
		return -errno;
	(void)madvise(s.p, len, MADV_DONTDUMP);
	/* One covering range: what lies between two segments is discarded the slower way, which is right for it too. */
	if (m->file_end == 0 || gpa < m->file_start)
		m->file_start = gpa;
	if (gpa + len > m->file_end)
		m->file_end = gpa + len;
	return 0;
}

int guest_mem_discard(const struct guest_mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t start, end;
	struct mem_span s;
	int r = guest_mem_span(m, gpa, len, MEM_RING, &s);

	if (r < 0)
		return r;
	start = (gpa + MEM_PAGE - 1) & ~(uint64_t)(MEM_PAGE - 1);
	end = (gpa + len) & ~(uint64_t)(MEM_PAGE - 1);
	if (start >= end)
		return 0;
	r = guest_mem_span(m, start, end - start, MEM_RING, &s);
	if (r < 0)
		return r;
	/* DONTNEED on a private file mapping brings the file's bytes back, not zeros: put fresh memory there instead. */
	if (start < m->file_end && end > m->file_start) {
		if (mmap(s.p, s.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			return -errno;
		return 0;
	}
	return madvise(s.p, s.len, MADV_DONTNEED) < 0 ? -errno : 0;
}
