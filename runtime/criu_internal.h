/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CRIU_INTERNAL_H
#define BRIG_RUNTIME_CRIU_INTERNAL_H

#include "runtime/criu.h"

#include <sys/mount.h>

/* Shared by criu.c (dump) and criu_restore.c only. */

#define MS_BIND_FLAG ((uint64_t)MS_BIND)
/* In the image directory: an array with what 0, 1 and 2 were (runc's name and form, so its images can be read too). */
#define CRIU_DESCRIPTORS "descriptors.json"

struct criu_run {
	struct container *c; /* borrowed */
	struct strlist argv; /* owned */
	int fds[4];	     /* owned; handed to criu, not CLOEXEC in its process */
	size_t n_fds;
	const char *root;    /* restore: where the root file system is bound to */
	int fail_fd;
	/* runs in the child before execve; 0 or -errno */
	int (*prepare)(const struct criu_run *run);
};
void criu_run_done(struct criu_run *run);

/* Run criu to its end. A failure's message has the last error lines of work_path/log_name. */
int criu_execute(struct criu_run *run, const char *work_path, const char *log_name, struct err *err) MUST_CHECK;

int criu_paths(const struct checkpoint_opts *o, bool make, char **ret_image, char **ret_work, struct err *err) MUST_CHECK;
void criu_add(struct strlist *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
void criu_add_external_mounts(struct strlist *l, struct container *c, bool restore);
void criu_add_cgroup_mounts(struct strlist *l, struct container *c, const struct spec_mount *m, bool restore);

#endif
