/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/boot_x86.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "vm-mode/vmm/layout_x86.h"

#define MAX_SEGMENTS	 64
#define SETUP_HEADER_OFF 0x1f1U
#define HDRS_MAGIC	 0x53726448U /* "HdrS" */
#define KERNEL_ALIGN	 0x1000000U
#define PTE_PRESENT	 1ULL
#define PTE_WRITE	 2ULL
#define PTE_LARGE	 0x80ULL

static int read_exact(int fd, void *buf, size_t n, uint64_t offset, struct err *err, const char *what)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (char *)buf + done, n - done, (off_t)(offset + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(err, -errno, "kernel: read the %s", what);
		if (r == 0)
			return err_set(err, ENOEXEC, "kernel: the file ends inside the %s", what);
		done += (size_t)r;
	}
	return 0;
}

/* Read [offset, offset + n) of the file straight into guest memory. */
static int load_range(const struct guest_mem *m, int fd, uint64_t gpa, uint64_t n, uint64_t offset, struct err *err,
		      const char *what)
{
	struct mem_span s;

	if (!n)
		return 0;
	if (guest_mem_span(m, gpa, n, MEM_RING, &s) < 0)
		return err_set(err, ENOMEM, "kernel: the %s does not fit into guest memory", what);
	return read_exact(fd, s.p, s.len, offset, err, what);
}

static int check_segment(const Elf64_Phdr *ph, uint64_t file_size, unsigned i, struct err *err)
{
	uint64_t file_end, mem_end;

	if (__builtin_add_overflow(ph->p_offset, ph->p_filesz, &file_end) || file_end > file_size)
		return err_set(err, ENOEXEC, "kernel: segment %u lies outside the file", i);
	if (ph->p_memsz < ph->p_filesz || __builtin_add_overflow(ph->p_paddr, ph->p_memsz, &mem_end) ||
	    mem_end > MEM_HOLE_START)
		return err_set(err, ENOEXEC, "kernel: segment %u has a bad size", i);
	if (ph->p_memsz && ph->p_paddr < X86_KERNEL_MIN)
		return err_set(err, ENOEXEC, "kernel: segment %u is below 1 MiB", i);
	return 0;
}

/* Whole pages come from the page cache, the rest of the last page is copied. Guest RAM is zero already. */
static int load_segment(struct guest_mem *m, int fd, const Elf64_Phdr *ph, struct err *err)
{
	uint64_t whole = ph->p_filesz & ~(uint64_t)(MEM_PAGE - 1);
	struct mem_span s;

	if (!ph->p_memsz)
		return 0;
	if (guest_mem_span(m, ph->p_paddr, ph->p_memsz, MEM_RING, &s) < 0)
		return err_set(err, ENOMEM, "kernel: a segment does not fit into guest memory");
	if (whole && guest_mem_map_file(m, ph->p_paddr, whole, fd, ph->p_offset) < 0)
		whole = 0;
	return load_range(m, fd, ph->p_paddr + whole, ph->p_filesz - whole, ph->p_offset + whole, err, "segment");
}

static int load_elf(struct guest_mem *m, int fd, uint64_t file_size, struct boot_image *img, struct err *err)
{
	Elf64_Phdr ph[MAX_SEGMENTS] = { 0 };
	Elf64_Ehdr eh;
	int r = read_exact(fd, &eh, sizeof(eh), 0, err, "ELF header");

	if (r < 0)
		return r;
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != EM_X86_64)
		return err_set(err, ENOEXEC, "kernel: not an ELF file for x86-64");
	if (eh.e_phentsize != sizeof(ph[0]) || !eh.e_phnum || eh.e_phnum > MAX_SEGMENTS || eh.e_phoff > file_size)
		return err_set(err, ENOEXEC, "kernel: bad ELF program headers");
	r = read_exact(fd, ph, eh.e_phnum * sizeof(ph[0]), eh.e_phoff, err, "ELF program headers");
	if (r < 0)
		return r;
	img->start = UINT64_MAX;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		r = check_segment(&ph[i], file_size, i, err);
		if (r == 0)
			r = load_segment(m, fd, &ph[i], err);
		if (r < 0)
			return r;
		if (ph[i].p_paddr < img->start)
			img->start = ph[i].p_paddr;
		if (ph[i].p_paddr + ph[i].p_memsz > img->end)
			img->end = ph[i].p_paddr + ph[i].p_memsz;
	}
	if (eh.e_entry < img->start || eh.e_entry >= img->end)
		return err_set(err, ENOEXEC, "kernel: the ELF entry point is outside of its segments");
	img->entry = eh.e_entry;
	return 0;
}

