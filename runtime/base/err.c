/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/err.h"

#include <errno.h>
#include <stdarg.h>

#define MAX_ERRNO 4095

int (err_set)(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (code <= 0 || code > MAX_ERRNO)
		code = EINVAL;
	if (err) {
		err->code = code;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
	}
	return -code;
}

int (err_sys)(struct err *err, int result, const char *fmt, ...)
{
	int code = result < 0 && result >= -MAX_ERRNO ? -result : EINVAL;
	va_list ap;
	size_t n;

	if (err) {
		err->code = code;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		n = strlen(err->msg);
		snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerror(code));
	}
	return -code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	size_t keep, room, n;
	va_list ap;

	if (!err)
		return -EINVAL;
	err->msg[sizeof(err->msg) - 1] = '\0';
	keep = strlen(err->msg);
	memcpy(old, err->msg, keep + 1);
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	/* The cause is worth more than the context: when both do not fit, the context is cut. */
	room = sizeof(err->msg) - 1 - keep;
	n = strlen(err->msg);
	if (n + 2 > room)
		n = room > 2 ? room - 2 : 0;
	if (n) {
		err->msg[n++] = ':';
		err->msg[n++] = ' ';
	}
	memcpy(err->msg + n, old, keep + 1);
	return err->code > 0 ? -err->code : -EINVAL;
}

void err_sanitize(struct err *err)
{
	err->msg[sizeof(err->msg) - 1] = '\0';
	if (err->code <= 0 || err->code > MAX_ERRNO)
		err->code = EINVAL;
	for (char *p = err->msg; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}
