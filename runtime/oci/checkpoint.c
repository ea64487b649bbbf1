/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backend.h"
#include "runtime/base/mem.h"
#include "runtime/criu.h"
#include "runtime/oci/commands.h"

struct options {
	struct checkpoint_opts o;
	struct option_list empty_ns;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_STRING(T, o.image_path, "image-path", 0, "DIR", "where the images go (./checkpoint)"),
	OPT_STRING(T, o.work_path, "work-path", 0, "DIR", "where criu's log and statistics go (the image path)"),
	OPT_STRING(T, o.parent_path, "parent-path", 0, "DIR", "an earlier --pre-dump, relative to the image path"),
	OPT_FLAG(T, o.leave_running, "leave-running", 0, "do not stop the container"),
	OPT_FLAG(T, o.pre_dump, "pre-dump", 0, "dump the memory only; the container runs on"),
	OPT_FLAG(T, o.tcp_established, "tcp-established", 0, "allow open TCP connections"),
	OPT_FLAG(T, o.tcp_skip_in_flight, "tcp-skip-in-flight", 0, "skip TCP connections that are being opened"),
	OPT_FLAG(T, o.tcp_close, "tcp-close", 0, "close TCP connections"),
	OPT_FLAG(T, o.ext_unix_sk, "ext-unix-sk", 0, "allow unix sockets to the outside"),
	OPT_FLAG(T, o.shell_job, "shell-job", 0, "allow a terminal that comes from outside"),
	OPT_FLAG(T, o.lazy_pages, "lazy-pages", 0, "leave the memory pages for a lazy restore"),
	OPT_STRING(T, o.status_fd, "status-fd", 0, "FD", "criu writes a zero byte to this descriptor when it is ready"),
	OPT_STRING(T, o.page_server, "page-server", 0, "ADDRESS:PORT", "send memory pages to this page server"),
	OPT_FLAG(T, o.file_locks, "file-locks", 0, "keep file locks"),
	OPT_FLAG(T, o.link_remap, "link-remap", 0, "keep files that are open but unlinked"),
	OPT_STRING(T, o.manage_cgroups_mode, "manage-cgroups-mode", 0, "MODE", "soft, full, strict or ignore (soft)"),
	OPT_LIST(T, empty_ns, "empty-ns", 0, "NAMESPACE", "do not dump what is in this namespace (network)"),
	OPT_FLAG(T, o.auto_dedup, "auto-dedup", 0, "drop pages of the parent that are dumped again"),
	OPT_STRING(T, o.network_lock, "network-lock", 0, "METHOD", "iptables, nftables or skip"),
	OPT_END,
};
#undef T

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	AUTO_CONTAINER struct container *c = NULL;
	struct options *x = target;
	int r;

	x->o.empty_ns = x->empty_ns.v;
	x->o.n_empty_ns = x->empty_ns.n;
	r = criu_check_opts(&x->o, err);
	if (r == 0)
		r = container_load(&c, global, operands[0], true, err);
	if (r < 0 || !c)
		return r;
	return c->backend->checkpoint ? c->backend->checkpoint(c, &x->o, err) : criu_checkpoint(c, &x->o, err);
}

const struct oci_command cmd_checkpoint = {
	.name = "checkpoint",
	.operands = "ID",
	.help = "write the processes of a container to files",
	.options = rows,
	.target_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
