/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_NAMESPACES_LAUNCH_H
#define BRIG_NAMESPACES_LAUNCH_H

#include "namespaces/init.h"

/*
 * DOC: the parent of an init child
 *
 * What a parent does from the specification to a child that runs its phases, in the order of the functions. Two parents use it: the
 * namespaces backend, which waits for the child's messages, and the guest's process 1, which has many children at a time and an
 * event loop. The dialogue after launch_go() (runtime/sync.h) is theirs.
 */
struct launch {
	struct init_ctx ctx;
	struct plan plan;
	struct seccomp_prog seccomp;
	int parent_sync_fd; /* our end of the dialogue */
	int own_console_fd; /* the socket that gets the pty's master, or -1 */
	bool privileged;
	void (*in_child)(void *arg); /* first thing in the child: close what only the parent needs, place stdio; or NULL */
	void *in_child_arg;
};

/* process: for exec; NULL: launch_init_process() takes that of the spec. */
void launch_init(struct launch *l, struct container *c, const struct spec_process *process);
/* Closes what was not handed on with TAKE_FD(). */
void launch_done(struct launch *l);

/* Create: build the plan; open the namespaces that are joined. */
int launch_plan(struct launch *l, bool no_pivot, struct err *err) MUST_CHECK;
/* Create: with privilege the host's paths are opened here, by the host's rules; without, the child does it in its user
 * namespace. Of o: root_fd, a detached tree to use as the root, and open_tree. */
int launch_open_sources(struct launch *l, const struct create_opts *o, struct err *err) MUST_CHECK;
/* Create: what of the spec's process belongs to init only. */
void launch_init_process(struct launch *l, bool no_pivot, bool keyring);

/* Exec: join the namespaces of the container's init. */
int launch_exec_namespaces(struct launch *l, struct err *err) MUST_CHECK;

/* Make the socket pair of the dialogue; that of a console of our own. */
int launch_open_sync(struct launch *l, struct err *err) MUST_CHECK;
int launch_own_console(struct launch *l, struct err *err) MUST_CHECK;

/* Protect the runtime's program file (runtime/self.h): now, or by the child as the first thing that it does. */
int launch_protect(struct launch *l, bool child_moves, struct err *err) MUST_CHECK;
/* Clone the child, which never returns from here. Closes the child's ends in the parent. */
int launch_spawn(struct launch *l, pid_t *ret_pid, int *ret_pidfd, struct err *err) MUST_CHECK;
/* What the child does from its birth on; for those who make it themselves (lend.h). */
NORETURN void launch_child(struct launch *l);
/* Do for the child what it cannot do itself (id maps, scope, net devices; c->pid is set) and send GO. */
int launch_go(struct launch *l, struct err *err) MUST_CHECK;

#endif
