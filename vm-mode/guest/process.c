/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
#include "runtime/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct guest_process *process_find(struct agent *a, uint32_t id)
{
	for (struct guest_process *p = a->processes; p; p = p->next)
		if (p->id == id)
			return p;
	return NULL;
}

struct guest_process *process_new(struct agent *a, struct guest_container *g, uint32_t id, const struct proto_window_size *size)
{
	struct guest_process *p = xcalloc(1, sizeof(*p));

	p->container = g;
	p->id = id;
	p->size = *size;
	p->pidfd = p->console_fd = p->pty_fd = p->sync.fd = p->in.fd = p->out[0].fd = p->out[1].fd = -1;
	stream_rx_init(&p->rx);
	stream_tx_init(&p->tx[0]);
	stream_tx_init(&p->tx[1]);
	p->next = a->processes;
	a->processes = p;
	return p;
}

void process_free(struct agent *a, struct guest_process *p)
{
	struct guest_process **link = &a->processes;

	while (*link && *link != p)
		link = &(*link)->next;
	if (*link)
		*link = p->next;
	if (p->container && p->container->init == p)
		p->container->init = NULL;
	stdio_close(a, p);
	source_close(a, &p->sync);
	fd_close(&p->console_fd);
	fd_close(&p->pidfd);
	agent_defer_free(a, p);
}

/* One pipe: ours does not block, the child's does. */
static int open_pipe(int *ours, int *childs, bool we_write, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe");
	*ours = fds[we_write];
	*childs = fds[!we_write];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? err_sys(err, -errno, "pipe") : 0;
}

int process_open_stdio(struct guest_process *p, uint32_t stdio, bool terminal, int child_fds[3], struct err *err)
{
	int r = 0;

	if (terminal)
		return 0;
	if (stdio & PROTO_HAS_STDIN)
		r = open_pipe(&p->in.fd, &child_fds[0], true, err);
	if (!r && stdio & PROTO_HAS_STDOUT)
		r = open_pipe(&p->out[0].fd, &child_fds[1], false, err);
	if (!r && stdio & PROTO_HAS_STDERR)
		r = open_pipe(&p->out[1].fd, &child_fds[2], false, err);
	return r;
}

int process_watch(struct agent *a, struct guest_process *p, struct err *err)
{
	int r;

	p->sync.owner = p;
	p->sync.ready = process_sync_ready;
	r = source_watch(a, &p->sync, EPOLLIN);
	if (r < 0)
		return err_sys(err, r, "watch a process");
	if (p->console_fd < 0)
		stdio_watch(a, p);
	return 0;
}

void process_resize(struct guest_process *p, const struct proto_window_size *size)
{
	struct winsize w = { .ws_row = size->rows, .ws_col = size->cols, .ws_xpixel = size->xpixel, .ws_ypixel = size->ypixel };

	p->size = *size;
	if (p->pty_fd >= 0 && (w.ws_row || w.ws_col))
		(void)ioctl(p->pty_fd, TIOCSWINSZ, &w); /* a terminal that hung up has no size to keep */
}

/* The child has sent the pty's master before it said READY. */
static int take_console(struct agent *a, struct guest_process *p, struct err *err)
{
	int fd = console_receive_master(p->console_fd, err);

	if (fd < 0)
		return fd;
	fd_close(&p->console_fd);
	p->pty_fd = fd;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, -errno, "terminal");
	/* One epoll entry for each direction. */
	p->in.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	p->out[0].fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (p->in.fd < 0 || p->out[0].fd < 0)
		return err_sys(err, -errno, "terminal");
	process_resize(p, &p->size);
	stdio_watch(a, p);
	return 0;
}

static void answer_pids(struct agent *a, struct guest_process *p)
{
	AUTO_BUF struct buf b = { 0 };

	proto_pack_pids(&b, &(struct proto_pids){ .guest_pid = (uint32_t)p->pid, .container_pid = p->container_pid });
	agent_reply(a, p->id, p->seq, b.p, b.len);
	p->seq = 0;
	p->announced = true;
}

