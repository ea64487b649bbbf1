/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_IDMAP_H
#define BRIG_RUNTIME_IDMAP_H

#include "runtime/base/err.h"
#include "runtime/plan.h"

/* What only the parent can do for a child in a new user namespace: write its id maps. */
int idmap_write(pid_t pid, const struct spec_id_maps *uids, const struct spec_id_maps *gids, bool privileged, struct err *err) MUST_CHECK;

/* fd of a new user namespace with these maps, for a mount's own mapping. */
int idmap_userns(const struct spec_id_maps *uids, const struct spec_id_maps *gids, struct err *err) MUST_CHECK;

/* Rootless default: own ids to 0, subordinate ranges of /etc/subuid and /etc/subgid after it. */
int idmap_rootless(struct plan *plan, const struct spec *spec, uint32_t euid, uint32_t egid, struct err *err) MUST_CHECK;

#endif
