/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BACKEND_H
#define BRIG_RUNTIME_BACKEND_H

#include "runtime/container.h"

struct checkpoint_opts;

/*
 * DOC: the backend interface
 *
 * runtime/ owns the state machine, lock, state file, hooks, cgroup and log; a backend owns processes only.
 * A NULL op means the shared default of runtime/backend.c. destroy is idempotent and is also the rollback of a failed
 * create: there is no second clean-up path.
 */
struct backend {
	const char *name; /* "namespaces" or "vm" */
	/* No side effects. After it, create can fail only at run time. */
	int (*check)(const struct spec *, struct err *);
	/* Make the init process, held at the gate. Fills c->pid, c->pidfd. Runs prestart, createRuntime (host side) and
	 * createContainer hooks at their places. With `run` it may go on to the running program, state.json written by the way,
	 * and says so by c->started: committed and start are not called then. */
	int (*create)(struct container *, const struct create_opts *, struct err *);
	/* `create` only: the state is written, the process may go on to the gate. */
	int (*committed)(struct container *, struct err *);
	int (*start)(struct container *, struct err *);
	/* `run` with a terminal of our own: the socket that delivers the pty master, handed over; or -1. */
	int (*console)(struct container *);
	/* create --dry-run */
	int (*plan_text)(struct container *, const struct create_opts *, struct buf *out, struct err *);
	int (*exec)(struct container *, const struct exec_opts *, pid_t *ret_pid, int *ret_pidfd, int *ret_console_fd, struct err *);
	int (*kill)(struct container *, int sig, bool all, struct err *);		   /* NULL: pidfd, cgroup_kill_all */
	int (*pause)(struct container *, struct err *);				   /* NULL: cgroup_freeze */
	int (*resume)(struct container *, struct err *);
	int (*update)(struct container *, const struct spec_resources *, struct err *); /* NULL: cgroup_update */
	int (*stats)(struct container *, struct json_writer *, struct err *);		   /* NULL: cgroup_stats_json */
	/* Kills for want of memory: a descriptor, borrowed, that polls readable at news; how many are known of, which takes the
	 * news. NULL: cgroup_oom_fd, cgroup_oom_count. */
	int (*oom_fd)(struct container *, struct err *);
	int (*oom_count)(struct container *, uint64_t *ret);
	int (*ps)(struct container *, pid_t **, size_t *, struct err *);		   /* NULL: cgroup_pids */
	/* `ps --format table` where ps(1) of the host cannot see the processes; NULL: it can. */
	int (*ps_table)(struct container *, struct buf *out, struct err *);
	/* The root file system of a running container, O_PATH; NULL: the root of its init. */
	int (*open_root)(const struct container *, struct err *);
	/* `features`: more members of the object "annotations". NULL: none. */
	void (*features)(const struct runtime_opts *, struct json_writer *);
	int (*checkpoint)(struct container *, const struct checkpoint_opts *, struct err *);
	int (*restore)(struct container *, const struct create_opts *, const struct checkpoint_opts *, struct err *);
	int (*destroy)(struct container *, struct err *);				   /* NULL: kill and reap */
	void (*save)(const struct container *, struct json_writer *);		   /* private part of state.json */
	int (*load)(struct container *, const struct json *, struct err *);
	void (*free_data)(void *backend_data);
};

/* NULL: not part of this program. */
const struct backend *backend_by_name(const char *name);

extern const struct backend namespaces_backend;
extern const struct backend vm_backend;

#endif
