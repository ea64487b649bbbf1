/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_VOLUME_PRIV_H
#define BRIG_RUNTIME_CLI_VOLUME_PRIV_H

#include "runtime/cli/volume.h"

/* For volume*.c. With netrec_lock_dir(dir) held; ret may be NULL. */
int volume_create_locked(const char *dir, const char *name, char *const *labels, char *const *options, bool anonymous, struct volume *ret,
			 struct err *err) MUST_CHECK;
int volume_remove_locked(const char *dir, const char *name, struct err *err) MUST_CHECK;
/* By its whole name. */
int volume_load_exact(const char *dir, const char *name, struct volume *ret, struct err *err) MUST_CHECK;

#endif
