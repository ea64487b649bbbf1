/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_LOG_H
#define BRIG_RUNTIME_BASE_LOG_H

#include "runtime/base/attr.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/*
 * DOC: the log sink
 *
 * The product's one mutable file-scope variable. Engines read the last line with "level":"error" of the file that
 * they passed as --log, in the form that runc writes:
 *   {"level":"error","msg":"...","time":"2026-01-02T03:04:05Z"}
 * Text lines have logrus' form: time="..." level=error msg="..."
 * Every line is one write(2) to an O_APPEND fd, so processes may share a file.
 */

/* Set level and format; fd is where lines go (borrowed; 2 at start). */
void log_setup(int fd, enum log_format format, enum log_level level);
enum log_level log_get_level(void);
int log_get_fd(void);

void log_msg(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define log_error(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                      \
	do {                                                \
		if (log_get_level() >= LOG_LEVEL_DEBUG)     \
			log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

#endif
