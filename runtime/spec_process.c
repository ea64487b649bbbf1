/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/spec_fields.h"

#include <sched.h>

/* config.md "Process", "POSIX process", "Linux Process", "User". */
#define PROC(member)  offsetof(struct spec_process, member)
#define USER(member)  offsetof(struct spec_user, member)
#define SCHED(member) offsetof(struct spec_scheduler, member)

static int read_gids(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	uint32_t *v = node->u.kids.n ? arena_alloc(r->arena, node->u.kids.n * sizeof(*v)) : NULL;
	uint32_t **ret = at;
	size_t i = 0;

	for (const struct json *k = node->u.kids.first; k; k = k->next) {
		int result = read_u32(r, f, k, &v[i++]);

		if (result < 0)
			return result;
	}
	*ret = v;
	memcpy((char *)at + sizeof(v), &i, sizeof(i)); /* n_additional_gids stands beside it */
	return 0;
}
_Static_assert(USER(n_additional_gids) == USER(additional_gids) + sizeof(uint32_t *), "a list is a pointer and a count");

/* (uid_t)-1 means "no change" to the kernel, so it is no id. */
static const struct field user_fields[] = {
	FIELD("uid", JSON_NUMBER, true, FIELD_BOTH, USER(uid), read_u32, .max = UINT32_MAX - 1),
	FIELD("gid", JSON_NUMBER, true, FIELD_BOTH, USER(gid), read_u32, .max = UINT32_MAX - 1),
	FIELD("umask", JSON_NUMBER, false, FIELD_BOTH, USER(umask), read_opt_u32, .max = 0777, .note = "default 0022"),
	FIELD("additionalGids", JSON_ARRAY, false, FIELD_BOTH, USER(additional_gids), read_gids, .max = UINT32_MAX - 1),
	FIELD("username", JSON_STRING, false, FIELD_NONE, 0, read_other_platform, .note = "Windows"),
	FIELD_END,
};
static const struct object_type user_type = { "config.md#posix-platform-user", user_fields, NULL };

/* A name that the kernel does not have is a warning: engines newer than the host send such names. */
static int read_caps(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at)
{
	uint64_t *mask = at;

	for (const struct json *k = node->u.kids.first; k; k = k->next) {
		int result = spec_want(r, k, JSON_STRING);
		const struct name_value *row;

		if (result < 0)
			return result;
		row = name_find(cap_names, k->u.string);
		if (row)
			*mask |= 1ull << row->value;
		else
			spec_warn(r, k, "'%s' is not a known capability: ignored", k->u.string);
	}
	return 0;
}

static int check_caps(struct spec_reader *r UNUSED, const struct json *node UNUSED, void *base)
{
	struct spec_caps *caps = base;

	caps->set = true;
	return 0;
}

#define CAPS(member) offsetof(struct spec_caps, member)
static const struct field caps_fields[] = {
	FIELD("bounding", JSON_ARRAY, false, FIELD_BOTH, CAPS(bounding), read_caps),
	FIELD("effective", JSON_ARRAY, false, FIELD_BOTH, CAPS(effective), read_caps),
	FIELD("inheritable", JSON_ARRAY, false, FIELD_BOTH, CAPS(inheritable), read_caps),
	FIELD("permitted", JSON_ARRAY, false, FIELD_BOTH, CAPS(permitted), read_caps),
	FIELD("ambient", JSON_ARRAY, false, FIELD_BOTH, CAPS(ambient), read_caps),
	FIELD_END,
};
static const struct object_type caps_type = { "config.md#linux-process", caps_fields, check_caps };

static int check_rlimit(struct spec_reader *r, const struct json *node, void *base)
{
	const struct spec_rlimit *l = base;

	if (l->soft > l->hard)
		return spec_fail(r, spec_blame(node, "soft"), "%llu is above the hard limit %llu", (unsigned long long)l->soft,
				 (unsigned long long)l->hard);
	return 0;
}

static const struct field rlimit_fields[] = {
	FIELD("type", JSON_STRING, true, FIELD_BOTH, offsetof(struct spec_rlimit, resource), read_name32, .names = rlimit_names,
	  .what = "resource limit"),
	FIELD("soft", JSON_NUMBER, true, FIELD_BOTH, offsetof(struct spec_rlimit, soft), read_u64),
	FIELD("hard", JSON_NUMBER, true, FIELD_BOTH, offsetof(struct spec_rlimit, hard), read_u64),
	FIELD_END,
};
static const struct object_type rlimit_type = { "config.md#posix-process", rlimit_fields, check_rlimit };

