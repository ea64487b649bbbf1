/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_SECCOMP_PROG_H
#define BRIG_RUNTIME_SECCOMP_PROG_H

#include "runtime/base/attr.h"

struct sock_filter;

/* A compiled filter, ready for seccomp(SECCOMP_SET_MODE_FILTER). */
struct seccomp_prog {
	struct sock_filter *v; /* owned, heap; NULL: no filter */
	size_t n;
	uint32_t flags; /* SECCOMP_FILTER_FLAG_*; NEW_LISTENER is added by the one who loads it */
	bool notify;    /* it has a SCMP_ACT_NOTIFY rule: loading gives a listener fd */
};
void seccomp_prog_done(struct seccomp_prog *p);

/* seccomp.bpf files: a header, then the instructions. */
int seccomp_prog_save(const struct seccomp_prog *p, int dir_fd, const char *name) MUST_CHECK;
int seccomp_prog_load(struct seccomp_prog *ret, int dir_fd, const char *name) MUST_CHECK;

#endif
