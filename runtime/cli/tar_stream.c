/* SPDX-License-Identifier: Apache-2.0 */
/* brig export, brig volume export, brig volume import: trees as tar streams. brig-images has the reader and the writer. */
#include "runtime/cli/tar_stream.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/container_root.h"
#include "runtime/cli/events.h"
#include "runtime/cli/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int tar_stream(enum tar_direction direction, int root_fd, const char *path, const char *option, struct err *err)
{
	static char program[] = "brig-images", verb_out[] = "tar-out", verb_in[] = "tar-in";
	AUTO_FREE char *fd = xasprintf("%d", root_fd), *at = xstrdup(path), *flag = option ? xstrdup(option) : NULL;
	char *argv[6] = { program, direction == TAR_OUT ? verb_out : verb_in, fd, at, flag, NULL };

	if (fcntl(root_fd, F_SETFD, 0) < 0)
		return err_sys(err, -errno, "hand the root on");
	return cli_exec(program, argv, err);
}

struct export_options {
	const char *output;
};
static const struct option_row export_rows[] = {
	OPT_STRING(struct export_options, output, "output", 'o', "FILE", "write to FILE (standard output)"),
	OPT_END,
};

/* Make FILE our standard output. */
static int redirect(const char *output, struct err *err)
{
	AUTO_CLOSE int fd = -1;

	if (!output || str_eq(output, "-"))
		return 0;
	fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return err_sys(err, -errno, "--output '%s'", output);
	return 0;
}

static int run_export(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct export_options *o = target;
	AUTO_CLOSE int root = -1;
	AUTO_RECORD struct record *r = NULL;

	if ((!o->output || str_eq(o->output, "-")) && isatty(STDOUT_FILENO))
		return err_set(err, EINVAL, "cannot write a tar to a terminal: use --output, or redirect standard output");
	root = container_root_open(cli, operands[0], err);
	if (root < 0 || redirect(o->output, err) < 0)
		return -err->code;
	if (record_load(cli, operands[0], false, &r, err) == 0)
		event_container(r, "export");
	return tar_stream(TAR_OUT, root, "/", "--one-mount", err);
}

const struct cli_command cli_export = {
	.name = "export",
	.operands = "[OPTIONS] CONTAINER",
	.help = "write a container's files as a tar, without what is mounted there",
	.options = export_rows,
	.target_size = sizeof(struct export_options),
	.min_operands = 1,
	.max_operands = 1,
	.container = true,
	.run = run_export,
};

/* ---- volumes ---- */

static int open_volume(struct cli *cli, const char *name, struct err *err)
{
	AUTO_FREE char *dir = NULL;
	struct volume v = { 0 };
	int fd, r = cli_volume_dir(cli, &dir, err);

	if (r < 0)
		return r;
	r = volume_load(dir, name, &v, err);
	fd = r < 0 ? -1 : open(v.mountpoint, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0 && fd < 0)
		r = err_sys(err, -errno, "open '%s'", v.mountpoint);
	volume_done(&v);
	return r < 0 ? r : fd;
}

static int run_volume_export(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct export_options *o = target;
	AUTO_CLOSE int root = -1;

	if ((!o->output || str_eq(o->output, "-")) && isatty(STDOUT_FILENO))
		return err_set(err, EINVAL, "cannot write a tar to a terminal: use --output, or redirect standard output");
	root = open_volume(cli, operands[0], err);
	if (root < 0 || redirect(o->output, err) < 0)
		return -err->code;
	return tar_stream(TAR_OUT, root, "/", NULL, err);
}

const struct cli_command cli_volume_export = {
	.name = "volume export",
	.operands = "[OPTIONS] VOLUME",
	.help = "write a volume's files as a tar",
	.options = export_rows,
	.target_size = sizeof(struct export_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_volume_export,
};

static const struct option_row no_rows[] = { OPT_END };

static int run_volume_import(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	const char *from = operands[1] ? operands[1] : "-";
	AUTO_CLOSE int root = open_volume(cli, operands[0], err), fd = -1;

	if (root < 0)
		return root;
	if (!str_eq(from, "-")) {
		fd = open(from, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
			return err_sys(err, -errno, "open '%s'", from);
	}
	return tar_stream(TAR_IN, root, "/", "--archive", err);
}

const struct cli_command cli_volume_import = {
	.name = "volume import",
	.operands = "VOLUME [FILE|-]",
	.help = "unpack a tar into a volume",
	.options = no_rows,
	.target_size = 1,
	.min_operands = 1,
	.max_operands = 2,
	.run = run_volume_import,
};
