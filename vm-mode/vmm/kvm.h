/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_KVM_H
#define BRIG_VM_MODE_VMM_KVM_H

#include "runtime/base/err.h"

/* Issue one ioctl on a KVM descriptor (system, VM or vCPU). Returns the kernel's value or -errno. EINTR is not
 * retried: for KVM_RUN it means that somebody kicked the vCPU. */
int kvm_ioctl(int fd, unsigned long request, void *arg) MUST_CHECK;
int kvm_ioctl_num(int fd, unsigned long request, unsigned long arg) MUST_CHECK;

/* Open /dev/kvm and check version 12 and every extension that the VMM relies on; the error names what is missing.
 * Returns an fd or -errno. */
int kvm_open(struct err *err) MUST_CHECK;
/* The same checks for one that is open: a duplicate of it. */
int kvm_adopt(int fd, struct err *err) MUST_CHECK;

/* Value of KVM_CHECK_EXTENSION, 0 when it is absent or the query fails. */
int kvm_extension(int fd, unsigned long cap);

/* Add or replace a memory slot. flags: KVM_MEM_READONLY or 0; size 0 removes it. */
int kvm_set_memslot(int vm_fd, uint32_t slot, uint64_t gpa, uint64_t size, const void *hva, uint32_t flags) MUST_CHECK;

/* Tie a 32-bit write of `value` to address gpa (MMIO) to an eventfd. */
int kvm_add_ioeventfd(int vm_fd, int event_fd, uint64_t gpa, uint32_t value) MUST_CHECK;

/* Tie an eventfd to an edge on the interrupt line gsi. */
int kvm_add_irqfd(int vm_fd, int event_fd, uint32_t gsi) MUST_CHECK;

#endif
