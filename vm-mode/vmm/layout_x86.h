/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_LAYOUT_X86_H
#define BRIG_VM_MODE_VMM_LAYOUT_X86_H

/* Where things are in an x86 guest: README.md has the same as a picture. Everything below 1 MiB but the boot data is given
 * to the kernel as RAM; the boot data is free to use once the kernel has copied it. */
#define X86_GDT		0x500U
#define X86_ZERO_PAGE	0x7000U
#define X86_STACK	0x8ff0U
#define X86_PML4	0x9000U
#define X86_PDPT	0xa000U
#define X86_PD		0xb000U /* 4 pages: the first 4 GiB */
#define X86_CMDLINE	0x20000U
#define X86_CMDLINE_MAX 0x10000U
#define X86_LOW_END	0x9fc00U
#define X86_ACPI	0xe0000U /* RSDP first, where a search would find it too */
#define X86_ACPI_END	0xff000U
#define X86_RESET_CODE	0xffff0U /* where a BIOS would start: a few bytes that reset the machine */
#define X86_KERNEL_MIN	0x100000U

#define X86_MMIO_BASE	0xc0000000U /* virtio-mmio windows, 4 KiB each */
#define X86_IOAPIC	0xfec00000U
#define X86_LAPIC	0xfee00000U
#define X86_TSS		0xfffbd000U /* 3 pages that Intel's KVM wants for real mode */

/* Interrupt lines of the devices: all pins of the IOAPIC but the lowest, where kernels expect ISA devices. */
#define X86_GSI_FIRST 5U
#define X86_GSI_END   24U
#define X86_MAX_DEVICES (X86_GSI_END - X86_GSI_FIRST)
#define X86_MAX_CPUS  64U

/* Ports. Sleep control and reset are what the ACPI tables announce. */
#define X86_PORT_DEBUG	0xe9U  /* a byte: one stage of the boot timeline */
#define X86_PORT_SLEEP	0x600U /* sleep control register */
#define X86_PORT_STATUS 0x601U /* sleep status register */
#define X86_PORT_RESET	0x602U
#define X86_RESET_VALUE 0x01U
#define X86_SLEEP_S5	5U
#define X86_PORT_UART	0x3f8U /* transmit only, for a kernel's early messages; see vm_config.early_console */

#endif
