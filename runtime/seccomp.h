/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_SECCOMP_H
#define BRIG_RUNTIME_SECCOMP_H

#include "runtime/base/err.h"
#include "runtime/seccomp_prog.h"
#include "runtime/spec.h"

/*
 * Compile linux.seccomp with libseccomp into BPF, in the parent, so that neither memory nor time is the container's.
 * Unknown syscall names are skipped (debug log), or an error with the annotation run.oci.seccomp_fail_unknown_syscall (any
 * value but "0"). Without architectures the filter is for the native one; with some, for these and the native one. Without
 * flags SECCOMP_FILTER_FLAG_SPEC_ALLOW is set, an empty list means none. Of two conditions on one argument either is enough,
 * as engines' profiles expect; conditions on several arguments must all hold. Syscalls newer than any that the profile names get ENOSYS in place of the
 * default action when that is an errno or kill action, so that libc fall-backs work. Actions with an errno that cannot
 * carry one are refused. ret is empty when s is not set.
 */
int seccomp_compile(const struct spec_seccomp *s, const struct kvlist *annotations, struct seccomp_prog *ret, struct err *err) MUST_CHECK;

/* The same, through a cache: at most 64 files below cache_dir_fd (writable by its owner only), keyed by the profile,
 * libseccomp's version and the kernel release; the key is compared whole, so two profiles are never mixed up. A damaged entry
 * is ignored and rewritten; a cache that cannot be written is a debug message. cache_dir_fd < 0: no cache. */
int seccomp_compile_cached(const struct spec_seccomp *s, const struct kvlist *annotations, int cache_dir_fd, struct seccomp_prog *ret,
			   struct err *err) MUST_CHECK;

/* runtime-spec "The Container Process State": connect to path, send the JSON with notify_fd, close. */
int seccomp_send_listener(const char *path, int notify_fd, const char *process_state, size_t n, struct err *err) MUST_CHECK;

#endif
