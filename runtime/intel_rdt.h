/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_INTEL_RDT_H
#define BRIG_RUNTIME_INTEL_RDT_H

#include "runtime/container.h"

/* config-linux.md "IntelRdt". The resctrl file system is found in /proc/self/mountinfo; without one, a container that asks for
 * it is refused. */

/* Make or check the class of service (and monitoring group), write schemata, add c->pid. Fills c->intel_rdt_dir and
 * c->intel_rdt_mon_dir with what remove must take away. */
int intel_rdt_apply(struct container *c, struct err *err) MUST_CHECK;
/* update --l3-cache-schema, --mem-bw-schema; either may be NULL. *ret_old: new string for intel_rdt_set_back(). */
int intel_rdt_update(struct container *c, const char *l3_schema, const char *mb_schema, char **ret_old, struct err *err) MUST_CHECK;
/* What update set is taken back, because another part of it failed. */
void intel_rdt_set_back(struct container *c, const char *old);
/* Remove what apply made; idempotent. */
int intel_rdt_remove(struct container *c, struct err *err) MUST_CHECK;

#endif