/* The request fails; what it made goes once the process is reaped. */
static void launch_failed(struct agent *a, struct guest_process *p, const struct err *err)
{
	if (!p->start_error.code) /* else it was killed for that */
		p->start_error = *err;
	if (p->announced && p->seq) { /* START: the container stays, as one that has ended */
		agent_reply_error(a, p->id, p->seq, err);
		p->seq = 0;
	}
	source_close(a, &p->sync);
	if (p->state != PROCESS_DEAD)
		(void)!sys_pidfd_send_signal(p->pidfd, SIGKILL);
}

static int on_ready(struct agent *a, struct guest_process *p, struct err *err)
{
	int r = 0;

	if (p->console_fd >= 0)
		r = take_console(a, p, err);
	if (r < 0)
		return r;
	if (!p->is_exec) {
		p->state = PROCESS_AT_GATE;
		boot_mark(STAGE_READY);
		answer_pids(a, p);
		return 0;
	}
	p->state = PROCESS_STARTING;
	r = sync_send(p->sync.fd, SYNC_START, NULL, 0, -1);
	return r < 0 ? err_sys(err, r, "start the process") : 0;
}

static void on_running(struct agent *a, struct guest_process *p)
{
	p->state = PROCESS_RUNNING;
	source_close(a, &p->sync);
	boot_mark(STAGE_EXEC);
	if (p->is_exec) {
		answer_pids(a, p);
	} else if (p->seq) {
		agent_reply(a, p->id, p->seq, NULL, 0);
		p->seq = 0;
	}
}

void process_sync_ready(struct agent *a, struct source *s, uint32_t events)
{
	struct guest_process *p = s->owner;
	struct err err = { 0 };
	int r = sync_recv(s->fd, p->state == PROCESS_LAUNCHED ? 1u << SYNC_READY | 1u << 0 : 1u << 0, NULL, NULL, NULL, &err);

	(void)events;
	/* A child that was killed resets the connection: there was no error to tell. */
	if (p->state == PROCESS_STARTING && (r == 0 || r == -ECONNRESET)) {
		on_running(a, p);
		return;
	}
	if (r == SYNC_READY && p->state == PROCESS_LAUNCHED)
		r = on_ready(a, p, &err);
	else if (r == 0 || r == -ECONNRESET)
		r = err_set(&err, ECHILD, p->is_exec ? "the process died before it could start" :
						       "container init died (killed, or out of its memory limit?)");
	if (r < 0)
		launch_failed(a, p, &err);
}

static void announce_exit(struct agent *a, struct guest_process *p)
{
	AUTO_BUF struct buf b = { 0 };
	bool killed = WIFSIGNALED(p->status);
	struct proto_exit m = { .code = killed ? 128u + (uint32_t)WTERMSIG(p->status) : (uint32_t)WEXITSTATUS(p->status),
				.signal = killed ? (uint32_t)WTERMSIG(p->status) : 0 };

	proto_pack_exit(&b, &m);
	agent_event(a, PROTO_EXIT, p->id, &b);
}

static void process_died(struct agent *a, struct guest_process *p, int status)
{
	struct guest_container *g = p->container;

	p->status = status;
	/* What it said last is still in the socket: the end of file of its execve, or why it failed. */
	if (p->sync.fd >= 0)
		process_sync_ready(a, &p->sync, EPOLLIN);
	p->state = PROCESS_DEAD;
	source_close(a, &p->sync);
	fd_close(&p->pidfd);
	if (p->pty_fd < 0 || !p->is_exec)
		source_close(a, &p->in);
	if (g && g->init == p)
		g->init_dead = true;
	if (p->announced) {
		stdio_drain(a, p);
		announce_exit(a, p);
	} else {
		/* A failed CREATE or EXEC: the host hears of it when nothing is left of it, so that it may ask again. */
		stdio_close(a, p);
		if (p->is_exec)
			agent_reply_error(a, p->id, p->seq, &p->start_error);
	}
	if (stdio_finished(p) && (p->announced || p->is_exec))
		process_free(a, p);
	if (g)
		guest_check_deleted(a, g);
}

void process_reap(struct agent *a)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct guest_process *p = a->processes;

		while (p && (p->pid != pid || p->state == PROCESS_DEAD))
			p = p->next;
		if (p)
			process_died(a, p, status);
	}
}
