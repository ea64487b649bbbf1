/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CONTAINER_H
#define BRIG_RUNTIME_CONTAINER_H

#include "cgroups/cgroup.h"
#include "runtime/base/err.h"
#include "runtime/spec.h"

/*
 * DOC: a container and its life
 *
 * One directory a container: ROOT/ID (0700) with
 *   state.json   written once by create, atomically
 *   config.json  the configuration as it was at create
 *   lock         flock: one command at a time changes a container
 *   gate         unix socket on which the init child waits for start; gone or refused once the program runs
 *   seccomp.bpf  the compiled filter, reused by exec
 *   devices-updated  an update brought another device list than the configuration's
 * The status is never stored, it is seen: the init process (pid and start time), the gate, the freezer.
 */
enum container_status { CONTAINER_CREATING, CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_PAUSED, CONTAINER_STOPPED };
const char *container_status_name(enum container_status s);

struct backend;
struct json;
struct seccomp_prog;

/* Options of the command line that hold for all commands. */
struct program_move;

struct runtime_opts {
	char *root;		      /* absolute; /run/brig, or XDG_RUNTIME_DIR/brig when rootless */
	enum cgroup_manager manager;
	bool rootless;
	bool debug;
	bool strict;		      /* unknown fields in config.json are errors */
	const struct backend *backend; /* chosen by argv[0] */
	const char *vm_accel;	      /* auto, kvm, emulate */
	struct program_move *move; /* from self_protect(), for the process that enters; NULL: this one is protected already */
	/* where logs go, to hand on to a child program; NULL: stderr */
	const char *log_path, *log_format;
};

struct container {
	const struct runtime_opts *opts; /* borrowed */
	char *id;
	int dir_fd;    /* ROOT/ID, or -1 */
	int lock_fd;   /* held lock, or -1 */
	char *bundle;  /* absolute */
	char *rootfs;  /* absolute */
	char *created; /* RFC 3339 */
	char *oci_version;
	uint32_t owner_uid; /* who created it */
	pid_t pid;	      /* init, in the caller's pid namespace; 0: none yet */
	uint64_t start_time;  /* of pid, field 22 of /proc/PID/stat, clock ticks since boot */
	int pidfd;	      /* or -1 */
	struct spec *spec;    /* owned; loaded on demand by container_load_spec() */
	struct cgroup *cgroup; /* owned; NULL: none */
	const struct backend *backend;
	void *backend_data;   /* owned by the backend */
	struct kvlist annotations;
	struct arena arena;
	bool no_poststop; /* from the state: delete has no hooks to run, and need not read config.json for them */
	bool started; /* create went through to the running program (run): start has nothing left to do but its hooks */
	bool restored;
	bool cgroup_rw;	     /* create: a cgroup mount of the container is writable */
	uint32_t cgroup_uid; /* create: who owns the cgroup when it is delegated; host uid of process.user */
	bool cgroup_pending; /* the cgroup is named in the state, but its making may not have come to its end */
	char *intel_rdt_dir, *intel_rdt_mon_dir; /* directories that delete removes, or NULL */
};

/* Ids: [A-Za-z0-9_+.-], 1 to 1024 bytes, not "." or "..". */
int container_check_id(const char *id, struct err *err) MUST_CHECK;

/* Open ROOT/ID and read its state. The error of a missing one says: container "ID" does not exist (ENOENT).
 * lock: also take the exclusive lock. */
int container_load(struct container **ret, const struct runtime_opts *opts, const char *id, bool lock, struct err *err) MUST_CHECK;
int container_load_spec(struct container *c, struct err *err) MUST_CHECK;
void container_free(struct container *c);
/* For CLEANUP(): frees *c, which may be NULL. */
void cleanup_container(struct container **c);
/* Drop the lock before a long wait. */
void container_unlock(struct container *c);

/* The status now; CONTAINER_PAUSED needs the freezer. Never fails: what cannot be seen is stopped. */
enum container_status container_status(struct container *c);

struct create_opts {
	const char *id;
	const char *bundle;	   /* NULL: "." */
	const char *config;	   /* NULL: config.json in the bundle */
	const char *config_text;   /* the configuration itself, in place of a file; NULL: read one */
	const int *root_fd;	   /* borrowed: the root file system as a detached mount; root.path then only names a directory.
				    * NULL: it is what root.path names */
	/* What opens the source of a bind mount as a detached tree (open_tree(2) with these flags; or -errno) where the caller cannot:
	 * without privilege, or in another mount namespace. -ENOSYS: it is to be opened as without this. NULL: all are; then
	 * without privilege the init child does it, with its own rights. */
	int (*open_tree)(void *arg, const char *path, unsigned flags);
	void *open_tree_arg;
	const char *pid_file, *console_socket, *pidfd_socket; /* or NULL */
	bool no_pivot, no_new_keyring;
	unsigned preserve_fds;
	bool dry_run;		   /* print the plan to stdout, change nothing */
	/* run only: */
	bool run;		   /* start right away; the caller is the parent and waits */
	bool detach, keep, no_subreaper;
};

