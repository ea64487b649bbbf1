/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_SECCOMP_H
#define BRIG_RUNTIME_SECCOMP_H

#include "runtime/base/err.h"
#include "runtime/seccomp_prog.h"
#include "runtime/spec.h"

/*
 * Compile linux.seccomp with libseccomp into BPF, in the parent, so that neither memory nor time is the container's.
 * Unknown syscall names are skipped (debug log). Syscalls newer than any that the profile names get ENOSYS in place of the
 * default action when that is an errno or kill action, so that libc fall-backs work. Actions with an errno that cannot
 * carry one are refused. ret is empty when s is not set.
 */
int seccomp_compile(const struct spec_seccomp *s, const struct kvlist *annotations, struct seccomp_prog *ret, struct err *err) MUST_CHECK;

/* The same, through a cache: DIR/HASH files below cache_dir_fd (root only), keyed by the profile, libseccomp's version and
 * the kernel release; a damaged entry is ignored and rewritten. cache_dir_fd < 0: no cache. */
int seccomp_compile_cached(const struct spec_seccomp *s, const struct kvlist *annotations, int cache_dir_fd, struct seccomp_prog *ret,
			   struct err *err) MUST_CHECK;

/* runtime-spec "The Container Process State": connect to path, send the JSON with notify_fd, close. */
int seccomp_send_listener(const char *path, int notify_fd, const char *process_state, size_t n, struct err *err) MUST_CHECK;

#endif
