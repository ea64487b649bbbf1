/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/commands.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/program.h"
#include "runtime/base/sys.h"
#include "runtime/net/network.h"

#include <errno.h>
#include <unistd.h>

/* clang-format off */
const struct cli_command *const cli_commands[] = {
	&cli_attach, &cli_cleanup, &cli_commit, &cli_container_exists, &cli_container_inspect,
	&cli_container_prune, &cli_cp, &cli_create, &cli_diff, &cli_events, &cli_exec_verb, &cli_export,
	&cli_healthcheck_monitor, &cli_healthcheck_run, &cli_info, &cli_inspect, &cli_kill, &cli_logs,
	&cli_monitor, &cli_network_connect, &cli_network_create, &cli_network_disconnect, &cli_network_exists, &cli_network_inspect, &cli_network_ls,
	&cli_network_prune, &cli_network_rm, &cli_pause, &cli_port, &cli_ps, &cli_rename, &cli_restart,
	&cli_rm, &cli_run, &cli_secret_create, &cli_secret_exists, &cli_secret_inspect, &cli_secret_ls, &cli_secret_rm, &cli_start, &cli_stats, &cli_stop, &cli_system_df, &cli_system_prune, &cli_top,
	&cli_unpause, &cli_update, &cli_version, &cli_volume_create, &cli_volume_exists,
	&cli_volume_export, &cli_volume_import, &cli_volume_inspect, &cli_volume_ls, &cli_volume_prune,
	&cli_volume_rm, &cli_wait,
	NULL,
};
/* clang-format on */

const struct cli_foreign cli_foreign[] = {
	{ "fsck", "brig-images", "check every byte of the image store" },
	{ "history", "brig-images", "show the history of an image" },
	{ "image", "brig-images", "manage images" },
	{ "images", "brig-images", "list images" },
	{ "import", "brig-images", "make an image from a tar of a root file system" },
	{ "load", "brig-images", "load images from an archive" },
	{ "login", "brig-images", "log in to a registry" },
	{ "logout", "brig-images", "log out of a registry" },
	{ "oci", "brig-oci", "run the OCI runtime's command line" },
	{ "pull", "brig-images", "download an image from a registry" },
	{ "push", "brig-images", "upload an image to a registry" },
	{ "rmi", "brig-images", "remove images" },
	{ "save", "brig-images", "save images to an archive" },
	{ "tag", "brig-images", "give an image another name" },
	{ "untag", "brig-images", "take names from an image" },
	{ NULL, NULL, NULL },
};

#define G struct cli_globals
const struct option_row cli_global_rows[] = {
	OPT_STRING(G, root, "root", 0, "DIR", "images and containers (/var/lib/brig; rootless: ~/.local/share/brig)"),
	OPT_STRING(G, runroot, "runroot", 0, "DIR", "state of what runs (/run/brig; rootless: $XDG_RUNTIME_DIR/brig)"),
	OPT_STRING(G, cgroup_manager, "cgroup-manager", 0, "NAME", "cgroupfs, systemd or disabled (cgroupfs)"),
	OPT_STRING(G, vm_accel, "vm-accel", 0, "NAME", "for --vm: auto, kvm or emulate (auto)"),
	OPT_STRING(G, log_level, "log-level", 0, "LEVEL", "error, warning, info or debug (warning)"),
	OPT_FLAG(G, debug, "debug", 'D', "the same as --log-level debug"),
	OPT_FLAG(G, version, "version", 'v', "show the version"),
	OPT_END,
};
#undef G

const struct cli_command *cli_command_find(const char *name)
{
	for (const struct cli_command *const *c = cli_commands; *c; c++) {
		if (str_eq((*c)->name, name))
			return *c;
	}
	return NULL;
}

const struct cli_foreign *cli_foreign_find(const char *name)
{
	for (const struct cli_foreign *f = cli_foreign; f->name; f++) {
		if (str_eq(f->name, name))
			return f;
	}
	return NULL;
}

