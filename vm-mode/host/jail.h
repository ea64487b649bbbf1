/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_JAIL_H
#define BRIG_VM_MODE_HOST_JAIL_H

#include "runtime/base/err.h"
#include "vm-mode/host/settings.h"

/*
 * What the machine's process gives up before the guest's first instruction: every capability that its devices do not need (the
 * bounding set, too), and new privileges. Single-threaded; the threads that are made later inherit it.
 */
int jail_enter(enum vm_accel accel, struct err *err) MUST_CHECK;

/* The system call filter of one thread of the monitor (jail_filter.c has the lists). Needs no_new_privs. */
enum jail_kind { JAIL_VCPU, JAIL_DEVICE, JAIL_CONTROL };
int jail_thread(enum jail_kind kind, struct err *err) MUST_CHECK;

#endif
