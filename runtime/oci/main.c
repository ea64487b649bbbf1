/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/oci/globals.h"
#include "runtime/self.h"

struct invocation {
	const char *program; /* "brig-oci" or "brig-vm" */
	struct global_options global;
	struct runtime_opts opts;
	struct program_move move;
	bool own_log; /* --log was given: errors go there and to stderr */
	bool json;
};

/* Everybody that may be watching hears of it: the engine through the log, a person through stderr. */
static int fail(const struct invocation *in, const struct err *err, int code)
{
	if (in->own_log || in->json)
		log_error("%s", err->msg);
	if (in->own_log || !in->json)
		fprintf(stderr, "%s: %s\n", in->program, err->msg);
	return code;
}

static const struct backend *pick_backend(const char *program)
{
	return str_eq(program, "brig-vm") ? &vm_backend : &namespaces_backend;
}

/* The words are those of runc, for callers that look for them. */
static int check_operands(const struct oci_command *c, const struct option_result *parsed, struct err *err)
{
	bool exact = c->min_operands == c->max_operands;

	if (parsed->n_operands < c->min_operands)
		return err_set(err, EINVAL, "\"%s\" requires %s %d argument(s): %s %s", c->name, exact ? "exactly" : "a minimum of",
			       c->min_operands, c->name, c->operands);
	if (c->max_operands >= 0 && parsed->n_operands > c->max_operands)
		return err_set(err, EINVAL, "\"%s\" requires %s %d argument(s), and '%s' is one too many: %s %s", c->name,
			       exact ? "exactly" : "a maximum of", c->max_operands, parsed->operands[c->max_operands], c->name,
			       c->operands);
	return 0;
}

static int protect(struct invocation *in, const struct oci_command *c, char **argv, struct err *err)
{
	bool later = c->enters == OCI_ENTERS_NEW;
	int r = self_protect(argv, later ? &in->move : NULL, err);

	if (r == 0 && later && in->move.fd >= 0)
		in->opts.move = &in->move;
	return r;
}

static int run_parsed(struct invocation *in, const struct oci_command *c, void *target, const struct option_result *parsed,
		      char **argv)
{
	struct err err = { 0 };
	int r = check_operands(c, parsed, &err);

	in->opts.backend = pick_backend(in->program);
	/* In vm-mode nothing of the runtime enters the container. */
	if (r == 0 && c->enters && in->opts.backend == &namespaces_backend)
		r = protect(in, c, argv, &err);
	if (r == 0 && c->makes_root)
		r = globals_make_root(&in->global, &in->opts, &err);
	if (r < 0)
		return fail(in, &err, EXIT_FAILURE);

	r = c->run(&in->opts, target, parsed->operands, &err);
	if (r >= 0)
		return r;
	if (c->failure_text)
		err_wrap(&err, "%s", c->failure_text);
	return fail(in, &err, c->failure_code ? c->failure_code : EXIT_FAILURE);
}

/* words: behind the command's name; argv: the whole line, for self_protect() */
static int run_command(struct invocation *in, const struct oci_command *c, char **words, char **argv)
{
	CLEANUP(option_result_done) struct option_result parsed = { 0 };
	AUTO_FREE void *target = xcalloc(1, c->target_size + 1);
	struct err err = { 0 };
	int code, r;

	if (c->defaults)
		memcpy(target, c->defaults, c->target_size);
	r = options_parse(c->options, c->order, words, target, &parsed, &err);
	if (r < 0) {
		code = fail(in, &err, EXIT_FAILURE);
	} else if (parsed.help) {
		oci_help(in->program, c, stdout);
		code = EXIT_SUCCESS;
	} else {
		code = run_parsed(in, c, target, &parsed, argv);
	}
	options_release(c->options, target);
	return code;
}

static int help_command(struct invocation *in, const char *name)
{
	const struct oci_command *c = name ? oci_command_find(name) : NULL;
	struct err err;

	if (name && !c) {
		err_set(&err, EINVAL, "unknown command '%s'", name);
		return fail(in, &err, EXIT_FAILURE);
	}
	oci_help(in->program, c, stdout);
	return EXIT_SUCCESS;
}

static int dispatch(struct invocation *in, const struct option_result *parsed, char **argv)
{
	const struct oci_command *c;
	struct err err = { 0 };
	int r;

	if (in->global.version) {
		oci_version(in->program, stdout);
		return EXIT_SUCCESS;
	}
	if (parsed->help || parsed->n_operands == 0 || str_eq(parsed->operands[0], "help"))
		return help_command(in, parsed->n_operands && str_eq(parsed->operands[0], "help") ? parsed->operands[1] : NULL);

	r = globals_open_log(&in->global, &err);
	in->own_log = r > STDERR_FILENO || (r < 0 && log_get_fd() > STDERR_FILENO);
	in->json = str_eq(in->global.log_format, "json");
	if (r >= 0)
		r = globals_resolve(&in->global, &in->opts, &err);
	c = oci_command_find(parsed->operands[0]);
	if (r >= 0 && !c)
		r = err_set(&err, EINVAL, "unknown command '%s' (see %s --help)", parsed->operands[0], in->program);
	if (r < 0)
		return fail(in, &err, EXIT_FAILURE);
	return run_command(in, c, parsed->operands + 1, argv);
}

int main(int argc, char **argv)
{
	CLEANUP(option_result_done) struct option_result parsed = { 0 };
	struct invocation in = { .program = "brig-oci", .move = PROGRAM_MOVE_NONE };
	struct err err = { 0 };
	int code;

	fd_open_std();
	if (argc < 1)
		return EXIT_FAILURE;
	if (str_eq(basename(argv[0]), "brig-vm"))
		in.program = "brig-vm";
	if (options_parse(global_option_rows, OPTION_ORDER_STOP_AT_1ST, argv + 1, &in.global, &parsed, &err) < 0)
		code = fail(&in, &err, EXIT_FAILURE);
	else
		code = dispatch(&in, &parsed, argv);
	free(in.opts.root);
	if (fflush(stdout) != 0 && code == EXIT_SUCCESS)
		code = EXIT_FAILURE;
	return code;
}
