/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_OUTPUT_H
#define BRIG_RUNTIME_CLI_OUTPUT_H

#include "runtime/cli/commands.h"
#include "runtime/cli/table.h"

/* Print a JSON array of objects as a table or as --format asks (table.h). */
int output_rows(const struct table_style *style, const char *format, const struct buf *array, struct err *err) MUST_CHECK;

/* Print a JSON array as inspect does: indented, or the template (format, may be NULL) for each element. */
int output_objects(const char *format, const struct buf *array, struct err *err) MUST_CHECK;

/* Options with a list of "key=value", as a NULL-terminated list for modules; the caller frees the array, not the strings. */
char **output_list(const struct option_list *l) __attribute__((returns_nonnull));

/* Is want, KEY or KEY=VALUE, among labels (NULL-terminated, or NULL)? */
bool output_has_label(char *const *labels, const char *want);

/* The answer to a question on the terminal: y or yes. true without a question when force is set. */
bool output_confirm(const char *question, bool force);

#endif
