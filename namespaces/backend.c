/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/launch.h"
#include "namespaces/lend.h"
#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
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

static int open_console(struct launch *l, bool terminal, const char *socket_path, bool detach, struct err *err)
{
	if (!terminal)
		return socket_path ? err_set(err, EINVAL, "--console-socket: process.terminal is not set, so there is no console to send") :
				     0;
	if (socket_path) {
		l->ctx.console_fd = console_connect(socket_path, err);
		return l->ctx.console_fd < 0 ? l->ctx.console_fd : 0;
	}
	if (detach)
		return err_set(err, EINVAL, "process.terminal: cannot allocate a tty when detached without --console-socket");
	return launch_own_console(l, err);
}

/* From GO to READY. */
static int drive_child(struct launch *l, struct err *err)
{
	struct container *c = l->ctx.container;
	int r = launch_go(l, err);

	if (r < 0)
		return r;
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

static int ns_prepare(struct launch *l, struct container *c, const struct create_opts *o, struct err *err)
{
	int r = launch_plan(l, o->no_pivot, err);

	if (!r)
		r = launch_open_sources(l, o, err);
	if (!r)
		r = container_compile_seccomp(c, &l->seccomp, err);
	if (!r)
		r = open_console(l, c->spec->has_process && c->spec->process.terminal, o->console_socket, !o->run || o->detach, err);
	return r;
}

/* What came through our execve; our own files are all CLOEXEC. */
static bool is_inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

/*
 * fds 3 and up that the program keeps: first those of socket activation (LISTEN_FDS in our environment), then --preserve-fds of
 * them. LISTEN_PID is not compared: engines start us through helpers, whose pid it never is. Numbers below the last may be closed
 * (podman --preserve-fd 5): what we open there ourselves does not outlive execve.
 */
static int keep_fds(struct process_ctx *p, unsigned preserve, struct err *err)
{
	const char *env = getenv("LISTEN_FDS");
	uint32_t listen = 0;

	if (env && (str_to_u32(env, &listen) < 0 || listen > MAX_LISTEN_FDS))
		listen = 0;
	for (uint32_t i = 0; i < listen; i++)
		if (!is_inherited(3 + (int)i))
			listen = 0; /* not meant for us */
	if (preserve && !is_inherited((int)(2 + listen + preserve)))
		return err_set(err, EBADF, "--preserve-fds %u: file descriptor %u is not open", preserve, 2 + listen + preserve);
	p->listen_fds = (int)listen;
	p->preserve_fds = listen + preserve;
	return 0;
}

static int create_by_dialogue(struct launch *l, const struct create_opts *o, struct err *err)
{
	struct container *c = l->ctx.container;
	int r = launch_open_sync(l, err);

	if (r < 0)
		return r;
	if (!o->run) {
		l->ctx.gate_fd = fd_seqpacket_listen(c->dir_fd, "gate");
		if (l->ctx.gate_fd < 0)
			return err_sys(err, l->ctx.gate_fd, "make the gate");
	}
	r = launch_spawn(l, &c->pid, &c->pidfd, err);
	return r < 0 ? r : drive_child(l, err);
}

static int ns_create(struct container *c, const struct create_opts *o, struct err *err)
{
	CLEANUP(launch_done) struct launch l;
	struct ns_data *data;
	int r;

	launch_init(&l, c, NULL);
	r = keep_fds(&l.ctx.process, o->preserve_fds, err);
	if (!r)
		r = ns_prepare(&l, c, o, err);
	if (r < 0)
		return r;
	launch_init_process(&l, o->no_pivot, !o->no_new_keyring);
	r = container_make_cgroup(c, l.plan.rw_cgroup_mount, &l.plan.uid_maps, err);
	if (r < 0)
		return r;
	r = lend_possible(&l, o) ? lend_run(&l, err) : 0;
	c->started = r > 0;
	if (r == 0)
		r = create_by_dialogue(&l, o, err);
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

static int ns_exec(struct container *c, const struct exec_opts *o, pid_t *ret_pid, int *ret_pidfd, int *ret_console_fd, struct err *err)
{
	CLEANUP(launch_done) struct launch l;
	int pidfd = -1, r;

	launch_init(&l, c, o->process);
	r = keep_fds(&l.ctx.process, o->preserve_fds, err);
	if (!r)
		r = launch_exec_namespaces(&l, err);
	if (r < 0)
		return r;
	if (c->spec->seccomp.set) {
		r = seccomp_prog_load(&l.seccomp, c->dir_fd, "seccomp.bpf");
		if (r < 0)
			return err_sys(err, r, "read seccomp.bpf of container '%s'", c->id);
	}
	r = open_console(&l, o->process->terminal, o->console_socket, o->detach, err);
	if (!r)
		r = launch_open_sync(&l, err);
	if (!r && c->cgroup)
		r = cgroup_open_enter(c->cgroup, &o->cgroups, c->pid, err);
	if (r < 0)
		return r;
	r = launch_spawn(&l, ret_pid, &pidfd, err);
	if (r < 0)
		return r;
	*ret_pidfd = pidfd;
	r = launch_go(&l, err);
	if (!r)
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