/* create (spec: "Create"): on error everything is undone. On success *ret is loaded and locked. */
int container_create(struct container **ret, const struct runtime_opts *opts, const struct create_opts *o, struct err *err) MUST_CHECK;

/* start (spec: "Start"): opens the gate; returns once the program runs or failed to. Runs poststart hooks. On an error that came
 * after the gate the container has stopped, and is there for delete. */
int container_start(struct container *c, struct err *err) MUST_CHECK;

/* run: create, start, wait (unless detach), delete (unless keep). Returns the exit code to use, or -errno with err. */
int container_run(const struct runtime_opts *opts, const struct create_opts *o, struct err *err) MUST_CHECK;

struct exec_opts {
	const struct spec_process *process;
	const char *pid_file, *console_socket, *pidfd_socket;
	struct strlist cgroups; /* of --cgroup: PATH, or any number of CONTROLLER[,CONTROLLER]:PATH */
	bool detach, ignore_paused;
	unsigned preserve_fds;
};
/* exec: returns the exit code of the process (0 when detached), or -errno with err. */
int container_exec(struct container *c, const struct exec_opts *o, struct err *err) MUST_CHECK;

/* kill. all: every process of the cgroup. A stopped container: "container not running" (ESRCH), unless
 * all: that makes sure that nobody is left. */
int container_kill(struct container *c, int sig, bool all, struct err *err) MUST_CHECK;
/* delete: force kills first. Runs poststop hooks. Leaves nothing behind. */
int container_delete(struct container *c, bool force, struct err *err) MUST_CHECK;
/* delete --force of something that is only half there (no readable state.json): cleans what can be found. */
int container_delete_remains(const struct runtime_opts *opts, const char *id, struct err *err) MUST_CHECK;

int container_pause(struct container *c, struct err *err) MUST_CHECK;
int container_resume(struct container *c, struct err *err) MUST_CHECK;
int container_update(struct container *c, const struct spec_resources *r, const char *l3_schema, const char *mb_schema,
		     struct err *err) MUST_CHECK;
/* pids in the caller's pid namespace; new array. */
int container_pids(struct container *c, pid_t **ret, size_t *ret_n, struct err *err) MUST_CHECK;
/* Its root file system as the host sees it, O_PATH, for a new owner; running only. */
int container_open_root(const struct container *c, struct err *err) MUST_CHECK;
int container_stats_json(struct container *c, struct json_writer *w, struct err *err) MUST_CHECK;

/* Write the OCI state object (runtime.md "State"). with_extras: also rootfs, created, owner, as runc's `state` prints.
 * status is given by the caller because hooks see fixed ones. */
void container_state_json(struct container *c, enum container_status status, bool with_extras, struct json_writer *w);

/*
 * For backends, at their places during create:
 */
/* Make c->cgroup (cgroupfs; for systemd only noted) with the limits of the spec. uid_maps: those in force, none without a user
 * namespace; they say who is to own a cgroup that the container may write. */
int container_make_cgroup(struct container *c, bool rw_mount, const struct spec_id_maps *uid_maps, struct err *err) MUST_CHECK;
/* systemd: make the scope around pid, which waits. A no-op otherwise. */
int container_cgroup_with_pid(struct container *c, pid_t pid, struct err *err) MUST_CHECK;
/* prestart and createRuntime hooks, in the caller's namespaces; c->pid is the init process. */
int container_run_create_hooks(struct container *c, struct err *err) MUST_CHECK;
/* linux.seccomp as BPF, also kept in the state directory for exec. */
int container_compile_seccomp(struct container *c, struct seccomp_prog *ret, struct err *err) MUST_CHECK;
/* linux.intelRdt: put c->pid into its class of service. */
int container_apply_rdt(struct container *c, struct err *err) MUST_CHECK;
/* Atomic: temporary name, then rename. */
int container_write_pid_file(const char *path, pid_t pid, struct err *err) MUST_CHECK;
/* (Re)write state.json. */
int container_save(struct container *c, struct err *err) MUST_CHECK;

/* Ids below root, sorted; new array of new strings. A missing root is an empty list. */
int container_list_ids(const char *root, char ***ret, size_t *ret_n, struct err *err) MUST_CHECK;

#endif
