/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/default_seccomp.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#define KERNEL(major, minor) ((unsigned)(major) << 16 | (unsigned)(minor))

/* Names stand between single spaces. */

/* Work on files, memory, time, processes of one's own, sockets, signals: bounded by permissions, limits and namespaces. */
static const char allowed[] =
	"accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 "
	"clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect "
	"copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
	"epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate "
	"fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork "
	"fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 "
	"futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 "
	"getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 "
	"getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid "
	"getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents "
	"io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset "
	"landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr "
	"lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat "
	"mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	"mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep "
	"newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll "
	"ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read "
	"readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat "
	"rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
	"rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam "
	"sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
	"sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop "
	"semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 "
	"setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid "
	"setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat "
	"shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigpending sigprocmask sigreturn socketcall socketpair splice stat "
	"stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create "
	"timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime "
	"timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat utime "
	"utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev "
	/* what processors other than x86 have in their place, or besides */
	"arch_prctl arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush cachectl get_tls modify_ldt riscv_flush_icache "
	"riscv_hwprobe s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr set_tls sigaction signal sigsuspend "
	"subpage_prot swapcontext switch_endian sync_file_range2 sysmips nice readdir sgetmask ssetmask oldfstat oldlstat oldstat oldolduname "
	"olduname timerfd usr26 usr32 ";

/* The kernel asks for a capability, and a container that was given it is meant to use it. One of the names is enough. */
static const struct cap_rule {
	const char *caps, *names;
} cap_rules[] = {
	{ "CAP_DAC_READ_SEARCH", "open_by_handle_at " },
	{ "CAP_SYS_ADMIN", "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules "
			   "lsm_set_self_attr mount mount_setattr move_mount open_tree open_tree_attr perf_event_open pivot_root quotactl quotactl_fd "
			   "setdomainname sethostname setns syslog umount umount2 unshare " },
	{ "CAP_BPF", "bpf " },
	{ "CAP_PERFMON", "perf_event_open " },
	{ "CAP_SYSLOG", "syslog " },
	{ "CAP_SYS_BOOT", "reboot " },
	{ "CAP_SYS_CHROOT", "chroot " },
	{ "CAP_SYS_MODULE", "delete_module finit_module init_module " },
	{ "CAP_SYS_PACCT", "acct " },
	{ "CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace " },
	{ "CAP_SYS_RAWIO", "ioperm iopl " },
	{ "CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime " },
	{ "CAP_SYS_TTY_CONFIG", "vhangup " },
	{ "CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node " },
};

/* Denied whatever the capabilities are. Only the tests and people read these. */
static const struct denied {
	const char *why, *names;
} denied[] = {
	{ "keyrings are not divided among containers", "add_key keyctl request_key " },
	{ "replaces or halts the kernel", "kexec_file_load kexec_load " },
	{ "widens the kernel's attack surface far beyond what programs need; they fall back", "io_uring_enter io_uring_register io_uring_setup "
											    "userfaultfd " },
	{ "moves memory or tasks between nodes of the machine", "migrate_pages move_pages " },
	{ "the host's swap", "swapoff swapon " },
	{ "raw hardware", "pciconfig_iobase pciconfig_read pciconfig_write rtas s390_sthyi spu_create spu_run sys_debug_setcontext vm86 vm86old " },
	{ "obsolete or never there; libc falls back where it still asks",
	  "_sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx multiplexer nfsservctl prof profil "
	  "putpmsg query_module security stty sysfs tuxcall ulimit uselib ustat vserver " },
	{ "calls any other call, out of the filter's sight", "syscall " },
};

/* Personas that change how a program sees the machine, and nothing about safety: Linux, BSD-like 32 bit, and the question. */
static const uint64_t personas[] = { 0x0, 0x0008, 0x20000, 0x20008, 0xffffffff };

#define CLONE_NAMESPACES                                                                                              \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const char *const arches[] = {
#if defined(__x86_64__) || defined(__i386__)
	"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
#elif defined(__aarch64__) || defined(__arm__)
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
#elif defined(__s390x__)
	"SCMP_ARCH_S390X", "SCMP_ARCH_S390",
#elif defined(__powerpc64__)
	"SCMP_ARCH_PPC64LE",
#elif defined(__riscv)
	"SCMP_ARCH_RISCV64",
#endif
	NULL,
};

#ifdef __s390x__
#define CLONE_FLAGS_ARG 1 /* clone(2), "C library/kernel differences" */
#else
#define CLONE_FLAGS_ARG 0
#endif

static bool has(const char *const *caps, const char *cap)
{
	for (; caps && *caps; caps++)
		if (str_eq(*caps, cap))
			return true;
	return false;
}

