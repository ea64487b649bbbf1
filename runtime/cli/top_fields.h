/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_TOP_FIELDS_H
#define BRIG_RUNTIME_CLI_TOP_FIELDS_H

#include "runtime/container.h"

/*
 * The columns of podman's `top`: user pid ppid pcpu etime tty time args ..., and ps' AIX ones (%C %p ...). Process ids and users are
 * those that the container sees; hpid, huser and hgroup are the host's. Read from /proc.
 */
struct top_field;
/* Words, "," between several in one; NULL when one of them is no column: the words are ps' own. The caller frees the array. */
const struct top_field **top_fields_find(char *const *words);
/* The table of the container's processes. */
int top_fields_print(struct container *c, const struct top_field *const *fields, struct buf *out, struct err *err) MUST_CHECK;

#endif
