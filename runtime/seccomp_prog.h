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

/* seccomp.bpf files: a header, then the instructions. Save needs a program that is not empty. Load: -EBADMSG when the file is
 * damaged, -EPERM when it belongs to somebody else or others may write it. */
int seccomp_prog_save(const struct seccomp_prog *p, int dir_fd, const char *name) MUST_CHECK;
int seccomp_prog_load(struct seccomp_prog *ret, int dir_fd, const char *name) MUST_CHECK;

/* The same with a key of the caller's, kept in the file and compared whole: -ENOENT when it is another one. */
#define SECCOMP_PROG_MAX_KEY (1u << 20)
int seccomp_prog_save_keyed(const struct seccomp_prog *p, int dir_fd, const char *name, const void *key, size_t key_len) MUST_CHECK;
int seccomp_prog_load_keyed(struct seccomp_prog *ret, int dir_fd, const char *name, const void *key, size_t key_len) MUST_CHECK;

/* FNV-1a: for file names and against damage, not against malice. */
uint64_t seccomp_prog_hash(const void *data, size_t n);

#endif