static bool is_realtime(uint32_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static int check_scheduler(struct spec_reader *r, const struct json *node, void *base)
{
	struct spec_scheduler *s = base;
	bool deadline = s->policy == SCHED_DEADLINE;

	s->set = true;
	if (s->priority && !is_realtime(s->policy))
		return spec_fail(r, spec_blame(node, "priority"), "only SCHED_FIFO and SCHED_RR have a priority");
	if (is_realtime(s->policy) && !s->priority)
		return spec_fail(r, spec_blame(node, "priority"), "SCHED_FIFO and SCHED_RR need a priority from 1 to 99");
	if (!deadline && (s->runtime_ns || s->deadline_ns || s->period_ns))
		return spec_fail(r, node, "'runtime', 'deadline' and 'period' are for SCHED_DEADLINE only");
	if (deadline && !s->runtime_ns)
		return spec_fail(r, spec_blame(node, "runtime"), "SCHED_DEADLINE needs a runtime above 0");
	/* sched(7): runtime <= deadline <= period; a period of 0 stands for the deadline */
	if (deadline && (s->runtime_ns > s->deadline_ns || (s->period_ns && s->deadline_ns > s->period_ns)))
		return spec_fail(r, node, "SCHED_DEADLINE needs runtime <= deadline <= period");
	return 0;
}

static const struct field scheduler_fields[] = {
	FIELD("policy", JSON_STRING, true, FIELD_BOTH, SCHED(policy), read_name32, .names = sched_policy_names,
	  .what = "scheduling policy of Linux", .note = "all but SCHED_ISO, which Linux does not have"),
	FIELD("nice", JSON_NUMBER, false, FIELD_BOTH, SCHED(nice), read_i32, .min = -20, .max = 19),
	FIELD("priority", JSON_NUMBER, false, FIELD_BOTH, SCHED(priority), read_i32, .min = 0, .max = 99),
	FIELD("flags", JSON_ARRAY, false, FIELD_BOTH, SCHED(flags), read_flags64, .names = sched_flag_names,
	  .what = "scheduling flag"),
	FIELD("runtime", JSON_NUMBER, false, FIELD_BOTH, SCHED(runtime_ns), read_u64, .max = INT64_MAX),
	FIELD("deadline", JSON_NUMBER, false, FIELD_BOTH, SCHED(deadline_ns), read_u64, .max = INT64_MAX),
	FIELD("period", JSON_NUMBER, false, FIELD_BOTH, SCHED(period_ns), read_u64, .max = INT64_MAX),
	FIELD_END,
};
static const struct object_type scheduler_type = { "config.md#linux-process", scheduler_fields, check_scheduler };

static int check_io_priority(struct spec_reader *r UNUSED, const struct json *node UNUSED, void *base)
{
	struct spec_io_priority *io = base;

	io->set = true;
	return 0;
}

static const struct field io_priority_fields[] = {
	FIELD("class", JSON_STRING, true, FIELD_BOTH, offsetof(struct spec_io_priority, class), read_name32, .names = io_class_names,
	  .what = "class of I/O priority"),
	FIELD("priority", JSON_NUMBER, true, FIELD_BOTH, offsetof(struct spec_io_priority, priority), read_i32, .min = 0, .max = 7),
	FIELD_END,
};
static const struct object_type io_priority_type = { "config.md#linux-process", io_priority_fields, check_io_priority };

/* Widths of struct winsize. */
static int read_u16(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at)
{
	uint16_t *u = at;
	uint64_t v = 0;
	int result = json_to_u64(node, r->name, UINT16_MAX, &v, r->err);

	if (result >= 0)
		*u = (uint16_t)v;
	return result;
}

static int check_console_size(struct spec_reader *r UNUSED, const struct json *node UNUSED, void *base)
{
	struct spec_process *p = base;

	p->has_console_size = true;
	return 0;
}

static const struct field console_size_fields[] = {
	FIELD("height", JSON_NUMBER, true, FIELD_BOTH, PROC(console_rows), read_u16),
	FIELD("width", JSON_NUMBER, true, FIELD_BOTH, PROC(console_cols), read_u16),
	FIELD_END,
};
static const struct object_type console_size_type = { "config.md#process", console_size_fields, check_console_size };

static const struct field affinity_fields[] = {
	FIELD("initial", JSON_STRING, false, FIELD_NAMESPACES, PROC(exec_affinity_initial), read_cpu_list),
	FIELD("final", JSON_STRING, false, FIELD_BOTH, PROC(exec_affinity_final), read_cpu_list),
	FIELD_END,
};
static const struct object_type affinity_type = { "config.md#linux-process", affinity_fields, NULL };

static int read_args(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	if (!node->u.kids.n)
		return spec_fail(r, node, "must have at least one entry");
	return read_strlist(r, f, node, at);
}

static int read_env(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	int result = read_strlist(r, f, node, at);

	for (const struct json *k = node->u.kids.first; k && result >= 0; k = k->next)
		if (k->u.string[0] == '=' || !strchr(k->u.string, '='))
			result = spec_fail(r, k, "'%s' does not have the form NAME=VALUE", k->u.string);
	return result;
}

static int check_process(struct spec_reader *r, const struct json *node, void *base)
{
	struct spec_process *p = base;
	const struct json *limits = json_get(node, "rlimits");
	const struct json *k = limits && limits->type == JSON_ARRAY ? limits->u.kids.first : NULL;
	uint64_t seen = 0;

	if (!p->terminal)
		p->has_console_size = false;
	for (size_t i = 0; i < p->n_rlimits && k; i++, k = k->next) {
		uint64_t bit = 1ull << p->rlimits[i].resource;

		if (seen & bit)
			return spec_fail(r, spec_blame(k, "type"), "'%s' is given twice",
					 name_of(rlimit_names, (uint64_t)p->rlimits[i].resource));
		seen |= bit;
	}
	return 0;
}

static const struct field process_fields[] = {
	FIELD("terminal", JSON_BOOL, false, FIELD_BOTH, PROC(terminal), read_bool),
	FIELD("consoleSize", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &console_size_type),
	FIELD("cwd", JSON_STRING, true, FIELD_BOTH, PROC(cwd), read_abs_path, .note = "made when it is missing"),
	FIELD("env", JSON_ARRAY, false, FIELD_BOTH, PROC(env), read_env, .note = "the last of equal names wins"),
	FIELD("args", JSON_ARRAY, true, FIELD_BOTH, PROC(args), read_args),
	FIELD("commandLine", JSON_STRING, false, FIELD_NONE, 0, read_refused, .note = "it is for Windows"),
	FIELD("user", JSON_OBJECT, true, FIELD_BOTH, PROC(user), read_object, .object = &user_type),
	FIELD("rlimits", JSON_ARRAY, false, FIELD_BOTH, PROC(rlimits), read_list, .object = &rlimit_type,
	  .size = sizeof(struct spec_rlimit)),
	FIELD("apparmorProfile", JSON_STRING, false, FIELD_NAMESPACES, PROC(apparmor_profile), read_string, .label = true),
	FIELD("capabilities", JSON_OBJECT, false, FIELD_BOTH, PROC(caps), read_object, .object = &caps_type,
	  .note = "unknown names are a warning"),
	FIELD("noNewPrivileges", JSON_BOOL, false, FIELD_BOTH, PROC(no_new_privileges), read_bool),
	FIELD("oomScoreAdj", JSON_NUMBER, false, FIELD_BOTH, PROC(oom_score_adj), read_opt_i64, .min = -1000, .max = 1000),
	FIELD("scheduler", JSON_OBJECT, false, FIELD_BOTH, PROC(scheduler), read_object, .object = &scheduler_type),
	FIELD("selinuxLabel", JSON_STRING, false, FIELD_NAMESPACES, PROC(selinux_label), read_string, .label = true),
	FIELD("ioPriority", JSON_OBJECT, false, FIELD_BOTH, PROC(io_priority), read_object, .object = &io_priority_type),
	FIELD("execCPUAffinity", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &affinity_type),
	FIELD_END,
};

const struct object_type spec_type_process = { "config.md#process", process_fields, check_process };
