/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/exec.h"

#include "runtime/base/str.h"
#include "runtime/spec_fields.h"

static void write_list(struct json_writer *w, const char *key, const struct strlist *l)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < l->n; i++)
		json_string(w, l->v[i]);
	json_end_array(w);
}

static void write_user(struct json_writer *w, const struct spec_user *u)
{
	json_key(w, "user");
	json_begin_object(w);
	json_kv_u64(w, "uid", u->uid);
	json_kv_u64(w, "gid", u->gid);
	if (u->umask.set)
		json_kv_u64(w, "umask", u->umask.v);
	if (u->n_additional_gids) {
		json_key(w, "additionalGids");
		json_begin_array(w);
		for (size_t i = 0; i < u->n_additional_gids; i++)
			json_u64(w, u->additional_gids[i]);
		json_end_array(w);
	}
	json_end_object(w);
}

static void write_cap_set(struct json_writer *w, const char *key, uint64_t set)
{
	json_key(w, key);
	json_begin_array(w);
	for (const struct name_value *c = cap_names; c->name; c++)
		if (set & 1ull << c->value)
			json_string(w, c->name);
	json_end_array(w);
}

static void write_caps(struct json_writer *w, const struct spec_caps *c)
{
	if (!c->set)
		return;
	json_key(w, "capabilities");
	json_begin_object(w);
	write_cap_set(w, "bounding", c->bounding);
	write_cap_set(w, "effective", c->effective);
	write_cap_set(w, "inheritable", c->inheritable);
	write_cap_set(w, "permitted", c->permitted);
	write_cap_set(w, "ambient", c->ambient);
	json_end_object(w);
}

static void write_rlimits(struct json_writer *w, const struct spec_process *p)
{
	if (!p->n_rlimits)
		return;
	json_key(w, "rlimits");
	json_begin_array(w);
	for (size_t i = 0; i < p->n_rlimits; i++) {
		json_begin_object(w);
		json_kv_string(w, "type", name_of(rlimit_names, (uint64_t)p->rlimits[i].resource));
		json_kv_u64(w, "soft", p->rlimits[i].soft);
		json_kv_u64(w, "hard", p->rlimits[i].hard);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_flags(struct json_writer *w, const char *key, const struct name_value *names, uint64_t flags)
{
	json_key(w, key);
	json_begin_array(w);
	for (; names->name; names++)
		if (names->value && (flags & names->value) == names->value)
			json_string(w, names->name);
	json_end_array(w);
}

static void write_scheduling(struct json_writer *w, const struct spec_process *p)
{
	const struct spec_scheduler *s = &p->scheduler;

	if (s->set) {
		json_key(w, "scheduler");
		json_begin_object(w);
		json_kv_string(w, "policy", name_of(sched_policy_names, s->policy));
		json_kv_i64(w, "nice", s->nice);
		json_kv_i64(w, "priority", s->priority);
		write_flags(w, "flags", sched_flag_names, s->flags);
		json_kv_u64(w, "runtime", s->runtime_ns);
		json_kv_u64(w, "deadline", s->deadline_ns);
		json_kv_u64(w, "period", s->period_ns);
		json_end_object(w);
	}
	if (p->io_priority.set) {
		json_key(w, "ioPriority");
		json_begin_object(w);
		json_kv_string(w, "class", name_of(io_class_names, (uint64_t)p->io_priority.class));
		json_kv_i64(w, "priority", p->io_priority.priority);
		json_end_object(w);
	}
	if (p->exec_affinity_initial || p->exec_affinity_final) {
		json_key(w, "execCPUAffinity");
		json_begin_object(w);
		if (p->exec_affinity_initial)
			json_kv_string(w, "initial", p->exec_affinity_initial);
		if (p->exec_affinity_final)
			json_kv_string(w, "final", p->exec_affinity_final);
		json_end_object(w);
	}
}

void vm_process_json(const struct spec_process *p, struct json_writer *w)
{
	json_begin_object(w);
	json_kv_bool(w, "terminal", p->terminal);
	if (p->has_console_size) {
		json_key(w, "consoleSize");
		json_begin_object(w);
		json_kv_u64(w, "height", p->console_rows);
		json_kv_u64(w, "width", p->console_cols);
		json_end_object(w);
	}
	write_user(w, &p->user);
	write_list(w, "args", &p->args);
	write_list(w, "env", &p->env);
	json_kv_string(w, "cwd", p->cwd);
	write_caps(w, &p->caps);
	write_rlimits(w, p);
	json_kv_bool(w, "noNewPrivileges", p->no_new_privileges);
	if (p->apparmor_profile)
		json_kv_string(w, "apparmorProfile", p->apparmor_profile);
	if (p->selinux_label)
		json_kv_string(w, "selinuxLabel", p->selinux_label);
	if (p->oom_score_adj.set)
		json_kv_i64(w, "oomScoreAdj", p->oom_score_adj.v);
	write_scheduling(w, p);
	json_end_object(w);
}
