/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_SPEC_H
#define BRIG_RUNTIME_SPEC_H

#include "runtime/base/err.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"

/*
 * DOC: struct spec, config.json in memory
 *
 * Field for field the runtime-spec 1.3 (config.md, config-linux.md, config-vm.md). Everything lives in spec->arena.
 * Absent strings and objects are NULL, absent lists have n == 0, absent numbers and bools have .set == false.
 * Names that have a fixed set of values (namespace types, signals, actions, ...) are checked when they are read and
 * kept as their kernel value where there is one; text otherwise.
 * A field is in force or refused with an error that names it; unknown fields are a warning (an error when strict).
 */
struct opt_i64 { int64_t v; bool set; };
struct opt_u64 { uint64_t v; bool set; };
struct opt_u32 { uint32_t v; bool set; };
struct opt_bool { bool v; bool set; };

struct strlist {
	char **v; /* NULL-terminated when n > 0, else NULL */
	size_t n;
};

struct kv {
	char *key, *value;
};
struct kvlist {
	struct kv *v;
	size_t n;
};

/* config.md "User" */
struct spec_user {
	uint32_t uid, gid;
	struct opt_u32 umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
};

/* config.md "capabilities": bit masks, bit n = capability n. set is false when the object is absent. */
struct spec_caps {
	bool set;
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct spec_rlimit {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
};

struct spec_scheduler {
	bool set;
	uint32_t policy; /* SCHED_* */
	int32_t nice, priority;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime_ns, deadline_ns, period_ns;
};

struct spec_io_priority {
	bool set;
	int class; /* IOPRIO_CLASS_* */
	int priority; /* 0..7 */
};

struct spec_process {
	bool terminal;
	bool has_console_size;
	uint16_t console_rows, console_cols;
	struct spec_user user;
	struct strlist args, env;
	char *cwd;
	struct spec_caps caps;
	struct spec_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	char *apparmor_profile, *selinux_label;
	struct opt_i64 oom_score_adj;
	struct spec_scheduler scheduler;
	struct spec_io_priority io_priority;
	char *exec_affinity_initial, *exec_affinity_final; /* cpu lists, checked */
};

struct spec_id_map {
	uint32_t container_id, host_id, size;
};
struct spec_id_maps {
	struct spec_id_map *v;
	size_t n;
};

/* config.md "Mounts". Options are split by the table in runtime/mount_options.c. */
struct spec_mount {
	char *destination; /* absolute after cleaning */
	char *type, *source; /* may be NULL */
	struct strlist options; /* as written */
	struct spec_id_maps uid_maps, gid_maps;
	/* split: */
	uint64_t flags;          /* MS_* set by options (incl. MS_BIND, MS_REC, MS_REMOUNT) */
	uint64_t flags_cleared;  /* MS_* explicitly cleared by options such as rw, exec, dev, suid */
	uint64_t propagation;    /* MS_SHARED|MS_SLAVE|MS_PRIVATE|MS_UNBINDABLE, with MS_REC; 0: none given */
	uint64_t rec_attr_set, rec_attr_clear; /* MOUNT_ATTR_* of the recursive r* options */
	bool idmap, idmap_recursive;
	bool tmpcopyup;
	bool copy_symlink, src_nofollow, dest_nofollow; /* crun's extra options */
	char *idmap_option; /* crun's "idmap=..." text, or NULL */
	char *data; /* the rest, comma-separated; NULL when there is none */
};

struct spec_hook {
	char *path;
	struct strlist args, env;
	struct opt_i64 timeout_s;
};
enum hook_kind {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	HOOK_KINDS
};
struct spec_hooks {
	struct spec_hook *v;
	size_t n;
};

/* Order is the order in which namespaces are joined (user first). */
enum ns_type { NS_USER, NS_CGROUP, NS_IPC, NS_UTS, NS_NET, NS_PID, NS_MNT, NS_TIME, NS_TYPES };
struct spec_namespace {
	bool present; /* listed in linux.namespaces */
	char *path;   /* NULL: create a new one */
};

struct spec_device {
	char type; /* c b p ('u' is read as 'c') */
	char *path;
	int64_t major, minor;
	struct opt_u32 mode; /* permission bits */
	struct opt_u32 uid, gid;
};

struct spec_net_device {
	char *host_name, *name; /* name == host_name when absent */
};

struct spec_device_rule {
	bool allow;
	char type;            /* a b c */
	int64_t major, minor; /* -1: all */
	uint8_t access;       /* DEVICE_R | DEVICE_W | DEVICE_M */
};
#define DEVICE_R 1
#define DEVICE_W 2
#define DEVICE_M 4

struct spec_weight_device {
	int64_t major, minor;
	struct opt_u32 weight, leaf_weight;
};
struct spec_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};
struct spec_throttle_list {
	struct spec_throttle_device *v;
	size_t n;
};
struct spec_hugepage_limit {
	char *page_size; /* "2MB": checked */
	uint64_t limit;
};
struct spec_net_prio {
	char *name;
	uint32_t priority;
};
struct spec_rdma {
	char *device;
	struct opt_u32 hca_handles, hca_objects;
};

