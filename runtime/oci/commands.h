/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_OCI_COMMANDS_H
#define BRIG_RUNTIME_OCI_COMMANDS_H

#include "runtime/base/err.h"
#include "runtime/base/str.h"
#include "runtime/container.h"
#include "runtime/oci/options.h"

/*
 * DOC: commands
 *
 * One file a verb; each defines one const struct oci_command. The table of commands.c is all that main.c, the help, the
 * shell completions' test and the man page's test know of them.
 */
/* Whether the process, or a child, becomes part of a container, where /proc/self/exe has to be protected (runtime/self.h). */
enum oci_enters {
	OCI_ENTERS_NOTHING,
	OCI_ENTERS,
	OCI_ENTERS_NEW, /* by a child, which the namespaces backend protects by itself */
};

struct oci_command {
	const char *name;
	const char *operands; /* for help: "ID [SIGNAL]" */
	const char *help;     /* one line, verb first */
	const struct option_row *options;
	size_t target_size;   /* of the struct that options fill */
	const void *defaults; /* target_size bytes, or NULL: zeroes */
	int min_operands, max_operands; /* max -1: any number */
	enum option_order order;
	enum oci_enters enters;
	bool makes_root;  /* makes the state directory's root when it is missing */
	int failure_code; /* exit code of a failed run(); 0 stands for 1 */
	const char *failure_text; /* prefix of the message, or NULL */
	/* operands: NULL-terminated, count checked. Returns the exit code, or negative with err. */
	int (*run)(const struct runtime_opts *global, void *target, char **operands, struct err *err);
};

extern const struct oci_command *const oci_commands[]; /* in alphabetical order, NULL-terminated */
const struct oci_command *oci_command_find(const char *name);

/* The options that stand before the verb. */
struct global_options {
	const char *root, *log, *log_format, *log_level, *cgroup_manager, *rootless, *vm_accel;
	bool debug, systemd_cgroup, strict, version;
};
extern const struct option_row global_option_rows[];

/* Help of the program (command NULL) or of one command. */
void oci_help(const char *program, const struct oci_command *command, FILE *out);
void oci_version(const char *program, FILE *out);

/* ---- shared by several verbs ---- */

#define AUTO_CONTAINER CLEANUP(cleanup_container)

/* Read a whole file, or stdin for "-"; at most max bytes. New string. */
int oci_read_input(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err) MUST_CHECK;

/* Write a buffer and a newline to stdout. */
int oci_print(const struct buf *b, struct err *err) MUST_CHECK;

/* A column of values as wide as its widest, three blanks between columns. */
struct oci_table {
	struct strlist *rows; /* owned, with their strings */
	size_t n;
};
void oci_table_add(struct oci_table *t, size_t n, const char *const *cells);
void oci_table_print(const struct oci_table *t, struct buf *out);
void oci_table_done(struct oci_table *t);

/* Call f for every container whose whole id, or a part of it, matches the extended regular expression. A failure of one is
 * logged and does not stop the others; the last one is returned. */
int oci_for_each_match(const struct runtime_opts *global, const char *regex,
		       int (*f)(struct container *c, void *arg, struct err *err), void *arg, struct err *err) MUST_CHECK;

extern const struct oci_command cmd_checkpoint, cmd_create, cmd_delete, cmd_events, cmd_exec, cmd_features, cmd_kill, cmd_list,
	cmd_pause, cmd_ps, cmd_restore, cmd_resume, cmd_run, cmd_spec, cmd_start, cmd_state, cmd_update;

#endif
