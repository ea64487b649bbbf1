/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_COMMANDS_H
#define BRIG_RUNTIME_CLI_COMMANDS_H

#include "images/store.h"
#include "runtime/base/err.h"
#include "runtime/base/program_move.h"
#include "runtime/base/str.h"
#include "runtime/container.h"
#include "runtime/oci/options.h"

/*
 * DOC: the program for people
 *
 * One file a verb; each defines one const struct cli_command. The table in commands.c is all that main.c, the help, the man
 * page's test and the completions know of them. stdout carries only data; an error is one line "Error: ..." on stderr. Exit
 * codes are those of docker and podman: 125 for an error of brig itself, 126 for a program that cannot be executed, 127 for
 * one that is not there, else the container's own, 128 + N when signal N ended it.
 */
#define CLI_EXIT_ERROR	   125
#define CLI_EXIT_NOT_EXEC  126
#define CLI_EXIT_NOT_FOUND 127

/* The options that stand before the verb. */
struct cli_globals {
	const char *root, *runroot, *cgroup_manager, *log_level, *vm_accel;
	bool debug, version;
};
extern const struct option_row cli_global_rows[];

/*
 * What a verb works with.
 *
 *   DATA = /var/lib/brig, or XDG_DATA_HOME/brig	the image store, and
 *     DATA/containers/ID/	record.json, log, upper/ work/ (the writable layer)
 *     DATA/secrets/NAME/	data, secret.json
 *     DATA/containers/.names/NAME	a symlink to ID: names are unique because the file system makes them so
 *   RUN = /run/brig, or XDG_RUNTIME_DIR/brig		the OCI layer's state, ID/ for each container that has a process, and
 *     RUN/.cli/containers/ID/	the bundle: hosts, resolv.conf, hostname, the monitor's files; gone after a reboot
 *     RUN/.cli/exits/ID	exit code of a container that removed itself, for those who wait for it
 */
struct cli {
	struct runtime_opts oci; /* .root is RUN */
	struct store store;	 /* DATA; open once cli_open_store() succeeded */
	bool store_open;
	const char *data_root;	 /* --root, or NULL for the default */
	char *run_dir;		 /* RUN/.cli */
	struct program_move move; /* for the child that enters a new container; .fd is owned */
	char **argv;		 /* the whole command line, for self_protect() and for programs to hand over to */
	char **globals;		 /* its global options alone, NULL-terminated: for programs that brig starts */
};

struct cli_command {
	const char *name;     /* "GROUP VERB" for a verb of a group */
	const char *operands; /* for help: "[OPTIONS] IMAGE [COMMAND [ARG...]]" */
	const char *help;     /* one line, verb first */
	const struct option_row *options;
	size_t target_size;   /* of the struct that options fill */
	const void *defaults; /* target_size bytes, or NULL: zeroes */
	int min_operands, max_operands; /* max -1: any number */
	bool stop_at_operand; /* later words belong to another program */
	enum { CLI_ENTERS_NOT, CLI_ENTERS_NEW, CLI_ENTERS_RUNNING } enters; /* a child becomes part of a container, one that it makes
						      or one that runs: /proc/self/exe has to be protected */
	bool hidden;	      /* of brig's own use */
	bool container;	      /* also spelt "brig container NAME" */
	/* operands: NULL-terminated, count checked. Returns the exit code, or negative with err. */
	int (*run)(struct cli *cli, void *target, char **operands, struct err *err);
};

extern const struct cli_command *const cli_commands[]; /* NULL-terminated */
const struct cli_command *cli_command_find(const char *name);

/* Verbs of another program that stands beside this one; words of two are groups. NULL-terminated. */
struct cli_foreign {
	const char *name, *program, *help;
};
extern const struct cli_foreign cli_foreign[];
const struct cli_foreign *cli_foreign_find(const char *name);

/* Words that stand before verbs: "network ls". The verbs are commands of that name, and some that stand alone, too. */
struct cli_group {
	const char *name, *help;
};
extern const struct cli_group cli_groups[]; /* ends with a NULL name */
const struct cli_group *cli_group_find(const char *name);
const struct cli_command *cli_group_command(const struct cli_group *g, const char *verb);
void cli_group_help(const struct cli_group *g, FILE *out);

/* Help of the program (NULL) or of one command. */
void cli_help(const struct cli_command *c, FILE *out);

/* Run the program at path to its end. What it prints goes to our standard error: standard output is for our own data. Its exit code, 128 +
 * the signal that ended it, or -errno. */
int cli_run_program(const char *path, char *const argv[], struct err *err) MUST_CHECK;
/* Replace this process by a program of ours that stands beside it, or in ../libexec/brig. Comes back only to fail. */
int cli_exec(const char *program, char *const argv[], struct err *err) MUST_CHECK;
/* The beginning of such a program's argv: its name and brig's own global options. For strings_add() and strings_free(). */
char **cli_argv(const struct cli *cli, const char *name) __attribute__((returns_nonnull));
/* Path of such a program, new string. */
int cli_find_program(const char *program, char **ret, struct err *err) MUST_CHECK;

/* Open the store at its place; a second call does nothing. */
int cli_open_store(struct cli *cli, struct err *err) MUST_CHECK;
/* The same; *ret is the folder of the volumes, a new string. */
int cli_volume_dir(struct cli *cli, char **ret, struct err *err) MUST_CHECK;
/* ... of the secrets */
int cli_secret_dir(struct cli *cli, char **ret, struct err *err) MUST_CHECK;

/* Print text (which may be NULL) to stdout. */
int cli_print(const char *text, struct err *err) MUST_CHECK;

/* For a verb over several containers: print the error of one of them and go on; the exit code grows to that of an error. */
void cli_report(struct err *err, int *code);

/* network_verbs.c, volume_verbs.c, health.c: groups, "network ls" */
extern const struct cli_command cli_network_create, cli_network_inspect, cli_network_ls, cli_network_prune, cli_network_rm;
extern const struct cli_command cli_network_connect, cli_network_disconnect; /* network_connect.c */
extern const struct cli_command cli_volume_create, cli_volume_inspect, cli_volume_ls, cli_volume_prune, cli_volume_rm;
extern const struct cli_command cli_container_exists, cli_network_exists, cli_secret_exists, cli_volume_exists; /* exists.c */
extern const struct cli_command cli_export, cli_volume_export, cli_volume_import;	       /* tar_stream.c */
extern const struct cli_command cli_system_df, cli_system_prune;			       /* system_df.c, system_prune.c */
extern const struct cli_command cli_secret_create, cli_secret_inspect, cli_secret_ls, cli_secret_rm; /* secret_verbs.c */
extern const struct cli_command cli_healthcheck_monitor, cli_healthcheck_run;
extern const struct cli_command cli_commit, cli_cp, cli_diff, cli_events, cli_port, cli_rename, cli_stats, cli_top, cli_update;
extern const struct cli_command cli_attach, cli_cleanup, cli_container_inspect, cli_container_prune, cli_create, cli_exec_verb, cli_info, cli_inspect, cli_kill, cli_logs, cli_monitor,
	cli_pause, cli_ps, cli_restart, cli_rm, cli_run, cli_start, cli_stop, cli_unpause, cli_version, cli_wait;

#endif
