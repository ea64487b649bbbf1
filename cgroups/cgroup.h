/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_CGROUPS_CGROUP_H
#define BRIG_CGROUPS_CGROUP_H

#include "runtime/base/err.h"
#include "runtime/base/json.h"
#include "runtime/spec.h"

/*
 * DOC: one interface for every cgroup layout
 *
 * Layouts: v2 (unified), v1, hybrid (v1 controllers and a cgroup2 mount beside them). Managers: cgroupfs (brig makes
 * the directories), systemd (a transient scope makes them), disabled (no cgroup of its own).
 *
 * Life: cgroup_create() -> [clone3(CLONE_INTO_CGROUP, cgroup_clone_fd())] -> cgroup_enter_self() in the child ->
 * cgroup_apply() -> ... -> cgroup_destroy(). What must survive between commands is written by cgroup_save() into
 * state.json and read by cgroup_load(). Nothing here prints; nothing here keeps a process.
 */
enum cgroup_layout { CGROUP_LAYOUT_NONE, CGROUP_LAYOUT_V1, CGROUP_LAYOUT_HYBRID, CGROUP_LAYOUT_V2 };
enum cgroup_manager { CGROUP_CGROUPFS, CGROUP_SYSTEMD, CGROUP_DISABLED };

struct cgroup; /* opaque; heap */

struct cgroup_opts {
	const char *id;           /* container id */
	const char *path;         /* linux.cgroupsPath or NULL: "/brig-ID" (cgroupfs), "system.slice:brig:ID" (systemd) */
	enum cgroup_manager manager;
	bool rootless;            /* a failure to make the cgroup is a warning, and limits are reported as not in force */
	bool new_cgroup_ns;       /* with rw_mount: delegate ownership, runtime-spec "Cgroup ownership" */
	bool rw_mount;
	uint32_t owner_uid;       /* host uid of process.user, for delegation */
	/* Called when the path is known and nothing was made yet, so that a caller that dies can be cleaned up after: it may
	 * call cgroup_save(). NULL: none. */
	int (*before_make)(const struct cgroup *cg, void *arg, struct err *err);
	void *before_make_arg;
	const struct kvlist *annotations; /* org.systemd.property.*, run.oci.systemd.*; may be NULL */
};

/* The layout of this host, from /proc/self/mountinfo or statfs; cached by the caller, cheap enough to call once. */
enum cgroup_layout cgroup_detect(void);

/* Make the directories (or the scope, with pid as its first member: pid is required for systemd and must be a child
 * that waits, and that may be killed on error; 0 otherwise) and set the limits in resources. For systemd, call it after clone. Refused: paths with "..",
 * a non-empty or frozen cgroup. On error nothing is left behind. */
int cgroup_create(struct cgroup **ret, const struct cgroup_opts *opts, const struct spec_resources *resources, pid_t pid,
		  struct err *err) MUST_CHECK;

/* fd of the v2 (or hybrid's unified) directory for clone3(CLONE_INTO_CGROUP), or -1. Borrowed. */
int cgroup_clone_fd(const struct cgroup *cg);

/* Called in the child, single-threaded, before it unshares its cgroup namespace: move itself into every hierarchy that
 * clone3 did not already put it into. in_v2: it was born in cgroup_clone_fd(). Uses fds that were opened before
 * clone by cgroup_create()/cgroup_open_enter(): needs no path. v1: writes "0" to tasks, which needs no global lock. */
int cgroup_enter_self(const struct cgroup *cg, bool in_v2, struct err *err) MUST_CHECK;

/* For exec: open what cgroup_enter_self() needs, for the container's cgroup, sub-cgroups (one "sub" for all hierarchies, or on v1 any
 * number of "controller[,controller]:sub", each controller once; NULL or empty: none), or, when the container nested its cgroups
 * (EBUSY), the cgroup in which init_pid is now. */
int cgroup_open_enter(struct cgroup *cg, const struct strlist *subs, pid_t init_pid, struct err *err) MUST_CHECK;

