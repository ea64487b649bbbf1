/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/libcg.h"

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <libcgroup.h>

/* libcgroup numbers its errors from 50000; the system's own one is behind ECGOTHER. */
static int to_errno(int r)
{
	switch (r) {
	case 0:
		return 0;
	case ECGROUPNOTEXIST:
	case ECGROUPSUBSYSNOTMOUNTED:
		return -ENOENT;
	case ECGROUPNOTMOUNTED:
		return -ENODEV;
	case ECGROUPNOTALLOWED:
		return -EACCES;
	case ECGOTHER:
		return cgroup_get_last_errno() ? -cgroup_get_last_errno() : -EIO;
	default:
		return -EIO;
	}
}

int libcg_read_stat(const char *controller, const char *path, void (*fn)(const char *name, uint64_t value, void *arg), void *arg)
{
	struct cgroup_stat stat = { 0 };
	void *handle = NULL;
	int r = cgroup_init();

	if (r != 0)
		return to_errno(r);
	r = cgroup_read_stats_begin(controller, path, &handle, &stat);
	while (r == 0) {
		uint64_t value;

		/* the library leaves the newline on the value */
		stat.value[strcspn(stat.value, "\n")] = '\0';
		if (str_to_u64(stat.value, &value) == 0)
			fn(stat.name, value, arg);
		r = cgroup_read_stats_next(&handle, &stat);
	}
	if (handle)
		(void)cgroup_read_stats_end(&handle);
	return r == ECGEOF ? 0 : to_errno(r);
}

int libcg_mount_point(const char *controllers, char **ret)
{
	AUTO_FREE char *first = xstrndup(controllers, strcspn(controllers, ","));
	int r = cgroup_init();

	return r == 0 ? to_errno(cgroup_get_subsys_mount_point(first, ret)) : to_errno(r);
}
