/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/exec.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
#include "runtime/sync.h"
#include "vm-mode/host/client.h"
#include "vm-mode/host/keeper.h"
#include "vm-mode/host/stdio.h"
#include "vm-mode/host/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXEC_ID	 2u
#define QUIET_MS 2000 /* after the exit: an output that somebody else holds open */

struct stub {
	struct client_conn conn;
	struct stdio stdio;
	const char *container;
	uint32_t id;
	int signal_fd, tty_fd, gate_fd;
	bool exited;
	int code;
	int64_t end_at;
};

/* ---- the stub, once its process runs ---- */

static int request(struct stub *s, uint16_t type, const struct buf *b, struct err *err)
{
	int r = frame_send(&s->conn.out, type, 0, s->id, ++s->conn.last_seq, b->p, b->len);

	return r < 0 ? err_sys(err, r, "ask the guest: %s", proto_type_name(type)) : 0;
}

static int on_signal(struct stub *s, uint32_t sig, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };

	if (sig == SIGCHLD || sig == SIGPIPE)
		return 0;
	if (sig == SIGWINCH && s->tty_fd >= 0) {
		struct proto_window_size size = stdio_window_size(s->tty_fd);

		proto_pack_resize(&b, &size);
		return request(s, PROTO_RESIZE, &b, err);
	}
	proto_pack_kill(&b, &(struct proto_kill){ .container = s->container, .signal = sig });
	return request(s, PROTO_KILL, &b, err);
}

static int read_signals(struct stub *s, struct err *err)
{
	struct signalfd_siginfo info;
	int r = 0;

	while (r >= 0 && read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		r = on_signal(s, info.ssi_signo, err);
	return r;
}

static int take_frame(struct stub *s, const struct frame *f, struct err *err)
{
	struct proto_exit m;
	int r;

	if (f->type == PROTO_REPLY || f->type == PROTO_ERROR || f->type == PROTO_OOM || f->type == PROTO_LOG)
		return 0; /* a signal that came too late is nobody's error */
	if (f->id != s->id)
		return err_set(err, EPROTO, "guest: a frame of another process");
	if (f->type != PROTO_EXIT)
		return stdio_frame(&s->stdio, &s->conn.out, f, err);
	r = proto_unpack_exit(f->data, f->len, &m, err);
	if (r < 0)
		return r;
	s->exited = true;
	s->code = (int)(m.code & 255);
	s->end_at = keeper_now_ms() + QUIET_MS;
	return 0;
}

static int take_frames(struct stub *s, struct err *err)
{
	struct frame f;
	int r;

	while ((r = frame_next(&s->conn.in, &f, err)) > 0)
		if (take_frame(s, &f, err) < 0)
			return -err->code;
	return r;
}

static int take_input(struct stub *s, struct err *err)
{
	ssize_t n = frame_reader_fill(&s->conn.in, s->conn.fd);

	if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR && n != -ENOBUFS))
		return err_set(err, ESRCH, "the machine ended");
	return take_frames(s, err);
}

/* Whoever looks whether the gate is there learns that by being let in. */
static void close_visitor(int gate_fd)
{
	AUTO_CLOSE int fd = accept4(gate_fd, NULL, NULL, SOCK_CLOEXEC);

	(void)fd;
}

static bool finished(const struct stub *s)
{
	return s->exited && (stdio_drained(&s->stdio) || (keeper_now_ms() >= s->end_at && !stdio_waiting(&s->stdio)));
}

enum { ON_GUEST, ON_SIGNAL, ON_GATE, ON_STDIO, POLLS = ON_STDIO + STDIO_POLLS };