/* config-linux.md "Control groups". Also what `update` reads. */
struct spec_resources {
	bool set; /* linux.resources is present */
	struct spec_device_rule *devices;
	size_t n_devices;
	/* memory; bytes, -1 unlimited */
	struct opt_i64 mem_limit, mem_reservation, mem_swap, mem_kernel, mem_kernel_tcp;
	struct opt_u64 mem_swappiness;
	struct opt_bool mem_disable_oom_killer, mem_use_hierarchy, mem_check_before_update;
	/* cpu; microseconds */
	struct opt_u64 cpu_shares, cpu_period, cpu_burst, cpu_rt_period;
	struct opt_i64 cpu_quota, cpu_rt_runtime, cpu_idle;
	char *cpus, *mems;
	struct opt_i64 pids_limit;
	struct opt_u32 blkio_weight, blkio_leaf_weight;
	struct spec_weight_device *blkio_weight_devices;
	size_t n_blkio_weight_devices;
	struct spec_throttle_list blkio_read_bps, blkio_write_bps, blkio_read_iops, blkio_write_iops;
	struct spec_hugepage_limit *hugepages;
	size_t n_hugepages;
	struct opt_u32 net_class_id;
	struct spec_net_prio *net_prios;
	size_t n_net_prios;
	struct spec_rdma *rdma;
	size_t n_rdma;
	struct kvlist unified;
};

struct spec_seccomp_arg {
	uint32_t index; /* 0..5 */
	uint64_t value, value_two;
	uint32_t op; /* enum scmp_compare */
};
struct spec_seccomp_rule {
	struct strlist names;
	uint32_t action; /* SCMP_ACT_* without data */
	struct opt_u32 errno_ret;
	struct spec_seccomp_arg *args;
	size_t n_args;
};
struct spec_seccomp {
	bool set;
	uint32_t default_action;
	struct opt_u32 default_errno;
	uint32_t *architectures; /* SCMP_ARCH_* tokens */
	size_t n_architectures;
	bool flags_set;
	uint32_t flags; /* SECCOMP_FILTER_FLAG_* */
	char *listener_path, *listener_metadata;
	struct spec_seccomp_rule *syscalls;
	size_t n_syscalls;
};

struct spec_intel_rdt {
	bool set;
	char *clos_id, *l3_cache_schema, *mem_bw_schema;
	struct strlist schemata;
	bool enable_monitoring;
};

struct spec_memory_policy {
	bool set;
	int mode;    /* MPOL_* */
	uint32_t flags; /* MPOL_F_* */
	char *nodes; /* checked list; NULL or "" when none */
};

struct spec_time_offset {
	bool set;
	int64_t secs;
	uint32_t nanosecs;
};

