/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_ACPI_H
#define BRIG_VM_MODE_VMM_ACPI_H

#include "vm-mode/vmm/memory.h"

/*
 * DOC: ACPI tables (ACPI 6.5, the hardware-reduced profile)
 *
 * What a stock kernel needs to find the machine: RSDP, XSDT, FADT (reset, sleep control), MADT (CPUs and the IOAPIC) and
 * a DSDT with one LNRO0005 device for each virtio-mmio window and the S5 state. No other device exists.
 */
struct acpi_device {
	uint32_t mmio_base, mmio_len;
	uint32_t gsi;
};

struct acpi_config {
	unsigned cpus;
	const struct acpi_device *devices; /* borrowed */
	unsigned n_devices;
};

/* Write the tables to [gpa, end); the RSDP comes first, so its address is gpa. -ENOSPC when they do not fit. */
int acpi_write(const struct guest_mem *m, uint64_t gpa, uint64_t end, const struct acpi_config *config) MUST_CHECK;

#endif