static int relay(struct stub *s, struct err *err)
{
	int r = take_frames(s, err); /* what came along with the first answer */

	while (r >= 0 && !finished(s)) {
		struct pollfd p[POLLS];

		r = frame_writer_flush(&s->conn.out, s->conn.fd);
		if (r < 0)
			return err_set(err, ESRCH, "the machine ended");
		p[ON_GUEST] = (struct pollfd){ .fd = s->conn.fd, .events = (short)(POLLIN | (r > 0 ? POLLOUT : 0)) };
		p[ON_SIGNAL] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
		p[ON_GATE] = (struct pollfd){ .fd = s->gate_fd, .events = POLLIN };
		stdio_poll(&s->stdio, &s->conn.out, p + ON_STDIO);
		if (s->exited)
			p[ON_STDIO].fd = -1;
		if (poll(p, POLLS, s->exited ? 100 : -1) < 0 && errno != EINTR)
			return err_sys(err, -errno, "poll");
		r = p[ON_GUEST].revents & ~POLLOUT ? take_input(s, err) : 0;
		if (p[ON_GATE].revents)
			close_visitor(s->gate_fd);
		if (r >= 0 && p[ON_SIGNAL].revents)
			r = read_signals(s, err);
		if (r >= 0)
			r = stdio_work(&s->stdio, &s->conn.out, p + ON_STDIO, err);
	}
	return r;
}

static int take_signals(struct stub *s)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&all, faults[i]);
	if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
		return -errno;
	s->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? -errno : 0;
}

/* ---- from fork to there ---- */

static int start_process(struct stub *s, const struct stub_launch *l, struct err *err)
{
	stdio_init(&s->stdio, l->id, l->tty_fd);
	if (request(s, l->type, l->payload, err) < 0)
		return -err->code;
	for (;;) {
		struct frame f;
		int r = client_next(&s->conn, &f, -1, err);

		if (r < 0)
			return r;
		if (f.type == PROTO_REPLY || f.type == PROTO_ERROR)
			return client_answer(&f, NULL, err);
		/* A fast program's output may be here before the word that it runs. */
		r = take_frame(s, &f, err);
		if (r < 0)
			return r;
	}
}

static int stub_start(struct stub *s, struct stub_launch *l, struct err *err)
{
	int r = l->c->cgroup ? cgroup_enter_self(l->c->cgroup, l->in_v2_cgroup, err) : 0;

	if (!r)
		r = vm_tty_take(l->tty_fd, err);
	if (!r)
		r = take_signals(s);
	if (!r)
		r = client_connect(&s->conn, l->c, err);
	if (r >= 0)
		r = start_process(s, l, err);
	return r;
}

NORETURN static void stub_main(struct stub_launch *l)
{
	struct stub s = { .container = l->c->id, .id = l->id, .signal_fd = -1, .tty_fd = l->tty_fd, .gate_fd = l->gate_fd };
	struct err err = { 0 };

	(void)prctl(PR_SET_NAME, "brig:exec", 0, 0, 0); /* cosmetic */
	fd_close(&l->parent_sync_fd);
	fd_close(&l->console_fd);
	if (stub_start(&s, l, &err) < 0) {
		sync_fail(l->sync_fd, &err);
		_exit(1);
	}
	(void)!sync_send(l->sync_fd, SYNC_READY, NULL, 0, -1);
	fd_close(&l->sync_fd);
	fd_close(&l->c->dir_fd);
	fd_close(&l->c->lock_fd);
	fd_close(&l->c->pidfd);
	if (relay(&s, &err) < 0)
		s.code = s.exited ? s.code : 255;
	_exit(s.code);
}

static int finish(const struct stub_launch *l, const char *pid_file, pid_t pid, int pidfd, struct err *err)
{
	int r = sync_recv(l->parent_sync_fd, 1u << SYNC_READY, NULL, NULL, NULL, err);

	if (r == 0)
		r = err_set(err, ECHILD, "the process died before it could start");
	if (r > 0 && pid_file)
		r = container_write_pid_file(pid_file, pid, err);
	if (r >= 0)
		return 0;
	(void)!sys_pidfd_send_signal(pidfd, SIGKILL);
	(void)!sys_wait_pidfd(pidfd);
	return r;
}

