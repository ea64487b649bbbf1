/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_RELAY_H
#define BRIG_RUNTIME_CLI_RELAY_H

#include "runtime/base/err.h"

/*
 * DOC: the foreground without a terminal
 *
 * Each of the container's three streams is either given to it as it is, or goes through a pipe and this relay: when it is a
 * terminal of ours (a container must not get hold of that), and when the output is also logged.
 */
struct relay_stream {
	int from_fd, to_fd; /* owned; -1: ours no more */
	const char *log_name; /* "stdout" or "stderr": also written to the log; NULL: not */
	bool open;
	size_t len, start;
	char *buf; /* owned */
};
enum { RELAY_STDIN, RELAY_STDOUT, RELAY_STDERR, RELAY_STREAMS };

struct relay {
	int child_fds[3];	/* owned: what the container gets as 0, 1, 2; -1: our own */
	struct relay_stream streams[RELAY_STREAMS];
	int log_fd;		/* owned, or -1 */
	int saved_fds[3];	/* owned: our own 0, 1, 2 while the container's are in their place */
};

struct relay_wants {
	bool interactive;	/* pass our stdin on; else the container reads end-of-file */
	bool attach_out, attach_err; /* else the output is only logged */
	bool pipe_all;		/* output goes through the relay, whatever it is */
	int log_fd;		/* owned by the relay from now on; -1: no log */
};

int relay_open(struct relay *r, const struct relay_wants *w, struct err *err) MUST_CHECK;
/* Put the container's descriptors at 0, 1 and 2 (and our log at our own stderr), and take them back. */
int relay_enter(struct relay *r, struct err *err) MUST_CHECK;
void relay_leave(struct relay *r);
/* Copy until pid (a child) has exited and its output is through, passing signals on when proxy is set. Returns the exit code.
 * timeout_s: kill it then; 0: never. */
int relay_run(struct relay *r, pid_t pid, int pidfd, bool proxy, unsigned timeout_s, struct err *err) MUST_CHECK;
void relay_close(struct relay *r);

/* Block all signals but those of our own faults, from before the container is there; relay_run() takes them from then on.
 * The old mask comes back with relay_unblock(). */
void relay_block(void *old_mask);
void relay_unblock(const void *old_mask);

/* One chunk of output as lines of a k8s-file log: "TIME stdout F text". mid_line: the last chunk ended within a line. */
void log_lines(int fd, const char *stream, const char *p, size_t n);

#endif
