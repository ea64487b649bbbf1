/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a kernel file, ELF or bzImage. */
#include <sys/mman.h>
#include <unistd.h>

#include "vm-mode/vmm/boot_x86.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	struct boot_image img;
	struct guest_mem m;

	if (fd >= 0 && write(fd, data, n) == (ssize_t)n && guest_mem_init(&m, 32U << 20, NULL) == 0) {
		if (boot_load_kernel(&m, fd, &img, NULL) == 0)
			(void)!boot_write_params(&m, &img, "quiet", 0, NULL);
		guest_mem_done(&m);
	}
	if (fd >= 0)
		(void)close(fd);
	return 0;
}
