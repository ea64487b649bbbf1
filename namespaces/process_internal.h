/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_NAMESPACES_PROCESS_INTERNAL_H
#define BRIG_NAMESPACES_PROCESS_INTERNAL_H

#include "namespaces/process.h"

/* What the process_*.c files share with one another; nobody else includes it. */

/* The thread's effective, permitted and inheritable sets; bit n is capability n. */
struct cap_sets {
	uint64_t effective, permitted, inheritable;
};
int caps_get(struct cap_sets *ret) MUST_CHECK;
int caps_set(const struct cap_sets *s) MUST_CHECK;

/* chdir to the process' cwd with the credentials of the moment; makes it first when make is set. -EXDEV: it is outside of
 * the root. */
int cwd_enter(struct process_ctx *ctx, bool make) MUST_CHECK;
int cwd_error(const struct process_ctx *ctx, int r, struct err *err);

/* strerror with a small first letter, as the texts that engines match are written. */
#define ERRNO_TEXT_LEN 96
const char *errno_text(int code, char buf[ERRNO_TEXT_LEN]);

#endif
