/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/commands.h"

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/cli/tree_root.h"
#include "runtime/oci/globals.h"
#include "runtime/self.h"
#include "runtime/version.h"

#include <errno.h>
#include <unistd.h>

static int fail(const struct err *err, const char *see)
{
	fprintf(stderr, "Error: %s\n", err->msg);
	if (see)
		fprintf(stderr, "See 'brig %s%s--help'\n", see, *see ? " " : "");
	return CLI_EXIT_ERROR;
}

static int check_operands(const struct cli_command *c, const struct option_result *parsed, struct err *err)
{
	if (parsed->n_operands < c->min_operands)
		return err_set(err, EINVAL, "brig %s needs %s %d argument%s: brig %s %s", c->name,
			       c->max_operands == c->min_operands ? "exactly" : "at least", c->min_operands,
			       c->min_operands == 1 ? "" : "s", c->name, c->operands);
	if (c->max_operands >= 0 && parsed->n_operands > c->max_operands)
		return err_set(err, EINVAL, "brig %s takes at most %d argument%s, not '%s'", c->name, c->max_operands,
			       c->max_operands == 1 ? "" : "s", parsed->operands[c->max_operands]);
	return 0;
}

static int protect(struct cli *cli, const struct cli_command *c, struct err *err)
{
	bool later = c->enters == CLI_ENTERS_NEW;
	int r = self_protect(cli->argv, later ? &cli->move : NULL, err);

	if (r == 0 && later && cli->move.fd >= 0)
		cli->oci.move = &cli->move;
	return r;
}

static int run_command(struct cli *cli, const struct cli_command *c, char **words)
{
	CLEANUP(option_result_done) struct option_result parsed = { 0 };
	AUTO_FREE void *target = xcalloc(1, c->target_size + 1);
	struct err err = { 0 };
	bool usage = true;
	int r;

	if (c->defaults)
		memcpy(target, c->defaults, c->target_size);
	r = options_parse_posix(c->options, c->stop_at_operand, words, target, &parsed, &err);
	if (r == 0 && parsed.help) {
		cli_help(c, stdout);
		options_release(c->options, target);
		return EXIT_SUCCESS;
	}
	if (r == 0)
		r = check_operands(c, &parsed, &err);
	usage = r < 0;
	if (r == 0 && c->enters != CLI_ENTERS_NOT)
		r = protect(cli, c, &err);
	if (r == 0)
		r = c->run(cli, target, parsed.operands, &err);
	options_release(c->options, target);
	return r < 0 ? fail(&err, usage ? c->name : NULL) : r;
}

/* ---- which command ---- */

/* "rmi", "image rm", "image prune" */
static bool removes_images(char *const *words)
{
	const char *verb = str_eq(words[0], "image") && words[1] ? words[1] : words[0];

	return str_eq(verb, "rmi") || (verb != words[0] && (str_eq(verb, "rm") || str_eq(verb, "remove") || str_eq(verb, "prune")));
}

/* Unpacked trees have files of subordinate ids, which only this program can remove. It stays for that. */
static int run_and_sweep(struct cli *cli, const char *program, char *const argv[])
{
	AUTO_FREE char *path = NULL;
	struct err err = { 0 };
	pid_t pid = -1;
	int code, r = cli_find_program(program, &path, &err);

	if (r == 0) {
		pid = fork();
		r = pid < 0 ? err_sys(&err, -errno, "fork") : 0;
	}
	if (pid == 0) {
		execv(path, argv);
		_exit(CLI_EXIT_ERROR);
	}
	if (r < 0)
		return fail(&err, NULL);
	code = sys_wait_pid(pid);
	r = tree_sweep(cli, &err);
	return code < 0 ? CLI_EXIT_ERROR : code == 0 && r < 0 ? fail(&err, NULL) : code;
}

/* Hand over to a program beside this one. words: from the verb on. */
static int run_foreign(struct cli *cli, const struct cli_foreign *f, char **words)
{
	bool oci = str_eq(f->program, "brig-oci");
	AUTO_FREE char **argv = NULL;
	struct err err = { 0 };
	size_t n = 1, i = 0;

	while (cli->argv[i])
		i++;
	argv = xcalloc(i + 2, sizeof(*argv));
	memcpy(&argv[0], &f->program, sizeof(argv[0]));
	for (i = 0; !oci && cli->globals[i]; i++)
		argv[n++] = cli->globals[i];
	for (char **w = words + oci; *w; w++)
		argv[n++] = *w;
	if (removes_images(words) && tree_any(cli))
		return run_and_sweep(cli, f->program, argv);
	(void)!cli_exec(f->program, argv, &err);
	return fail(&err, NULL);
}

