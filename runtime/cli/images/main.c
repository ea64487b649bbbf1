/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/version.h"

#include <errno.h>
#include <unistd.h>

static const struct image_command *const commands[] = {
	&image_cmd_commit, &image_cmd_tar_in, &image_cmd_tar_out, /* for brig itself */
	&image_cmd_exists, &image_cmd_fsck,  &image_cmd_history, &image_cmd_images, &image_cmd_import, &image_cmd_inspect,
	&image_cmd_load,   &image_cmd_login, &image_cmd_logout,	 &image_cmd_prune,  &image_cmd_pull,   &image_cmd_push,  &image_cmd_rmi,
	&image_cmd_save,   &image_cmd_tag,   &image_cmd_unpack,	 &image_cmd_untag,
};

/* The options that may stand before the verb: those of brig, of which only some matter here. */
struct globals {
	const char *root, *runroot, *log_level;
	bool debug, version;
};

#define G struct globals
static const struct option_row global_rows[] = {
	OPT_STRING(G, root, "root", 0, "DIR", "images and containers (/var/lib/brig; rootless: ~/.local/share/brig)"),
	OPT_STRING(G, log_level, "log-level", 0, "LEVEL", "error, warning, info or debug (warning)"),
	OPT_FLAG(G, debug, "debug", 'D', "the same as --log-level debug"),
	OPT_FLAG(G, version, "version", 'v', "show the version"),
	OPT_STRING(G, runroot, "runroot", 0, "DIR", "where brig has its journal of events (brig says it)"),
	OPT_IGNORE("cgroup-manager", "NAME", "of brig: not used here"),
	OPT_IGNORE("vm-accel", "NAME", "of brig: not used here"),
	OPT_END,
};
#undef G

/* In verb[0] of the words behind the global options, or behind "image". */
static bool has_name(const char *const *names, const char *name)
{
	for (size_t i = 0; i < 4 && names[i]; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

static const struct image_command *find(const char *name, bool behind_image)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct image_command *c = commands[i];

		if (behind_image ? has_name(c->image_names, name) : has_name(c->names, name))
			return c;
	}
	return NULL;
}

static int fail(const struct err *err)
{
	fprintf(stderr, "Error: %s\n", err->msg);
	return IMAGES_EXIT_ERROR;
}

