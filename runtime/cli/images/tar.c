/* SPDX-License-Identifier: Apache-2.0 */
/* tar-out, tar-in: what `brig cp` calls for "-", and export. The root file system comes as a descriptor. */
#include "images/tar_tree.h"
#include "runtime/base/fd.h"
#include "runtime/base/path.h"
#include "runtime/cli/images/command.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct tar_options {
	bool archive, one_mount;
};
static const struct option_row rows[] = {
	OPT_FLAG(struct tar_options, archive, "archive", 'a', "keep owners"),
	OPT_FLAG(struct tar_options, one_mount, "one-mount", 0, "leave out what is mounted below"),
	OPT_END,
};

static int write_out(void *ctx UNUSED, const void *data, size_t n)
{
	return fd_write_all(STDOUT_FILENO, data, n);
}

static int parse_fd(const char *text, int *ret, struct err *err)
{
	return str_to_int(text, ret) < 0 ? err_set(err, EINVAL, "'%s' is no descriptor", text) : 0;
}

/* "DIR/." is its contents. */
static int run_out(struct image_cli *cli UNUSED, void *target, char **operands, struct err *err)
{
	const struct tar_options *o = target;
	struct tar_tree t = { .write = write_out, .one_mount = o->one_mount };
	const char *path = operands[1];
	AUTO_FREE char *clean = path_clean(path);
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int dir = -1;
	int root;

	if (parse_fd(operands[0], &root, err) < 0)
		return -EINVAL;
	if (isatty(STDOUT_FILENO))
		return err_set(err, EINVAL, "cannot write a tar to a terminal");
	if (str_ends(path, "/.") || str_eq(clean, "/")) {
		dir = path_open_in_root(root, clean, O_RDONLY | O_DIRECTORY, 0);
		name = xstrdup(".");
	} else {
		dir = path_open_parent_in_root(root, clean, false, 0, &name);
	}
	if (dir < 0)
		return err_sys(err, dir, "open '%s'", path);
	return tar_tree_write(&t, dir, name, str_eq(name, ".") ? "" : name, err);
}

static int run_in(struct image_cli *cli UNUSED, void *target, char **operands, struct err *err)
{
	const struct tar_options *o = target;
	AUTO_CLOSE int dir = -1;
	int root;

	if (parse_fd(operands[0], &root, err) < 0)
		return -EINVAL;
	dir = path_open_in_root(root, operands[1], O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(err, dir, "the destination '%s' must be a directory", operands[1]);
	return tar_tree_read(STDIN_FILENO, root, operands[1], o->archive, err);
}

const struct image_command image_cmd_tar_out = {
	.names = { "tar-out" },
	.operands = "FD PATH",
	.help = "write a path below a descriptor as a tar; what `brig cp` calls",
	.options = rows,
	.target_size = sizeof(struct tar_options),
	.min_operands = 2,
	.max_operands = 2,
	.no_store = true,
	.run = run_out,
};

const struct image_command image_cmd_tar_in = {
	.names = { "tar-in" },
	.operands = "FD DIR",
	.help = "unpack a tar below a descriptor; what `brig cp` calls",
	.options = rows,
	.target_size = sizeof(struct tar_options),
	.min_operands = 2,
	.max_operands = 2,
	.no_store = true,
	.run = run_in,
};
