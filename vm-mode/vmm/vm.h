/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_VM_H
#define BRIG_VM_MODE_VMM_VM_H

#include "vm-mode/virtio/device.h"
#include "vm-mode/vmm/boot_x86.h"
#include "vm-mode/vmm/io_thread.h"
#include "vm-mode/vmm/vcpu.h"

/*
 * DOC: a virtual machine
 *
 *   vm_create()      KVM, guest memory
 *   vm_add_device()  as often as needed; devices may add memory of their own with vm->mem
 *   vm_start()       memory slots, then interrupt controller, vCPUs, event descriptors (this order is 14 times
 *                    faster than others); loads the kernel; makes the threads; each thread calls config->lockdown and
 *                    waits; only when every one of them succeeded, the first guest instruction runs
 *   vm_wait()        until the guest ends
 *   vm_free()        in any state
 *
 * Nothing is allocated on the heap after the threads were let go.
 */
#define VM_MAX_DEVICES 19
#define VM_MAX_CPUS    64

/* FILES: a device's thread that acts on files of the host (it has an io_thread.enter). */
enum vm_thread { VM_THREAD_VCPU, VM_THREAD_DEVICE, VM_THREAD_FILES };

enum vm_end {
	VM_RUNNING,
	VM_POWER_OFF,	   /* the guest switched itself off */
	VM_RESET,	   /* the guest asked for a reboot */
	VM_TRIPLE_FAULT,   /* the guest crashed so hard that a CPU reset itself */
	VM_STOPPED,	   /* vm_stop() */
	VM_GUEST_ERROR,	   /* the guest did what no guest may, such as writing to read-only memory */
	VM_INTERNAL_ERROR, /* KVM gave up */
};

struct vm_exit {
	enum vm_end end;
	char detail[256]; /* for people; empty for the orderly ends */
};

struct vm_config {
	uint64_t mem_bytes;
	unsigned cpus;
	int kernel_fd;		/* borrowed until vm_start() returned */
	int initrd_fd;		/* the same; -1: none */
	const char *cmdline;	/* the same */
	int kvm_fd;		/* /dev/kvm, opened by somebody who may; duplicated. Only with has_kvm_fd, else it is opened here */
	bool has_kvm_fd;
	int early_console_fd;	/* borrowed; where a kernel's early serial output goes; -1: there is no such port */
	/* Called first in each thread of the VM, before any guest instruction runs. May be NULL. */
	int (*lockdown)(void *arg, enum vm_thread kind, struct err *err);
	void *lockdown_arg;
	/* The guest wrote a byte to the debug port, ns after vm_create(). In a vCPU's thread. May be NULL. */
	void (*on_stage)(void *arg, uint8_t stage, uint64_t ns);
	void *on_stage_arg;
};

struct vm {
	struct vm_config config;
	int kvm_fd, vm_fd;
	uint64_t created_ns;
	struct guest_mem mem;
	unsigned n_devices;
	struct virtio_dev *device[VM_MAX_DEVICES]; /* owned */
	struct vcpu vcpu[VM_MAX_CPUS];
	struct io_thread io; /* shared by the devices that have no thread of their own */
	uint64_t arch_entry;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned threads, ready; /* made, and through lockdown */
	unsigned parked;	 /* vCPUs that wait because of a pause */
	bool go, cancelled, paused;
	struct err start_err;
	struct vm_exit exit;
	int end_fd; /* eventfd, readable once the VM has ended: for poll() */
};

/* Check config, open KVM, make guest memory. */
int vm_create(const struct vm_config *config, struct vm **ret, struct err *err) MUST_CHECK;

/* Hand a device over (also on failure). Its queues that have no thread yet go to the shared one. */
int vm_add_device(struct vm *vm, struct virtio_dev *dev, struct err *err) MUST_CHECK;

int vm_start(struct vm *vm, struct err *err) MUST_CHECK;

/* Wait for the end of a started VM. */
void vm_wait(struct vm *vm, struct vm_exit *ret);

/* End the VM; any thread. The first reason stays. detail may be NULL. */
void vm_stop(struct vm *vm);
void vm_finish(struct vm *vm, enum vm_end end, const char *detail);

/* Stop every vCPU between two instructions, and let them go on. */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);

/* Stop, join every thread, release everything. NULL is fine. */
void vm_free(struct vm *vm);

/* For vcpu.c: a guest access to an address without memory. */
void vm_mmio(struct vm *vm, uint64_t gpa, bool write, uint8_t *data, uint32_t n);
/* For vcpu.c: lockdown, then wait for the start. False: the start was cancelled. */
bool vm_thread_enter(struct vm *vm, enum vm_thread kind);
/* For vcpu.c: true when the vCPU must end; waits here during a pause. */
bool vm_vcpu_must_end(struct vm *vm);

const char *vm_end_name(enum vm_end end);

#endif
