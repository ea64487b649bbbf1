/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/oci/commands.h"

#define T struct create_opts
static const struct option_row rows[] = {
	OPT_STRING(T, bundle, "bundle", 'b', "DIR", "directory with config.json and the root file system (.)"),
	OPT_STRING(T, config, "config", 'f', "FILE", "read FILE in place of the bundle's config.json"),
	OPT_STRING(T, console_socket, "console-socket", 0, "SOCKET", "send the terminal's master over this unix socket"),
	OPT_FLAG(T, detach, "detach", 'd', "do not wait for the container"),
	OPT_FLAG(T, keep, "keep", 0, "do not delete the container after it exited"),
	OPT_STRING(T, pid_file, "pid-file", 0, "FILE", "write the process id of the container to FILE"),
	OPT_STRING(T, pidfd_socket, "pidfd-socket", 0, "SOCKET", "send a pidfd of the container over this unix socket"),
	OPT_FLAG(T, no_subreaper, "no-subreaper", 0, "do not become the parent of processes that the container leaves behind"),
	OPT_FLAG(T, no_pivot, "no-pivot", 0, "do not use pivot_root (less safe: for a root on a ramdisk)"),
	OPT_FLAG(T, no_new_keyring, "no-new-keyring", 0, "keep the caller's session keyring"),
	OPT_UINT(T, preserve_fds, "preserve-fds", 0, "N", "pass N more file descriptors, from 3 on (0)"),
	OPT_END,
};
#undef T

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	struct create_opts *o = target;
	int r;

	o->id = operands[0];
	o->run = true;
	r = container_check_id(o->id, err);
	return r < 0 ? r : container_run(global, o, err);
}

const struct oci_command cmd_run = {
	.name = "run",
	.operands = "ID",
	.help = "create a container, start it, wait for it and delete it",
	.options = rows,
	.target_size = sizeof(struct create_opts),
	.min_operands = 1,
	.max_operands = 1,
	.enters = OCI_ENTERS_NEW,
	.makes_root = true,
	.run = run,
};
