/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/arch_x86.h"

#include <errno.h>
#include <linux/kvm.h>
#include <unistd.h>

#include "vm-mode/vmm/acpi.h"
#include "vm-mode/vmm/boot_x86.h"
#include "vm-mode/vmm/cpuid.h"
#include "vm-mode/vmm/kvm.h"
#include "vm-mode/vmm/layout_x86.h"

#define CR0_PE 0x1U
#define CR0_PG 0x80000000U
#define CR4_PAE 0x20U
#define EFER_LME 0x100U
#define EFER_LMA 0x400U

#define PORT_KEYBOARD	  0x64U
#define KEYBOARD_RESET	  0xfeU
#define UART_LSR	  5U
#define UART_LSR_TX_EMPTY 0x60U
#define SLEEP_ENABLE	  0x20U

uint64_t arch_mmio_base(unsigned i)
{
	return X86_MMIO_BASE + (uint64_t)i * 0x1000;
}

uint32_t arch_gsi(unsigned i)
{
	return X86_GSI_FIRST + i;
}

/* In the kernel: local APICs and the IOAPIC, and no PIT, which would cost 15 ms when the VM is closed and a kernel
 * thread outside of the container's cgroup. */
int arch_create_irqchip(struct vm *vm, struct err *err)
{
	int r = kvm_ioctl_num(vm->vm_fd, KVM_SET_TSS_ADDR, X86_TSS);

	_Static_assert(VM_MAX_DEVICES <= X86_MAX_DEVICES, "an interrupt line for each device");
	if (r < 0)
		return err_sys(err, r, "set the TSS address");
	r = kvm_ioctl_num(vm->vm_fd, KVM_CREATE_IRQCHIP, 0);
	return r < 0 ? err_sys(err, r, "make the interrupt controller") : 0;
}

/* A kernel that finds hardware-reduced ACPI and no EFI resets by a jump to the BIOS in real mode (Linux: reboot_init()
 * chooses BOOT_EFI, which falls back to BOOT_BIOS). So there is a BIOS of nine bytes. */
static int write_reset_code(const struct guest_mem *m)
{
	static const uint8_t code[] = {
		0xb0, X86_RESET_VALUE,				     /* mov $1, %al */
		0xba, X86_PORT_RESET & 0xff, X86_PORT_RESET >> 8,    /* mov $0x602, %dx */
		0xee,						     /* out %al, %dx */
		0xf4, 0xeb, 0xfd,				     /* hlt; jmp to the hlt */
	};

	return guest_mem_write(m, X86_RESET_CODE, code, sizeof(code));
}

int arch_load(struct vm *vm, struct err *err)
{
	struct acpi_device devices[VM_MAX_DEVICES];
	struct acpi_config acpi = { .cpus = vm->config.cpus, .devices = devices, .n_devices = vm->n_devices };
	struct boot_image img;
	int r = boot_load_kernel(&vm->mem, vm->config.kernel_fd, &img, err);

	if (r == 0 && vm->config.initrd_fd >= 0)
		r = boot_load_initrd(&vm->mem, vm->config.initrd_fd, &img, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < vm->n_devices; i++)
		devices[i] = (struct acpi_device){ .mmio_base = (uint32_t)arch_mmio_base(i),
						   .mmio_len = 0x1000,
						   .gsi = arch_gsi(i) };
	r = acpi_write(&vm->mem, X86_ACPI, X86_ACPI_END, &acpi);
	if (r == 0)
		r = write_reset_code(&vm->mem);
	if (r < 0)
		return err_sys(err, r, "write the firmware's tables");
	vm->arch_entry = img.entry;
	return boot_write_params(&vm->mem, &img, vm->config.cmdline, X86_ACPI, err);
}

static int set_cpuid(struct vm *vm, int fd, unsigned index, struct err *err)
{
	struct cpuid_table t;
	int r = cpuid_load(vm->kvm_fd, &t, err);

	if (r < 0)
		return r;
	cpuid_adapt(&t, index, vm->config.cpus);
	r = kvm_ioctl(fd, KVM_SET_CPUID2, &t);
	return r < 0 ? err_sys(err, r, "set the CPU features of vCPU %u", index) : 0;
}

/* MTRR default type write-back: without it a kernel believes its memory to be uncached. */
static int set_msrs(int fd, unsigned index, struct err *err)
{
	static const struct {
		uint32_t index;
		uint64_t value;
	} msrs[] = { { 0x1a0, 1 }, { 0x2ff, 0x806 } };

	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		struct {
			uint32_t nmsrs, padding; /* as struct kvm_msrs */
			struct kvm_msr_entry entry;
		} set = { .nmsrs = 1, .entry = { .index = msrs[i].index, .data = msrs[i].value } };
		int r = kvm_ioctl(fd, KVM_SET_MSRS, &set);

		if (r != 1)
			return err_set(err, EIO, "set MSR 0x%x of vCPU %u", msrs[i].index, index);
	}
	return 0;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){ .limit = 0xffffffff,
				     .selector = selector,
				     .type = type,
				     .present = 1,
				     .s = type != 11,
				     .g = 1,
				     .l = code,
				     .db = !code && type != 11 };
}

