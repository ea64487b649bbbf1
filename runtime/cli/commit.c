/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/cli/events.h"
#include "runtime/net/network.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct commit_options {
	struct option_list change;
	const char *author, *message, *iidfile, *format;
	bool pause, quiet, squash;
};
#define T struct commit_options
static const struct option_row rows[] = {
	OPT_STRING(T, author, "author", 'a', "NAME", "author in the image's history"),
	OPT_LIST(T, change, "change", 'c', "INSTRUCTION", "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR, as in a Dockerfile"),
	OPT_STRING(T, format, "format", 'f', "FORMAT", "oci, or docker for the same: what docker reads, too (oci)"),
	OPT_STRING(T, iidfile, "iidfile", 0, "FILE", "write the image's ID to FILE"),
	OPT_STRING(T, message, "message", 'm', "TEXT", "comment in the image's history"),
	OPT_FLAG(T, pause, "pause", 'p', "stand still meanwhile (true)"),
	OPT_FLAG(T, quiet, "quiet", 'q', "print no progress (there is none)"),
	OPT_FLAG(T, squash, "squash", 's', NULL), /* what the container wrote is always one layer */
	OPT_END,
};
#undef T

static void add2(char ***argv, const char *flag, const char *value)
{
	if (!value)
		return;
	strings_add(argv, flag);
	strings_add(argv, value);
}

/* brig-images has the store's writer. Its output is the ID. */
static char **command_line(struct cli *cli, const struct commit_options *o, const struct record *r, int upper_fd, const char *name)
{
	AUTO_FREE char *fd = xasprintf("%d", upper_fd);
	AUTO_BUF struct buf args = { 0 };
	char **argv = cli_argv(cli, "brig-images");

	strings_add(&argv, "commit-upper");
	add2(&argv, "--author", o->author);
	add2(&argv, "--message", o->message);
	for (size_t i = 0; i < r->args.n; i++)
		buf_addf(&args, "%s%s", i ? " " : "", r->args.v[i]);
	add2(&argv, "--created-by", args.p);
	for (size_t i = 0; i < o->change.n; i++)
		add2(&argv, "--change", o->change.v[i]);
	strings_add(&argv, "--");
	strings_add(&argv, fd);
	strings_add(&argv, r->manifest);
	if (name)
		strings_add(&argv, name);
	return argv;
}

static int run_images(const char *program, char **argv, int upper_fd, const char *iidfile, struct err *err)
{
	AUTO_CLOSE int out = -1;
	pid_t pid;
	int code;

	if (iidfile) {
		out = open(iidfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (out < 0)
			return err_sys(err, -errno, "--iidfile '%s'", iidfile);
	}
	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		return err_sys(err, -errno, "fork");
	if (pid == 0) {
		if (fcntl(upper_fd, F_SETFD, 0) < 0 || (out >= 0 && dup2(out, STDOUT_FILENO) < 0))
			_exit(CLI_EXIT_ERROR);
		execv(program, argv);
		_exit(CLI_EXIT_ERROR);
	}
	code = sys_wait_pid(pid);
	return code < 0 ? err_sys(err, code, "wait for brig-images") : code;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct commit_options *o = target;
	CLEANUP(cleanup_container) struct container *c = NULL;
	AUTO_RECORD struct record *r = NULL;
	AUTO_FREE char *program = NULL;
	AUTO_CLOSE int upper = -1;
	char **argv;
	struct err ignored;
	bool paused = false;
	int x;

	if (o->format && !str_eq(o->format, "oci") && !str_eq(o->format, "docker"))
		return err_set(err, EINVAL, "--format '%s': must be oci or docker", o->format);
	x = record_load(cli, operands[0], false, &r, err);

	if (x == 0)
		x = cli_find_program("brig-images", &program, err);
	if (x < 0 || !program)
		return x;
	upper = openat(r->dir_fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (upper < 0)
		return errno == ENOENT ? err_set(err, ENOENT, "container %s was never started: there is nothing to commit", r->name) :
					 err_sys(err, -errno, "open '%s/upper'", r->dir);
	if (record_state(r, &c) == RECORD_RUNNING && o->pause) {
		x = container_pause(c, err);
		paused = x == 0;
	}
	if (x == 0) {
		argv = command_line(cli, o, r, upper, operands[1]);
		x = run_images(program, argv, upper, o->iidfile, err);
		strings_free(argv);
	}
	if (paused && container_resume(c, &ignored) < 0)
		log_warn("container %s stays paused: %s", r->name, ignored.msg);
	if (x == 0)
		event_container(r, "commit");
	return x;
}

const struct cli_command cli_commit = {
	.name = "commit",
	.operands = "[OPTIONS] CONTAINER [NAME[:TAG]]",
	.help = "make an image of a container",
	.options = rows,
	.target_size = sizeof(struct commit_options),
	.defaults = &(const struct commit_options){ .pause = true },
	.min_operands = 1,
	.max_operands = 2,
	.container = true,
	.run = run,
};