static pid_t clone_stub(struct stub_launch *l, int *ret_pidfd)
{
	int cgroup_fd = l->c->cgroup ? cgroup_clone_fd(l->c->cgroup) : -1;
	pid_t pid = sys_clone3(0, cgroup_fd, ret_pidfd);

	l->in_v2_cgroup = pid >= 0 && cgroup_fd >= 0;
	return pid < 0 ? sys_clone(0, ret_pidfd) : pid;
}

int vm_stub_spawn(struct stub_launch *l, const char *pid_file, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	AUTO_CLOSE int pidfd = -1;
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	l->parent_sync_fd = pair[0];
	l->sync_fd = pair[1];
	pid = clone_stub(l, &pidfd);
	if (pid < 0)
		return err_sys(err, pid, "clone");
	if (pid == 0)
		stub_main(l);
	fd_close(&l->sync_fd);
	fd_close(&l->tty_fd);
	fd_close(&l->gate_fd);
	r = finish(l, pid_file, pid, pidfd, err);
	fd_close(&l->parent_sync_fd);
	if (r < 0)
		return r;
	*ret_pid = pid;
	*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}

void vm_stub_launch_done(struct stub_launch *l)
{
	fd_close(&l->tty_fd);
	fd_close(&l->gate_fd);
	fd_close(&l->console_fd);
	fd_close(&l->sync_fd);
	fd_close(&l->parent_sync_fd);
}

static int exec_terminal(struct stub_launch *l, const struct exec_opts *o, struct err *err)
{
	if (o->process->terminal && !o->console_socket && o->detach)
		return err_set(err, EINVAL, "process.terminal: cannot allocate a tty when detached without --console-socket");
	if (!o->process->terminal && o->console_socket)
		return err_set(err, EINVAL, "--console-socket: process.terminal is not set, so there is no console to send");
	return o->process->terminal ? vm_tty_open(o->process, o->console_socket, &l->tty_fd, &l->console_fd, err) : 0;
}

static void pack_exec(struct buf *b, const struct container *c, const struct exec_opts *o, int tty_fd)
{
	AUTO_BUF struct buf process = { 0 };
	struct json_writer w = { .out = &process };
	struct stdio shape;

	vm_process_json(o->process, &w);
	stdio_init(&shape, EXEC_ID, tty_fd);
	proto_pack_exec(b, &(struct proto_exec){
		.container = c->id,
		.process = process.p,
		.cgroup = o->cgroups.n ? o->cgroups.v[0] : NULL,
		.stdio = stdio_flags(&shape),
		.size = stdio_window_size(tty_fd),
	});
}

int vm_exec(struct container *c, const struct exec_opts *o, pid_t *ret_pid, int *ret_pidfd, int *ret_console_fd, struct err *err)
{
	AUTO_BUF struct buf payload = { 0 };
	CLEANUP(vm_stub_launch_done) struct stub_launch l = STUB_LAUNCH(.c = c, .type = PROTO_EXEC, .id = EXEC_ID, .payload = &payload);
	int r;

	if (o->preserve_fds)
		return err_set(err, ENOTSUP, "--preserve-fds: vm-mode cannot pass file descriptors into a machine");
	if (o->cgroups.n > 1)
		return err_set(err, EINVAL, "--cgroup: can be given once: the guest has cgroup v2");
	r = exec_terminal(&l, o, err);
	/* The host's cgroup; --cgroup names one of the guest's. */
	if (!r && c->cgroup)
		r = cgroup_open_enter(c->cgroup, NULL, c->pid, err);
	if (r < 0)
		return r;
	pack_exec(&payload, c, o, l.tty_fd);
	r = vm_stub_spawn(&l, o->pid_file, ret_pid, ret_pidfd, err);
	if (!r)
		*ret_console_fd = TAKE_FD(l.console_fd);
	return r;
}
