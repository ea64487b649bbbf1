/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_SYS_H
#define BRIG_RUNTIME_BASE_SYS_H

#include "runtime/base/attr.h"

#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <time.h>

/*
 * DOC: the kernel seam
 *
 * One function for each kernel call that libc lacks or that needs a convention: returns the value or -errno, retries
 * EINTR where that is right, no logging, no struct err. Constants that old headers lack are defined here.
 */
struct clone_args;

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

/* clone3(2): 0 in the child, the pid in the parent. cgroup_fd < 0: none. A kernel or filter without clone3 gives -ENOSYS. */
int sys_clone3(uint64_t flags, int cgroup_fd, int *ret_pidfd) MUST_CHECK;
/* The same by clone(2); flags of clone(2) only, no cgroup. */
int sys_clone(uint64_t flags, int *ret_pidfd) MUST_CHECK;

int sys_openat2(int dir_fd, const char *path, const struct open_how *how) MUST_CHECK;
int sys_open_tree(int dir_fd, const char *path, unsigned flags) MUST_CHECK;
int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) MUST_CHECK;
int sys_mount_setattr(int dir_fd, const char *path, unsigned flags, struct mount_attr *attr) MUST_CHECK;
int sys_fsopen(const char *type, unsigned flags) MUST_CHECK;
int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux) MUST_CHECK;
int sys_fsmount(int fd, unsigned flags, unsigned attrs) MUST_CHECK;
int sys_pivot_root(const char *new_root, const char *put_old) MUST_CHECK;
int sys_pidfd_open(pid_t pid, unsigned flags) MUST_CHECK;
int sys_pidfd_send_signal(int pidfd, int sig) MUST_CHECK;
int sys_close_range(unsigned first, unsigned last, unsigned flags) MUST_CHECK;
int sys_execveat(int fd, const char *path, char *const argv[], char *const env[], int flags) MUST_CHECK;

/* The time of day by a system call: for one call the page faults of the vdso cost more. */
void sys_clock_now(struct timespec *ret);

/* waitid(P_PIDFD) for the exit; returns 0..255, 128 + signal when killed, or -errno. */
int sys_wait_pidfd(int pidfd) MUST_CHECK;
/* waitpid for one child, through EINTR. The same return. */
int sys_wait_pid(pid_t pid) MUST_CHECK;

/* All signals as the kernel has them at boot, none blocked, whatever the caller ignores or blocks: a shell's background job ignores
 * INT and QUIT, and a shell cannot catch what was ignored. For a new child, before it becomes the program. */
void sys_reset_signals(void);

/* Field 22 of /proc/PID/stat; -ESRCH when there is no such process or it is a zombie or dead. */
int sys_pid_start_time(pid_t pid, uint64_t *ret) MUST_CHECK;

#endif