/* config-vm.md; used by vm-mode only. */
struct spec_vm {
	bool set;
	char *hypervisor_path, *kernel_path, *initrd_path, *image_path, *image_format;
	struct strlist hypervisor_parameters, kernel_parameters;
	struct opt_u32 vcpus;
	struct opt_u64 memory_bytes;
};

/* A field of the file that not every backend acts on; spec_check_backend() judges it. */
struct spec_note {
	struct spec_note *next;
	const char *place; /* "config.json:3:4: vm" */
	bool namespaces, vm; /* who acts on it */
	bool label;	     /* a security label of the host, which has no meaning inside a guest */
};

struct spec {
	struct arena arena;
	struct spec_note *notes;
	char *oci_version;
	char *root_path; /* as written, relative to the bundle or absolute */
	bool root_readonly;
	struct spec_mount *mounts;
	size_t n_mounts;
	bool has_process;
	struct spec_process process;
	char *hostname, *domainname;
	struct spec_hooks hooks[HOOK_KINDS];
	struct kvlist annotations;

	bool has_linux;
	struct spec_namespace ns[NS_TYPES];
	struct spec_id_maps uid_maps, gid_maps;
	struct spec_time_offset time_monotonic, time_boottime;
	struct spec_device *devices;
	size_t n_devices;
	struct spec_net_device *net_devices;
	size_t n_net_devices;
	char *cgroups_path;
	struct spec_resources resources;
	char *rootfs_propagation_text;
	uint64_t rootfs_propagation; /* MS_SHARED ... | MS_REC; 0: not given */
	struct spec_seccomp seccomp;
	struct strlist masked_paths, readonly_paths;
	char *mount_label;
	struct spec_intel_rdt intel_rdt;
	struct spec_memory_policy memory_policy;
	struct kvlist sysctl; /* keys with dots */
	bool has_personality;
	unsigned long personality; /* PER_LINUX or PER_LINUX32 */
	struct spec_vm vm;
};

#define SPEC_MAX_BYTES (16u << 20)

/* Read a config.json text. name is used in messages. strict: unknown fields are errors. On error nothing is owned. */
int spec_parse(struct spec *ret, const char *name, const char *text, size_t n, bool strict, struct err *err) MUST_CHECK;

/* Read a process.json (exec --process): a bare process object, config.md "Process". arena owns the result. */
int spec_parse_process(struct arena *arena, struct spec_process *ret, const char *name, const char *text, size_t n,
		       struct err *err) MUST_CHECK;

/* Read a bare resources object (update --resources). */
int spec_parse_resources(struct arena *arena, struct spec_resources *ret, const char *name, const char *text, size_t n,
			 struct err *err) MUST_CHECK;

/* Split spec_mount.options into the fields below them; also used for options that the command line gives. What is not an option of
 * every mount becomes data, and is dropped for a bind mount. */
void spec_mount_split_options(struct arena *arena, struct spec_mount *m);

/* Fields that this backend does not act on: namespaces mode ignores vm's with a warning, as every runtime that makes no
 * machine does; vm-mode refuses what it has not, and warns of the host's security labels, which engines always set. */
int spec_check_backend(const struct spec *spec, bool vm, struct err *err) MUST_CHECK;

/* Release everything; accepts a zeroed spec. */
void spec_done(struct spec *spec);

/* Value of an annotation, or NULL. */
const char *spec_annotation(const struct spec *spec, const char *key);

/* Name tables, for messages, `features` and tests. */
extern const char *const ns_names[NS_TYPES];     /* "user", "cgroup", ... as the spec spells them */
extern const char *const ns_proc_names[NS_TYPES]; /* names under /proc/PID/ns */
extern const uint64_t ns_clone_flags[NS_TYPES];
extern const char *const hook_names[HOOK_KINDS];
extern const struct name_value cap_names[];      /* "CAP_CHOWN" -> 0 ... up to CAP_CHECKPOINT_RESTORE */

#endif
