/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_JAIL_H
#define BRIG_VM_MODE_HOST_JAIL_H

#include "runtime/base/err.h"
#include "vm-mode/host/settings.h"

/*
 * DOC: what the machine's process gives up before the guest's first instruction
 *
 * jail_enter() comes first, while there is one thread: capabilities that nothing needs leave the bounding set, and no program can
 * give new ones. Under KVM the file server's few remain, for its thread to inherit; where QEMU and virtiofsd are processes of their
 * own, this one becomes nobody without any. As nobody it may still signal QEMU, which is nobody, too, and ends virtiofsd by closing
 * its connection.
 *
 * jail_thread() comes once in each thread: all but the file server's become nobody with no capability, and each gets the system
 * call filter of its kind (jail_filter.c has the lists). The process's first thread is JAIL_CONTROL, so /proc/PID/status shows it so.
 * A user namespace that has no nobody keeps its root, which has no capability then.
 */
int jail_enter(enum vm_accel accel, struct err *err) MUST_CHECK;

enum jail_kind { JAIL_VCPU, JAIL_DEVICE, JAIL_FILES, JAIL_CONTROL };
int jail_thread(enum jail_kind kind, struct err *err) MUST_CHECK;
/* The second half of jail_thread(). Needs no_new_privs. */
int jail_filter(enum jail_kind kind, struct err *err) MUST_CHECK;

#endif
