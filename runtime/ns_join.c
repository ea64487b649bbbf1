/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns_join.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

int ns_open_joined(const struct spec *spec, int ret_fds[NS_TYPES], struct err *err)
{
	for (int t = 0; t < NS_TYPES; t++) {
		const struct spec_namespace *ns = &spec->ns[t];
		int type;

		if (!ns->present || !ns->path)
			continue;
		ret_fds[t] = open(ns->path, O_RDONLY | O_CLOEXEC);
		if (ret_fds[t] < 0)
			return err_sys(err, -errno, "linux.namespaces '%s': open '%s'", ns_names[t], ns->path);
		type = ioctl(ret_fds[t], 0xb703 /* NS_GET_NSTYPE */);
		if (type < 0 || (uint64_t)type != ns_clone_flags[t])
			return err_set(err, EINVAL, "linux.namespaces: '%s' is not a %s namespace", ns->path, ns_names[t]);
	}
	return 0;
}
