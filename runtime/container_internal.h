/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CONTAINER_INTERNAL_H
#define BRIG_RUNTIME_CONTAINER_INTERNAL_H

#include "runtime/container.h"

/* Shared by container.c, create.c, lifecycle.c and criu_restore.c only. */
struct container *container_new(const struct runtime_opts *opts, const char *id);
/* Open ROOT/ID, locked when asked for. */
int container_open_dir(struct container *c, bool lock, struct err *err) MUST_CHECK;
/* The part of create that comes before the backend: read and check the bundle, make ROOT/ID, locked. */
int container_prepare(struct container **ret, const struct runtime_opts *opts, const struct create_opts *o, struct err *err) MUST_CHECK;
/* Remove ROOT/ID with the files that brig puts there. */
int container_remove_dir(struct container *c, struct err *err) MUST_CHECK;
/* Undo everything that create made: processes, cgroup, resctrl groups, poststop hooks, directory. Idempotent. */
int container_destroy(struct container *c, struct err *err) MUST_CHECK;

#endif
