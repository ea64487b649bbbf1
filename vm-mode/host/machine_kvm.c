/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/jail.h"
#include "vm-mode/machine.h"
#include "vm-mode/protocol/protocol.h"
#include "vm-mode/virtio/balloon.h"
#include "vm-mode/virtio/console.h"
#include "vm-mode/virtio/fs.h"
#include "vm-mode/virtio/net.h"
#include "vm-mode/virtio/rng.h"
#include "vm-mode/vmm/vm.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * DOC: the machine under KVM
 *
 * brig's own monitor, in threads of this process: a vCPU each, one for virtio-fs, one for the quiet devices. The agent's port and the
 * console are ends of socket pairs; the loop of the process has the others. Everything is made in prepare(), but for the threads:
 * each of them installs its system call filter, and only then the first guest instruction runs.
 */
struct kvm_machine {
	struct machine m;
	struct vm *vm;
	struct virtio_dev *balloon; /* the vm's */
	char *cmdline;
	uint64_t mem_bytes;
	int port_fd, console_fd; /* the monitor's ends */
};

static int lockdown(void *arg, enum vm_thread kind, struct err *err)
{
	static const enum jail_kind kinds[] = { [VM_THREAD_VCPU] = JAIL_VCPU, [VM_THREAD_DEVICE] = JAIL_DEVICE, [VM_THREAD_FILES] = JAIL_FILES };

	(void)arg;
	return jail_thread(kinds[kind], err);
}

static int add(struct vm *vm, struct virtio_dev *const *dev, int r, struct err *err)
{
	return r < 0 ? r : vm_add_device(vm, *dev, err);
}

static int add_console(struct kvm_machine *k, struct err *err)
{
	struct console_port_config ports[2] = {
		{ .in_fd = -1, .out_fd = k->console_fd, .console = true },
		{ .name = PROTO_PORT, .in_fd = k->port_fd, .out_fd = k->port_fd },
	};
	struct virtio_dev *dev;

	return add(k->vm, &dev, console_new(&k->vm->mem, ports, 2, &dev, err), err);
}

static int add_fs(struct kvm_machine *k, const struct machine_config *c, struct err *err)
{
	struct fs_config config = { .tag = PROTO_SHARE, .root_fd = c->export_fd, .cache = FS_CACHE_AUTO };
	struct virtio_dev *dev;

	return add(k->vm, &dev, fs_new(&k->vm->mem, &config, &dev, err), err);
}

static int add_nic(struct kvm_machine *k, const struct machine_nic *nic, struct err *err)
{
	struct net_config config = { .tap_fd = nic->tap_fd, .mtu = nic->mtu };
	struct virtio_dev *dev;

	memcpy(config.mac, nic->mac, sizeof(config.mac));
	return add(k->vm, &dev, net_new(&k->vm->mem, &config, &dev, err), err);
}

static int add_devices(struct kvm_machine *k, const struct machine_config *c, struct err *err)
{
	struct virtio_dev *dev;
	int r = add_console(k, err);

	if (r >= 0)
		r = add_fs(k, c, err);
	if (r >= 0)
		r = add(k->vm, &dev, rng_new(&k->vm->mem, &dev, err), err);
	if (r >= 0) {
		r = balloon_new(&k->vm->mem, &k->balloon, err);
		r = add(k->vm, &k->balloon, r, err);
	}
	for (size_t i = 0; i < c->n_nics && r >= 0; i++)
		r = add_nic(k, &c->nics[i], err);
	return r;
}

static int pair(int *ours, int *theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	*ours = fds[0];
	*theirs = fds[1];
	return 0;
}

static int build(struct kvm_machine *k, const struct machine_config *c, struct err *err)
{
	struct vm_config config = {
		.mem_bytes = c->mem_bytes,
		.cpus = c->vcpus,
		.kernel_fd = c->kernel_fd,
		.initrd_fd = c->initrd_fd,
		.lockdown = lockdown,
		.kvm_fd = c->kvm_fd,
		.has_kvm_fd = c->kvm_fd >= 0,
	};
	int r = pair(&k->m.agent_fd, &k->port_fd);

	if (r >= 0)
		r = pair(&k->m.log_fd, &k->console_fd);
	if (r < 0)
		return err_sys(err, r, "socketpair");
	config.early_console_fd = c->debug ? k->console_fd : -1;
	k->mem_bytes = c->mem_bytes;
	k->cmdline = xasprintf("console=hvc0 %s panic=-1 reboot=k random.trust_cpu=on cryptomgr.notests no_timer_check",
			       c->debug ? "earlyprintk=serial,ttyS0 loglevel=7" : "quiet loglevel=1");
	config.cmdline = k->cmdline;
	r = vm_create(&config, &k->vm, err);
	if (r < 0)
		return r;
	k->m.event_fd = k->vm->end_fd;
	return add_devices(k, c, err);
}

static int kvm_run(struct machine *m, struct err *err)
{
	struct kvm_machine *k = (struct kvm_machine *)m;

	return vm_start(k->vm, err);
}

static void kvm_event(struct machine *m)
{
	struct kvm_machine *k = (struct kvm_machine *)m;
	struct vm_exit end;

	if (m->ended || __atomic_load_n(&k->vm->exit.end, __ATOMIC_SEQ_CST) == VM_RUNNING)
		return;
	vm_wait(k->vm, &end);
	m->ended = true;
	if (end.end != VM_POWER_OFF && end.end != VM_STOPPED)
		snprintf(m->end, sizeof(m->end), "%s%s%.200s", vm_end_name(end.end), end.detail[0] ? ": " : "", end.detail);
}

static void kvm_stop(struct machine *m)
{
	struct kvm_machine *k = (struct kvm_machine *)m;

	if (k->vm)
		vm_stop(k->vm);
	m->ended = true;
}

static void kvm_balloon(struct machine *m, uint64_t guest_bytes)
{
	struct kvm_machine *k = (struct kvm_machine *)m;

	if (guest_bytes < k->mem_bytes)
		balloon_set_target(k->balloon, k->mem_bytes - guest_bytes);
	else
		balloon_set_target(k->balloon, 0);
}

static void kvm_free(struct machine *m)
{
	struct kvm_machine *k = (struct kvm_machine *)m;

	vm_free(k->vm);
	free(k->cmdline);
	fd_close(&k->port_fd);
	fd_close(&k->console_fd);
	fd_close(&m->agent_fd);
	fd_close(&m->log_fd);
	free(k);
}

static const struct machine_ops kvm_ops = {
	.run = kvm_run,
	.event = kvm_event,
	.stop = kvm_stop,
	.balloon = kvm_balloon,
	.free = kvm_free,
};

int machine_kvm_prepare(const struct machine_config *c, struct machine **ret, struct err *err)
{
	struct kvm_machine *k = xcalloc(1, sizeof(*k));
	int r;

	k->m = (struct machine){ .ops = &kvm_ops, .agent_fd = -1, .event_fd = -1, .log_fd = -1 };
	k->port_fd = k->console_fd = -1;
	r = build(k, c, err);
	if (r < 0) {
		kvm_free(&k->m);
		return r;
	}
	*ret = &k->m;
	return 0;
}
