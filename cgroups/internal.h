/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_CGROUPS_INTERNAL_H
#define BRIG_CGROUPS_INTERNAL_H

#include "cgroups/cgroup.h"

/* Private to the folder cgroups/. */

enum cg_ctl {
	CTL_CPU,
	CTL_CPUACCT,
	CTL_CPUSET,
	CTL_MEMORY,
	CTL_DEVICES,
	CTL_FREEZER,
	CTL_IO, /* v1 calls it blkio */
	CTL_PIDS,
	CTL_HUGETLB,
	CTL_NET_CLS,
	CTL_NET_PRIO,
	CTL_RDMA,
	CTL_MISC,
	CTL_PERF_EVENT,
	CTL_COUNT
};
#define CTL_BIT(c) (1u << (c))
extern const char *const ctl_names_v1[CTL_COUNT];
extern const char *const ctl_names_v2[CTL_COUNT]; /* NULL: not a controller of v2 */

/* Bit of a name ("memory", "blkio", "io"), 0 for an unknown one. n: length of the name. */
uint32_t ctl_bit_of(const char *name, size_t n);

/* One mounted hierarchy, and the container's directory in it. */
struct cg_hier {
	char *name;	      /* as /proc/self/cgroup spells it: "cpu,cpuacct", "name=systemd"; "" for cgroup2 */
	char *mountpoint;
	char *path;	      /* mountpoint + the container's path; NULL before cgroup_bind_path() */
	uint32_t controllers; /* CTL_BIT()s; of a v2 hierarchy: those of its root's cgroup.controllers */
	bool v2;
	bool made;     /* the last directory is new, and ours to remove when create fails */
	int mount_fd;  /* O_PATH, or -1 */
	int dir_fd;    /* the container's directory, opened on demand, or -1 */
	int enter_fd;  /* tasks (v1) or cgroup.procs (v2) of the directory to enter, or -1 */
};
#define CG_MAX_HIER 24

struct cgroup {
	enum cgroup_layout layout;
	enum cgroup_manager manager;
	bool rootless;
	bool no_clone_into; /* a fork into it would be refused (pids.max 0), moving into it is not */
	char *id, *path;    /* path: starts with "/" */
	char *unit;	    /* systemd: "brig-ID.scope", else NULL */
	struct cg_hier hier[CG_MAX_HIER];
	size_t n;
	int exec_fd;	       /* for clone3 into another directory than ours (exec with a sub-cgroup), or -1 */
	struct err enable_err; /* why a v2 controller could not be enabled; code 0: nothing failed */
	struct cgroup_hierarchy pub[CG_MAX_HIER];
};

/* For MUST_CHECK results of best-effort work, with the reason beside the call: gcc does not take a (void). */
static inline void ignore(int result)
{
	(void)result;
}

/* layout.c */
/* Fill cg->layout and cg->hier[] with the mounted hierarchies; mount_fds are open. */
int layout_find(struct cgroup *cg, struct err *err) MUST_CHECK;
/* The caller's own path in the cgroup2 hierarchy ("/user.slice/..."), new string, or NULL. */
char *layout_own_v2_path(void);
/* The path of a process in the hierarchy of that name; new string, -ENOENT when it has none. */
int layout_path_of(pid_t pid, const char *hier_name, char **ret) MUST_CHECK;
/* Parse mountinfo text: the first mount of the cgroup hierarchy with this name. New string or NULL. */
char *layout_mount_of(const char *mountinfo, const char *name);
void cg_hier_done(struct cg_hier *h);

/* cgroup.c */
void cgroup_bind_path(struct cgroup *cg); /* fill hier[].path from cg->path */
struct cg_hier *cgroup_hier_of(struct cgroup *cg, enum cg_ctl ctl);
struct cg_hier *cgroup_v2_hier(struct cgroup *cg);
/* fd of the container's directory, opened on first use; borrowed. -errno. */
int cg_hier_dir(struct cg_hier *h) MUST_CHECK;
/* "/a/b" or "a/b": refuses "..", ".", empty and control characters. what: the name in messages. */
int cgroup_check_path(const char *path, const char *what, struct err *err) MUST_CHECK;

