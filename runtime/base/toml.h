/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_TOML_H
#define BRIG_RUNTIME_BASE_TOML_H

#include "runtime/base/json.h"

/*
 * A TOML file (v1.0) as a JSON tree in arena: tables and inline tables are objects, arrays of tables are arrays; dates and
 * numbers are JSON_NUMBER nodes with their text. Strings of every kind, dotted keys and comments are read. Refused: a
 * key given twice, more than JSON_MAX_DEPTH levels. Errors: "NAME:LINE: why".
 */
int toml_parse(struct arena *arena, const char *name, const char *text, struct json **ret, struct err *err) MUST_CHECK;

#endif