static int load_bzimage(const struct guest_mem *m, int fd, uint64_t file_size, struct boot_image *img, struct err *err)
{
	uint64_t setup_len, code_len, room;
	struct setup_header h;
	struct mem_span s;
	int r = read_exact(fd, &h, sizeof(h), SETUP_HEADER_OFF, err, "setup header");

	if (r < 0)
		return r;
	if (h.boot_flag != 0xaa55 || h.header != HDRS_MAGIC)
		return err_set(err, ENOEXEC, "kernel: neither an ELF file nor a bzImage");
	if (h.version < 0x020c || !(h.xloadflags & XLF_KERNEL_64))
		return err_set(err, ENOEXEC, "kernel: this bzImage has no 64-bit entry point");
	setup_len = ((h.setup_sects ? h.setup_sects : 4U) + 1U) * 512U;
	if (setup_len >= file_size)
		return err_set(err, ENOEXEC, "kernel: the file ends inside the setup code");
	code_len = file_size - setup_len;
	/* It unpacks to pref_address, over init_size bytes; that must be there too. */
	img->start = X86_KERNEL_MIN;
	if (__builtin_add_overflow(h.pref_address, h.init_size, &img->end) || img->end > MEM_HOLE_START ||
	    h.pref_address < X86_KERNEL_MIN)
		return err_set(err, ENOEXEC, "kernel: the bzImage wants to be at 0x%llx", (unsigned long long)h.pref_address);
	room = img->end;
	if (X86_KERNEL_MIN + code_len > img->end)
		img->end = X86_KERNEL_MIN + code_len;
	if (guest_mem_span(m, X86_KERNEL_MIN, img->end - X86_KERNEL_MIN, MEM_RING, &s) < 0)
		return err_set(err, ENOMEM, "kernel: needs %llu MiB of guest memory", (unsigned long long)(room >> 20));
	r = load_range(m, fd, X86_KERNEL_MIN, code_len, setup_len, err, "kernel code");
	if (r < 0)
		return r;
	memcpy(img->setup_header, &h, sizeof(h));
	img->bzimage = true;
	img->entry = X86_KERNEL_MIN + 0x200;
	return 0;
}

int boot_load_kernel(struct guest_mem *m, int fd, struct boot_image *ret, struct err *err)
{
	struct boot_image img = { 0 };
	unsigned char magic[SELFMAG] = { 0 };
	struct stat st;
	int r;

	_Static_assert(sizeof(struct setup_header) <= sizeof(img.setup_header), "room for the setup header");
	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "kernel: stat the file");
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "kernel: not a regular file");
	r = read_exact(fd, magic, sizeof(magic), 0, err, "header");
	if (r < 0)
		return r;
	if (memcmp(magic, ELFMAG, SELFMAG) == 0)
		r = load_elf(m, fd, (uint64_t)st.st_size, &img, err);
	else
		r = load_bzimage(m, fd, (uint64_t)st.st_size, &img, err);
	if (r < 0)
		return r;
	*ret = img;
	return 0;
}

int boot_load_initrd(const struct guest_mem *m, int fd, struct boot_image *img, struct err *err)
{
	uint64_t low = m->region[0].size, len, gpa;
	struct mem_span s;
	struct stat st;
	ssize_t got;

	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "initrd: stat the file");
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return err_set(err, EINVAL, "initrd: not a regular file, or empty");
	len = (uint64_t)st.st_size;
	if (len > low || ((low - len) & ~(uint64_t)(MEM_PAGE - 1)) < img->end)
		return err_set(err, ENOMEM, "initrd: %llu bytes do not fit into guest memory", (unsigned long long)len);
	gpa = (low - len) & ~(uint64_t)(MEM_PAGE - 1);
	if (guest_mem_span(m, gpa, len, MEM_RING, &s) < 0)
		return err_set(err, ENOMEM, "initrd: does not fit into guest memory");
	got = pread(fd, s.p, s.len, 0);
	if (got < 0)
		return err_sys(err, -errno, "initrd: read the file");
	if ((uint64_t)got != len)
		return err_set(err, EIO, "initrd: the file got shorter while it was read");
	img->initrd_gpa = gpa;
	img->initrd_len = len;
	return 0;
}