static void put_names(struct json_writer *w, const char *names)
{
	json_key(w, "names");
	json_begin_array(w);
	for (const char *end; (end = strchr(names, ' ')) != NULL; names = end + 1) {
		AUTO_FREE char *name = xstrndup(names, (size_t)(end - names));

		json_string(w, name);
	}
	json_end_array(w);
}

static void put_allow(struct json_writer *w, const char *names)
{
	json_begin_object(w);
	put_names(w, names);
	json_kv_string(w, "action", "SCMP_ACT_ALLOW");
	json_end_object(w);
}

static void put_allow_arg(struct json_writer *w, const char *names, unsigned index, uint64_t value, uint64_t value_two, const char *op)
{
	json_begin_object(w);
	put_names(w, names);
	json_kv_string(w, "action", "SCMP_ACT_ALLOW");
	json_key(w, "args");
	json_begin_array(w);
	json_begin_object(w);
	json_kv_u64(w, "index", index);
	json_kv_u64(w, "value", value);
	json_kv_u64(w, "valueTwo", value_two);
	json_kv_string(w, "op", op);
	json_end_object(w);
	json_end_array(w);
	json_end_object(w);
}

static void put_errno(struct json_writer *w, const char *names, unsigned code)
{
	json_begin_object(w);
	put_names(w, names);
	json_kv_string(w, "action", "SCMP_ACT_ERRNO");
	json_kv_u64(w, "errnoRet", code);
	json_end_object(w);
}

static void put_rules(struct json_writer *w, const char *const *caps, unsigned kernel)
{
	put_allow(w, allowed);
	for (size_t i = 0; i < ARRAY_SIZE(cap_rules); i++)
		if (has(caps, cap_rules[i].caps))
			put_allow(w, cap_rules[i].names);
	for (size_t i = 0; i < ARRAY_SIZE(personas); i++)
		put_allow_arg(w, "personality ", 0, personas[i], 0, "SCMP_CMP_EQ");
	/* Sockets to the hypervisor are not divided by namespaces. */
	put_allow_arg(w, "socket ", 0, AF_VSOCK, 0, "SCMP_CMP_NE");
	/* Since 4.8 a tracer cannot slip a call past the filter any more (seccomp(2), "SECCOMP_RET_TRACE"). */
	if (kernel >= KERNEL(4, 8) && !has(caps, "CAP_SYS_PTRACE"))
		put_allow(w, "process_vm_readv process_vm_writev ptrace ");
	if (has(caps, "CAP_SYS_ADMIN"))
		return;
	put_allow_arg(w, "clone ", CLONE_FLAGS_ARG, CLONE_NAMESPACES, 0, "SCMP_CMP_MASKED_EQ");
	/* Its flags are in memory, where a filter cannot look: libc then takes clone. */
	put_errno(w, "clone3 ", ENOSYS);
}

void default_seccomp_json(struct json_writer *w, const char *const *caps, unsigned kernel)
{
	json_begin_object(w);
	json_kv_string(w, "defaultAction", "SCMP_ACT_ERRNO");
	json_kv_u64(w, "defaultErrnoRet", EPERM);
	json_key(w, "architectures");
	json_begin_array(w);
	for (size_t i = 0; arches[i]; i++)
		json_string(w, arches[i]);
	json_end_array(w);
	json_key(w, "syscalls");
	json_begin_array(w);
	put_rules(w, caps, kernel);
	json_end_array(w);
	json_end_object(w);
}

unsigned default_seccomp_kernel(void)
{
	struct utsname u;
	unsigned major, minor;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return 0;
	return KERNEL(major, minor);
}

static bool listed(const char *names, const char *name)
{
	size_t n = strlen(name);

	for (const char *end; (end = strchr(names, ' ')) != NULL; names = end + 1)
		if ((size_t)(end - names) == n && memcmp(names, name, n) == 0)
			return true;
	return false;
}

enum default_seccomp_class default_seccomp_classify(const char *syscall)
{
	if (listed(allowed, syscall))
		return DEFAULT_SECCOMP_ALLOWED;
	if (listed("clone clone3 personality ptrace process_vm_readv process_vm_writev socket ", syscall))
		return DEFAULT_SECCOMP_ARGS;
	for (size_t i = 0; i < ARRAY_SIZE(cap_rules); i++)
		if (listed(cap_rules[i].names, syscall))
			return DEFAULT_SECCOMP_CAP;
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++)
		if (listed(denied[i].names, syscall))
			return DEFAULT_SECCOMP_DENIED;
	return DEFAULT_SECCOMP_UNKNOWN;
}
