/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_SPEC_FIELDS_H
#define BRIG_RUNTIME_SPEC_FIELDS_H

#include "runtime/spec.h"

/*
 * DOC: the field table
 *
 * One row for each field of the runtime-spec. The rows parse config.json, find unknown fields, and print the coverage
 * page, so none of the three can tell a different story. An object type is an array of rows and a check of the rules
 * that span several of its members; a row whose value is an object, or a list of objects, points to the type.
 */
struct field;
struct object_type;

/* What one parse shares. */
struct spec_reader {
	struct arena *arena;
	const char *name; /* of the file, for messages */
	bool strict;	  /* an unknown field is an error */
	struct spec *spec; /* NULL when a bare process or resources object is read */
	struct err *err;
};

/* Fill what f describes at `at` (the struct's base plus f->offset) from node, whose type was checked and which is not
 * null. 0 or negative with r->err. */
typedef int field_read(struct spec_reader *r, const struct field *f, const struct json *node, void *at);

enum field_support { FIELD_NONE = 0, FIELD_NAMESPACES = 1, FIELD_VM = 2, FIELD_BOTH = 3 };

struct field {
	const char *name;
	enum json_type type;
	bool required;
	enum field_support support;
	size_t offset;
	field_read *read;
	/* what the readers need; each uses only its own */
	const struct object_type *object; /* read_object, read_list, and readers of their own */
	bool map;			  /* the object's keys are names, its values are of that type */
	size_t size;			  /* read_list: of an element */
	const struct name_value *names;	  /* read_name, read_flags */
	const char *what;		  /* read_name, read_flags: "is not a ..." */
	int64_t min;			  /* read_i64 and kin */
	uint64_t max;
	bool label;	  /* a security label of the host: vm-mode warns in place of refusing */
	const char *note; /* for the coverage page */
};

/* A row. */
#define FIELD(name_, type_, required_, support_, offset_, read_, ...)                                                   \
	{ .name = name_, .type = type_, .required = required_, .support = support_, .offset = offset_, .read = read_, \
	  ##__VA_ARGS__ }
#define FIELD_END { .name = NULL }

struct object_type {
	const char *section; /* of the specification: "config.md#mounts" */
	const struct field *fields; /* ends with a NULL name */
	int (*check)(struct spec_reader *r, const struct json *node, void *base); /* or NULL */
};

/* Read every member of node into the struct at base, then check it. null stands for an absent member, as Go writes it. */
int spec_read_members(struct spec_reader *r, const struct object_type *t, const struct json *node, void *base) MUST_CHECK;

/* Refuse node: returns negative. */
int spec_fail(struct spec_reader *r, const struct json *node, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Log "NAME:LINE:COL: PLACE: text" as a warning. */
void spec_warn(struct spec_reader *r, const struct json *node, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Node must be of this type. */
int spec_want(struct spec_reader *r, const struct json *node, enum json_type type) MUST_CHECK;
/* The member, or the object itself when the member is absent: where to point a complaint. */
const struct json *spec_blame(const struct json *object, const char *key);

/* Readers. Strings: "" is as good as absent (Go leaves it out), and an error where the field is required. */
field_read read_object;	     /* struct of f->object at `at` */
field_read read_list;	     /* { T *v; size_t n; } of f->object, f->size */
field_read read_string;	     /* char * */
field_read read_abs_path;    /* char *, must begin with "/" */
field_read read_strlist;     /* struct strlist */
field_read read_abs_paths;   /* struct strlist of absolute paths */
field_read read_kvlist;	     /* struct kvlist from an object of strings */
field_read read_bool;	     /* bool */
field_read read_opt_bool;    /* struct opt_bool */
field_read read_i32;	     /* int32_t, f->min .. f->max */
field_read read_i64;	     /* int64_t */
field_read read_opt_i64;     /* struct opt_i64 */
field_read read_u32;	     /* uint32_t, 0 .. f->max; 0 stands for UINT32_MAX */
field_read read_opt_u32;     /* struct opt_u32 */
field_read read_u64;	     /* uint64_t; 0 stands for UINT64_MAX */
field_read read_opt_u64;     /* struct opt_u64 */
field_read read_name32;	     /* uint32_t or int by f->names */
field_read read_flags32;     /* uint32_t, the flags of an array of names */
field_read read_flags64;     /* uint64_t */
field_read read_cpu_list;    /* char *: "0-3,7" */
field_read read_other_platform; /* nothing; warns */
field_read read_refused;     /* always an error, f->note says why */

/* Object types. */
extern const struct object_type spec_type_root, spec_type_process, spec_type_mount, spec_type_linux, spec_type_resources,
	spec_type_seccomp, spec_type_id_map;

/* Name tables that the document of `features` lists too. */
extern const struct name_value rlimit_names[], sched_policy_names[], sched_flag_names[], io_class_names[], mpol_mode_names[],
	mpol_flag_names[], seccomp_action_names[], seccomp_op_names[], seccomp_arch_names[], seccomp_flag_names[];

#endif
