/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_HOOKS_H
#define BRIG_RUNTIME_HOOKS_H

#include "runtime/base/err.h"
#include "runtime/spec.h"

/*
 * Run the hooks of one kind in order, in the caller's namespaces (config.md "POSIX-platform Hooks"): state (JSON, n bytes) on
 * stdin, exactly the environment that the hook lists, no inherited fds but 0 1 2 (1 and 2: the given fds; -1: the caller's).
 * A hook that fails, or runs past its timeout (it is killed with its process group), ends the list with an error that
 * names kind, index and path, its exit status, and the first bytes of its stderr. With warn_only (poststop) a failure is
 * logged and the list goes on.
 * Also usable in the init child: it forks, and needs no /proc.
 */
int hooks_run(const struct spec_hooks *hooks, enum hook_kind kind, const char *state, size_t n, int out_fd, int err_fd, bool warn_only,
	      struct err *err) MUST_CHECK;

#endif
