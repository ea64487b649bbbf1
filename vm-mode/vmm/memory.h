/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_MEMORY_H
#define BRIG_VM_MODE_VMM_MEMORY_H

#include "runtime/base/err.h"

/*
 * DOC: guest memory
 *
 * The guest chooses every address that a device gets to see, so there is one way from a guest physical address to
 * host memory: guest_mem_span(). It answers only for a range that lies inside one region, with arithmetic that
 * cannot wrap, and hands out a pointer together with its length. Nobody computes host addresses anywhere else.
 *
 * RAM is one anonymous private mapping; its part above the hole at 3 GiB is a second region. A device that brings
 * memory of its own (a DAX window, a read-only image) adds a region above RAM. All regions exist before the first
 * KVM_RUN, so readers need no lock.
 */
#define MEM_HOLE_START	0xc0000000ULL  /* 3 GiB: MMIO from here to 4 GiB */
#define MEM_HOLE_END	0x100000000ULL /* 4 GiB */
#define MEM_MAX_REGIONS 16
#define MEM_PAGE	4096U

enum mem_kind {
	MEM_RAM,
	MEM_DEVICE,	     /* writable memory of a device: the guest may use it for data, not for rings */
	MEM_DEVICE_READONLY, /* KVM_MEM_READONLY */
};

struct mem_region {
	uint64_t gpa, size; /* page aligned, size not 0 */
	uint8_t *hva;
	enum mem_kind kind;
};

struct guest_mem {
	struct mem_region region[MEM_MAX_REGIONS]; /* RAM first, then in order of gpa */
	unsigned n;
	uint8_t *ram; /* owned mapping of ram_size bytes; NULL when the regions are borrowed (tests, fuzzers) */
	uint64_t ram_size;
	uint64_t file_start, file_end; /* guest range that maps the kernel's file; see guest_mem_discard() */
};

/* What a device wants to do with a range. */
enum mem_access { MEM_READ, MEM_WRITE, MEM_RING };

struct mem_span {
	void *p;
	size_t len;
};

/* Map ram_size bytes (a multiple of the page size, at least 1 MiB) and lay the regions out. */
int guest_mem_init(struct guest_mem *m, uint64_t ram_size, struct err *err) MUST_CHECK;
void guest_mem_done(struct guest_mem *m);

/* Reserve guest physical space for a device's memory, above everything so far, aligned to `align` (a power of two), and
 * make it known. hva stays the caller's. Returns 0 and the address, or -ENOSPC, -EINVAL. */
int guest_mem_add_device(struct guest_mem *m, void *hva, uint64_t size, uint64_t align, bool readonly,
			 uint64_t *ret_gpa) MUST_CHECK;

/* The host memory of [gpa, gpa + len), or -EFAULT when it is not inside one region that allows the access. len 0 is
 * -EFAULT too. */
int guest_mem_span(const struct guest_mem *m, uint64_t gpa, uint64_t len, enum mem_access access,
		   struct mem_span *ret) MUST_CHECK;

/* Copy through guest_mem_span(). */
int guest_mem_read(const struct guest_mem *m, uint64_t gpa, void *buf, size_t len) MUST_CHECK;
int guest_mem_write(const struct guest_mem *m, uint64_t gpa, const void *buf, size_t len) MUST_CHECK;

/* Map len bytes of a file privately over RAM at gpa (page aligned, before the guest runs): the pages stay shared with
 * the page cache until somebody writes to them. One contiguous range in all; -EFAULT, -EBUSY, -errno of mmap. */
int guest_mem_map_file(struct guest_mem *m, uint64_t gpa, uint64_t len, int fd, uint64_t offset) MUST_CHECK;

/* Give whole pages of RAM back to the host; the guest reads zeros from them afterwards. Bytes outside whole pages
 * stay. -EFAULT when the range is not RAM. */
int guest_mem_discard(const struct guest_mem *m, uint64_t gpa, uint64_t len) MUST_CHECK;

/* First guest physical address behind every region (at least 4 GiB). */
uint64_t guest_mem_end(const struct guest_mem *m);

#endif
