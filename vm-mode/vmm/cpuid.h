/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_CPUID_H
#define BRIG_VM_MODE_VMM_CPUID_H

#include <linux/kvm.h>

#include "runtime/base/err.h"

#define CPUID_MAX 256

/* Laid out as struct kvm_cpuid2, with room for the entries. */
struct cpuid_table {
	uint32_t nent, padding;
	struct kvm_cpuid_entry2 entry[CPUID_MAX];
};

/* What KVM offers on this host. */
int cpuid_load(int kvm_fd, struct cpuid_table *t, struct err *err) MUST_CHECK;

/* Make it the table of vCPU number cpu of cpus: APIC ids and topology (one socket of single-thread cores), no nested
 * virtualisation, no performance counters. Can be called for one vCPU after the other on the same table. */
void cpuid_adapt(struct cpuid_table *t, unsigned cpu, unsigned cpus);

#endif
