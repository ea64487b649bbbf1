/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm-mode/vmm/boot_x86.h"
#include "vm-mode/vmm/layout_x86.h"

#define MIB (1ULL << 20)

struct elf_file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	uint8_t pad[4096 - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr)];
	uint8_t text[8192];
};

static struct elf_file good_elf(void)
{
	struct elf_file f = { 0 };

	memcpy(f.eh.e_ident, ELFMAG, SELFMAG);
	f.eh.e_ident[EI_CLASS] = ELFCLASS64;
	f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	f.eh.e_machine = EM_X86_64;
	f.eh.e_entry = 0x1000010;
	f.eh.e_phoff = sizeof(f.eh);
	f.eh.e_phentsize = sizeof(f.ph[0]);
	f.eh.e_phnum = 2;
	f.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = 4096, .p_paddr = 0x1000000, .p_filesz = 5000, .p_memsz = 9000 };
	f.ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE };
	memset(f.text, 0x5a, sizeof(f.text));
	return f;
}

static int file_of(const void *data, size_t n)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	return fd;
}

static int load(const void *data, size_t n, struct guest_mem *m, struct boot_image *img, struct err *err)
{
	int fd = file_of(data, n), r;

	memset(err, 0, sizeof(*err));
	r = boot_load_kernel(m, fd, img, err);
	(void)close(fd);
	return r;
}

static void test_elf(void)
{
	struct elf_file f = good_elf();
	struct boot_image img = { 0 };
	struct guest_mem m;
	struct err err = { 0 };
	uint8_t bytes[2];

	ok(guest_mem_init(&m, 64 * MIB, &err) == 0, "boot: makes 64 MiB of memory");
	is_int(load(&f, sizeof(f), &m, &img, &err), 0, "boot: loads an ELF kernel");
	ok(img.entry == 0x1000010 && img.start == 0x1000000 && img.end == 0x1000000 + 9000, "boot: knows entry and extent");
	ok(guest_mem_read(&m, 0x1000000 + 4999, bytes, 2) == 0 && bytes[0] == 0x5a && bytes[1] == 0,
	   "boot: fills the segment with the file's bytes, and zeros behind them");
	ok(m.file_start == 0x1000000 && m.file_end == 0x1001000, "boot: maps whole pages from the file");
	ok(guest_mem_discard(&m, 0x1000000, 4096) == 0 && guest_mem_read(&m, 0x1000000, bytes, 1) == 0 && bytes[0] == 0,
	   "memory: discarded pages of the kernel's file read as zeros");
	guest_mem_done(&m);
}

enum field { OFFSET, PADDR, FILESZ, MEMSZ, ENTRY, PHNUM, PHOFF, MACHINE, PHENTSIZE };

static void set(struct elf_file *f, enum field field, uint64_t v)
{
	switch (field) {
	case OFFSET:
		f->ph[0].p_offset = v;
		break;
	case PADDR:
		f->ph[0].p_paddr = v;
		break;
	case FILESZ:
		f->ph[0].p_filesz = v;
		break;
	case MEMSZ:
		f->ph[0].p_memsz = v;
		break;
	case ENTRY:
		f->eh.e_entry = v;
		break;
	case PHNUM:
		f->eh.e_phnum = (uint16_t)v;
		break;
	case PHOFF:
		f->eh.e_phoff = v;
		break;
	case MACHINE:
		f->eh.e_machine = (uint16_t)v;
		break;
	case PHENTSIZE:
		f->eh.e_phentsize = (uint16_t)v;
		break;
	}
}

