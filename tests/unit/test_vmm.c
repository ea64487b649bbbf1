/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny guests of our own on the machine's KVM, whatever kind of KVM it is: ends, ports, devices, and a hostile guest. */
#include "tests/unit/tap.h"

#include <elf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm-mode/virtio/blk.h"
#include "vm-mode/virtio/console.h"
#include "vm-mode/virtio/rng.h"
#include "vm-mode/vmm/vm.h"

#define ENTRY 0x1000000ULL

/* A kernel file whose only segment is this code. */
static int kernel_of(const uint8_t *code, size_t n)
{
	Elf64_Ehdr eh = { .e_machine = EM_X86_64,
			  .e_entry = ENTRY,
			  .e_phoff = sizeof(eh),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 1 };
	Elf64_Phdr ph = { .p_type = PT_LOAD, .p_offset = 4096, .p_paddr = ENTRY, .p_filesz = n, .p_memsz = n };
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	if (fd < 0 || pwrite(fd, &eh, sizeof(eh), 0) < 0 || pwrite(fd, &ph, sizeof(ph), sizeof(eh)) < 0 ||
	    pwrite(fd, code, n, 4096) < 0)
		abort();
	return fd;
}

struct watch {
	unsigned stages;
	uint8_t last;
	int lockdowns, lockdown_result;
};

static void on_stage(void *arg, uint8_t stage, uint64_t ns)
{
	struct watch *w = arg;

	w->stages += ns > 0;
	w->last = stage;
}

static int lockdown(void *arg, enum vm_thread kind, struct err *err)
{
	struct watch *w = arg;

	(void)kind;
	__atomic_add_fetch(&w->lockdowns, 1, __ATOMIC_SEQ_CST);
	return w->lockdown_result ? err_set(err, EPERM, "no") : 0;
}

static int run(const uint8_t *code, size_t n, struct watch *w, struct vm_exit *end, struct err *err)
{
	struct vm_config config = { .mem_bytes = 32U << 20,
				    .cpus = 1,
				    .kernel_fd = kernel_of(code, n),
				    .initrd_fd = -1,
				    .cmdline = "",
				    .early_console_fd = -1,
				    .lockdown = lockdown,
				    .lockdown_arg = w,
				    .on_stage = on_stage,
				    .on_stage_arg = w };
	struct console_port_config port = { .in_fd = -1, .out_fd = -1, .console = true };
	struct virtio_dev *dev;
	struct vm *vm = NULL;
	int r = vm_create(&config, &vm, err);

	if (r == 0 && console_new(&vm->mem, &port, 1, &dev, err) == 0)
		r = vm_add_device(vm, dev, err);
	if (r == 0 && rng_new(&vm->mem, &dev, err) == 0)
		r = vm_add_device(vm, dev, err);
	if (r == 0)
		r = vm_start(vm, err);
	if (r == 0) {
		alarm(20); /* a guest that does not end fails the test */
		vm_wait(vm, end);
		alarm(0);
	}
	vm_free(vm);
	(void)close(config.kernel_fd);
	return r;
}

#define OUT8(port, v) 0xb0, (v), 0x66, 0xba, (port) & 0xff, (port) >> 8, 0xee

static void test_ends(void)
{
	static const uint8_t off[] = { OUT8(0xe9, 7), OUT8(0x600, 0x34), 0xf4 };
	static const uint8_t reset[] = { OUT8(0x602, 1), 0xf4 };
	static const uint8_t keyboard[] = { OUT8(0x64, 0xfe), 0xf4 };
	static const uint8_t fault[] = { 0x0f, 0x0b };
	static const struct {
		const uint8_t *code;
		size_t n;
		enum vm_end end;
	} rows[] = { { off, sizeof(off), VM_POWER_OFF },
		     { reset, sizeof(reset), VM_RESET },
		     { keyboard, sizeof(keyboard), VM_RESET },
		     { fault, sizeof(fault), VM_TRIPLE_FAULT } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_exit end = { 0 };
		struct watch w = { 0 };
		struct err err = { 0 };
		int r = run(rows[i].code, rows[i].n, &w, &end, &err);

		ok(r == 0 && end.end == rows[i].end, "vm: ends with %s (%s %s)", vm_end_name(rows[i].end), vm_end_name(end.end), err.msg);
		is_int(w.lockdowns, 2, "vm: each thread locked itself down first");
		if (i == 0)
			ok(w.stages == 1 && w.last == 7, "vm: tells about a stage byte");
	}
}

