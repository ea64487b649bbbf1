/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm-host-supervise OWNER-PID DIR SHARE... -- QEMU [ARG]...
 *
 * Holds one machine: starts virtiofsd and QEMU, joins clients to the agent's channel, and ends both when the process OWNER-PID
 * ends (however it ends: a pidfd tells), on SIGTERM, or when QEMU ends. If the supervisor itself is killed, PDEATHSIG takes QEMU
 * along, and virtiofsd ends when QEMU's end of its socket closes (and by PDEATHSIG).
 *
 * DIR (the working directory of QEMU) holds the sockets: fs (virtiofsd), port (the agent's channel), ctl (clients).
 * SHAREs are mount points of the host, "/" first: each is cloned without what is mounted below it, made read-only, and
 * put together under DIR/root in a mount namespace of virtiofsd's own. So /proc, /sys, /dev, /run of the host are not there, and
 * no writable mount of the host can be reached through the server, whatever it is asked.
 */
#include "tests/kvm-host/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CLIENTS 128
#define VIRTIOFSD   "/usr/lib/qemu/virtiofsd"

struct link {
	int fd;
	uint32_t id;
	bool open;		/* a command of it may run inside */
	bool closing;		/* EXIT was queued: ends when flushed */
	struct wire_buf rx, tx;
};

struct machine {
	int owner, sigfd, port_listen, ctl_listen;
	pid_t qemu, virtiofsd;
	struct link port;
	bool ready;		/* HELLO came; before it nothing is sent to the agent */
	struct link client[MAX_CLIENTS];
	size_t n;
	uint32_t next_id;
};

static int fail(const char *what)
{
	fprintf(stderr, "kvm-host: %s: %s\n", what, strerror(errno));
	return -1;
}

static int listen_at(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", name);
	unlink(name);
	if (s < 0 || bind(s, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 64) < 0)
		return fail(name);
	return s;
}

/* In virtiofsd's child: one mount of the host, alone and read-only, at its place under root/. */
static int share_mount(const char *path)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	char to[4096];
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return fail(path);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0)
		return fail("read-only mount for the machine");
	snprintf(to, sizeof(to), "root%s", path);
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail(to);
	close(fd);
	return 0;
}

static void child_setup(pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static pid_t start_virtiofsd(char **shares, int n, int listener)
{
	pid_t self = getpid(), pid = fork();
	char here[3072], source[4096], fd[32];

	if (pid != 0)
		return pid;
	child_setup(self);
	/* Absolute: virtiofsd goes to / before it looks, and would share a writable /root of the host. */
	if (!getcwd(here, sizeof(here)))
		_exit(1);
	snprintf(source, sizeof(source), "source=%s/root", here);
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, NULL) < 0) {
		fail("mount namespace");
		_exit(1);
	}
	for (int i = 0; i < n; i++)
		if (share_mount(shares[i]) < 0 && i == 0)
			_exit(1);
	/* A descriptor, not a path: for a path virtiofsd keeps a lock file named after it, which machines would share. */
	fcntl(listener, F_SETFD, 0);
	fcntl(listener, F_SETFL, 0);
	snprintf(fd, sizeof(fd), "--fd=%d", listener);
	/* "auto" drops a file's pages at each open, and QEMU then translates the same program again for every exec. */
	execl(VIRTIOFSD, VIRTIOFSD, fd, "-f", "-o", source, "-o", "cache=always,timeout=1", "-o",
	      "log_level=err", (char *)NULL);
	fail(VIRTIOFSD);
	_exit(1);
}

static pid_t start_qemu(char **argv)
{
	pid_t self = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	child_setup(self);
	execvp(argv[0], argv);
	fail(argv[0]);
	_exit(1);
}

static struct link *client_by_id(struct machine *m, uint32_t id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->client[i].id == id)
			return &m->client[i];
	return NULL;
}

static void client_drop(struct machine *m, size_t i)
{
	struct link *c = &m->client[i];

	if (c->open)
		wire_put(&m->port.tx, c->id, FRAME_CLOSE, NULL, 0);
	close(c->fd);
	wire_buf_free(&c->rx);
	wire_buf_free(&c->tx);
	m->client[i] = m->client[--m->n];
}

