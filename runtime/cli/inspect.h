/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_INSPECT_H
#define BRIG_RUNTIME_CLI_INSPECT_H

#include "runtime/base/json.h"
#include "runtime/cli/record.h"

/* Write all about a container as one JSON object, with docker's names. */
int inspect_container(struct record *r, bool size, struct json_writer *w, struct err *err) MUST_CHECK;

#endif
