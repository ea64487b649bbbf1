/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_VCPU_H
#define BRIG_VM_MODE_VMM_VCPU_H

#include <pthread.h>

#include "runtime/base/err.h"

struct kvm_run;
struct vm;

struct vcpu {
	struct vm *vm; /* borrowed */
	unsigned index;
	int fd; /* owned */
	struct kvm_run *run; /* owned mapping of run_len bytes, or NULL */
	size_t run_len;
	pthread_t thread;
	bool running;
};

/* Make vCPU number index of vm and set its registers. On failure vcpu_done() is due all the same. */
int vcpu_init(struct vcpu *c, struct vm *vm, unsigned index, struct err *err) MUST_CHECK;
void vcpu_done(struct vcpu *c);

/* Make its thread, which waits for the VM's start. */
int vcpu_start(struct vcpu *c, struct err *err) MUST_CHECK;

/* Get it out of the guest soon; it then looks at the VM's state. Any thread. */
void vcpu_kick(struct vcpu *c);

#endif
