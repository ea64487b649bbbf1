/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_NAMESPACES_LEND_H
#define BRIG_NAMESPACES_LEND_H

#include "namespaces/launch.h"

/*
 * DOC: `run` in one go
 *
 * The parent of `run` mostly has nothing to do between the birth of init and its execve: no id maps, no scope, no hooks, no pid
 * file. Then init works in the parent's memory while the parent stands still (runtime/base/lend.h). There is no dialogue: init
 * writes state.json itself, first of all, and an error is simply there. The phases are the same, in the same order.
 *
 * Sharing memory with a process of the host takes nothing from the container's confinement: init is alone in a pid namespace of
 * its own, is not dumpable, and runs nothing but this program until execve ends the sharing. A container with hooks, with a user
 * namespace, in the pid namespace of others, or with hardly any memory is started the long way.
 */

/* Whether the parent has nothing to do. Needs launch_plan() and launch_init_process(). */
bool lend_possible(const struct launch *l, const struct create_opts *o);

/*
 * Make init and wait until it has become the program. c->cgroup is made; fills c->pid, c->start_time and c->pidfd. Signals wait
 * meanwhile; one that would have ended us becomes an error. Returns 1; 0: this machine cannot, and nothing was made; -errno.
 */
int lend_run(struct launch *l, struct err *err) MUST_CHECK;

#endif
