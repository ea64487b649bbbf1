/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_FEATURES_H
#define BRIG_RUNTIME_FEATURES_H

#include "runtime/base/str.h"

/* The runtime-spec's features document (features.md, features-linux.md), indented, with a newline at the end. Its content is
 * fixed when the program is built: it comes from the tables that read config.json. Returns 0. */
int features_print(struct buf *out);

#endif
