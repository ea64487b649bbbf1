/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CONSOLE_H
#define BRIG_RUNTIME_CONSOLE_H

#include "runtime/base/err.h"

/* Connect to the engine's --console-socket. Returns a CLOEXEC fd. */
int console_connect(const char *path, struct err *err) MUST_CHECK;

/* Send the pty master over sock_fd as runc does: one SCM_RIGHTS fd, the payload is its name ("/dev/pts/N" or "/dev/ptmx"). */
int console_send(int sock_fd, int master_fd, const char *name, struct err *err) MUST_CHECK;

/* The other end of that, for a pty of our own: receive the master. */
int console_receive_master(int socket_fd, struct err *err) MUST_CHECK;

/* Send a pidfd over the unix socket at path (--pidfd-socket). */
int console_send_pidfd(const char *path, int pidfd, struct err *err) MUST_CHECK;

struct relay_opts {
	int pidfd;     /* of the process to wait for */
	pid_t pid;
	bool is_child; /* waitid is possible; else the exit code comes from status_fd */
	int status_fd; /* not a child: an int with the exit code comes from here when it has exited; or -1 */
	int master_fd; /* pty master (owned by the caller), or -1: stdio was inherited and only signals are relayed */
	bool no_subreaper;
	bool forward_signals;
	/* vm-mode: send a signal or a window size to the guest process in place of kill and TIOCSWINSZ; NULL: default */
	int (*send_signal)(void *arg, int sig);
	void *arg;
};

/*
 * Be the foreground of a container process: forward signals (all but SIGCHLD, SIGKILL, SIGSTOP, SIGURG ...), with a
 * master: put the caller's terminal into raw mode (restored on every way out), copy both ways with back pressure and
 * without loss, follow SIGWINCH, half-close on end of input, drain the pty after the exit. Reaps other children meanwhile.
 * Returns the exit code (128 + signal), or -errno with err.
 */
int console_relay(const struct relay_opts *o, struct err *err) MUST_CHECK;

#endif
