/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_MOUNT_TREE_H
#define BRIG_RUNTIME_MOUNT_TREE_H

#include "runtime/base/err.h"
#include "runtime/plan.h"

/*
 * Detached mount trees: the sources of bind mounts, opened by the parent with the host's rules, with the attributes that their
 * options ask for. Both backends use them; nothing here attaches anything.
 */
struct mount_attr;
struct statfs;

/* The flags that a mount has, as mount(2) wants to hear them again when it changes another one. */
uint64_t mount_flags_of(const struct statfs *fs);
/* MS_* to MOUNT_ATTR_* */
uint64_t mount_attr_from_flags(uint64_t ms_flags);

/* The errors of a system call that the kernel does not have, or that a seccomp filter or a security module denies. */
bool mount_call_denied(int r);

/* mount_setattr(2) of the mount whose root fd is. Where that call is denied by mount(2), which changes attached mounts only, and
 * without AT_RECURSIVE, unless it is about propagation. -errno. */
int mount_change(int fd, unsigned at_flags, struct mount_attr *attr) MUST_CHECK;
/* mount_setattr on fd itself (with AT_RECURSIVE in at_flags: and below); nothing to do is no call. dst is for messages. */
int mount_set_attr(int fd, unsigned at_flags, struct mount_attr *attr, const char *dst, struct err *err) MUST_CHECK;
/* The recursive r* options. */
int mount_set_recursive(int fd, const struct spec_mount *m, struct err *err) MUST_CHECK;
/* The plain options of a bind. */
int mount_set_bind_flags(int fd, const struct spec_mount *m, struct err *err) MUST_CHECK;

/* The flags of open_tree(2) for the source of a bind mount. */
unsigned mount_source_flags(const struct op *op);
/* Open the source of a bind mount as a detached tree; idmapped later by mount_idmap(). bundle_fd: where a relative one starts. */
int mount_open_source(const struct op *op, int bundle_fd, bool root_shared, struct err *err) MUST_CHECK;
/* Apply uid/gid mappings of a mount to a detached tree. */
int mount_idmap(const struct op *op, int tree_fd, int userns_fd, struct err *err) MUST_CHECK;
/* All idmapped binds of the plan. Those without maps of their own take the container's user namespace: joined_userns_fd, or,
 * when that is -1, the one of pid. */
int mount_idmap_all(struct plan *plan, int joined_userns_fd, pid_t pid, struct err *err) MUST_CHECK;

#endif
