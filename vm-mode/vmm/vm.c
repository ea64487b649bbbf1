/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "vm-mode/virtio/mmio.h"
#include "vm-mode/vmm/arch_x86.h"
#include "vm-mode/vmm/kvm.h"

#define NOTIFY_OFFSET 0x50U

static const char *const end_names[] = {
	[VM_RUNNING] = "running",
	[VM_POWER_OFF] = "power-off",
	[VM_RESET] = "reset",
	[VM_TRIPLE_FAULT] = "triple-fault",
	[VM_STOPPED] = "stopped",
	[VM_GUEST_ERROR] = "guest-error",
	[VM_INTERNAL_ERROR] = "internal-error",
};

const char *vm_end_name(enum vm_end end)
{
	return end_names[end];
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int create(struct vm *vm, struct err *err)
{
	int r = guest_mem_init(&vm->mem, vm->config.mem_bytes, err);

	if (r < 0)
		return r;
	vm->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->end_fd < 0)
		return err_sys(err, -errno, "make an eventfd");
	r = io_thread_init(&vm->io, "vm-io", err);
	if (r < 0)
		return r;
	vm->kvm_fd = vm->config.has_kvm_fd ? kvm_adopt(vm->config.kvm_fd, err) : kvm_open(err);
	if (vm->kvm_fd < 0)
		return vm->kvm_fd;
	do
		vm->vm_fd = kvm_ioctl_num(vm->kvm_fd, KVM_CREATE_VM, 0);
	while (vm->vm_fd == -EINTR);
	return vm->vm_fd < 0 ? err_sys(err, vm->vm_fd, "make a virtual machine") : 0;
}

int vm_create(const struct vm_config *config, struct vm **ret, struct err *err)
{
	struct vm *vm;
	int r;

	if (!config->cpus || config->cpus > VM_MAX_CPUS)
		return err_set(err, EINVAL, "%u vCPUs: 1 to %d are supported", config->cpus, VM_MAX_CPUS);
	vm = xcalloc(1, sizeof(*vm));
	vm->config = *config;
	vm->created_ns = now_ns();
	vm->kvm_fd = vm->vm_fd = vm->end_fd = -1;
	(void)pthread_mutex_init(&vm->lock, NULL);
	(void)pthread_cond_init(&vm->changed, NULL);
	r = create(vm, err);
	if (r < 0) {
		vm_free(vm);
		return r;
	}
	*ret = vm;
	return 0;
}

int vm_add_device(struct vm *vm, struct virtio_dev *dev, struct err *err)
{
	unsigned i = vm->n_devices;

	if (i == VM_MAX_DEVICES) {
		virtio_dev_destroy(dev);
		return err_set(err, ENOSPC, "a virtual machine has at most %d devices", VM_MAX_DEVICES);
	}
	vm->device[vm->n_devices++] = dev;
	dev->mmio_gpa = arch_mmio_base(i);
	dev->gsi = arch_gsi(i);
	for (unsigned k = 0; k < dev->n_queues; k++) {
		int r = dev->queue[k].thread ? 0 : virtio_queue_attach(dev, k, &vm->io, err);

		if (r < 0)
			return r;
	}
	return dev->ops->attach ? dev->ops->attach(dev, &vm->io, err) : 0;
}

static int add_memslots(struct vm *vm, struct err *err)
{
	for (unsigned i = 0; i < vm->mem.n; i++) {
		const struct mem_region *g = &vm->mem.region[i];
		int r = kvm_set_memslot(vm->vm_fd, i, g->gpa, g->size, g->hva,
					g->kind == MEM_DEVICE_READONLY ? KVM_MEM_READONLY : 0);

		if (r < 0)
			return err_sys(err, r, "give memory at 0x%llx to the guest", (unsigned long long)g->gpa);
	}
	return 0;
}

