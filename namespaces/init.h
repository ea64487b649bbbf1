/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_NAMESPACES_INIT_H
#define BRIG_NAMESPACES_INIT_H

#include "namespaces/process.h"
#include "runtime/container.h"
#include "runtime/plan.h"

/*
 * DOC: the init child
 *
 * One thread, born by clone3 with a copy of the parent's memory, or in it (lend.h). It holds everything it needs as data and fds; it works off a table of
 * phases whose order is the security argument, and reports the first error, prefixed with the phase's name, to whoever waits.
 */
/* What a child that works in its parent's memory leaves there (lend.h). */
struct lent {
	bool ready;  /* everything that can fail for a reason in the configuration is done */
	bool failed; /* err says why */
	struct err err;
};

struct init_ctx {
	struct container *container;
	const struct spec *spec;
	struct plan *plan;
	struct process_ctx process;
	struct lent *lent;  /* the parent stands still: no dialogue, no gate; or NULL */
	int sync_fd;	    /* our end; becomes the gate connection */
	int gate_fd;	    /* listening gate, or -1: START comes over sync_fd */
	int console_fd;	    /* socket that wants the pty master, or -1 */
	int root_tree_fd;   /* detached tree of the rootfs, opened by the parent, or -1 */
	bool root_given;    /* root_tree_fd is no copy of what root.path names */
	int root_fd;	    /* the container's root directory */
	int host_root_fd;   /* root of the mount namespace before the pivot, when the runtime runs in a chroot; or -1 */
	int null_fd;	    /* the host's /dev/null as a mount source */
	int dev_fd;	    /* the container's /dev while devices are made, or -1 */
	int stage_fd;	    /* where mounts are made when detached ones are denied (stage.c), or -1 */
	unsigned stage_count; /* places used there */
	bool staged;	    /* all mounts are made there */
	int mask_dir_fd;    /* attached shared read-only tmpfs that hides directories, or -1 */
	const char *mount_context; /* linux.mountLabel where SELinux is enabled, or NULL */
	struct program_move *move; /* for the child: move first of all; or NULL */
	bool in_v2_cgroup;  /* born in cgroup_clone_fd() */
	bool no_pivot;
	bool privileged;    /* the parent is root: it opened the sources, and may open /proc/PID of a non-dumpable child */
	int ns_fds[NS_TYPES]; /* to join, or -1 */
	uint64_t exec_flags;  /* exec: namespaces of init_pidfd to join at once */
	int init_pidfd;
	bool exec_userns;     /* exec: the user namespace is one of those that are joined */
	int own_ns_fds[NS_TYPES]; /* created by an unprivileged user: our namespaces, for an exec before the start; or -1 */
	char *state;	    /* state for createContainer hooks */
	size_t state_n;
	char *start_state;  /* state for startContainer hooks */
	size_t start_state_n;
	bool is_exec;
};

/* Run all phases of the init child or of an exec'd process. Does not return. */
NORETURN void init_main(struct init_ctx *ctx);

/* rootfs.c */
int rootfs_propagation(struct init_ctx *ctx, struct err *err);
int rootfs_attach(struct init_ctx *ctx, struct err *err);
int rootfs_pivot(struct init_ctx *ctx, struct err *err);
int rootfs_mask(struct init_ctx *ctx, const char *path, struct err *err);
int rootfs_readonly_path(struct init_ctx *ctx, const char *path, struct err *err);
int rootfs_readonly(struct err *err);

/* inode of the root of a procfs */
#define PROC_ROOT_INO 1

/* mount.c */
int mount_execute(struct init_ctx *ctx, struct op *op, struct err *err);
/* The destination below the root as an fd: made when missing, refused when it leads into procfs. */
int mount_open_target(struct init_ctx *ctx, const char *dst, bool is_dir, struct err *err);
int mount_cgroup(struct init_ctx *ctx, struct op *op, struct err *err);
/* fsopen + fsconfig + fsmount; options as in mount(2)'s data. Returns the fd of a mount for mount_attach(). */
int mount_new(struct init_ctx *ctx, const char *type, const char *source, const char *options, uint64_t ms_flags, struct err *err);
/* open_tree: a copy of a mount for mount_attach(). flags: AT_RECURSIVE, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW. -errno. */
int mount_clone(struct init_ctx *ctx, int dir_fd, const char *path, unsigned flags);
int mount_attach(int tree_fd, int target_fd, const char *dst, struct err *err);

/* stage.c: the same by mount(2), where those calls are missing or denied. All return -errno. */
int stage_new(struct init_ctx *ctx, const char *type, const char *source, const char *options, uint64_t ms_flags);
int stage_clone(struct init_ctx *ctx, int source_fd, bool recursive);
int stage_move(int from_fd, int to_fd);
/* Detached mounts cannot be attached here: forget those that the parent opened, and make all others on the stage. */
int stage_switch(struct init_ctx *ctx);

/* dev.c */
int dev_create(struct init_ctx *ctx, const struct spec_device *d, struct err *err);
int dev_symlink(struct init_ctx *ctx, const char *dst, const char *target, struct err *err);
/* Make a pty in the container, send its master to ctx->console_fd, put the peer on 0, 1, 2 and, unless dst is NULL, on dst. */
int dev_console(struct init_ctx *ctx, const char *dst, struct err *err);

/* gate.c */
/* The init child: open own_ns_fds. Needs: procfs of the host, and all namespaces made and joined. */
int gate_keep_namespaces(struct init_ctx *ctx, struct err *err);
/* The init child: wait for START, whose connection becomes sync_fd; answer who asks for our namespaces. */
int gate_wait(struct init_ctx *ctx, struct err *err);
/* The parent of an exec: the namespaces of a container that waits at its gate, as ns_fds, but for those that are ours, too. */
int gate_ask_namespaces(struct init_ctx *ctx, struct err *err);

/* netdev.c */
int netdev_loopback_up(struct err *err);
int netdev_move(const struct spec_net_device *d, int netns_fd, struct err *err);

/* sysctl.c */
int sysctl_check(const struct spec *spec, const struct plan *plan, struct err *err);
int sysctl_write(int proc_fd, const char *key, const char *value, struct err *err);

#endif
