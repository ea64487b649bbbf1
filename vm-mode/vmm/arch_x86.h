/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_ARCH_X86_H
#define BRIG_VM_MODE_VMM_ARCH_X86_H

#include "vm-mode/vmm/vm.h"

/*
 * DOC: the seam to the host's architecture
 *
 * All that differs between hosts: the interrupt controller, what a new vCPU's registers hold, how a kernel is
 * laid out in memory, which ports exist. vm.c and vcpu.c call these functions and know nothing else of x86.
 */

/* After every memory slot, before the vCPUs: interrupt controller and the like. */
int arch_create_irqchip(struct vm *vm, struct err *err) MUST_CHECK;

/* Kernel, initrd, tables. Before the first KVM_RUN; the address that vCPU 0 starts at goes to vm->arch_entry. */
int arch_load(struct vm *vm, struct err *err) MUST_CHECK;

/* CPUID, MSRs, registers of a new vCPU. */
int arch_setup_vcpu(struct vm *vm, int vcpu_fd, unsigned index, struct err *err) MUST_CHECK;

/* One KVM_EXIT_IO; data holds count items of size bytes each and is filled for reads. */
void arch_port_io(struct vm *vm, uint16_t port, bool write, uint8_t *data, uint32_t size, uint32_t count);

/* Where device number i is. */
uint64_t arch_mmio_base(unsigned i);
uint32_t arch_gsi(unsigned i);

/* Registers of a vCPU that KVM gave up on, for the error message. */
void arch_describe_vcpu(int vcpu_fd, char *buf, size_t n);

#endif
