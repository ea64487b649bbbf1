/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_NAMESPACES_SPAWN_H
#define BRIG_NAMESPACES_SPAWN_H

#include "namespaces/init.h"

/*
 * Make the init child (or an exec'd process): clone3 with these CLONE_NEW* flags, into cgroup_fd when that is >= 0. The pid
 * namespace to join (ctx->ns_fds[NS_PID], or the one of ctx->init_pidfd when exec_flags has CLONE_NEWPID) is entered by the parent
 * for its children, and left again. middle: a short-lived process joins everything first, with the caller's privileges, and
 * makes the child as our child; the ctx of the child then has nothing left to join.
 * Returns 0 in the child; in the parent the pid, with *ret_pidfd. Falls back to clone(2) where clone3 is missing.
 */
pid_t spawn_child(struct init_ctx *ctx, uint64_t flags, int cgroup_fd, bool middle, int *ret_pidfd, struct err *err) MUST_CHECK;

#endif
