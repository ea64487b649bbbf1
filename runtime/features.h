/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_FEATURES_H
#define BRIG_RUNTIME_FEATURES_H

#include "runtime/base/str.h"

struct runtime_opts;

/* The runtime-spec's features document (features.md, features-linux.md), indented, with a newline at the end. It comes from the
 * tables that read config.json; the backend adds annotations of its own. */
void features_print(const struct runtime_opts *opts, struct buf *out);

#endif
