/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "vm-mode/vmm/arch_x86.h"
#include "vm-mode/vmm/kvm.h"

#define KICK_SIGNAL SIGRTMIN

static void kicked(int sig)
{
	(void)sig; /* that it interrupts KVM_RUN is all */
}

int vcpu_init(struct vcpu *c, struct vm *vm, unsigned index, struct err *err)
{
	int len;
	void *p;

	*c = (struct vcpu){ .vm = vm, .index = index, .fd = -1 };
	c->fd = kvm_ioctl_num(vm->vm_fd, KVM_CREATE_VCPU, index);
	if (c->fd < 0)
		return err_sys(err, c->fd, "make vCPU %u", index);
	len = kvm_ioctl_num(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (len < (int)sizeof(struct kvm_run))
		return err_set(err, EIO, "KVM gives a bad size for a vCPU's area: %d", len);
	p = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (p == MAP_FAILED)
		return err_sys(err, -errno, "map vCPU %u", index);
	c->run = p;
	c->run_len = (size_t)len;
	return arch_setup_vcpu(vm, c->fd, index, err);
}

void vcpu_done(struct vcpu *c)
{
	if (!c->vm)
		return;
	if (c->running) {
		(void)pthread_join(c->thread, NULL);
		c->running = false;
	}
	if (c->run)
		(void)munmap(c->run, c->run_len);
	c->run = NULL;
	fd_close(&c->fd);
}

void vcpu_kick(struct vcpu *c)
{
	if (!c->running)
		return;
	/* The flag covers the moment just before KVM_RUN, the signal the time in it. */
	__atomic_store_n(&c->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	(void)pthread_kill(c->thread, KICK_SIGNAL);
}

static void internal_error(struct vcpu *c)
{
	char regs[160], text[256];

	arch_describe_vcpu(c->fd, regs, sizeof(regs));
	snprintf(text, sizeof(text), "KVM internal error %u on vCPU %u, %s", c->run->internal.suberror, c->index, regs);
	vm_finish(c->vm, VM_INTERNAL_ERROR, text);
}

static void system_event(struct vcpu *c)
{
	switch (c->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_finish(c->vm, VM_POWER_OFF, NULL);
		return;
	case KVM_SYSTEM_EVENT_RESET:
		vm_finish(c->vm, VM_RESET, NULL);
		return;
	default:
		vm_finish(c->vm, VM_GUEST_ERROR, "the guest reported a crash");
		return;
	}
}

/* What a failing KVM_RUN means. */
static void run_failed(struct vcpu *c, int code)
{
	char regs[160], text[256];

	if (code == EINTR || code == EAGAIN) {
		__atomic_store_n(&c->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		return;
	}
	arch_describe_vcpu(c->fd, regs, sizeof(regs));
	/* EFAULT: the guest touched a page of a mapped file that is not there any more. */
	snprintf(text, sizeof(text), "KVM_RUN on vCPU %u fails with error %d, %s", c->index, code, regs);
	vm_finish(c->vm, code == EFAULT ? VM_GUEST_ERROR : VM_INTERNAL_ERROR, text);
}

static void handle_exit(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	char text[64];

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		arch_port_io(c->vm, run->io.port, run->io.direction == KVM_EXIT_IO_OUT,
			     (uint8_t *)run + run->io.data_offset, run->io.size, run->io.count);
		return;
	case KVM_EXIT_MMIO:
		vm_mmio(c->vm, run->mmio.phys_addr, run->mmio.is_write, run->mmio.data, run->mmio.len);
		return;
	case KVM_EXIT_INTR:
		return;
	case KVM_EXIT_SHUTDOWN:
		vm_finish(c->vm, VM_TRIPLE_FAULT, "the guest crashed (triple fault)");
		return;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event(c);
		return;
	case KVM_EXIT_INTERNAL_ERROR:
		internal_error(c);
		return;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(text, sizeof(text), "the CPU refuses to enter the guest: reason 0x%llx",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		vm_finish(c->vm, VM_INTERNAL_ERROR, text);
		return;
	default:
		snprintf(text, sizeof(text), "unexpected exit %u of vCPU %u", run->exit_reason, c->index);
		vm_finish(c->vm, VM_INTERNAL_ERROR, text);
		return;
	}
}

static void *vcpu_main(void *arg)
{
	struct vcpu *c = arg;

	if (!vm_thread_enter(c->vm, VM_THREAD_VCPU))
		return NULL;
	while (!vm_vcpu_must_end(c->vm)) {
		int r = kvm_ioctl_num(c->fd, KVM_RUN, 0);

		if (r < 0)
			run_failed(c, -r);
		else
			handle_exit(c);
	}
	return NULL;
}

int vcpu_start(struct vcpu *c, struct err *err)
{
	struct sigaction sa = { .sa_handler = kicked }; /* no SA_RESTART: the ioctl must end */
	sigset_t all, old;
	int r;

	if (sigaction(KICK_SIGNAL, &sa, NULL) < 0)
		return err_sys(err, -errno, "set the vCPUs' signal");
	(void)sigfillset(&all);
	(void)sigdelset(&all, KICK_SIGNAL);
	(void)sigdelset(&all, SIGBUS);
	(void)sigdelset(&all, SIGSEGV);
	(void)sigdelset(&all, SIGSYS);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&c->thread, NULL, vcpu_main, c);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return err_sys(err, -r, "make the thread of vCPU %u", c->index);
	c->running = true;
	return 0;
}
