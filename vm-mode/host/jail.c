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
#define NOBODY 65534

static int set_caps(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Of this thread alone, which the C library's functions are not. A change of ids makes the process undumpable: it stays what it was. */
static int become_nobody(struct err *err)
{
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

	(void)syscall(SYS_setgroups, 0, NULL); /* refused where the user namespace has denied it */
	if (syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL && errno != EPERM)
		return err_sys(err, -errno, "become group nobody");
	if (syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL && errno != EPERM)
		return err_sys(err, -errno, "become user nobody");
	if (dumpable == 1)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

static int drop_all(struct err *err)
{
	int r = become_nobody(err);

	if (r < 0)
		return r;
	r = set_caps(0);
	return r < 0 ? err_sys(err, r, "drop capabilities") : 0;
}

int jail_enter(enum vm_accel accel, struct err *err)
{
	uint64_t keep = accel == VM_ACCEL_KVM ? FILE_SERVER : 0;
	int r;

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* there are none, or no such kernel */
	for (int cap = 0; cap < 64; cap++)
		if (!(keep & 1ull << cap))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL: the kernel knows no such capability */
	r = keep ? set_caps(keep) : drop_all(err);
	if (r < 0)
		return keep ? err_sys(err, r, "drop capabilities") : r;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? err_sys(err, -errno, "set no_new_privs") : 0;
}

int jail_thread(enum jail_kind kind, struct err *err)
{
	int r = kind == JAIL_FILES ? 0 : drop_all(err);

	return r < 0 ? r : jail_filter(kind, err);
}
