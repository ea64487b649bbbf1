/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_EVENT_LINE_H
#define BRIG_RUNTIME_CLI_EVENT_LINE_H

#include "runtime/base/json.h"

/* A line of the journal (events.h). Between begin and append the caller writes attributes into w; append releases the line. Both brig
 * and brig-images write events. */
struct event_line {
	struct buf text;
	struct json_writer w;
};
void event_line_begin(struct event_line *l, const char *type, const char *action, const char *id);
/* To RUN_DIR/events; RUN_DIR is made when it is missing. */
void event_line_append(struct event_line *l, const char *run_dir);

#endif
