/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/spec_fields.h"

#include <seccomp.h>

/* config-linux.md "Seccomp". */
#define SEC(member)  offsetof(struct spec_seccomp, member)
#define RULE(member) offsetof(struct spec_seccomp_rule, member)
#define ARG(member)  offsetof(struct spec_seccomp_arg, member)
#define MAX_ERRNO    4095

static int read_archs(struct spec_reader *r, const struct field *f, const struct json *node, void *at UNUSED)
{
	struct spec_seccomp *s = (struct spec_seccomp *)((char *)at - f->offset);

	s->architectures = arena_alloc(r->arena, node->u.kids.n * sizeof(*s->architectures));
	for (const struct json *k = node->u.kids.first; k; k = k->next) {
		int result = read_name32(r, f, k, &s->architectures[s->n_architectures]);

		if (result < 0)
			return result;
		s->n_architectures++;
	}
	return 0;
}

static int read_filter_flags(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	struct spec_seccomp *s = (struct spec_seccomp *)((char *)at - f->offset);

	s->flags_set = true;
	return read_flags32(r, f, node, at);
}

static const struct field arg_fields[] = {
	FIELD("index", JSON_NUMBER, true, FIELD_BOTH, ARG(index), read_u32, .max = 5),
	FIELD("value", JSON_NUMBER, true, FIELD_BOTH, ARG(value), read_u64),
	FIELD("valueTwo", JSON_NUMBER, false, FIELD_BOTH, ARG(value_two), read_u64),
	FIELD("op", JSON_STRING, true, FIELD_BOTH, ARG(op), read_name32, .names = seccomp_op_names, .what = "seccomp operator"),
	FIELD_END,
};
static const struct object_type arg_type = { "config-linux.md#seccomp", arg_fields, NULL };

/* An errno only where the action carries one; SCMP_ACT_TRACE carries any 16 bits. */
static int check_errno(struct spec_reader *r, const struct json *node, const char *key, uint32_t action, struct opt_u32 value)
{
	if (!value.set || action == SCMP_ACT_TRACE(0))
		return 0;
	if (action != SCMP_ACT_ERRNO(0))
		return spec_fail(r, spec_blame(node, key), "the action %s carries no errno", name_of(seccomp_action_names, action));
	if (value.v > MAX_ERRNO)
		return spec_fail(r, spec_blame(node, key), "%u is out of range (0 to %d)", value.v, MAX_ERRNO);
	return 0;
}

static int check_rule(struct spec_reader *r, const struct json *node, void *base)
{
	const struct spec_seccomp_rule *rule = base;
	const struct json *names = json_get(node, "names");

	if (!rule->names.n)
		return spec_fail(r, spec_blame(node, "names"), "must have at least one entry");
	for (const struct json *k = names->u.kids.first; k; k = k->next) {
		if (!k->u.string[0])
			return spec_fail(r, k, "must not be empty");
		/* The one who waits for the answer would be asked to write it. */
		if (rule->action == SCMP_ACT_NOTIFY && strcmp(k->u.string, "write") == 0)
			return spec_fail(r, k, "SCMP_ACT_NOTIFY cannot be used for 'write'");
	}
	return check_errno(r, node, "errnoRet", rule->action, rule->errno_ret);
}

static const struct field rule_fields[] = {
	FIELD("names", JSON_ARRAY, true, FIELD_BOTH, RULE(names), read_strlist, .note = "unknown names are skipped"),
	FIELD("action", JSON_STRING, true, FIELD_BOTH, RULE(action), read_name32, .names = seccomp_action_names,
	  .what = "seccomp action"),
	FIELD("errnoRet", JSON_NUMBER, false, FIELD_BOTH, RULE(errno_ret), read_opt_u32, .max = UINT16_MAX),
	FIELD("args", JSON_ARRAY, false, FIELD_BOTH, RULE(args), read_list, .object = &arg_type,
	  .size = sizeof(struct spec_seccomp_arg)),
	FIELD_END,
};
static const struct object_type rule_type = { "config-linux.md#seccomp", rule_fields, check_rule };

static int check_seccomp(struct spec_reader *r, const struct json *node, void *base)
{
	struct spec_seccomp *s = base;

	s->set = true;
	if (s->default_action == SCMP_ACT_NOTIFY)
		return spec_fail(r, spec_blame(node, "defaultAction"), "SCMP_ACT_NOTIFY cannot be the default action");
	if (s->listener_metadata && !s->listener_path)
		return spec_fail(r, spec_blame(node, "listenerMetadata"), "'listenerPath' is not given");
	return check_errno(r, node, "defaultErrnoRet", s->default_action, s->default_errno);
}

static const struct field seccomp_fields[] = {
	FIELD("defaultAction", JSON_STRING, true, FIELD_BOTH, SEC(default_action), read_name32, .names = seccomp_action_names,
	  .what = "seccomp action"),
	FIELD("defaultErrnoRet", JSON_NUMBER, false, FIELD_BOTH, SEC(default_errno), read_opt_u32, .max = UINT16_MAX),
	FIELD("architectures", JSON_ARRAY, false, FIELD_BOTH, SEC(architectures), read_archs, .names = seccomp_arch_names,
	  .what = "seccomp architecture", .note = "those that the linked libseccomp has"),
	FIELD("flags", JSON_ARRAY, false, FIELD_BOTH, SEC(flags), read_filter_flags, .names = seccomp_flag_names,
	  .what = "seccomp flag", .note = "absent: SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
	FIELD("listenerPath", JSON_STRING, false, FIELD_NAMESPACES, SEC(listener_path), read_abs_path),
	FIELD("listenerMetadata", JSON_STRING, false, FIELD_NAMESPACES, SEC(listener_metadata), read_string),
	FIELD("syscalls", JSON_ARRAY, false, FIELD_BOTH, SEC(syscalls), read_list, .object = &rule_type,
	  .size = sizeof(struct spec_seccomp_rule)),
	FIELD_END,
};

const struct object_type spec_type_seccomp = { "config-linux.md#seccomp", seccomp_fields, check_seccomp };