static int wire_device(struct vm *vm, const struct virtio_dev *dev, struct err *err)
{
	int r;

	for (unsigned i = 0; i < dev->n_queues; i++) {
		r = kvm_add_ioeventfd(vm->vm_fd, dev->queue[i].kick_fd, dev->mmio_gpa + NOTIFY_OFFSET, i);
		if (r < 0)
			return err_sys(err, r, "%s: tie queue %u to an eventfd", dev->ops->name, i);
	}
	r = kvm_add_irqfd(vm->vm_fd, dev->irq_fd, dev->gsi);
	return r < 0 ? err_sys(err, r, "%s: tie interrupt %u to an eventfd", dev->ops->name, dev->gsi) : 0;
}

static int build(struct vm *vm, struct err *err)
{
	int r = arch_load(vm, err);

	if (r == 0)
		r = add_memslots(vm, err);
	if (r == 0)
		r = arch_create_irqchip(vm, err);
	for (unsigned i = 0; i < vm->config.cpus && r == 0; i++)
		r = vcpu_init(&vm->vcpu[i], vm, i, err);
	for (unsigned i = 0; i < vm->n_devices && r == 0; i++)
		r = wire_device(vm, vm->device[i], err);
	return r;
}

bool vm_thread_enter(struct vm *vm, enum vm_thread kind)
{
	struct err err = { 0 };
	int r = vm->config.lockdown ? vm->config.lockdown(vm->config.lockdown_arg, kind, &err) : 0;
	bool go;

	pthread_mutex_lock(&vm->lock);
	if (r < 0 && !vm->cancelled) {
		vm->start_err = err;
		vm->cancelled = true;
	}
	vm->ready++;
	(void)pthread_cond_broadcast(&vm->changed);
	while (!vm->go && !vm->cancelled)
		(void)pthread_cond_wait(&vm->changed, &vm->lock);
	go = vm->go;
	pthread_mutex_unlock(&vm->lock);
	return go;
}

struct io_start {
	struct vm *vm;
	struct io_thread *t;
};

static void *io_main(void *arg)
{
	struct io_start start = *(struct io_start *)arg;
	struct err err = { 0 };
	int r = 0;

	free(arg);
	(void)pthread_setname_np(pthread_self(), start.t->name);
	if (start.t->enter)
		r = start.t->enter(start.t->enter_arg, &err);
	if (r < 0) {
		pthread_mutex_lock(&start.vm->lock);
		if (!start.vm->cancelled)
			start.vm->start_err = err;
		start.vm->cancelled = true;
		pthread_mutex_unlock(&start.vm->lock);
	}
	if (vm_thread_enter(start.vm, start.t->enter ? VM_THREAD_FILES : VM_THREAD_DEVICE))
		io_thread_loop(start.t);
	return NULL;
}

static int start_io(struct vm *vm, struct io_thread *t, struct err *err)
{
	struct io_start *start = xcalloc(1, sizeof(*start));
	sigset_t all, old;
	int r;

	*start = (struct io_start){ .vm = vm, .t = t };
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGBUS);
	(void)sigdelset(&all, SIGSEGV);
	(void)sigdelset(&all, SIGSYS);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t->thread, NULL, io_main, start);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r) {
		free(start);
		return err_sys(err, -r, "make the thread '%s'", t->name);
	}
	t->running = true;
	vm->threads++;
	return 0;
}

static int start_threads(struct vm *vm, struct err *err)
{
	int r = start_io(vm, &vm->io, err);

	for (unsigned i = 0; i < vm->n_devices && r == 0; i++)
		for (unsigned k = 0; k < vm->device[i]->n_threads && r == 0; k++)
			r = start_io(vm, &vm->device[i]->threads[k], err);
	for (unsigned i = 0; i < vm->config.cpus && r == 0; i++) {
		r = vcpu_start(&vm->vcpu[i], err);
		vm->threads += r == 0;
	}
	return r;
}