static void help_of_program(FILE *out)
{
	fprintf(out, "Manage images\n\nUsage:\n  brig image COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i]->image_names[0])
			fprintf(out, "  %-10s %s\n", commands[i]->image_names[0], commands[i]->help);
	fprintf(out, "\nGlobal options:\n");
	options_help(global_rows, out);
}

/* "pull" or "image prune", as the user would type it */
static void print_spelling(const struct image_command *c, FILE *out)
{
	fprintf(out, "brig %s%s", c->names[0] ? "" : "image ", c->names[0] ? c->names[0] : c->image_names[0]);
}

static void help_of_command(const struct image_command *c, FILE *out)
{
	fprintf(out, "%c%s\n\nUsage:\n  ", c->help[0] - 'a' + 'A', c->help + 1);
	print_spelling(c, out);
	fprintf(out, " [OPTIONS]%s%s\n\nOptions:\n", *c->operands ? " " : "", c->operands);
	options_help(c->options, out);
}

static int usage(const struct image_command *c, const struct err *err)
{
	fprintf(stderr, "Error: %s\nSee '", err->msg);
	print_spelling(c, stderr);
	fprintf(stderr, " --help'\n");
	return IMAGES_EXIT_ERROR;
}

static int check_operands(const struct image_command *c, const struct option_result *parsed, struct err *err)
{
	if (parsed->n_operands < c->min_operands)
		return err_set(err, EINVAL, "needs %s %d argument%s: %s", c->max_operands == c->min_operands ? "exactly" : "at least",
			       c->min_operands, c->min_operands == 1 ? "" : "s", c->operands);
	if (c->max_operands >= 0 && parsed->n_operands > c->max_operands)
		return err_set(err, EINVAL, "takes at most %d argument%s, not '%s'", c->max_operands, c->max_operands == 1 ? "" : "s",
			       parsed->operands[c->max_operands]);
	return 0;
}

static int run_parsed(const struct globals *g, const struct image_command *c, void *target, char **operands)
{
	struct image_cli cli = { .store = { .root_fd = -1, .lock_fd = -1 }, .debug = g->debug };
	struct err err = { 0 };
	int r = image_settings_load(&cli.settings, &err);

	if (r == 0 && !c->no_store)
		r = store_open(g->root, &cli.store, &err);
	cli.run_dir = g->runroot ? xasprintf("%s/.cli", g->runroot) : NULL;
	cli.store.keep_blobs = cli.settings.keep_blobs;
	cli.store.sync = cli.settings.sync;
	if (r == 0)
		r = c->run(&cli, target, operands, &err);
	if (!c->no_store)
		store_close(&cli.store);
	free(cli.run_dir);
	return r < 0 ? fail(&err) : r;
}

static int run_command(const struct globals *g, const struct image_command *c, char **words)
{
	CLEANUP(option_result_done) struct option_result parsed = { 0 };
	AUTO_FREE void *target = xcalloc(1, c->target_size + 1);
	struct err err = { 0 };
	int r;

	if (c->defaults)
		memcpy(target, c->defaults, c->target_size);
	r = options_parse(c->options, OPTION_ORDER_ANY, words, target, &parsed, &err);
	if (r == 0 && parsed.help) {
		help_of_command(c, stdout);
	} else {
		if (r == 0)
			r = check_operands(c, &parsed, &err);
		r = r < 0 ? usage(c, &err) : run_parsed(g, c, target, parsed.operands);
	}
	options_release(c->options, target);
	return r;
}

static int setup_log(const struct globals *g, struct err *err)
{
	static const struct name_value levels[] = {
		{ "error", LOG_LEVEL_ERROR }, { "fatal", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING }, { "warn", LOG_LEVEL_WARNING },
		{ "info", LOG_LEVEL_INFO },   { "debug", LOG_LEVEL_DEBUG }, { "trace", LOG_LEVEL_DEBUG },   { NULL, 0 },
	};
	const struct name_value *level = name_find(levels, g->log_level ? g->log_level : "warning");

	if (!level)
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --log-level: must be error, warning, info or debug", g->log_level);
	log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, g->debug ? LOG_LEVEL_DEBUG : (enum log_level)level->value);
	return 0;
}

static int dispatch(const struct globals *g, char **words)
{
	bool behind_image = str_eq(words[0], "image");
	const struct image_command *c;
	struct err err = { 0 };

	if (setup_log(g, &err) < 0)
		return fail(&err);
	if (behind_image || str_eq(words[0], "help"))
		words++;
	if (!words[0] || str_eq(words[0], "--help") || str_eq(words[0], "-h") || str_eq(words[0], "help")) {
		help_of_program(stdout);
		return EXIT_SUCCESS;
	}
	c = find(words[0], behind_image);
	if (c)
		return run_command(g, c, words + 1);
	err_set(&err, EINVAL, "unknown command '%s%s' (see brig image --help)", behind_image ? "image " : "", words[0]);
	return fail(&err);
}

int main(int argc, char **argv)
{
	CLEANUP(option_result_done) struct option_result parsed = { 0 };
	struct globals g = { 0 };
	struct err err = { 0 };
	int code;

	fd_open_std();
	if (argc < 1)
		return EXIT_FAILURE;
	if (options_parse(global_rows, OPTION_ORDER_STOP_AT_1ST, argv + 1, &g, &parsed, &err) < 0) {
		code = fail(&err);
	} else if (g.version) {
		printf("brig version %s\n", brig_version);
		code = EXIT_SUCCESS;
	} else if (parsed.help || !parsed.n_operands) {
		help_of_program(stdout);
		code = EXIT_SUCCESS;
	} else {
		code = dispatch(&g, parsed.operands);
	}
	if (fflush(stdout) != 0 && code == EXIT_SUCCESS)
		code = IMAGES_EXIT_ERROR;
	return code;
}
