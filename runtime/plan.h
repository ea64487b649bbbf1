/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_PLAN_H
#define BRIG_RUNTIME_PLAN_H

#include "runtime/base/err.h"
#include "runtime/spec.h"

struct buf;

/*
 * DOC: the plan
 *
 * What the init child will do, as data: which namespaces are made and joined, and an ordered list of operations on the
 * root file system. plan_build() is pure: it opens nothing, needs no privilege, and depends on its arguments only, so a
 * plan can be printed (create --dry-run) and compared in tests. The order of the list is the order of execution.
 */
enum op_kind {
	OP_MOUNT,	 /* a new file system on dst */
	OP_BIND,	 /* src on dst */
	OP_REMOUNT,	 /* change the flags of what is mounted on dst */
	OP_CGROUP,	 /* the container's own cgroup directories on dst */
	OP_DEVICE,	 /* device node (made, or bound from the host) */
	OP_SYMLINK,	 /* dst -> src unless dst exists */
	OP_CONSOLE,	 /* pty: master to the engine, peer on /dev/console */
	OP_HOST_HOOKS,	 /* prestart, createRuntime (by the parent), createContainer (here) */
	OP_PIVOT,	 /* the root becomes "/" */
	OP_SYSCTL,	 /* dst = key, src = value */
	OP_MOUNT_READONLY, /* a tmpfs that was writable until its mount points and devices were made */
	OP_ROOT_READONLY,
	OP_MASK,	 /* hide dst */
	OP_READONLY_PATH,
	OP_ROOT_PROPAGATION, /* after the pivot: flags */
	OP_KINDS
};

struct op {
	enum op_kind kind;
	const char *dst, *src;
	uint64_t flags;
	const struct spec_mount *mount;	  /* OP_MOUNT, OP_BIND, OP_REMOUNT, OP_CGROUP */
	const struct spec_device *device; /* OP_DEVICE */
	size_t made;			  /* OP_MOUNT_READONLY: number of the OP_MOUNT, whose src_fd is the mount */
	int src_fd;			  /* filled by the opener: a detached mount tree, or -1 */
};

/* What of the host the plan depends on. */
struct plan_env {
	uint32_t euid, egid;
	bool cgroup_v2;
	bool no_pivot;
	const char *bundle; /* absolute */
};

struct plan {
	struct arena arena;
	uint64_t clone_flags;	/* namespaces made by clone3 */
	uint64_t unshare_flags; /* made by the child after it entered its cgroup: CLONE_NEWCGROUP, CLONE_NEWTIME */
	bool auto_userns;	/* rootless without a user namespace in the config: brig adds one */
	bool new_userns, any_userns;
	bool needs_middle;	/* namespaces must be joined with the privileges of a process that then clones the init */
	struct spec_id_maps uid_maps, gid_maps; /* in force: from the spec, or for auto_userns filled by the backend */
	const char *rootfs;	/* absolute host path */
	bool bind_dev;		/* /dev comes from the host: make no devices */
	bool rw_cgroup_mount;
	bool has_host_hooks;
	struct op *ops;
	size_t n_ops;
};

int plan_build(struct plan *ret, const struct spec *spec, const struct plan_env *env, struct err *err) MUST_CHECK;
/* Whether this new mount becomes read-only by an OP_MOUNT_READONLY of its own: other mounts and devices may lie in it, as in a
 * read-only /dev. */
bool plan_is_late_readonly(const struct spec_mount *m);
/* One line an operation. */
void plan_print(const struct plan *plan, struct buf *out);
/* Closes the fds of the ops, too. Accepts a zeroed plan. */
void plan_done(struct plan *plan);

extern const char *const op_names[OP_KINDS];

#endif
