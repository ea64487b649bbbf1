/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VMM_PROBE_X86_H
#define BRIG_VM_MODE_VMM_PROBE_X86_H

#include "runtime/base/err.h"

/*
 * Can this host's KVM run a stock kernel? That /dev/kvm is there does not say so: a software KVM may emulate ring 0 and know
 * half of its instructions. So a small guest executes what kernels cannot do without (16-byte compare-and-exchange, XSAVE
 * and XRSTOR, MSRs and swapgs, an exception and its return, page table switches, the way to ring 3 and back by syscall
 * and interrupt). Takes about a millisecond.
 *
 * Returns 0 when all of it worked; else -errno, and err says which step failed.
 */
int probe_kvm(struct err *err) MUST_CHECK;

#endif
