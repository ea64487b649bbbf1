/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/cpuid.h"

#include "vm-mode/vmm/kvm.h"

#define BIT(n) (1U << (n))

int cpuid_load(int kvm_fd, struct cpuid_table *t, struct err *err)
{
	int r;

	_Static_assert(offsetof(struct cpuid_table, entry) == sizeof(struct kvm_cpuid2), "entries follow the head");
	memset(t, 0, sizeof(*t));
	t->nent = CPUID_MAX;
	r = kvm_ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, t);
	return r < 0 ? err_sys(err, r, "ask KVM which CPU features it supports") : 0;
}

/* Bits of the APIC id that number the cores. */
static unsigned core_bits(unsigned cpus)
{
	unsigned bits = 0;

	while ((1U << bits) < cpus)
		bits++;
	return bits;
}

/* Leaves 0xb and 0x1f: level 0 is the thread, level 1 the core. */
static void topology(struct kvm_cpuid_entry2 *e, unsigned cpu, unsigned cpus)
{
	e->edx = cpu;
	e->eax = e->ebx = 0;
	e->ecx = e->index & 0xff;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= 1U << 8;
	} else if (e->index == 1) {
		e->eax = core_bits(cpus);
		e->ebx = cpus;
		e->ecx |= 2U << 8;
	}
}

static void leaf_1(struct kvm_cpuid_entry2 *e, unsigned cpu, unsigned cpus)
{
	e->ebx = (e->ebx & 0xffff) | (cpus & 0xff) << 16 | cpu << 24;
	e->ecx |= BIT(31);		     /* hypervisor */
	e->ecx |= BIT(24);		     /* TSC deadline: there is no PIT to calibrate the APIC timer with */
	e->ecx &= ~(BIT(5) | BIT(2) | BIT(3)); /* VMX, DTES64, MONITOR */
	e->edx = cpus > 1 ? e->edx | BIT(28) : e->edx & ~BIT(28);
}

static void adapt(struct kvm_cpuid_entry2 *e, unsigned cpu, unsigned cpus)
{
	switch (e->function) {
	case 1:
		leaf_1(e, cpu, cpus);
		break;
	case 4:
		e->eax &= 0x3fff; /* a cache is shared by one thread, a package has `cpus` cores */
		if (e->eax & 0x1f)
			e->eax |= ((1U << core_bits(cpus)) - 1) << 26;
		break;
	case 6:
		e->ecx &= ~BIT(3); /* energy bias: an MSR that is not there */
		break;
	case 0xa:
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0xb:
	case 0x1f:
		topology(e, cpu, cpus);
		break;
	case 0x80000001:
		e->ecx &= ~(BIT(2) | BIT(10) | BIT(23) | BIT(24)); /* SVM, IBS, performance counters */
		if (cpus > 1)
			e->ecx |= BIT(1);
		break;
	case 0x80000008:
		e->ecx = core_bits(cpus) << 12 | (cpus - 1);
		break;
	case 0x8000000a:
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0x8000001e:
		e->eax = cpu;
		e->ebx = cpu;
		e->ecx = 0;
		break;
	default:
		break;
	}
}

void cpuid_adapt(struct cpuid_table *t, unsigned cpu, unsigned cpus)
{
	for (unsigned i = 0; i < t->nent && i < CPUID_MAX; i++)
		adapt(&t->entry[i], cpu, cpus);
}
