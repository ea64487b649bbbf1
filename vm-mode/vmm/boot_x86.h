/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_BOOT_X86_H
#define BRIG_VM_MODE_VMM_BOOT_X86_H

#include "vm-mode/vmm/memory.h"

/*
 * DOC: starting Linux on x86-64 (Documentation/arch/x86/boot.rst, "64-bit boot protocol")
 *
 * The kernel is an ELF vmlinux (segments that lie page aligned in the file are mapped from the page cache, so that
 * all guests share them) or a bzImage (which unpacks itself). Both are entered in long mode with an
 * identity map of the first 4 GiB. The files come from an admin, yet every number in them is checked: a damaged file must
 * give a message and not a wild write.
 */
struct boot_image {
	uint64_t entry;		/* where the first vCPU starts */
	uint64_t start, end;	/* guest range that the kernel takes while it starts */
	uint64_t initrd_gpa, initrd_len;
	uint8_t setup_header[0x7b]; /* of a bzImage: what goes to 0x1f1 of the zero page; zero for an ELF */
	bool bzimage;
};

/* Load the kernel from fd (borrowed; a regular file). The error says what is wrong with the file. */
int boot_load_kernel(struct guest_mem *m, int fd, struct boot_image *ret, struct err *err) MUST_CHECK;

/* Copy the initrd to the top of RAM below 3 GiB. */
int boot_load_initrd(const struct guest_mem *m, int fd, struct boot_image *img, struct err *err) MUST_CHECK;

/* Zero page, command line, GDT and page tables. rsdp_gpa: 0 for none. */
int boot_write_params(const struct guest_mem *m, const struct boot_image *img, const char *cmdline, uint64_t rsdp_gpa,
		      struct err *err) MUST_CHECK;

#endif