/* Long mode, paging on, flat segments: what the 64-bit boot protocol asks for. */
static int set_boot_registers(struct vm *vm, int fd, struct err *err)
{
	struct kvm_regs regs = { .rip = vm->arch_entry, .rsi = X86_ZERO_PAGE, .rsp = X86_STACK, .rbp = X86_STACK, .rflags = 2 };
	struct kvm_sregs s;
	int r = kvm_ioctl(fd, KVM_GET_SREGS, &s);

	if (r < 0)
		return err_sys(err, r, "read the registers of vCPU 0");
	s.cs = segment(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = segment(16, 3, false);
	s.tr = segment(24, 11, false);
	s.gdt.base = X86_GDT;
	s.gdt.limit = 4 * 8 - 1;
	s.idt.base = 0;
	s.idt.limit = 0;
	s.cr0 |= CR0_PE | CR0_PG;
	s.cr3 = X86_PML4;
	s.cr4 |= CR4_PAE;
	s.efer |= EFER_LME | EFER_LMA;
	r = kvm_ioctl(fd, KVM_SET_SREGS, &s);
	if (r == 0)
		r = kvm_ioctl(fd, KVM_SET_REGS, &regs);
	return r < 0 ? err_sys(err, r, "set the registers of vCPU 0") : 0;
}

/* LINT1 is NMI, as the MADT says. */
static int set_lapic(int fd, unsigned index, struct err *err)
{
	struct kvm_lapic_state lapic;
	uint32_t nmi = 4U << 8;
	int r = kvm_ioctl(fd, KVM_GET_LAPIC, &lapic);

	if (r == 0) {
		memcpy(lapic.regs + 0x360, &nmi, sizeof(nmi));
		r = kvm_ioctl(fd, KVM_SET_LAPIC, &lapic);
	}
	return r < 0 ? err_sys(err, r, "set the local APIC of vCPU %u", index) : 0;
}

int arch_setup_vcpu(struct vm *vm, int fd, unsigned index, struct err *err)
{
	int r = set_cpuid(vm, fd, index, err);

	if (r == 0)
		r = set_msrs(fd, index, err);
	if (r == 0)
		r = set_lapic(fd, index, err);
	/* The others wait for INIT and SIPI from the first. */
	if (r == 0 && index == 0)
		r = set_boot_registers(vm, fd, err);
	return r;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void port_write(struct vm *vm, uint16_t port, uint8_t v)
{
	switch (port) {
	case X86_PORT_DEBUG:
		if (vm->config.on_stage)
			vm->config.on_stage(vm->config.on_stage_arg, v, now_ns() - vm->created_ns);
		return;
	case X86_PORT_SLEEP:
		if (v & SLEEP_ENABLE && (v >> 2 & 7) == X86_SLEEP_S5)
			vm_finish(vm, VM_POWER_OFF, NULL);
		return;
	case X86_PORT_RESET:
		if (v == X86_RESET_VALUE)
			vm_finish(vm, VM_RESET, NULL);
		return;
	case PORT_KEYBOARD:
		if (v == KEYBOARD_RESET)
			vm_finish(vm, VM_RESET, NULL);
		return;
	case X86_PORT_UART:
		/* Lost when nobody reads: an early message is not worth a stopped guest. */
		if (vm->config.early_console_fd >= 0 && write(vm->config.early_console_fd, &v, 1) < 0)
			return;
		return;
	default:
		return;
	}
}

static uint8_t port_read(const struct vm *vm, uint16_t port)
{
	if (port == X86_PORT_UART + UART_LSR && vm->config.early_console_fd >= 0)
		return UART_LSR_TX_EMPTY;
	if (port == X86_PORT_STATUS || port == X86_PORT_SLEEP)
		return 0;
	return 0xff;
}

void arch_port_io(struct vm *vm, uint16_t port, bool write, uint8_t *data, uint32_t size, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, data += size) {
		if (write) {
			port_write(vm, port, data[0]);
			continue;
		}
		memset(data, 0xff, size);
		data[0] = port_read(vm, port);
	}
}

void arch_describe_vcpu(int fd, char *buf, size_t n)
{
	struct kvm_sregs s = { 0 };
	struct kvm_regs r = { 0 };

	(void)!kvm_ioctl(fd, KVM_GET_REGS, &r);
	(void)!kvm_ioctl(fd, KVM_GET_SREGS, &s);
	snprintf(buf, n, "rip 0x%llx cr0 0x%llx cr3 0x%llx cr4 0x%llx efer 0x%llx", r.rip, s.cr0, s.cr3, s.cr4, s.efer);
}
