/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/log.h"

#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
} sink = { .fd = STDERR_FILENO, .level = LOG_LEVEL_WARNING };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

void log_setup(int fd, enum log_format format, enum log_level level)
{
	sink.fd = fd;
	sink.format = format;
	sink.level = level;
}

enum log_level log_get_level(void)
{
	return sink.level;
}

int log_get_fd(void)
{
	return sink.fd;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	AUTO_BUF struct buf line = { 0 };
	struct json_writer w = { .out = &line };
	int saved = errno;
	char text[1024], now[STR_TIME_LEN];
	va_list ap;

	if (level > sink.level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_time_utc(time(NULL), now);
	if (sink.format == LOG_FORMAT_JSON) {
		json_begin_object(&w);
		json_kv_string(&w, "level", level_names[level]);
		json_kv_string(&w, "msg", text);
		json_kv_string(&w, "time", now);
		json_end_object(&w);
	} else {
		buf_addf(&line, "time=\"%s\" level=%s msg=", now, level_names[level]);
		json_string(&w, text);
	}
	buf_add_n(&line, "\n", 1);
	(void)!write(sink.fd, line.p, line.len); /* a log that cannot be written has nowhere to say so */
	errno = saved;
}