static void cancel(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->cancelled = true;
	(void)pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

int vm_start(struct vm *vm, struct err *err)
{
	int r = build(vm, err);

	if (r == 0)
		r = start_threads(vm, err);
	if (r < 0) {
		cancel(vm);
		return r;
	}
	pthread_mutex_lock(&vm->lock);
	while (vm->ready < vm->threads && !vm->cancelled)
		(void)pthread_cond_wait(&vm->changed, &vm->lock);
	if (vm->cancelled) {
		r = -vm->start_err.code;
		if (err)
			*err = vm->start_err;
	} else {
		vm->go = true;
	}
	(void)pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static void kick_all(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vcpu_kick(&vm->vcpu[i]);
}

void vm_finish(struct vm *vm, enum vm_end end, const char *detail)
{
	uint64_t one = 1;

	pthread_mutex_lock(&vm->lock);
	if (vm->exit.end == VM_RUNNING) {
		snprintf(vm->exit.detail, sizeof(vm->exit.detail), "%s", detail ? detail : "");
		__atomic_store_n(&vm->exit.end, end, __ATOMIC_SEQ_CST);
		if (write(vm->end_fd, &one, sizeof(one)) < 0)
			vm->exit.detail[0] = '\0';
	}
	(void)pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	kick_all(vm);
}

void vm_stop(struct vm *vm)
{
	vm_finish(vm, VM_STOPPED, NULL);
}

void vm_wait(struct vm *vm, struct vm_exit *ret)
{
	pthread_mutex_lock(&vm->lock);
	while (vm->exit.end == VM_RUNNING)
		(void)pthread_cond_wait(&vm->changed, &vm->lock);
	*ret = vm->exit;
	pthread_mutex_unlock(&vm->lock);
}

bool vm_vcpu_must_end(struct vm *vm)
{
	if (__atomic_load_n(&vm->exit.end, __ATOMIC_SEQ_CST) != VM_RUNNING)
		return true;
	if (!__atomic_load_n(&vm->paused, __ATOMIC_SEQ_CST))
		return false;
	pthread_mutex_lock(&vm->lock);
	vm->parked++;
	(void)pthread_cond_broadcast(&vm->changed);
	while (vm->paused && vm->exit.end == VM_RUNNING)
		(void)pthread_cond_wait(&vm->changed, &vm->lock);
	vm->parked--;
	pthread_mutex_unlock(&vm->lock);
	return __atomic_load_n(&vm->exit.end, __ATOMIC_SEQ_CST) != VM_RUNNING;
}

void vm_pause(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	__atomic_store_n(&vm->paused, true, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&vm->lock);
	kick_all(vm);
	pthread_mutex_lock(&vm->lock);
	while (vm->paused && vm->parked < vm->config.cpus && vm->exit.end == VM_RUNNING)
		(void)pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

void vm_resume(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	__atomic_store_n(&vm->paused, false, __ATOMIC_SEQ_CST);
	(void)pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

void vm_mmio(struct vm *vm, uint64_t gpa, bool write, uint8_t *data, uint32_t n)
{
	uint64_t offset = gpa - arch_mmio_base(0);
	struct mem_span s;

	if (offset < (uint64_t)vm->n_devices * VIRTIO_MMIO_SIZE) {
		struct virtio_dev *dev = vm->device[offset / VIRTIO_MMIO_SIZE];
		uint32_t at = (uint32_t)(offset % VIRTIO_MMIO_SIZE);

		if (write)
			virtio_mmio_write(dev, at, data, n);
		else
			virtio_mmio_read(dev, at, data, n);
		return;
	}
	/* A write to memory comes here only when the memory is read-only for the guest. */
	if (write && guest_mem_span(&vm->mem, gpa, n, MEM_READ, &s) == 0)
		vm_finish(vm, VM_GUEST_ERROR, "the guest wrote to read-only memory");
	else if (!write)
		memset(data, 0xff, n);
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	cancel(vm);
	vm_stop(vm);
	for (unsigned i = 0; i < vm->config.cpus; i++)
		vcpu_done(&vm->vcpu[i]);
	for (unsigned i = 0; i < vm->n_devices; i++)
		for (unsigned k = 0; k < vm->device[i]->n_threads; k++)
			io_thread_done(&vm->device[i]->threads[k]);
	io_thread_done(&vm->io);
	for (unsigned i = 0; i < vm->n_devices; i++)
		virtio_dev_destroy(vm->device[i]);
	fd_close(&vm->vm_fd);
	fd_close(&vm->kvm_fd);
	fd_close(&vm->end_fd);
	guest_mem_done(&vm->mem);
	(void)pthread_mutex_destroy(&vm->lock);
	(void)pthread_cond_destroy(&vm->changed);
	free(vm);
}
