/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/base/mem.h"

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

int kvm_ioctl_num(int fd, unsigned long request, unsigned long arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

int kvm_extension(int fd, unsigned long cap)
{
	int r = kvm_ioctl_num(fd, KVM_CHECK_EXTENSION, cap);

	return r < 0 ? 0 : r;
}

static const struct {
	unsigned long cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "USER_MEMORY" },
	{ KVM_CAP_READONLY_MEM, "READONLY_MEM" },
	{ KVM_CAP_IRQCHIP, "IRQCHIP" },
	{ KVM_CAP_IRQFD, "IRQFD" },
	{ KVM_CAP_IOEVENTFD, "IOEVENTFD" },
	{ KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR" },
	{ KVM_CAP_EXT_CPUID, "EXT_CPUID" },
	{ KVM_CAP_MP_STATE, "MP_STATE" },
	{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" },
};

static int check(int fd, struct err *err)
{
	int version = kvm_ioctl_num(fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return err_sys(err, version, "ask '/dev/kvm' for its version");
	if (version != KVM_API_VERSION)
		return err_set(err, ENOTSUP, "'/dev/kvm' has API version %d, not %d", version, KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (kvm_extension(fd, needed[i].cap) <= 0)
			return err_set(err, ENOTSUP, "'/dev/kvm' lacks the extension KVM_CAP_%s", needed[i].name);
	return 0;
}

int kvm_open(struct err *err)
{
	AUTO_CLOSE int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ENOENT, "there is no '/dev/kvm': virtualization is switched off, or kvm_intel or kvm_amd is not loaded");
	if (fd < 0 && errno == EACCES)
		return err_set(err, EACCES, "user %u may not open '/dev/kvm': its group may (usermod -aG kvm USER, and log in again)", geteuid());
	if (fd < 0)
		return err_sys(err, -errno, "open '/dev/kvm'");
	return check(fd, err) < 0 ? -err->code : TAKE_FD(fd);
}

int kvm_adopt(int given, struct err *err)
{
	AUTO_CLOSE int fd = fcntl(given, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_sys(err, -errno, "duplicate the descriptor of '/dev/kvm'");
	return check(fd, err) < 0 ? -err->code : TAKE_FD(fd);
}

int kvm_set_memslot(int vm_fd, uint32_t slot, uint64_t gpa, uint64_t size, const void *hva, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return kvm_ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

int kvm_add_ioeventfd(int vm_fd, int event_fd, uint64_t gpa, uint32_t value)
{
	struct kvm_ioeventfd ioevent = {
		.datamatch = value,
		.addr = gpa,
		.len = 4,
		.fd = event_fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return kvm_ioctl(vm_fd, KVM_IOEVENTFD, &ioevent);
}

int kvm_add_irqfd(int vm_fd, int event_fd, uint32_t gsi)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)event_fd, .gsi = gsi };

	return kvm_ioctl(vm_fd, KVM_IRQFD, &irqfd);
}
