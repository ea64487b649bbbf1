/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "namespaces/spawn.h"
#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
#include "runtime/idmap.h"
#include "runtime/mount_tree.h"
#include "runtime/ns_join.h"
#include "runtime/seccomp.h"
#include "runtime/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LISTEN_FDS 1024

/* What `run` keeps between create and start; the other commands talk through the gate. */
struct ns_data {
	int sync_fd;
	int console_fd; /* our end when we own the pty, or -1 */
};

struct ns_launch {
	struct init_ctx ctx;
	struct plan plan;
	struct seccomp_prog seccomp;
	int parent_sync_fd, own_console_fd;
	bool privileged;
};

static void launch_done(struct ns_launch *l)
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

static void launch_init(struct ns_launch *l, struct container *c, const struct spec_process *process)
{
	struct init_ctx *x = &l->ctx;

	*l = (struct ns_launch){ .parent_sync_fd = -1, .own_console_fd = -1, .privileged = geteuid() == 0 };
	x->container = c;
	x->privileged = l->privileged;
	x->spec = c->spec;
	x->plan = &l->plan;
	x->sync_fd = x->gate_fd = x->console_fd = x->root_tree_fd = x->root_fd = x->host_root_fd = x->null_fd = x->mask_dir_fd = x->init_pidfd = -1;
	for (int t = 0; t < NS_TYPES; t++)
		x->ns_fds[t] = -1;
	x->process = (struct process_ctx){
		.spec = process,
		.seccomp = &l->seccomp,
		.proc_fd = -1,
		.notify_fd = -1,
		.keep_groups = str_eq(spec_annotation(c->spec, "run.oci.keep_original_groups"), "1"),
	};
}

