/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/jail.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A file server acts as each user of the guest, on files of each of them. */
#define FILE_SERVER                                                                                                              \
	(1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID | 1ull << CAP_SETGID |           \
	 1ull << CAP_SETUID | 1ull << CAP_MKNOD | 1ull << CAP_SETFCAP)
/* QEMU runs as another user. */
#define PARENT_OF_OTHERS (1ull << CAP_KILL)

static int set_caps(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int jail_enter(enum vm_accel accel, struct err *err)
{
	uint64_t keep = accel == VM_ACCEL_KVM ? FILE_SERVER : PARENT_OF_OTHERS;
	int r;

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* there are none, or no such kernel */
	for (int cap = 0; cap < 64; cap++)
		if (!(keep & 1ull << cap))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL: the kernel knows no such capability */
	r = set_caps(keep);
	if (r < 0)
		return err_sys(err, r, "drop capabilities");
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? err_sys(err, -errno, "set no_new_privs") : 0;
}
