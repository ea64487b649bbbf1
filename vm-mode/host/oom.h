/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_OOM_H
#define BRIG_VM_MODE_HOST_OOM_H

#include "runtime/container.h"

/* News of processes that the guest killed because memory was out: the limit that they met is the guest's, which the host's
 * cgroup does not see. A connection to the machine's process, which passes the guest's events to each of its clients. */
struct vm_oom;

struct vm_oom *vm_oom_open(struct container *c, struct err *err) MUST_CHECK; /* NULL: see err */
void vm_oom_free(struct vm_oom *);
/* Borrowed; readable when there is something to count, and at the machine's end. */
int vm_oom_fd(const struct vm_oom *);
/* Take the news. *ret: the kills since vm_oom_open(). -ESRCH when the machine has gone and all is told. */
int vm_oom_count(struct vm_oom *, uint64_t *ret) MUST_CHECK;

#endif