static void client_accept(struct machine *m)
{
	int fd = accept4(m->ctl_listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (m->n == MAX_CLIENTS) {
		close(fd);
		return;
	}
	m->client[m->n++] = (struct link){ .fd = fd, .id = ++m->next_id };
}

/* Client to agent: the id is ours, whatever the client wrote. False: drop this client. */
static bool client_forward(struct machine *m, struct link *c)
{
	int r = wire_fill(&c->rx, c->fd);
	const char *data;
	struct frame f;
	bool bad;

	while (wire_peek(&c->rx, &f, &data, &bad)) {
		if (!c->closing)
			wire_put(&m->port.tx, c->id, f.type, data, f.len);
		c->open |= f.type == FRAME_ARG && !c->closing;
		wire_drop(&c->rx, &f);
	}
	return r >= 0 && !bad;
}

static int port_forward(struct machine *m)
{
	int r = wire_fill(&m->port.rx, m->port.fd);
	const char *data;
	struct frame f;
	bool bad;

	while (wire_peek(&m->port.rx, &f, &data, &bad)) {
		struct link *c = client_by_id(m, f.stream);

		m->ready |= f.type == FRAME_HELLO;
		if (c) {
			wire_put(&c->tx, 0, f.type, data, f.len);
			if (f.type == FRAME_EXIT)
				c->open = false, c->closing = true;
		}
		wire_drop(&m->port.rx, &f);
	}
	return r < 0 || bad ? -1 : 0;
}

static size_t poll_set(struct machine *m, struct pollfd *p)
{
	short out = m->ready && wire_buf_len(&m->port.tx) ? POLLOUT : 0;

	p[0] = (struct pollfd){ m->owner, POLLIN, 0 };
	p[1] = (struct pollfd){ m->sigfd, POLLIN, 0 };
	p[2] = (struct pollfd){ m->port.fd >= 0 ? m->port.fd : m->port_listen, (short)(POLLIN | out), 0 };
	p[3] = (struct pollfd){ m->ctl_listen, POLLIN, 0 };
	for (size_t i = 0; i < m->n; i++)
		p[4 + i] = (struct pollfd){ m->client[i].fd,
					    (short)(POLLIN | (wire_buf_len(&m->client[i].tx) ? POLLOUT : 0)), 0 };
	return 4 + m->n;
}

static void serve_clients(struct machine *m, const struct pollfd *p)
{
	/* From the last to the first: a drop moves the last one, already served, into the hole. */
	for (size_t i = m->n; i-- > 0;) {
		struct link *c = &m->client[i];
		bool keep = true;

		if (p[4 + i].revents & (POLLIN | POLLHUP | POLLERR))
			keep = client_forward(m, c);
		if (keep && wire_flush(&c->tx, c->fd) < 0)
			keep = false;
		if (!keep || (c->closing && wire_buf_len(&c->tx) == 0))
			client_drop(m, i);
	}
}

/* Why the machine ends, as a text for the log. */
static const char *serve(struct machine *m)
{
	struct pollfd p[4 + MAX_CLIENTS];
	struct signalfd_siginfo si;

	for (;;) {
		poll(p, poll_set(m, p), -1);
		if (p[0].revents)
			return "its owner ended";
		if (p[1].revents && read(m->sigfd, &si, sizeof(si)) > 0)
			return si.ssi_signo == SIGCHLD ? "QEMU or virtiofsd ended" : "asked to stop";
		if (p[2].revents && m->port.fd < 0)
			m->port.fd = accept4(m->port_listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		else if ((p[2].revents & (POLLIN | POLLHUP)) && port_forward(m) < 0)
			return "the channel closed";
		serve_clients(m, p);
		if (p[3].revents)
			client_accept(m);
		while (m->ready && wire_flush(&m->port.tx, m->port.fd) > 0)
			;
	}
}

static int block_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &mask, SFD_CLOEXEC);
}

static void stop_child(pid_t pid)
{
	if (pid > 0)
		kill(pid, SIGKILL);
}

int main(int argc, char **argv)
{
	struct machine m = { .port.fd = -1 };
	int dash = 3, fs;
	const char *why = "it did not start";

	while (dash < argc && strcmp(argv[dash], "--") != 0)
		dash++;
	if (argc < 6 || dash >= argc - 1 || dash == 3) {
		fputs("usage: kvm-host-supervise OWNER-PID DIR SHARE... -- QEMU [ARG]...\n", stderr);
		return 2;
	}
	/* Fds of the caller (bats waits for its own to close) must not live as long as the machine. */
	close_range(3, ~0U, 0);
	m.owner = (int)syscall(SYS_pidfd_open, strtol(argv[1], NULL, 10), 0);
	if (m.owner < 0)
		return fail("owner of the machine") < 0;
	if (chdir(argv[2]) < 0)
		return fail(argv[2]) < 0;
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	m.sigfd = block_signals();
	m.port_listen = listen_at("port");
	fs = listen_at("fs");
	if (fs >= 0)
		m.virtiofsd = start_virtiofsd(argv + 3, dash - 3, fs);
	if (m.sigfd >= 0 && m.port_listen >= 0 && m.virtiofsd > 0) {
		close(fs);	/* with virtiofsd gone QEMU's connect then fails, instead of waiting for ever */
		m.qemu = start_qemu(argv + dash + 1);
		m.ctl_listen = listen_at("ctl");
		if (m.ctl_listen >= 0)
			why = serve(&m);
	}
	unlink("ctl");
	stop_child(m.qemu);
	stop_child(m.virtiofsd);
	while (wait(NULL) > 0)	/* as a subreaper: also virtiofsd's second process */
		;
	unlink("port");
	unlink("fs");
	unlink("disk");
	printf("kvm-host: the machine ended: %s\n", why);
	return 0;
}