static int unknown_command(const char *name)
{
	struct err err;

	err_set(&err, EINVAL, "unknown command '%s'", name);
	return fail(&err, "");
}

static int help_command(const char *name)
{
	const struct cli_command *c = name ? cli_command_find(name) : NULL;
	const struct cli_group *g = name ? cli_group_find(name) : NULL;

	if (g) {
		cli_group_help(g, stdout);
		return EXIT_SUCCESS;
	}
	if (name && !c)
		return unknown_command(name);
	cli_help(c, stdout);
	return EXIT_SUCCESS;
}

/* "GROUP VERB". What a group does not know itself, it says. */
static int run_group(struct cli *cli, const struct cli_group *g, char **words)
{
	const struct cli_command *c;

	if (!words[1] || str_eq(words[1], "--help") || str_eq(words[1], "-h")) {
		cli_group_help(g, stdout);
		return EXIT_SUCCESS;
	}
	c = cli_group_command(g, words[1]);
	if (!c) {
		AUTO_FREE char *name = xasprintf("%s %s", words[0], words[1]);

		return unknown_command(name);
	}
	return run_command(cli, c, words + 2);
}

static int dispatch(struct cli *cli, char **words)
{
	const struct cli_command *c = cli_command_find(words[0]);
	const struct cli_foreign *f = cli_foreign_find(words[0]);
	const struct cli_group *g = cli_group_find(words[0]);

	if (c)
		return run_command(cli, c, words + 1);
	if (g)
		return run_group(cli, g, words);
	if (str_eq(words[0], "help"))
		return words[1] && cli_foreign_find(words[1]) ?
			       run_foreign(cli, cli_foreign_find(words[1]), (char *[]){ words[1], (char[]){ "--help" }, NULL }) :
			       help_command(words[1]);
	return f ? run_foreign(cli, f, words) : unknown_command(words[0]);
}

/* ---- the global options ---- */

static int setup(struct cli *cli, const struct cli_globals *g, struct err *err)
{
	struct global_options o = {
		.root = g->runroot,
		.cgroup_manager = g->cgroup_manager,
		.log_level = g->log_level,
		.debug = g->debug,
		.vm_accel = g->vm_accel,
	};
	int r = globals_open_log(&o, err);

	if (r >= 0)
		r = globals_resolve(&o, &cli->oci, err);
	if (r < 0)
		return r;
	cli->oci.backend = &namespaces_backend;
	cli->data_root = g->root;
	cli->run_dir = xasprintf("%s/.cli", cli->oci.root);
	return 0;
}

static void print_version(void)
{
	printf("brig version %s\n", brig_version);
}

int main(int argc, char **argv)
{
	CLEANUP(option_result_done) struct option_result parsed = { 0 };
	struct cli cli = { .argv = argv, .store = { .root_fd = -1, .lock_fd = -1 }, .move = { .fd = -1 } };
	struct cli_globals globals = { 0 };
	AUTO_FREE char *runroot = NULL;
	struct err err = { 0 };
	size_t n_globals;
	int code;

	fd_open_std();
	if (argc < 1)
		return CLI_EXIT_ERROR;
	if (options_parse_posix(cli_global_rows, true, argv + 1, &globals, &parsed, &err) < 0)
		return fail(&err, "");
	if (globals.version) {
		print_version();
		return EXIT_SUCCESS;
	}
	if (parsed.help || parsed.n_operands == 0)
		return help_command(NULL);
	n_globals = (size_t)(argc - 1 - parsed.n_operands);
	cli.globals = xcalloc(n_globals + 2, sizeof(*cli.globals));
	memcpy(cli.globals, argv + 1, n_globals * sizeof(*cli.globals));
	code = setup(&cli, &globals, &err);
	/* said to the programs that brig starts, whatever their own default would be */
	runroot = code == 0 && !globals.runroot ? xasprintf("--runroot=%s", cli.oci.root) : NULL;
	cli.globals[n_globals] = runroot;
	code = code < 0 ? fail(&err, "") : dispatch(&cli, parsed.operands);
	store_close(&cli.store);
	fd_close(&cli.move.fd);
	free(cli.oci.root);
	free(cli.run_dir);
	free(cli.globals);
	if (fflush(stdout) != 0 && code == EXIT_SUCCESS)
		code = CLI_EXIT_ERROR;
	return code;
}
