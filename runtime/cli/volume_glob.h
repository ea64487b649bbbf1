/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_VOLUME_GLOB_H
#define BRIG_RUNTIME_CLI_VOLUME_GLOB_H

#include "runtime/base/attr.h"

/*
 * The existing paths that match a pattern of absolute paths, sorted. As glob(7) has it: * ? and [...] stay within one component, and a leading
 * dot is matched by a dot alone. (glob(3) knows ~USER as well, and so brings libc's user database into a static program.)
 */
struct glob_paths {
	char **v; /* owned */
	size_t n;
};
void glob_find(struct glob_paths *ret, const char *pattern);
void glob_done(struct glob_paths *g);

#endif
