/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/probe_x86.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "vm-mode/vmm/cpuid.h"
#include "vm-mode/vmm/kvm.h"
#include "vm-mode/vmm/memory.h"

#define RAM_SIZE  (2ULL << 20)
#define GDT	  0x500U
#define TSS	  0x600U
#define IDT	  0x1000U
#define PML4	  0x2000U
#define PDPT	  0x3000U
#define PD	  0x4000U
#define STACK0	  0x7000U /* of ring 0; ring 3 has the page below, the scratch areas are above */
#define CODE	  0x10000U
#define PORT	  0xe9U
#define MAX_EXITS 64
#define LAST_STEP 8

/* Written for any address; it is copied to CODE. Ring 3 selectors are those that sysretq makes from STAR. */
__asm__(".pushsection .rodata\n"
	".macro step n\n"
	"	mov $\\n, %al\n"
	"	out %al, $0xe9\n"
	".endm\n"
	"probe_begin:\n"
	"	step 1\n"
	"	mov %cr4, %rax\n"
	"	or $0x600, %rax\n" /* OSFXSR, OSXMMEXCPT */
	"	mov %rax, %cr4\n"
	"	mov %cr0, %rax\n"
	"	and $~4, %rax\n"
	"	or $2, %rax\n"
	"	mov %rax, %cr0\n"
	"	mov $0x8000, %edi\n"
	"	xor %eax, %eax\n"
	"	xor %edx, %edx\n"
	"	mov $1, %ebx\n"
	"	xor %ecx, %ecx\n"
	"	lock cmpxchg16b (%rdi)\n"
	"	step 2\n"
	"	mov $1, %eax\n"
	"	cpuid\n"
	"	bt $26, %ecx\n"
	"	jnc 1f\n"
	"	mov %cr4, %rax\n"
	"	or $0x40000, %rax\n"
	"	mov %rax, %cr4\n"
	"	mov $3, %eax\n"
	"	xor %edx, %edx\n"
	"	xor %ecx, %ecx\n"
	"	xsetbv\n"
	"	mov $0x9000, %edi\n"
	"	mov $3, %eax\n"
	"	xor %edx, %edx\n"
	"	xsave (%rdi)\n"
	"	xrstor (%rdi)\n"
	"1:	step 3\n"
	"	mov $0xc0000080, %ecx\n"
	"	rdmsr\n"
	"	or $1, %eax\n" /* EFER.SCE */
	"	wrmsr\n"
	"	mov $0xc0000081, %ecx\n"
	"	xor %eax, %eax\n"
	"	mov $0x00180008, %edx\n"
	"	wrmsr\n"
	"	mov $0xc0000082, %ecx\n"
	"	lea 4f(%rip), %rax\n"
	"	xor %edx, %edx\n"
	"	wrmsr\n"
	"	mov $0xc0000084, %ecx\n"
	"	xor %eax, %eax\n"
	"	wrmsr\n"
	"	swapgs\n"
	"	swapgs\n"
	"	step 4\n"
	"	int3\n"
	"	step 5\n"
	"	mov %cr3, %rax\n"
	"	mov %rax, %cr3\n"
	"	invlpg 0x8000\n"
	"	step 6\n"
	"	push $0x23\n"
	"	push $0x6000\n"
	"	push $2\n"
	"	push $0x2b\n"
	"	lea 3f(%rip), %rax\n"
	"	push %rax\n"
	"	iretq\n"
	"3:	syscall\n"
	"	int $0x80\n"
	"	ud2\n"
	"4:	step 7\n"
	"	sysretq\n"
	"probe_int3:\n"
	"	iretq\n"
	"probe_int80:\n"
	"	step 8\n"
	"	hlt\n"
	"probe_end:\n"
	"	.balign 4\n"
	"probe_len: .long probe_end - probe_begin\n"
	"probe_int3_at: .long probe_int3 - probe_begin\n"
	"probe_int80_at: .long probe_int80 - probe_begin\n"
	".popsection\n");
extern const uint8_t probe_begin[];
extern const uint32_t probe_len, probe_int3_at, probe_int80_at;

static const char *const step_names[LAST_STEP + 1] = {
	"the first instruction in long mode",
	"cmpxchg16b",
	"xsave and xrstor",
	"wrmsr and swapgs",
	"int3 and iretq",
	"a page table switch",
	"iretq to ring 3 and syscall",
	"sysretq and int 0x80",
	"hlt",
};

struct probe {
	int kvm_fd, vm_fd, vcpu_fd;
	struct kvm_run *run;
	size_t run_len;
	struct guest_mem mem;
	unsigned step;
};

static void probe_done(struct probe *p)
{
	if (p->run)
		(void)munmap(p->run, p->run_len);
	fd_close(&p->vcpu_fd);
	fd_close(&p->vm_fd);
	fd_close(&p->kvm_fd);
	guest_mem_done(&p->mem);
}

/* An interrupt gate of the IDT. */
static int put_gate(struct probe *p, unsigned vector, uint32_t handler, unsigned dpl)
{
	uint64_t to = CODE + handler;
	uint64_t gate[2] = { (to & 0xffff) | 8ULL << 16 | (0x8eULL | dpl << 5) << 40 | (to >> 16 & 0xffff) << 48, to >> 32 };

	return guest_mem_write(&p->mem, IDT + vector * 16, gate, sizeof(gate));
}

