/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/launch.h"

#include "namespaces/spawn.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/program_move.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/idmap.h"
#include "runtime/mount_tree.h"
#include "runtime/ns_join.h"
#include "runtime/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

void launch_init(struct launch *l, struct container *c, const struct spec_process *process)
{
	struct init_ctx *x = &l->ctx;

	*l = (struct launch){ .parent_sync_fd = -1, .own_console_fd = -1, .privileged = geteuid() == 0 };
	x->container = c;
	x->privileged = l->privileged;
	x->spec = c->spec;
	x->plan = &l->plan;
	x->sync_fd = x->gate_fd = x->console_fd = x->root_tree_fd = x->root_fd = x->host_root_fd = x->null_fd = x->mask_dir_fd = x->dev_fd = x->stage_fd = x->init_pidfd = -1;
	for (int t = 0; t < NS_TYPES; t++)
		x->ns_fds[t] = x->own_ns_fds[t] = -1;
	x->process = (struct process_ctx){
		.spec = process,
		.seccomp = &l->seccomp,
		.proc_fd = -1,
		.notify_fd = -1,
		.keep_groups = str_eq(spec_annotation(c->spec, "run.oci.keep_original_groups"), "1"),
	};
}

void launch_done(struct launch *l)
{
	int *const fds[] = { &l->ctx.sync_fd, &l->ctx.gate_fd, &l->ctx.console_fd, &l->ctx.root_tree_fd, &l->parent_sync_fd,
			     &l->own_console_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fd_close(fds[i]);
	for (int t = 0; t < NS_TYPES; t++)
		fd_close(&l->ctx.ns_fds[t]);
	plan_done(&l->plan);
	seccomp_prog_done(&l->seccomp);
}

/* What the caller opens for us stays open in the op; the rest is left. */
static int open_by_caller(struct launch *l, const struct create_opts *o, struct err *err)
{
	for (size_t i = 0; o->open_tree && i < l->plan.n_ops; i++) {
		struct op *op = &l->plan.ops[i];
		int fd;

		if (op->kind != OP_BIND || !op->src || !*op->src)
			continue;
		fd = o->open_tree(o->open_tree_arg, op->src, mount_source_flags(op));
		if (fd < 0 && fd != -ENOSYS)
			return err_sys(err, fd, "bind mount source '%s' on '%s'", op->src, op->dst);
		op->src_fd = fd < 0 ? -1 : fd;
	}
	return 0;
}

int launch_open_sources(struct launch *l, const struct create_opts *o, struct err *err)
{
	const int *root_fd = o->root_fd;
	bool shared = l->ctx.spec->rootfs_propagation & MS_SHARED;
	AUTO_CLOSE int bundle = open(l->ctx.container->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (lstat(l->plan.rootfs, &st) < 0)
		return err_sys(err, -errno, "root.path '%s'", l->plan.rootfs);
	if (S_ISLNK(st.st_mode) || !S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "root.path '%s': not a directory", l->plan.rootfs);
	l->ctx.root_given = root_fd;
	if (root_fd)
		l->ctx.root_tree_fd = fcntl(*root_fd, F_DUPFD_CLOEXEC, 3);
	r = open_by_caller(l, o, err);
	if (r < 0 || !l->privileged)
		return r;
	if (!root_fd)
		l->ctx.root_tree_fd = sys_open_tree(AT_FDCWD, l->plan.rootfs,
						    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	/* Root of a user namespace, in a mount namespace of others, or nobody may have detached trees: the child has a mount
	 * namespace of its own, and opens them there. */
	if (!root_fd && mount_call_denied(l->ctx.root_tree_fd)) {
		l->ctx.root_tree_fd = -1;
		return 0;
	}
	if (l->ctx.root_tree_fd < 0)
		return err_sys(err, root_fd ? -errno : l->ctx.root_tree_fd, "root.path '%s'", l->plan.rootfs);
	for (size_t i = 0; i < l->plan.n_ops; i++) {
		struct op *op = &l->plan.ops[i];

		if (op->kind != OP_BIND || op->src_fd >= 0)
			continue;
		op->src_fd = mount_open_source(op, bundle, shared, err);
		if (op->src_fd < 0)
			return op->src_fd;
	}
	return 0;
}

int launch_open_sync(struct launch *l, struct err *err)
{
	int pair[2], size = (int)SYNC_MAX_DATA * 2;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	l->parent_sync_fd = pair[0];
	l->ctx.sync_fd = pair[1];
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* for states with large annotations */
	return 0;
}

int launch_own_console(struct launch *l, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	l->own_console_fd = pair[0];
	l->ctx.console_fd = pair[1];
	return 0;
}

#define SELINUX_FS "/sys/fs/selinux"

static const char *mount_context(const struct spec *s)
{
	struct statfs fs;

	if (!s->mount_label)
		return NULL;
	if (statfs(SELINUX_FS, &fs) == 0 && fs.f_type == SELINUX_MAGIC)
		return s->mount_label;
	log_warn("linux.mountLabel '%s' is not in force: SELinux is not enabled in this kernel", s->mount_label);
	return NULL;
}

int launch_plan(struct launch *l, bool no_pivot, struct err *err)
{
	struct container *c = l->ctx.container;
	struct plan_env env = { .euid = geteuid(), .egid = getegid(), .no_pivot = no_pivot, .bundle = c->bundle };
	int r = plan_build(&l->plan, c->spec, &env, err);

	if (!r)
		r = sysctl_check(c->spec, &l->plan, err);
	if (!r && l->plan.auto_userns)
		r = idmap_rootless(&l->plan, c->spec, env.euid, env.egid, err);
	if (!r)
		r = ns_open_joined(c->spec, l->ctx.ns_fds, err);
	l->ctx.mount_context = r < 0 ? NULL : mount_context(c->spec);
	return r;
}

void launch_init_process(struct launch *l, bool no_pivot, bool keyring)
{
	struct container *c = l->ctx.container;
	struct process_ctx *p = &l->ctx.process;

	l->ctx.no_pivot = no_pivot;
	p->spec = c->spec->has_process ? &c->spec->process : NULL;
	p->memory_policy = &c->spec->memory_policy;
	p->has_personality = c->spec->has_personality;
	p->personality = c->spec->personality;
	p->keyring = keyring ? arena_printf(&c->arena, "_ses.%s", c->id) : NULL;
}

static int ns_type_differs(pid_t pid, int t)
{
	struct stat mine, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, ns_proc_names[t]);
	if (stat(path, &theirs) < 0)
		return errno == ENOENT ? 0 : -errno;
	snprintf(path, sizeof(path), "/proc/self/ns/%s", ns_proc_names[t]);
	if (stat(path, &mine) < 0)
		return -errno;
	return mine.st_ino != theirs.st_ino || mine.st_dev != theirs.st_dev;
}

int launch_exec_namespaces(struct launch *l, struct err *err)
{
	struct init_ctx *x = &l->ctx;

	x->is_exec = x->process.is_exec = true;
	x->init_pidfd = x->container->pidfd;
	for (int t = 0; t < NS_TYPES; t++) {
		int r = ns_type_differs(x->container->pid, t);

		if (r == -EACCES && container_status(x->container) == CONTAINER_CREATED) {
			r = gate_ask_namespaces(x, err);
			x->exec_flags = 0;
			x->exec_userns = x->ns_fds[NS_USER] >= 0;
			return r;
		}
		if (r < 0)
			return err_sys(err, r, "look at the namespaces of container '%s'", x->container->id);
		if (r)
			x->exec_flags |= ns_clone_flags[t];
	}
	x->exec_userns = x->exec_flags & CLONE_NEWUSER;
	return 0;
}

/* Close in the child what belongs to the parent; the state directory first: a fd of it inside a container is a way out. */
NORETURN void launch_child(struct launch *l)
{
	if (l->in_child)
		l->in_child(l->in_child_arg);
	fd_close(&l->parent_sync_fd);
	fd_close(&l->own_console_fd);
	if (!l->ctx.lent) /* that one writes its state first (phase_state) */
		fd_close(&l->ctx.container->dir_fd);
	sys_reset_signals();
	init_main(&l->ctx);
}

/* Alone in a pid namespace of its own the child moves by itself, which costs less. Born among others it would be late; in a user
 * namespace it has not the right. */
static bool child_may_move(const struct launch *l, bool middle)
{
	return !middle && l->plan.clone_flags & CLONE_NEWPID && !l->plan.any_userns;
}

int launch_protect(struct launch *l, bool child_moves, struct err *err)
{
	struct program_move *move = l->ctx.container->opts->move;
	int r;

	if (!move || move->fd < 0)
		return 0;
	if (child_moves) {
		l->ctx.move = move;
		return 0;
	}
	r = program_move(move);
	fd_close(&move->fd);
	return r < 0 ? err_sys(err, r, "protect the runtime's program file") : 0;
}

int launch_spawn(struct launch *l, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	struct init_ctx *x = &l->ctx;
	const struct cgroup *cg = x->container->cgroup;
	bool middle = x->is_exec ? !l->privileged && x->exec_userns : l->plan.needs_middle;
	int r = launch_protect(l, child_may_move(l, middle), err);
	pid_t pid = r < 0 ? r : spawn_child(x, x->is_exec ? 0 : l->plan.clone_flags, cg ? cgroup_clone_fd(cg) : -1, middle, ret_pidfd, err);

	if (pid < 0)
		return pid;
	if (pid == 0)
		launch_child(l);
	*ret_pid = pid;
	fd_close(&x->sync_fd);
	fd_close(&x->console_fd);
	fd_close(&x->gate_fd);
	return 0;
}

static int move_net_devices(const struct spec *s, pid_t pid, struct err *err)
{
	AUTO_CLOSE int ns = -1;
	char path[64];

	if (!s->n_net_devices)
		return 0;
	if (geteuid() != 0)
		return err_set(err, EPERM, "linux.netDevices: needs root");
	if (!s->ns[NS_NET].present)
		return err_set(err, EINVAL, "linux.netDevices: needs a network namespace in linux.namespaces");
	/* A namespace by path is joined by the child only later. */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	ns = open(s->ns[NS_NET].path ? s->ns[NS_NET].path : path, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return err_sys(err, -errno, "open the network namespace");
	for (size_t i = 0; i < s->n_net_devices; i++) {
		int r = netdev_move(&s->net_devices[i], ns, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Raising hard limits needs a privilege that a child in a new user namespace has lost: the parent does it for it. */
static void preset_rlimits(const struct spec *s, pid_t pid)
{
	for (size_t i = 0; s->has_process && i < s->process.n_rlimits; i++) {
		const struct spec_rlimit *l = &s->process.rlimits[i];
		struct rlimit lim = { .rlim_cur = l->soft, .rlim_max = l->hard };

		(void)!prlimit(pid, (enum __rlimit_resource)l->resource, &lim, NULL); /* the child reports what is not in force */
	}
}

/* Lowering it needs CAP_SYS_RESOURCE of the initial user namespace: likewise. */
static void preset_oom_score(const struct spec *s, pid_t pid)
{
	char path[48], text[32];

	if (!s->has_process || !s->process.oom_score_adj.set)
		return;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	snprintf(text, sizeof(text), "%lld", (long long)s->process.oom_score_adj.v);
	(void)!fd_write_file(AT_FDCWD, path, text); /* the child reports what is not in force */
}

static int prepare_child(struct launch *l, struct err *err)
{
	struct container *c = l->ctx.container;
	int r = 0;

	if (l->plan.new_userns) {
		r = idmap_write(c->pid, &l->plan.uid_maps, &l->plan.gid_maps, l->privileged, err);
		if (r < 0)
			return r;
		preset_rlimits(c->spec, c->pid);
		preset_oom_score(c->spec, c->pid);
	}
	r = container_cgroup_with_pid(c, c->pid, err);
	if (!r)
		r = mount_idmap_all(&l->plan, l->ctx.ns_fds[NS_USER], c->pid, err);
	if (!r)
		r = move_net_devices(c->spec, c->pid, err);
	if (!r)
		r = container_apply_rdt(c, err);
	return r;
}

static char *go_message(struct container *c, const struct spec *s, size_t *ret_n)
{
	struct buf b = { 0 };

	if (s->hooks[HOOK_CREATE_CONTAINER].n || s->hooks[HOOK_START_CONTAINER].n) {
		struct json_writer w = { .out = &b };

		container_state_json(c, CONTAINER_CREATING, false, &w);
		buf_add_n(&b, "", 1);
		w = (struct json_writer){ .out = &b };
		container_state_json(c, CONTAINER_CREATED, false, &w);
	}
	*ret_n = b.len;
	return buf_take(&b);
}

int launch_go(struct launch *l, struct err *err)
{
	struct container *c = l->ctx.container;
	AUTO_FREE char *states = NULL;
	size_t n = 0;
	int r = 0;

	if (!l->ctx.is_exec) {
		r = prepare_child(l, err);
		if (r < 0)
			return r;
		states = go_message(c, c->spec, &n);
	}
	r = sync_send(l->parent_sync_fd, SYNC_GO, states, n, -1);
	/* EPIPE: the child has died and may have said why. */
	return r < 0 && r != -EPIPE ? err_sys(err, r, "start container init") : 0;
}
