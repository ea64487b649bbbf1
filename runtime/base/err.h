/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_ERR_H
#define BRIG_RUNTIME_BASE_ERR_H

#include "runtime/base/attr.h"

/*
 * DOC: errors
 *
 * One type, by value, on the caller's stack. Three layers use it:
 *   sys_*    return a value or -errno and know nothing of struct err;
 *   modules  take `struct err *err` last, return 0/positive or negative, and set or wrap it once a level;
 *   cmd_*    print it and choose the exit code. Nobody else prints or exits.
 * The same 512 bytes travel from the init child (or the guest) to the command that prints them, so the
 * receiver treats them as hostile: err_sanitize().
 *
 * Text: lower case, verb first, subject in single quotes, no full stop: mount '/proc': Permission denied
 */
struct err {
	int code;      /* an errno value, positive; 0: no error */
	char msg[508]; /* always NUL-terminated */
};

/* Set the error: "fmt". Returns -code. A code of 0 is a bug and becomes EINVAL. err may be NULL. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Set the error from a sys_* result (-errno): "fmt: strerror". Returns result. */
int err_sys(struct err *err, int result, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Prefix the message with what we were doing: "fmt: old". Keeps the code; returns -code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Make an error that came from outside safe to print: NUL at the end, code in 1..4095, control characters to '?'. */
void err_sanitize(struct err *err);

/* Analysers look at one file at a time and do not see that these results are negative. Nobody else needs to be told. */
#if defined(__clang_analyzer__) || defined(BRIG_ANALYZE)
static inline int err_negative(int r)
{
	if (r >= 0)
		__builtin_unreachable();
	return r;
}
#define err_set(...) err_negative((err_set)(__VA_ARGS__))
#define err_sys(...) err_negative((err_sys)(__VA_ARGS__))
#endif

#endif