/* Move another process (a fallback where the child cannot do it itself). */
int cgroup_attach(struct cgroup *cg, pid_t pid, struct err *err) MUST_CHECK;

/* Set limits (and devices, when there are rules) of a live cgroup: all or nothing; a failed write restores what was written before it. */
int cgroup_update(struct cgroup *cg, const struct spec_resources *resources, struct err *err) MUST_CHECK;
/* And something else with them: also is called when they are written; when it fails they are restored, too. */
typedef int cgroup_also(void *arg, struct err *err);
int cgroup_update_also(struct cgroup *cg, const struct spec_resources *resources, cgroup_also *also, void *arg,
		       struct err *err) MUST_CHECK;

int cgroup_freeze(struct cgroup *cg, bool freeze, struct err *err) MUST_CHECK; /* waits until it is in force */
int cgroup_is_frozen(struct cgroup *cg);					     /* 1, 0 or -errno */

/* Send sig to every process; SIGKILL uses cgroup.kill where there is one, else freeze, signal, thaw. Returns the
 * number of processes signalled (1 for cgroup.kill) or -errno. */
int cgroup_kill_all(struct cgroup *cg, int sig, struct err *err) MUST_CHECK;

/* All pids in the cgroup and below; new array. */
int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *err) MUST_CHECK;

/* Remove directories (or stop the scope), sub-cgroups first, with retries on EBUSY. Idempotent. */
int cgroup_destroy(struct cgroup *cg, struct err *err) MUST_CHECK;

/* runc's stats object ("data" of `events --stats`): cpu, cpuset, memory, pids, blkio, hugetlb, rdma, (v2) psi. */
int cgroup_stats_json(struct cgroup *cg, struct json_writer *w, struct err *err) MUST_CHECK;

/* An fd that tells when the cgroup's OOM count may have changed, or -errno: an eventfd of v1 (POLLIN), or a file of v2 (POLLPRI; read it
 * from its start to take the event back). cgroup_oom_count() then tells the number of OOM kills so far, cgroup_high_count() how often
 * memory.high throttled the container (-EOPNOTSUPP on v1, which has none). */
int cgroup_oom_fd(struct cgroup *cg, struct err *err) MUST_CHECK;
int cgroup_oom_count(struct cgroup *cg, uint64_t *ret);
int cgroup_high_count(struct cgroup *cg, uint64_t *ret);

/* state.json: writes members into the open object; load reads them from the object. */
void cgroup_save(const struct cgroup *cg, struct json_writer *w);
int cgroup_load(struct cgroup **ret, const struct json *object, struct err *err) MUST_CHECK;

/* What a mount of type "cgroup" shows: the container's own directory in each hierarchy.
 * n entries; name: "cpu,cpuacct", "name=systemd" ...; "" for v2. path: host path of the container's cgroup directory;
 * mountpoint: of the hierarchy. Arrays live as long as cg. */
struct cgroup_hierarchy {
	const char *name, *mountpoint, *path;
	bool v2;
};
size_t cgroup_hierarchies(const struct cgroup *cg, const struct cgroup_hierarchy **ret);

/* For the init child of a scope, which systemd makes around it after the clone: the cgroup in which the caller is now, good for
 * cgroup_hierarchies() alone. Must come before the caller's cgroup namespace is made. */
int cgroup_of_self(struct cgroup **ret, struct err *err) MUST_CHECK;

enum cgroup_layout cgroup_layout(const struct cgroup *cg);
enum cgroup_manager cgroup_get_manager(const struct cgroup *cg);
const char *cgroup_path(const struct cgroup *cg); /* relative to the hierarchies' mount points */

/* Closes fds; leaves directories. (The symbol has another name, because libcgroup exports a cgroup_free of its own.) */
void cgroup_free(struct cgroup *cg) __asm__("brig_cgroup_free");
void cleanup_cgroup(struct cgroup **cg);

#endif
