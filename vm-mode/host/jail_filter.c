/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/jail.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

/*
 * DOC: system calls of the monitor's threads
 *
 * What each kind of thread calls, by reading its code (vm-mode/vmm, vm-mode/virtio, vm-mode/host/keeper.c) and what glibc does for it;
 * everything else kills the process. ioctl is allowed by its request.
 */
#define COMMON                                                                                                             \
	SYS_read, SYS_write, SYS_close, SYS_futex, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_restart_syscall, SYS_exit,     \
		SYS_exit_group, SYS_madvise, SYS_munmap, SYS_mmap, SYS_mprotect, SYS_tgkill, SYS_getpid, SYS_gettid,        \
		SYS_sched_yield, SYS_clock_gettime, SYS_epoll_ctl, SYS_fcntl

static const long vcpu_calls[] = { COMMON };
/* A device is activated by the vCPU that writes DRIVER_OK: virtio-net then tells its tap what the driver understands. */
static const unsigned long vcpu_ioctls[] = { KVM_RUN, KVM_GET_REGS, KVM_GET_SREGS, TUNSETOFFLOAD };

#define DEVICE COMMON, SYS_epoll_wait, SYS_epoll_pwait, SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev, SYS_pread64, SYS_pwrite64, SYS_getrandom

static const long device_calls[] = { DEVICE };

static const long files_calls[] = {
	DEVICE,
	SYS_openat, SYS_open, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_readlinkat, SYS_mkdirat, SYS_mknodat,
	SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_renameat2, SYS_fchmodat, SYS_fchmod, SYS_fchownat, SYS_utimensat, SYS_ftruncate,
	SYS_fallocate, SYS_copy_file_range, SYS_lseek, SYS_fsync, SYS_fdatasync, SYS_syncfs, SYS_flock, SYS_getdents64, SYS_getxattr,
	SYS_setxattr, SYS_listxattr, SYS_removexattr, SYS_fgetxattr, SYS_fsetxattr, SYS_flistxattr, SYS_fremovexattr, SYS_lgetxattr,
	SYS_lsetxattr, SYS_llistxattr, SYS_lremovexattr, SYS_setfsuid, SYS_setfsgid, SYS_capget, SYS_capset, SYS_umask,
};

static const long control_calls[] = {
	COMMON, SYS_poll, SYS_ppoll, SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg, SYS_accept4, SYS_getrandom, SYS_brk, SYS_mremap,
	SYS_writev, SYS_fstat, SYS_newfstatat, SYS_lseek, SYS_wait4, SYS_waitid, SYS_kill, SYS_signalfd4, SYS_rt_sigaction,
	SYS_nanosleep, SYS_clock_nanosleep,
};
static const unsigned long control_ioctls[] = { TIOCGWINSZ };

static const struct {
	const long *calls;
	size_t n_calls;
	const unsigned long *ioctls;
	size_t n_ioctls;
} lists[] = {
	[JAIL_VCPU] = { vcpu_calls, ARRAY_SIZE(vcpu_calls), vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls) },
	[JAIL_DEVICE] = { device_calls, ARRAY_SIZE(device_calls), NULL, 0 },
	[JAIL_FILES] = { files_calls, ARRAY_SIZE(files_calls), NULL, 0 },
	[JAIL_CONTROL] = { control_calls, ARRAY_SIZE(control_calls), control_ioctls, ARRAY_SIZE(control_ioctls) },
};

#define MAX_CODE 256
#define ALLOW	 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

struct code {
	struct sock_filter v[MAX_CODE];
	unsigned short n;
};

static void put(struct code *c, struct sock_filter f)
{
	if (c->n < MAX_CODE)
		c->v[c->n++] = f;
}

/* If the accumulator is k: allow. */
static void allow_if(struct code *c, uint32_t k)
{
	put(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1));
	put(c, (struct sock_filter)ALLOW);
}

static void build(struct code *c, enum jail_kind kind)
{
	unsigned char skip = (unsigned char)(1 + 2 * lists[kind].n_ioctls + 1);

	put(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
	put(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	put(c, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	put(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	/* ioctl: by the low half of its request, which is all of it that the kernel looks at */
	put(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, skip));
	put(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])));
	for (size_t i = 0; i < lists[kind].n_ioctls; i++)
		allow_if(c, (uint32_t)lists[kind].ioctls[i]);
	put(c, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	for (size_t i = 0; i < lists[kind].n_calls; i++)
		allow_if(c, (uint32_t)lists[kind].calls[i]);
	put(c, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

int jail_filter(enum jail_kind kind, struct err *err)
{
	struct code c = { .n = 0 };
	struct sock_fprog prog = { .filter = c.v };

	build(&c, kind);
	prog.len = c.n;
	if (c.n == MAX_CODE)
		return err_set(err, E2BIG, "the system call filter is too long");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return err_sys(err, -errno, "install the system call filter of a monitor's thread");
	return 0;
}
