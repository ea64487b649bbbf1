/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_OCI_GLOBALS_H
#define BRIG_RUNTIME_OCI_GLOBALS_H

#include "runtime/oci/commands.h"

/* Open the log as --log, --log-format, --log-level and --debug say. Returns its fd, which stays open for the life of the
 * process; 2 when --log is not given. Forms: PATH, file:PATH, journald:NAME, syslog:NAME. */
int globals_open_log(const struct global_options *g, struct err *err) MUST_CHECK;

/* Check the rest of the global options and fill ret; ret->backend is left to the caller. ret->root is new. */
int globals_resolve(const struct global_options *g, struct runtime_opts *ret, struct err *err) MUST_CHECK;

/* Make the root directory (0700; the default one of a rootless user also sticky, as the XDG specification asks of files
 * that have to survive a clean-up of XDG_RUNTIME_DIR). */
int globals_make_root(const struct global_options *g, const struct runtime_opts *opts, struct err *err) MUST_CHECK;

/* True in a user namespace that does not map every id to itself. */
bool globals_in_user_namespace(void);

#endif