/* fs_v1.c, fs_v2.c: the directory of one hierarchy, and what it needs before a task can join. */
int fs_make_dir(struct cg_hier *h, const char *path, struct err *err) MUST_CHECK;
int fs_v1_prepare(struct cg_hier *h, const char *path, struct err *err) MUST_CHECK;
int fs_v2_prepare(struct cg_hier *h, const char *path, uint32_t want, struct err *err) MUST_CHECK;
int fs_v2_delegate(struct cg_hier *h, uint32_t uid, struct err *err) MUST_CHECK;
/* Remove the directory and all below it; retries while tasks are on their way out. 0 when it is gone. */
int fs_remove_dir(struct cg_hier *h, struct err *err) MUST_CHECK;
/* Call fn for the directory and each one below, deepest first; stops at the first value that is not 0. */
int fs_walk(int dir_fd, int depth, int (*fn)(int dir_fd, void *arg), void *arg) MUST_CHECK;

/* Read a small file of the container's directory, without the final newline. -errno. */
int cg_read(int dir_fd, const char *file, char *buf, size_t size) MUST_CHECK;
int cg_read_u64(int dir_fd, const char *file, uint64_t *ret) MUST_CHECK; /* "max" is UINT64_MAX */

/*
 * DOC: limits as data
 *
 * resources -> a list of writes (limits_v1.c and limits_v2.c: pure tables, no file is touched) -> one executor
 * (limits.c), which serves create, update and restore. In update it reads each old value first, and writes the old ones
 * back, last first, when a write fails.
 */
enum limit_flags {
	LIMIT_DEFER = 1,    /* EINVAL may come from the order: try again after the others (limit and memsw, quota and period) */
	LIMIT_OPTIONAL = 2, /* a kernel without the file does not matter */
	LIMIT_NOOP = 4,	    /* asks for what is so without the controller: its absence does not matter */
	LIMIT_KEEP_FIRST = 8, /* value is the second word; the first stays as it is (cpu.max) */
	LIMIT_LAST = 16,      /* after all others, the deferred ones too: it overrides them */
};
struct limit {
	enum cg_ctl ctl;
	const char *field;    /* below linux.resources */
	const char *file, *value;
	const char *alt_file, *alt_value; /* used when file does not exist; NULL: none */
	const char *key;      /* file of "KEY VALUE" lines: which line; NULL: the file is one value */
	const char *reset;    /* value that takes back a line that was not there before */
	unsigned flags;
};
struct limit_list {
	struct arena arena;
	struct limit *v;
	size_t n, cap;
	bool checked_memory; /* checkBeforeUpdate: refuse a memory limit below the usage */
	int64_t memory_limit;
};
struct limit *limit_add(struct limit_list *l, enum cg_ctl ctl, const char *field, const char *file, const char *value);
struct limit *limit_addf(struct limit_list *l, enum cg_ctl ctl, const char *field, const char *file, const char *fmt, ...)
	PRINTF_LIKE(5, 6);
void limit_list_done(struct limit_list *l);

/* in_v2: controllers that are in the cgroup2 hierarchy (all of them on v2). */
int limits_v1(struct limit_list *l, const struct spec_resources *r, uint32_t in_v2, struct err *err) MUST_CHECK;
int limits_v2(struct limit_list *l, const struct spec_resources *r, uint32_t in_v2, struct err *err) MUST_CHECK;
/* Build the list that fits cg's layout and apply it; r may be NULL. */
int limits_set(struct cgroup *cg, const struct spec_resources *r, struct err *err) MUST_CHECK;
/* The same for a live cgroup, all or nothing. When everything is written, first also is called and then manager (each may be
 * NULL); when one of them fails, what was written is set back. What manager writes into the same files is overwritten. */
