/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_SECCOMP_INTERNAL_H
#define BRIG_RUNTIME_SECCOMP_INTERNAL_H

#include "runtime/seccomp.h"

/* What seccomp*.c share; nobody else includes it. */

#define SECCOMP_MAX_ARCHS 32

/* The architectures that a filter is for, as SCMP_ARCH_* tokens: the native one first, none twice. Returns how many. */
size_t seccomp_archs(const struct spec_seccomp *s, uint32_t archs[SECCOMP_MAX_ARCHS]);

/* seccomp_compile() before seccomp_shrink(): the program may be longer than the kernel takes. */
int seccomp_compile_long(const struct spec_seccomp *s, const struct kvlist *annotations, struct seccomp_prog *ret, struct err *err)
	MUST_CHECK;

/* True when the annotation asks for an error on unknown syscall names. */
bool seccomp_fails_on_unknown(const struct kvlist *annotations);

/* True when somebody will get the listener: listenerPath, or the annotation run.oci.seccomp.receiver. */
bool seccomp_has_listener(const struct spec_seccomp *s, const struct kvlist *annotations);

/*
 * DOC: ENOSYS for syscalls that the profile's author could not know
 *
 * A profile lists what is allowed; all else gets EPERM. For a syscall that was added to Linux after the profile was
 * written that is wrong: libc tries the new one and falls back on ENOSYS only, so on EPERM programs break (clone3,
 * faccessat2). "Newer" means: its number is above every number that the profile names, in that architecture. A few
 * instructions before libseccomp's own program do this. Only jumps, loads of nr and arch, and returns are used, so that
 * the kernel still sees which syscalls are always allowed and does not run the filter for them at all (since 5.11).
 *
 * Writes the instructions to out (room for SECCOMP_STUB_MAX), which go before a program; returns how many, 0 when the
 * default action lets new syscalls pass or nothing is named.
 */
#define SECCOMP_STUB_MAX (1 + 7 * SECCOMP_MAX_ARCHS)
size_t seccomp_enosys_stub(const struct spec_seccomp *s, struct sock_filter *out);

/*
 * DOC: a shorter program
 *
 * Loading a filter takes the kernel time for each of its instructions (checking, translating, compiling). libseccomp's program has a
 * comparison for each syscall of each architecture; numbers that are treated alike lie side by side, though. So the program is
 * followed, for each architecture that it knows and for all others together, with one number out of every range that its comparisons
 * can tell apart, to where it returns or looks at an argument. That makes a list of spans of numbers, which is written as a binary
 * tree with shared ends: a quarter of the instructions, and the same answer for every number, architecture and argument.
 *
 * archs are those of seccomp_archs(). A program with instructions that are not understood stays as it is.
 */
void seccomp_shrink(struct seccomp_prog *p, const uint32_t *archs, size_t n_archs);

#endif