static void test_lockdown_fails(void)
{
	static const uint8_t off[] = { OUT8(0xe9, 7), OUT8(0x600, 0x34), 0xf4 };
	struct watch w = { .lockdown_result = 1 };
	struct vm_exit end = { 0 };
	struct err err = { 0 };

	is_int(run(off, sizeof(off), &w, &end, &err), -EPERM, "vm: a failed lockdown ends the start");
	is_str(err.msg, "no", "vm: with its message");
	is_int(w.stages, 0, "vm: and the guest never ran");
}

/*
 * Pseudo-random 32-bit writes all over the device windows, some of them after a proper status sequence, for as many
 * rounds as ecx says; then power-off. Long mode, identity map.
 */
static void test_hostile(void)
{
	static const uint8_t code[] = {
		0xb9, 0x00, 0x60, 0x00, 0x00,	     /* mov $0x6000, %ecx */
		0xbb, 0x00, 0x00, 0x00, 0xc0,	     /* mov $0xc0000000, %ebx */
		0xb8, 0x39, 0x30, 0x00, 0x00,	     /* mov $12345, %eax */
		/* loop: */
		0x69, 0xc0, 0x6d, 0x4e, 0xc6, 0x41,  /* imul $1103515245, %eax, %eax */
		0x05, 0x39, 0x30, 0x00, 0x00,	     /* add $12345, %eax */
		0x89, 0xc2,			     /* mov %eax, %edx */
		0xc1, 0xea, 0x10,		     /* shr $16, %edx */
		0x81, 0xe2, 0xfc, 0x11, 0x00, 0x00,  /* and $0x11fc, %edx: registers of two devices */
		0x89, 0xc6,			     /* mov %eax, %esi */
		0xc1, 0xee, 0x14,		     /* shr $20, %esi */
		0x83, 0xe6, 0x0f,		     /* and $15, %esi */
		0x89, 0x34, 0x13,		     /* mov %esi, (%rbx,%rdx) */
		0x8b, 0x3c, 0x13,		     /* mov (%rbx,%rdx), %edi */
		0xff, 0xc9,			     /* dec %ecx */
		0x75, 0xd8,			     /* jnz loop */
		OUT8(0x600, 0x34), 0xf4,
	};
	struct vm_exit end = { 0 };
	struct watch w = { 0 };
	struct err err = { 0 };
	int r = run(code, sizeof(code), &w, &end, &err);

	ok(r == 0 && end.end == VM_POWER_OFF, "vm: survives a guest that writes random registers (%s %s)", vm_end_name(end.end),
	   end.detail);
}

static void test_create(void)
{
	struct vm_config bad = { .mem_bytes = 32U << 20, .cpus = 0, .kernel_fd = -1, .initrd_fd = -1, .cmdline = "" };
	struct vm *vm = NULL;
	struct err err = { 0 };

	is_int(vm_create(&bad, &vm, &err), -EINVAL, "vm: refuses no CPUs");
	bad.cpus = 1000;
	is_int(vm_create(&bad, &vm, &err), -EINVAL, "vm: refuses too many CPUs");
	bad.cpus = 1;
	bad.mem_bytes = 12345;
	is_int(vm_create(&bad, &vm, &err), -EINVAL, "vm: refuses odd memory");
	vm_free(NULL);
	virtio_dev_destroy(NULL);
	ok(vm == NULL, "vm: gives nothing out on failure");
}

int main(void)
{
	test_create();
	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		skip("vm: no access to /dev/kvm");
		return done();
	}
	test_ends();
	test_lockdown_fails();
	test_hostile();
	return done();
}