static void test_bad_elf(void)
{
	static const struct {
		const char *what;
		enum field field;
		uint64_t v;
		const char *message;
	} rows[] = {
		{ "a segment behind the file", OFFSET, 1 << 20, "outside the file" },
		{ "an offset that wraps", OFFSET, UINT64_MAX - 10, "outside the file" },
		{ "a file size that wraps", FILESZ, UINT64_MAX, "outside the file" },
		{ "less memory than file", MEMSZ, 10, "bad size" },
		{ "a memory size that wraps", MEMSZ, UINT64_MAX, "bad size" },
		{ "a segment in the boot data", PADDR, 0x7000, "below 1 MiB" },
		{ "a segment in the hole", PADDR, 0xc0000000, "bad size" },
		{ "a segment behind memory", PADDR, 65 * MIB, "does not fit" },
		{ "an entry outside", ENTRY, 0x2000000, "entry point" },
		{ "no program headers", PHNUM, 0, "program headers" },
		{ "too many program headers", PHNUM, 65535, "program headers" },
		{ "program headers behind the file", PHOFF, UINT64_MAX - 1, "program headers" },
		{ "program headers at the file's end", PHOFF, sizeof(struct elf_file) - 8, "ends inside" },
		{ "another machine", MACHINE, EM_AARCH64, "not an ELF file for x86-64" },
		{ "odd program headers", PHENTSIZE, 1, "program headers" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct elf_file f = good_elf();
		struct boot_image img;
		struct guest_mem m;
		struct err err = { 0 };

		if (guest_mem_init(&m, 64 * MIB, &err) < 0)
			abort();
		set(&f, rows[i].field, rows[i].v);
		ok(load(&f, sizeof(f), &m, &img, &err) < 0, "boot: refuses %s", rows[i].what);
		like(err.msg, rows[i].message, "boot: says so about %s", rows[i].what);
		guest_mem_done(&m);
	}
}

static void test_bzimage(void)
{
	static uint8_t file[16384];
	struct setup_header h = { .setup_sects = 4,
				  .boot_flag = 0xaa55,
				  .header = 0x53726448,
				  .version = 0x20f,
				  .xloadflags = 1,
				  .pref_address = 0x1000000,
				  .init_size = 0x1000000,
				  .cmdline_size = 2047 };
	struct boot_image img = { 0 };
	struct boot_params bp;
	struct guest_mem m;
	struct err err = { 0 };
	char *text;
	uint8_t b;

	if (guest_mem_init(&m, 64 * MIB, &err) < 0)
		abort();
	memset(file + 5 * 512, 0x77, sizeof(file) - 5 * 512);
	memcpy(file + 0x1f1, &h, sizeof(h));
	is_int(load(file, sizeof(file), &m, &img, &err), 0, "boot: loads a bzImage");
	ok(img.entry == 0x100200 && img.end == 0x2000000, "boot: enters it behind 512 bytes and leaves it room to unpack");
	ok(guest_mem_read(&m, 0x100000, &b, 1) == 0 && b == 0x77, "boot: puts the code to 1 MiB");
	is_int(boot_write_params(&m, &img, "quiet", 0xe0000, &err), 0, "boot: writes the parameters");
	ok(guest_mem_read(&m, X86_ZERO_PAGE, &bp, sizeof(bp)) == 0 && bp.hdr.version == 0x20f && bp.hdr.type_of_loader == 0xff &&
		   bp.hdr.cmd_line_ptr == X86_CMDLINE && bp.acpi_rsdp_addr == 0xe0000 && bp.e820_entries == 3,
	   "boot: fills the zero page");
	text = malloc(5000);
	if (!text)
		abort();
	memset(text, 'x', 4999);
	text[4999] = '\0';
	ok(boot_write_params(&m, &img, text, 0, &err) < 0, "boot: refuses a command line that the kernel cannot take");
	free(text);

	h.init_size = 0xf0000000;
	memcpy(file + 0x1f1, &h, sizeof(h));
	ok(load(file, sizeof(file), &m, &img, &err) < 0, "boot: refuses a bzImage that wants too much memory");
	h.init_size = 0x1000000;
	h.xloadflags = 0;
	memcpy(file + 0x1f1, &h, sizeof(h));
	ok(load(file, sizeof(file), &m, &img, &err) < 0, "boot: refuses a bzImage without a 64-bit entry");
	like(err.msg, "64-bit", "boot: says so");
	ok(load(file, 600, &m, &img, &err) < 0, "boot: refuses a short bzImage");
	ok(load(file, 300, &m, &img, &err) < 0, "boot: refuses half a header");
	ok(load("", 0, &m, &img, &err) < 0, "boot: refuses an empty file");
	guest_mem_done(&m);
}

static void test_initrd(void)
{
	struct boot_image img = { .start = MIB, .end = 60 * MIB };
	static uint8_t data[5000];
	struct guest_mem m;
	struct err err = { 0 };
	int fd = file_of(data, sizeof(data));

	if (guest_mem_init(&m, 64 * MIB, &err) < 0)
		abort();
	is_int(boot_load_initrd(&m, fd, &img, &err), 0, "boot: loads an initrd");
	ok(img.initrd_gpa == 64 * MIB - 8192 && img.initrd_len == 5000, "boot: puts it page aligned to the top of memory");
	img.end = 64 * MIB - 4096;
	ok(boot_load_initrd(&m, fd, &img, &err) < 0, "boot: refuses an initrd that would cover the kernel");
	guest_mem_done(&m);
	(void)close(fd);
}

int main(void)
{
	test_elf();
	test_bad_elf();
	test_bzimage();
	test_initrd();
	return done();
}