/* With privilege the host's paths are opened here, by the host's rules; without, the child does it in its user namespace. */
static int open_sources(struct ns_launch *l, const struct create_opts *o, struct err *err)
{
	bool shared = l->ctx.spec->rootfs_propagation & MS_SHARED;
	AUTO_CLOSE int bundle = open(l->ctx.container->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (lstat(l->plan.rootfs, &st) < 0)
		return err_sys(err, -errno, "root.path '%s'", l->plan.rootfs);
	if (S_ISLNK(st.st_mode) || !S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "root.path '%s': not a directory", l->plan.rootfs);
	if (o->root_fd)
		l->ctx.root_tree_fd = fcntl(*o->root_fd, F_DUPFD_CLOEXEC, 3);
	if (!l->privileged)
		return 0;
	if (!o->root_fd)
		l->ctx.root_tree_fd = sys_open_tree(AT_FDCWD, l->plan.rootfs,
						    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	if (l->ctx.root_tree_fd < 0)
		return err_sys(err, o->root_fd ? -errno : l->ctx.root_tree_fd, "root.path '%s'", l->plan.rootfs);
	for (size_t i = 0; i < l->plan.n_ops; i++) {
		struct op *op = &l->plan.ops[i];

		if (op->kind != OP_BIND)
			continue;
		op->src_fd = mount_open_source(op, bundle, shared, err);
		if (op->src_fd < 0)
			return op->src_fd;
	}
	return 0;
}

static int open_console(struct ns_launch *l, bool terminal, const char *socket_path, bool detach, struct err *err)
{
	int pair[2];

	if (!terminal)
		return socket_path ? err_set(err, EINVAL, "--console-socket: process.terminal is not set, so there is no console to send") :
				     0;
	if (socket_path) {
		l->ctx.console_fd = console_connect(socket_path, err);
		return l->ctx.console_fd < 0 ? l->ctx.console_fd : 0;
	}
	if (detach)
		return err_set(err, EINVAL, "process.terminal: cannot allocate a tty when detached without --console-socket");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	l->own_console_fd = pair[0];
	l->ctx.console_fd = pair[1];
	return 0;
}

static int open_sync(struct ns_launch *l, struct err *err)
{
	int pair[2], size = (int)SYNC_MAX_DATA * 2;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	l->parent_sync_fd = pair[0];
	l->ctx.sync_fd = pair[1];
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* for states with large annotations */
	return 0;
}

/* A program starts with all signals as the kernel has them at boot, whatever the caller of the runtime ignores or blocks:
 * a shell's background job ignores INT and QUIT, and an ignored signal cannot be caught by a shell. */
static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* KILL, STOP and libc's own two refuse */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Close in the child what belongs to the parent; the state directory first: a fd of it inside a container is a way out. */
static void child_main(struct ns_launch *l)
{
	fd_close(&l->parent_sync_fd);
	fd_close(&l->own_console_fd);
	fd_close(&l->ctx.container->dir_fd);
	fd_close(&l->ctx.container->lock_fd);
	reset_signals();
	init_main(&l->ctx);
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

static int prepare_child(struct ns_launch *l, struct err *err)
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

/* From GO to READY. */
static int drive_child(struct ns_launch *l, struct err *err)
{
	struct container *c = l->ctx.container;
	AUTO_FREE char *go = NULL;
	size_t n = 0;
	int r = prepare_child(l, err);

	if (r < 0)
		return r;
	go = go_message(c, c->spec, &n);
	r = sync_send(l->parent_sync_fd, SYNC_GO, go, n, -1);
	if (r < 0 && r != -EPIPE)
		return err_sys(err, r, "start container init");
	r = sync_recv(l->parent_sync_fd, 1u << SYNC_HOOKS | 1u << SYNC_READY, NULL, NULL, NULL, err);
	if (r == SYNC_HOOKS) {
		r = container_run_create_hooks(c, err);
		if (r < 0)
			return r;
		r = sync_send(l->parent_sync_fd, SYNC_HOOKS_DONE, NULL, 0, -1);
		if (r < 0)
			return err_sys(err, r, "continue container init");
		r = sync_recv(l->parent_sync_fd, 1u << SYNC_READY, NULL, NULL, NULL, err);
	}
	if (r == 0)
		return err_set(err, ECHILD, "container init died (killed, or out of its memory limit?)");
	return r < 0 ? r : 0;
}

/*
 * One cache for all state directories of a user, hidden in the default one: nothing of it stays where an engine keeps its
 * containers. -1: none, which only costs time.
 */
static int open_seccomp_cache(void)
{
	const char *runtime_dir = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
	AUTO_FREE char *top = NULL, *path = NULL;

	if (!runtime_dir || runtime_dir[0] != '/')
		return -1;
	top = xasprintf("%s/brig", runtime_dir);
	path = xasprintf("%s/.seccomp", top);
	if ((mkdir(top, 0700) < 0 && errno != EEXIST) || (mkdir(path, 0700) < 0 && errno != EEXIST))
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int compile_seccomp(struct ns_launch *l, struct err *err)
{
	const struct spec *s = l->ctx.spec;
	AUTO_CLOSE int cache_fd = -1;
	int r;

	if (!s->seccomp.set)
		return 0;
	cache_fd = open_seccomp_cache();
	r = seccomp_compile_cached(&s->seccomp, &s->annotations, cache_fd, &l->seccomp, err);
	if (r < 0)
		return r;
	r = seccomp_prog_save(&l->seccomp, l->ctx.container->dir_fd, "seccomp.bpf");
	return r < 0 ? err_sys(err, r, "write seccomp.bpf") : 0;
}

static int ns_prepare(struct ns_launch *l, struct container *c, const struct create_opts *o, struct err *err)
{
	struct plan_env env = {
		.euid = geteuid(),
		.egid = getegid(),
		.no_pivot = o->no_pivot,
		.bundle = c->bundle,
	};
	int r = plan_build(&l->plan, c->spec, &env, err);

	if (!r)
		r = sysctl_check(c->spec, &l->plan, err);
	if (!r && l->plan.auto_userns)
		r = idmap_rootless(&l->plan, c->spec, env.euid, env.egid, err);
	if (!r)
		r = ns_open_joined(c->spec, l->ctx.ns_fds, err);
	if (!r)
		r = open_sources(l, o, err);
	if (!r)
		r = compile_seccomp(l, err);
	if (!r)
		r = open_console(l, c->spec->has_process && c->spec->process.terminal, o->console_socket, !o->run || o->detach, err);
	if (!r)
		r = open_sync(l, err);
	return r;
}

/*
 * fds 3 and up that the program keeps: first those of socket activation (LISTEN_FDS in our environment), then --preserve-fds of
 * them. LISTEN_PID is not compared: engines start us through helpers, whose pid it never is.
 */
static int keep_fds(struct process_ctx *p, unsigned preserve, struct err *err)
{
	const char *env = getenv("LISTEN_FDS");
	uint32_t listen = 0;

	if (env && (str_to_u32(env, &listen) < 0 || listen > MAX_LISTEN_FDS))
		listen = 0;
	for (uint32_t i = 0; i < listen; i++)
		if (fcntl(3 + (int)i, F_GETFD) < 0)
			listen = 0; /* not meant for us */
	for (unsigned i = 0; i < preserve; i++)
		if (fcntl(3 + (int)(listen + i), F_GETFD) < 0)
			return err_set(err, EBADF, "--preserve-fds %u: file descriptor %u is not open", preserve, 3 + listen + i);
	p->listen_fds = (int)listen;
	p->preserve_fds = listen + preserve;
	return 0;
}

static void fill_process(struct ns_launch *l, const struct create_opts *o)
{
	struct container *c = l->ctx.container;
	struct process_ctx *p = &l->ctx.process;

	l->ctx.no_pivot = o->no_pivot;
	p->spec = c->spec->has_process ? &c->spec->process : NULL;
	p->memory_policy = &c->spec->memory_policy;
	p->has_personality = c->spec->has_personality;
	p->personality = c->spec->personality;
	p->keyring = o->no_new_keyring ? NULL : arena_printf(&c->arena, "_ses.%s", c->id);
}

static int ns_create(struct container *c, const struct create_opts *o, struct err *err)
{
	CLEANUP(launch_done) struct ns_launch l;
	struct ns_data *data;
	int r;

	launch_init(&l, c, NULL);
	r = keep_fds(&l.ctx.process, o->preserve_fds, err);
	if (!r)
		r = ns_prepare(&l, c, o, err);
	if (r < 0)
		return r;
	fill_process(&l, o);
	r = container_make_cgroup(c, l.plan.rw_cgroup_mount, l.plan.any_userns, err);
	if (r < 0)
		return r;
	if (!o->run) {
		l.ctx.gate_fd = fd_seqpacket_listen(c->dir_fd, "gate");
		if (l.ctx.gate_fd < 0)
			return err_sys(err, l.ctx.gate_fd, "make the gate");
	}
	r = spawn_child(&l.ctx, l.plan.clone_flags, c->cgroup ? cgroup_clone_fd(c->cgroup) : -1, l.plan.needs_middle, &c->pidfd, err);
	if (r < 0)
		return r;
	if (r == 0)
		child_main(&l);
	c->pid = r;
	fd_close(&l.ctx.sync_fd);
	fd_close(&l.ctx.console_fd);
	fd_close(&l.ctx.gate_fd);
	r = drive_child(&l, err);
	if (r < 0)
		return r;
	data = xcalloc(1, sizeof(*data));
	data->sync_fd = TAKE_FD(l.parent_sync_fd);
	data->console_fd = TAKE_FD(l.own_console_fd);
	c->backend_data = data;
	return 0;
}

/* After state.json is in place: let the child of `create` go on to the gate. */
static int ns_committed(struct container *c, struct err *err)
{
	struct ns_data *data = c->backend_data;
	int r = sync_send(data->sync_fd, SYNC_READY, NULL, 0, -1);

	if (r < 0)
		return err_sys(err, r, "release container init");
	fd_close(&data->sync_fd);
	return 0;
}

static int pass_listener(struct container *c, pid_t pid, int notify_fd, struct err *err)
{
	const struct spec_seccomp *s = &c->spec->seccomp;
	AUTO_BUF struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	json_begin_object(&w);
	json_kv_string(&w, "ociVersion", c->oci_version);
	json_key(&w, "fds");
	json_begin_array(&w);
	json_string(&w, "seccompFd");
	json_end_array(&w);
	json_kv_i64(&w, "pid", pid);
	if (s->listener_metadata)
		json_kv_string(&w, "metadata", s->listener_metadata);
	json_key(&w, "state");
	container_state_json(c, CONTAINER_CREATING, false, &w);
	json_end_object(&w);
	if (!s->listener_path) {
		const char *receiver = spec_annotation(c->spec, "run.oci.seccomp.receiver");

		if (!receiver)
			return err_set(err, EINVAL, "linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath");
		return seccomp_send_listener(receiver, notify_fd, b.p, b.len, err);
	}
	return seccomp_send_listener(s->listener_path, notify_fd, b.p, b.len, err);
}

/* From START to the end of file that execve makes. */
static int finish_start(struct container *c, int sock, pid_t pid, struct err *err)
{
	int r = sync_send(sock, SYNC_START, NULL, 0, -1);

	if (r < 0)
		return err_sys(err, r, "start container init");
	for (;;) {
		AUTO_CLOSE int notify = -1;

		r = sync_recv(sock, 1u << 0 | 1u << SYNC_NOTIFY, NULL, NULL, &notify, err);
		/* A child that was killed resets the connection: there was no error to tell. */
		if (r == -ECONNRESET)
			return 0;
		if (r <= 0)
			return r;
		r = pass_listener(c, pid, notify, err);
		if (!r)
			r = sync_send(sock, SYNC_NOTIFY_DONE, NULL, 0, -1);
		if (r < 0)
			return r;
	}
}

static int ns_start(struct container *c, struct err *err)
{
	struct ns_data *data = c->backend_data;
	AUTO_CLOSE int sock = data ? TAKE_FD(data->sync_fd) : -1;
	int r;

	if (sock < 0)
		sock = fd_seqpacket_connect(c->dir_fd, "gate");
	if (sock < 0)
		return err_sys(err, sock, "open the gate");
	r = container_load_spec(c, err);
	if (!r)
		r = finish_start(c, sock, c->pid, err);
	(void)unlinkat(c->dir_fd, "gate", 0); /* `run` has none */
	return r;
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

static int ns_exec(struct container *c, const struct exec_opts *o, pid_t *ret_pid, int *ret_pidfd, int *ret_console_fd, struct err *err)
{
	CLEANUP(launch_done) struct ns_launch l;
	struct init_ctx *x = &l.ctx;
	int pidfd = -1, r;

	launch_init(&l, c, o->process);
	x->is_exec = x->process.is_exec = true;
	x->init_pidfd = c->pidfd;
	r = keep_fds(&x->process, o->preserve_fds, err);
	if (r < 0)
		return r;
	for (int t = 0; t < NS_TYPES; t++) {
		r = ns_type_differs(c->pid, t);
		if (r < 0)
			return err_sys(err, r, "look at the namespaces of container '%s'", c->id);
		if (r)
			x->exec_flags |= ns_clone_flags[t];
	}
	if (c->spec->seccomp.set) {
		r = seccomp_prog_load(&l.seccomp, c->dir_fd, "seccomp.bpf");
		if (r < 0)
			return err_sys(err, r, "read seccomp.bpf of container '%s'", c->id);
	}
	r = open_console(&l, o->process->terminal, o->console_socket, o->detach, err);
	if (!r)
		r = open_sync(&l, err);
	if (!r && c->cgroup)
		r = cgroup_open_enter(c->cgroup, o->cgroup, c->pid, err);
	if (r < 0)
		return r;
	r = spawn_child(x, 0, c->cgroup ? cgroup_clone_fd(c->cgroup) : -1, !l.privileged && x->exec_flags & CLONE_NEWUSER, &pidfd, err);
	if (r < 0)
		return r;
	if (r == 0)
		child_main(&l);
	*ret_pid = r;
	*ret_pidfd = pidfd;
	fd_close(&x->sync_fd);
	fd_close(&x->console_fd);
	r = sync_send(l.parent_sync_fd, SYNC_GO, NULL, 0, -1);
	if (!r || r == -EPIPE)
		r = sync_recv(l.parent_sync_fd, 1u << SYNC_READY, NULL, NULL, NULL, err);
	if (r == 0)
		r = err_set(err, ECHILD, "the process died before it could start");
	if (r > 0 && o->pid_file)
		r = container_write_pid_file(o->pid_file, *ret_pid, err) < 0 ? -err->code : 1;
	if (r > 0)
		r = finish_start(c, l.parent_sync_fd, *ret_pid, err);
	if (r < 0) {
		(void)!sys_pidfd_send_signal(pidfd, SIGKILL);
		(void)!sys_wait_pidfd(pidfd);
		return r;
	}
	*ret_console_fd = TAKE_FD(l.own_console_fd);
	return 0;
}

static void ns_free_data(void *p)
{
	struct ns_data *data = p;

	if (data) {
		fd_close(&data->sync_fd);
		fd_close(&data->console_fd);
	}
	free(data);
}

static int ns_console(struct container *c)
{
	struct ns_data *data = c->backend_data;

	return data ? TAKE_FD(data->console_fd) : -1;
}

static int ns_plan_text(struct container *c, const struct create_opts *o, struct buf *out, struct err *err)
{
	CLEANUP(plan_done) struct plan plan = { 0 };
	struct plan_env env = { .euid = geteuid(), .egid = getegid(), .no_pivot = o->no_pivot, .bundle = c->bundle };
	int r = plan_build(&plan, c->spec, &env, err);

	if (!r)
		plan_print(&plan, out);
	return r;
}

const struct backend namespaces_backend = {
	.name = "namespaces",
	.create = ns_create,
	.committed = ns_committed,
	.start = ns_start,
	.exec = ns_exec,
	.console = ns_console,
	.plan_text = ns_plan_text,
	.free_data = ns_free_data,
};
