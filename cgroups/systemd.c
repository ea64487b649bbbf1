/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include <errno.h>

int systemd_create(struct cgroup *cg, const struct cgroup_opts *o, const struct spec_resources *r, pid_t pid, struct err *err)
{
	(void)cg;
	(void)o;
	(void)r;
	(void)pid;
	return err_set(err, ENOTSUP, "systemd cgroups are not in this build yet: use --cgroup-manager cgroupfs");
}

int systemd_update(struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	(void)cg;
	(void)r;
	(void)err;
	return 0;
}

int systemd_destroy(struct cgroup *cg, struct err *err)
{
	(void)cg;
	(void)err;
	return 0;
}