typedef int limits_manager(struct cgroup *cg, const struct spec_resources *r, struct err *err);
int limits_update(struct cgroup *cg, const struct spec_resources *r, limits_manager *manager, cgroup_also *also, void *arg,
		  struct err *err) MUST_CHECK;
uint64_t limits_weight_of_shares(uint64_t shares);
bool limits_page_size_ok(const char *page_size);
/* hugetlb.SIZE.FILE and hugetlb.SIZE.rsvd.FILE (where the kernel has it) of each size. */
int limits_hugetlb(struct limit_list *l, const struct spec_resources *r, const char *file, struct err *err) MUST_CHECK;

/* devices.c: the canonical list of rules, last match wins, and its two users. */
struct device_list {
	struct spec_device_rule *v; /* owned */
	size_t n;
};
void device_list_build(struct device_list *ret, const struct spec_device_rule *rules, size_t n);
void device_list_done(struct device_list *l);
int devices_set(struct cgroup *cg, const struct spec_resources *r, struct err *err) MUST_CHECK;

/* devices_bpf.c */
struct bpf_insn;
struct devices_bpf_change {
	int old_fd, new_fd; /* owned; the replaced program and its successor, or -1 */
};
struct bpf_prog_buf {
	struct bpf_insn *v; /* owned */
	size_t n, cap;
};
void devices_bpf_generate(struct bpf_prog_buf *ret, const struct device_list *l);
void bpf_prog_buf_done(struct bpf_prog_buf *p);
/* Put the filter in the place of an earlier one of brig's, in one step. ret (may be NULL) then has both programs. */
int devices_bpf_attach(int cgroup_fd, const struct device_list *l, struct devices_bpf_change *ret, struct err *err) MUST_CHECK;
int devices_bpf_undo(int cgroup_fd, const struct devices_bpf_change *c) MUST_CHECK;

/* devices.c: new rules of a live cgroup, in a way that no access which old and new rules allow is refused in between (v1: unless
 * either list allows all devices). A no-op without rules. undo: back to the old ones; again: what systemd wrote meanwhile is
 * overwritten. */
struct devices_change {
	struct device_list old, now;    /* v1 */
	struct devices_bpf_change bpf;  /* v2 */
	int dir_fd;			/* borrowed; -1: nothing was changed */
	bool v2;
};
#define DEVICES_CHANGE_INIT { .dir_fd = -1, .bpf = { -1, -1 } }
int devices_update(struct cgroup *cg, const struct spec_resources *r, struct devices_change *ret, struct err *err) MUST_CHECK;
int devices_update_again(const struct devices_change *c, struct err *err) MUST_CHECK;
int devices_update_undo(const struct devices_change *c) MUST_CHECK;
void devices_change_done(struct devices_change *c);
/* Pure: what a list of v1's kernel that denies by default holds after these rules; "devices.list" as such a list. */
void device_list_exceptions(struct device_list *ret, const struct device_list *l);
void device_list_parse(struct device_list *ret, const char *text);

/* systemd.c */
int systemd_create(struct cgroup *cg, const struct cgroup_opts *o, const struct spec_resources *r, pid_t pid, struct err *err)
	MUST_CHECK;
int systemd_update(struct cgroup *cg, const struct spec_resources *r, struct err *err) MUST_CHECK;
int systemd_destroy(struct cgroup *cg, struct err *err) MUST_CHECK;
/* "a-b.slice" to "/a.slice/a-b.slice"; "-.slice" to "". New string. */
int systemd_expand_slice(const char *slice, char **ret, struct err *err) MUST_CHECK;

/* cgroup.c: after systemd placed pid in cg->path: open or make that directory in every hierarchy, move pid into those
 * that systemd does not manage, set what systemd has no property for. */
int cgroup_use_path(struct cgroup *cg, const struct cgroup_opts *o, const struct spec_resources *r, pid_t pid, struct err *err)
	MUST_CHECK;

#endif
