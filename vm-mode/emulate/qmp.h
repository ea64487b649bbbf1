/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_EMULATE_QMP_H
#define BRIG_VM_MODE_EMULATE_QMP_H

#include "runtime/base/err.h"
#include "runtime/base/str.h"

/*
 * QEMU's monitor protocol, as little of it as is needed: lines of JSON over a socket; a greeting, a reply to each command,
 * events in between. QEMU is not trusted: lines are bounded, and what is not understood is ignored.
 */
struct qmp {
	int fd; /* borrowed */
	struct buf in;
	bool guest_reset; /* the guest asked for a reset, or crashed */
	bool powered_off; /* it switched itself off */
};

/* Send a command, arguments as a JSON object or NULL, and wait for its reply. -errno with err, which has QEMU's text. */
int qmp_command(struct qmp *q, const char *name, const char *arguments, int timeout_ms, struct err *err) MUST_CHECK;
/* Send it and let the reply come whenever it does. */
void qmp_send(struct qmp *q, const char *name, const char *arguments);
/* Read what is there. 0, or negative at end of file or when the line is too long. */
int qmp_events(struct qmp *q) MUST_CHECK;
void qmp_done(struct qmp *q);

#endif
