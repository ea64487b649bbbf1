/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_CGROUPS_LIBCG_H
#define BRIG_CGROUPS_LIBCG_H

#include "runtime/base/attr.h"

/*
 * DOC: the door to libcgroup
 *
 * The one file that includes libcgroup's headers: they declare a struct cgroup and a cgroup_free() of their own. What is
 * asked here is off the hot path; README.md says what the library is not asked for, with figures.
 */

/* Read CONTROLLER.stat of a v1 cgroup (path below the hierarchy's mount): fn gets each name and number, in order.
 * 0 or -errno. */
int libcg_read_stat(const char *controller, const char *path, void (*fn)(const char *name, uint64_t value, void *arg), void *arg)
	MUST_CHECK;

/* Where the hierarchy of a v1 controller (the first of "cpu,cpuacct") is mounted; new string. 0 or -errno. */
int libcg_mount_point(const char *controllers, char **ret) MUST_CHECK;

#endif
