/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_DEFAULT_SECCOMP_H
#define BRIG_RUNTIME_CLI_DEFAULT_SECCOMP_H

#include "runtime/base/json.h"

/*
 * DOC: the default seccomp profile
 *
 * An allow-list: what programs ordinarily need is allowed, what reaches the kernel's administration is allowed only with the
 * capability that the kernel itself asks for, and the rest fails with EPERM. Syscalls that libc tries and falls back from
 * (clone3 with flags out of the filter's sight) fail with ENOSYS, as do syscalls that are newer than the whole list (seccomp_enosys.c).
 * Rules on arguments: personality(2) knows the harmless personas only, clone(2) makes no namespaces and socket(2) no AF_VSOCK
 * without CAP_SYS_ADMIN.
 */

/* Write the value of linux.seccomp. caps: the names of the bounding set ("CAP_CHOWN", ...), NULL-terminated; kernel: the
 * running one, as major << 16 | minor (default_seccomp_kernel()). */
void default_seccomp_json(struct json_writer *w, const char *const *caps, unsigned kernel);
unsigned default_seccomp_kernel(void);

/* What the profile says of a syscall, for tests and `brig info`. */
enum default_seccomp_class {
	DEFAULT_SECCOMP_UNKNOWN,  /* not listed: EPERM, by nobody's decision */
	DEFAULT_SECCOMP_ALLOWED,  /* always */
	DEFAULT_SECCOMP_ARGS,	  /* with certain arguments, or from a kernel version on */
	DEFAULT_SECCOMP_CAP,	  /* with a capability */
	DEFAULT_SECCOMP_DENIED,	  /* listed as denied, with a reason */
};
enum default_seccomp_class default_seccomp_classify(const char *syscall);

#endif
