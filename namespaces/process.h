/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_NAMESPACES_PROCESS_H
#define BRIG_NAMESPACES_PROCESS_H

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/seccomp_prog.h"
#include "runtime/spec.h"

/*
 * DOC: the process-level phases
 *
 * What turns a process that already stands in its namespaces and root into the user's program. The same code serves the
 * init child, exec, and the guest's pid 1. Nothing here allocates on the way to execve beyond a few hundred bytes, nothing
 * opens a host path: the callers pass fds.
 */
struct process_ctx {
	const struct spec_process *spec;	 /* borrowed */
	const struct spec_memory_policy *memory_policy; /* NULL for exec */
	bool has_personality;
	unsigned long personality;
	const struct seccomp_prog *seccomp;	 /* NULL or empty: none */
	int proc_fd;				 /* a trusted procfs, fstatfs-verified by the caller; -1: use none */
	bool is_exec;
	bool setgroups_denied;			 /* user namespace with setgroups=deny */
	bool keep_groups;			 /* annotation run.oci.keep_original_groups */
	const char *keyring;			 /* session keyring's name, NULL: keep the caller's */
	const char *default_cwd;		 /* unused fields are NULL */
	int listen_fds;				 /* LISTEN_FDS to set in the environment, 0: none */
	unsigned preserve_fds;			 /* fds 3..3+n-1 stay open over execve */
	/* results of the phases */
	char **env;				 /* final environment, NULL-terminated; in arena */
	char *exe;				 /* resolved args[0]; in arena */
	int notify_fd;				 /* seccomp listener, -1 */
	/* private to the phases */
	struct arena arena;
	bool cwd_as_user;			 /* root may not enter the cwd: process_ids tries again as the user */
};

/* Release what the phases made. A process that goes on to execve has no need to; accepts a zeroed ctx. */
void process_ctx_done(struct process_ctx *);

/*
 * Each phase: 0 or negative with err. Order is the security argument:
 *   keyring, oom score, scheduler ... memory policy, env, cwd, stdio, lsm label   with every right
 *   bounding set, ids                ids keep the permitted set and raise it again, so that the filter can be loaded
 *   exe                              looked up with the rights of the user
 *   close fds, seccomp, caps, no_new_privs                       (no_new_privs == false)
 *   close fds, caps, no_new_privs, seccomp                       (no_new_privs == true)
 *   exec
 * Absent capabilities mean the empty sets: what nobody asked for is not granted.
 */
int process_keyring(struct process_ctx *, struct err *);	/* join_session_keyring; ENOSYS and EDQUOT only warn */
int process_oom_score(struct process_ctx *, struct err *);	/* through proc_fd; before uid change */
int process_scheduler(struct process_ctx *, struct err *);	/* sched_setattr, ioprio_set (children inherit it) */
/* The final affinity; without any execCPUAffinity the one that the runtime was started with is reset to all CPUs of the
 * cgroup; with an initial one only, nothing. After the cgroup was entered. */
int process_affinity(struct process_ctx *, struct err *);
int process_rlimits(struct process_ctx *, struct err *);
int process_personality(struct process_ctx *, struct err *);
int process_memory_policy(struct process_ctx *, struct err *);
int process_lsm_label(struct process_ctx *, struct err *);	/* apparmor and selinux, attr/exec written through proc_fd, verified procfs */
int process_env(struct process_ctx *, struct err *);		/* dedup (last wins), HOME from /etc/passwd, LISTEN_FDS */
/* chdir (made when missing, as root, 0755), verified: inside the root. Before process_ids; permission for only one of root
 * and the user is enough. No link of procfs is followed. */
int process_cwd(struct process_ctx *, struct err *);
int process_resolve_exe(struct process_ctx *, struct err *);	/* args[0] by PATH of the container's env, as the user; texts below */
int process_fix_stdio(struct process_ctx *, struct err *);	/* fchown 0 1 2 to the user where that is allowed and not /dev/null */
int process_drop_bounding(struct process_ctx *, struct err *);
int process_ids(struct process_ctx *, struct err *);		/* keepcaps, setgroups, setresgid, setresuid, umask */
int process_caps(struct process_ctx *, struct err *);		/* capset, ambient; what cannot be granted is logged */
int process_no_new_privs(struct process_ctx *, struct err *);
int process_seccomp(struct process_ctx *, struct err *);	/* loads the filter; fills notify_fd */
int process_close_fds(struct process_ctx *, int keep_fd, struct err *); /* CLOEXEC on all from 3 + preserve_fds, keep_fd as it is */
/* Never returns 0: execve; the error text has engines' words. keep: nothing. */
int process_exec(struct process_ctx *, struct err *);

/*
 * Texts (engines parse them):
 *   exec: "NAME": executable file not found in $PATH		(ENOENT, no slash in NAME)
 *   exec: "PATH": stat PATH: no such file or directory		(ENOENT)
 *   exec: "PATH": permission denied				(EACCES)
 *   exec: "PATH": is a directory				(EACCES)
 *   exec: "PATH": exec format error				(ENOEXEC)
 */

#endif