static void add_e820(struct boot_params *bp, uint64_t start, uint64_t end, uint32_t type)
{
	if (end <= start)
		return;
	bp->e820_table[bp->e820_entries++] =
		(struct boot_e820_entry){ .addr = start, .size = end - start, .type = type };
}

static void fill_e820(struct boot_params *bp, const struct guest_mem *m)
{
	enum { E820_RAM = 1, E820_RESERVED = 2 };

	add_e820(bp, 0, X86_LOW_END, E820_RAM);
	add_e820(bp, X86_LOW_END, X86_KERNEL_MIN, E820_RESERVED);
	add_e820(bp, X86_KERNEL_MIN, m->region[0].size, E820_RAM);
	if (m->n > 1 && m->region[1].kind == MEM_RAM)
		add_e820(bp, m->region[1].gpa, m->region[1].gpa + m->region[1].size, E820_RAM);
}

static int write_tables(const struct guest_mem *m)
{
	/* null, 64-bit code, data, TSS: what vcpu set-up loads into the segment registers */
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffffULL, 0x00cf93000000ffffULL, 0x008f8b000000ffffULL };
	uint64_t page[512] = { 0 };
	int r = guest_mem_write(m, X86_GDT, gdt, sizeof(gdt));

	page[0] = X86_PDPT | PTE_PRESENT | PTE_WRITE;
	if (r == 0)
		r = guest_mem_write(m, X86_PML4, page, sizeof(page));
	for (unsigned i = 0; i < 4; i++)
		page[i] = (X86_PD + i * MEM_PAGE) | PTE_PRESENT | PTE_WRITE;
	if (r == 0)
		r = guest_mem_write(m, X86_PDPT, page, sizeof(page));
	for (uint64_t i = 0; i < 4 && r == 0; i++) {
		for (uint64_t k = 0; k < 512; k++)
			page[k] = (i << 30 | k << 21) | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
		r = guest_mem_write(m, X86_PD + i * MEM_PAGE, page, sizeof(page));
	}
	return r;
}

int boot_write_params(const struct guest_mem *m, const struct boot_image *img, const char *cmdline, uint64_t rsdp_gpa,
		      struct err *err)
{
	size_t len = strlen(cmdline);
	struct boot_params bp;
	int r;

	_Static_assert(sizeof(bp) == MEM_PAGE, "the zero page is a page");
	memset(&bp, 0, sizeof(bp));
	if (img->bzimage)
		memcpy(&bp.hdr, img->setup_header, sizeof(bp.hdr));
	bp.hdr.boot_flag = 0xaa55;
	bp.hdr.header = HDRS_MAGIC;
	bp.hdr.type_of_loader = 0xff;
	if (!img->bzimage) {
		bp.hdr.kernel_alignment = KERNEL_ALIGN;
		bp.hdr.cmdline_size = X86_CMDLINE_MAX - 1;
	}
	if (len > bp.hdr.cmdline_size || len >= X86_CMDLINE_MAX)
		return err_set(err, E2BIG, "kernel command line: %zu bytes are too long", len);
	bp.hdr.cmd_line_ptr = X86_CMDLINE;
	bp.hdr.ramdisk_image = (uint32_t)img->initrd_gpa;
	bp.hdr.ramdisk_size = (uint32_t)img->initrd_len;
	bp.acpi_rsdp_addr = rsdp_gpa;
	fill_e820(&bp, m);
	r = guest_mem_write(m, X86_ZERO_PAGE, &bp, sizeof(bp));
	if (r == 0)
		r = guest_mem_write(m, X86_CMDLINE, cmdline, len + 1);
	if (r == 0)
		r = write_tables(m);
	return r < 0 ? err_sys(err, r, "kernel: write the boot parameters") : 0;
}
