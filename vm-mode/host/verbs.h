/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_VERBS_H
#define BRIG_VM_MODE_HOST_VERBS_H

#include "runtime/backend.h"

/* The verbs of a running container, as runtime/backend.h describes them: each is a request to the guest, and what the host has to do. */
int vm_verb_kill(struct container *c, int sig, bool all, struct err *err) MUST_CHECK;
int vm_verb_pause(struct container *c, struct err *err) MUST_CHECK;
int vm_verb_resume(struct container *c, struct err *err) MUST_CHECK;
int vm_verb_update(struct container *c, const struct spec_resources *r, struct err *err) MUST_CHECK;
int vm_verb_stats(struct container *c, struct json_writer *w, struct err *err) MUST_CHECK;
/* The guest's processes. (The pids of `ps --format json` are for engines, which look them up on the host: those of the host's cgroup.) */
int vm_verb_ps_table(struct container *c, struct buf *out, struct err *err) MUST_CHECK;
int vm_verb_open_root(const struct container *c, struct err *err) MUST_CHECK;
int vm_verb_checkpoint(struct container *c, const struct checkpoint_opts *o, struct err *err) MUST_CHECK;
int vm_verb_restore(struct container *c, const struct create_opts *o, const struct checkpoint_opts *k, struct err *err) MUST_CHECK;

/* Ask the guest about the container; its answer goes to *ret, which may be NULL. */
int vm_ask_container(struct container *c, uint16_t type, struct buf *ret, struct err *err) MUST_CHECK;
#define VM_ANSWER_MS 20000

/* linux.resources as JSON: what `update` changes, for the guest's cgroup. */
void vm_resources_json(const struct spec_resources *r, struct json_writer *w);

#endif
