/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_EXPORT_H
#define BRIG_VM_MODE_HOST_EXPORT_H

#include "runtime/base/err.h"
#include "runtime/plan.h"

/*
 * DOC: what the guest sees of the host
 *
 * A small read-only tmpfs, alone in the machine's mount namespace:
 *   c/ID/rootfs    the container's root file system
 *   c/ID/binds/N   the source of the N-th entry of mounts in config.json, when it is a bind mount: a directory or a file
 * Attributes of the binds (read-only, nosuid ...) are set here, on the host's side of the wall; id maps, too. The containers of
 * a pod have a directory each.
 *
 * Over it, as the top of the mount namespace, lies the container's root file system with its binds: what engines find that join the
 * namespace by a pid (podman cp, nsenter -m). The processes in it keep the tree below as their root.
 */

/* Open the rootfs and the sources of the binds as detached trees, those that are not open yet: the parent does it with privilege, by the
 * host's rules; without, the child does it in its user namespace. */
int export_open_sources(struct plan *plan, const char *bundle, int *root_tree_fd, struct err *err) MUST_CHECK;

/* In the machine's process, in its own mount namespace: make the tree on *ret_path, a directory of the host that it covers. */
int export_make(struct plan *plan, const char *id, int root_tree_fd, const char **ret_path, struct err *err) MUST_CHECK;

/* Attach one container's opened trees below the export root export_fd. */
int export_attach(int export_fd, struct plan *plan, const char *id, int root_tree_fd, struct err *err) MUST_CHECK;

/* The export root becomes "/", the host's file systems are gone from this mount namespace. */
int export_enter(const char *path, struct err *err) MUST_CHECK;

/* Lay the container's view over it, for whoever joins this mount namespace. Binds that have no place there are left out. */
int export_cover(const struct plan *plan, const char *id, struct err *err) MUST_CHECK;

#endif
