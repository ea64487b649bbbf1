/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_IDMAP_H
#define BRIG_RUNTIME_IDMAP_H

#include "runtime/base/err.h"
#include "runtime/plan.h"

/* What only the parent can do for a child in a new user namespace: write its id maps. */
int idmap_write(pid_t pid, const struct spec_id_maps *uids, const struct spec_id_maps *gids, bool privileged, struct err *err) MUST_CHECK;

/* fd of a new user namespace with these maps, for a mount's own mapping. */
int idmap_userns(const struct spec_id_maps *uids, const struct spec_id_maps *gids, struct err *err) MUST_CHECK;

/* The ranges of a user in /etc/subuid or /etc/subgid (file), in the order of the file, for the container's ids from `first` on. None
 * is no error. */
void idmap_subids(const char *file, const char *user, uint32_t uid, uint32_t first, struct arena *a, struct spec_id_maps *ret);
void idmap_add(struct arena *a, struct spec_id_maps *l, struct spec_id_map m);
/* Own ids to 0, subordinate ranges after it. */
void idmap_default(uint32_t euid, uint32_t egid, struct arena *a, struct spec_id_maps *uids, struct spec_id_maps *gids);
/* The same for a specification that has no maps; the rootless default. */
int idmap_rootless(struct plan *plan, const struct spec *spec, uint32_t euid, uint32_t egid, struct err *err) MUST_CHECK;

#endif