/* ---- help ---- */

static void help_of_program(FILE *out)
{
	const struct cli_foreign *f = cli_foreign;
	const struct cli_command *const *c = cli_commands;

	fputs("brig runs containers from images, in namespaces or in small virtual machines\n\n"
	      "Usage:\n   brig [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n",
	      out);
	/* both tables are in alphabetical order */
	while (*c || f->name) {
		if (*c && (!f->name || strcmp((*c)->name, f->name) < 0)) {
			if (!(*c)->hidden && !strchr((*c)->name, ' '))
				fprintf(out, "   %-11s %s\n", (*c)->name, (*c)->help);
			c++;
		} else {
			fprintf(out, "   %-11s %s\n", f->name, f->help);
			f++;
		}
	}
	for (const struct cli_group *g = cli_groups; g->name; g++)
		fprintf(out, "   %-11s %s\n", g->name, g->help);
	fprintf(out, "   %-11s %s\n\nGlobal options:\n", "help", "show this help, or that of a command");
	options_help(cli_global_rows, out);
}

void cli_help(const struct cli_command *c, FILE *out)
{
	if (!c) {
		help_of_program(out);
		return;
	}
	fprintf(out, "brig %s: %s\n\nUsage:\n   brig %s%s%s\n\nOptions:\n", c->name, c->help, c->name, *c->operands ? " " : "", c->operands);
	options_help(c->options, out);
}

/* ---- programs that stand beside this one ---- */

int cli_find_program(const char *program, char **ret, struct err *err)
{
	char *path = str_eq(program, "brig") ? program_path() : program_find_helper(program);

	if (!path)
		return err_set(err, ENOENT, "the program %s is not installed beside brig, or in ../libexec/brig", program);
	*ret = path;
	return 0;
}

int cli_run_program(const char *path, char *const argv[], struct err *err)
{
	pid_t pid = fork();
	int code;

	if (pid == 0) {
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		execv(path, argv);
		_exit(127);
	}
	if (pid < 0)
		return err_sys(err, -errno, "fork");
	code = sys_wait_pid(pid);
	return code < 0 ? err_sys(err, code, "wait for '%s'", path) : code;
}

int cli_exec(const char *program, char *const argv[], struct err *err)
{
	AUTO_FREE char *path = NULL;
	int r = cli_find_program(program, &path, err);

	if (r < 0 || !path)
		return r;
	execv(path, argv);
	return err_sys(err, -errno, "execute '%s'", path);
}

/* ---- shared ---- */

int cli_open_store(struct cli *cli, struct err *err)
{
	int r;

	if (cli->store_open)
		return 0;
	r = store_open(cli->data_root, &cli->store, err);
	cli->store_open = r == 0;
	return r;
}

char **cli_argv(const struct cli *cli, const char *name)
{
	char **argv = NULL;

	strings_add(&argv, name);
	for (char **g = cli->globals; *g; g++)
		strings_add(&argv, *g);
	return argv;
}

static int data_dir(struct cli *cli, const char *name, char **ret, struct err *err)
{
	int r = cli_open_store(cli, err);

	if (r < 0)
		return r;
	*ret = xasprintf("%s/%s", cli->store.root, name);
	return 0;
}

int cli_volume_dir(struct cli *cli, char **ret, struct err *err)
{
	return data_dir(cli, "volumes", ret, err);
}

int cli_secret_dir(struct cli *cli, char **ret, struct err *err)
{
	return data_dir(cli, "secrets", ret, err);
}

int cli_print(const char *text, struct err *err)
{
	int r = text ? fd_write_all(STDOUT_FILENO, text, strlen(text)) : 0;

	return r < 0 ? err_sys(err, r, "write to stdout") : 0;
}

void cli_report(struct err *err, int *code)
{
	fprintf(stderr, "Error: %s\n", err->msg);
	*err = (struct err){ 0 };
	*code = CLI_EXIT_ERROR;
}
