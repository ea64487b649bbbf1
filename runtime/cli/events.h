/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_EVENTS_H
#define BRIG_RUNTIME_CLI_EVENTS_H

#include "runtime/cli/record.h"

/*
 * DOC: the journal of events
 *
 * RUN/.cli/events has a line of JSON for each thing that brig did: {"time","timeNano","Type","Action","Actor":{"ID","Attributes"}}, docker's
 * words. Each line is one write(2) to an O_APPEND file, so processes share it without a lock; above 8 MB it becomes events.1. There is no
 * daemon: `brig events` reads the file, and follows it. A journal that cannot be written is a debug message, never an error.
 */
void event_container(const struct record *r, const char *action);
/* With one more attribute, such as exitCode or signal. */
void event_container_with(const struct record *r, const char *action, const char *key, const char *value);
/* Of a network or a volume. Those of images are written by brig-images (images/command.h). */
void event_other(struct cli *cli, const char *type, const char *action, const char *id, const char *name);

#endif