static int write_memory(struct probe *p)
{
	/* null, code and data of ring 0, nothing, data and code of ring 3 */
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffffULL, 0x00cf93000000ffffULL, 0, 0x00cff3000000ffffULL, 0x00affb000000ffffULL };
	uint64_t pml4 = PDPT | 7, pdpt = PD | 7, pd = 0x87, stack = STACK0;
	int r = guest_mem_write(&p->mem, CODE, probe_begin, probe_len);

	r = r < 0 ? r : guest_mem_write(&p->mem, GDT, gdt, sizeof(gdt));
	r = r < 0 ? r : guest_mem_write(&p->mem, TSS + 4, &stack, sizeof(stack));
	r = r < 0 ? r : guest_mem_write(&p->mem, PML4, &pml4, sizeof(pml4));
	r = r < 0 ? r : guest_mem_write(&p->mem, PDPT, &pdpt, sizeof(pdpt));
	r = r < 0 ? r : guest_mem_write(&p->mem, PD, &pd, sizeof(pd));
	r = r < 0 ? r : put_gate(p, 3, probe_int3_at, 0);
	return r < 0 ? r : put_gate(p, 0x80, probe_int80_at, 3);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1, .l = code, .db = !code
	};
}

static int set_registers(struct probe *p)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK0, .rflags = 2 };
	struct kvm_sregs s = { 0 };
	int r = kvm_ioctl(p->vcpu_fd, KVM_GET_SREGS, &s);

	if (r < 0)
		return r;
	s.cs = segment(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = segment(16, 3, false);
	s.tr = (struct kvm_segment){ .base = TSS, .limit = 103, .selector = 0x38, .type = 11, .present = 1 };
	s.gdt.base = GDT;
	s.gdt.limit = 6 * 8 - 1;
	s.idt.base = IDT;
	s.idt.limit = 4095;
	s.cr0 |= 0x80000001U;
	s.cr3 = PML4;
	s.cr4 |= 0x20U;
	s.efer |= 0x500U;
	r = kvm_ioctl(p->vcpu_fd, KVM_SET_SREGS, &s);
	return r < 0 ? r : kvm_ioctl(p->vcpu_fd, KVM_SET_REGS, &regs);
}

static int make_vcpu(struct probe *p, struct err *err)
{
	struct cpuid_table t;
	int len, r;
	void *m;

	p->vcpu_fd = kvm_ioctl_num(p->vm_fd, KVM_CREATE_VCPU, 0);
	if (p->vcpu_fd < 0)
		return err_sys(err, p->vcpu_fd, "make a vCPU");
	len = kvm_ioctl_num(p->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (len < (int)sizeof(struct kvm_run))
		return err_set(err, EIO, "KVM gives a bad size for a vCPU's area: %d", len);
	m = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu_fd, 0);
	if (m == MAP_FAILED)
		return err_sys(err, -errno, "map a vCPU");
	p->run = m;
	p->run_len = (size_t)len;
	r = cpuid_load(p->kvm_fd, &t, err);
	if (r < 0)
		return r;
	cpuid_adapt(&t, 0, 1);
	r = kvm_ioctl(p->vcpu_fd, KVM_SET_CPUID2, &t);
	if (r == 0)
		r = set_registers(p);
	return r < 0 ? err_sys(err, r, "set the registers of a vCPU") : 0;
}

static int run(struct probe *p, struct err *err)
{
	for (unsigned i = 0; i < MAX_EXITS; i++) {
		int r = kvm_ioctl_num(p->vcpu_fd, KVM_RUN, 0);

		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r < 0)
			return err_sys(err, r, "KVM cannot run a stock kernel: KVM_RUN at %s", step_names[p->step]);
		if (p->run->exit_reason == KVM_EXIT_IO && p->run->io.port == PORT) {
			uint8_t step = *((const uint8_t *)p->run + p->run->io.data_offset);

			p->step = step <= LAST_STEP ? step : 0;
			continue;
		}
		if (p->run->exit_reason == KVM_EXIT_HLT && p->step == LAST_STEP)
			return 0;
		return err_set(err, ENOTSUP, "KVM cannot run a stock kernel: it fails at %s (exit %u)", step_names[p->step],
			       p->run->exit_reason);
	}
	return err_set(err, ENOTSUP, "KVM cannot run a stock kernel: it does not get beyond %s", step_names[p->step]);
}

int probe_kvm(struct err *err)
{
	CLEANUP(probe_done) struct probe p = { .kvm_fd = -1, .vm_fd = -1, .vcpu_fd = -1 };
	int r = guest_mem_init(&p.mem, RAM_SIZE, err);

	if (r < 0)
		return r;
	p.kvm_fd = kvm_open(err);
	if (p.kvm_fd < 0)
		return p.kvm_fd;
	p.vm_fd = kvm_ioctl_num(p.kvm_fd, KVM_CREATE_VM, 0);
	if (p.vm_fd < 0)
		return err_sys(err, p.vm_fd, "make a virtual machine");
	r = write_memory(&p);
	if (r == 0)
		r = kvm_set_memslot(p.vm_fd, 0, 0, RAM_SIZE, p.mem.region[0].hva, 0);
	if (r < 0)
		return err_sys(err, r, "give memory to the guest");
	r = make_vcpu(&p, err);
	return r < 0 ? r : run(&p, err);
}
