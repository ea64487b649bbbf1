/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/criu.h"
#include "runtime/oci/commands.h"

struct options {
	struct create_opts create;
	struct checkpoint_opts o;
	struct option_list empty_ns;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_STRING(T, create.bundle, "bundle", 'b', "DIR", "directory with config.json and the root file system (.)"),
	OPT_FLAG(T, create.detach, "detach", 'd', "do not wait for the container"),
	OPT_STRING(T, create.pid_file, "pid-file", 0, "FILE", "write the process id of the container to FILE"),
	OPT_STRING(T, create.console_socket, "console-socket", 0, "SOCKET", "send the terminal's master over this unix socket"),
	OPT_FLAG(T, create.no_pivot, "no-pivot", 0, "do not use pivot_root"),
	OPT_FLAG(T, create.no_subreaper, "no-subreaper", 0, "do not become the parent of processes left behind"),
	OPT_STRING(T, o.image_path, "image-path", 0, "DIR", "where the images are (./checkpoint)"),
	OPT_STRING(T, o.work_path, "work-path", 0, "DIR", "where criu's log and statistics go (the image path)"),
	OPT_FLAG(T, o.tcp_established, "tcp-established", 0, "allow open TCP connections"),
	OPT_FLAG(T, o.tcp_close, "tcp-close", 0, "restore TCP connections as closed"),
	OPT_FLAG(T, o.ext_unix_sk, "ext-unix-sk", 0, "allow unix sockets to the outside"),
	OPT_FLAG(T, o.shell_job, "shell-job", 0, "allow a terminal that comes from outside"),
	OPT_FLAG(T, o.file_locks, "file-locks", 0, "restore file locks"),
	OPT_FLAG(T, o.link_remap, "link-remap", 0, "restore files that were open but unlinked"),
	OPT_STRING(T, o.manage_cgroups_mode, "manage-cgroups-mode", 0, "MODE", "soft, full, strict or ignore (soft)"),
	OPT_LIST(T, empty_ns, "empty-ns", 0, "NAMESPACE", "do not restore what is in this namespace (network)"),
	OPT_FLAG(T, o.auto_dedup, "auto-dedup", 0, "drop pages from the images once they are restored"),
	OPT_FLAG(T, o.lazy_pages, "lazy-pages", 0, "fetch memory pages when they are used"),
	OPT_STRING(T, o.lsm_profile, "lsm-profile", 0, "TYPE:NAME", "apparmor:PROFILE or selinux:LABEL in place of the dumped one"),
	OPT_STRING(T, o.lsm_mount_context, "lsm-mount-context", 0, "CONTEXT", "SELinux mount context in place of the dumped one"),
	OPT_STRING(T, o.network_lock, "network-lock", 0, "METHOD", "iptables, nftables or skip"),
	OPT_END,
};
#undef T

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	struct options *x = target;
	int r;

	x->create.id = operands[0];
	x->create.run = true;
	x->o.empty_ns = x->empty_ns.v;
	x->o.n_empty_ns = x->empty_ns.n;
	r = container_check_id(x->create.id, err);
	if (r == 0)
		r = criu_check_opts(&x->o, err);
	return r < 0 ? r : container_restore(global, &x->create, &x->o, err);
}

const struct oci_command cmd_restore = {
	.name = "restore",
	.operands = "ID",
	.help = "make a container from the files that checkpoint wrote",
	.options = rows,
	.target_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = 1,
	.enters = OCI_ENTERS,
	.makes_root = true,
	.run = run,
};
