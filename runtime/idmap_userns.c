/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/idmap.h"

#include "runtime/base/fd.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A mount's mapping is given to the kernel as a user namespace: a child is born in one, its maps are written, an fd of it is
 * kept, and the child is gone. */
int idmap_userns(const struct spec_id_maps *uids, const struct spec_id_maps *gids, struct err *err)
{
	AUTO_CLOSE int pidfd = -1;
	AUTO_CLOSE int ns = -1;
	char path[64];
	pid_t pid = sys_clone3(CLONE_NEWUSER, -1, &pidfd);
	int r;

	if (pid < 0)
		return err_sys(err, pid, "make a user namespace for an idmapped mount");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		pause();
		_exit(0);
	}
	r = idmap_write(pid, uids, gids, true, err);
	if (!r) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		r = ns < 0 ? err_sys(err, -errno, "open the user namespace of an idmapped mount") : 0;
	}
	(void)!sys_pidfd_send_signal(pidfd, SIGKILL);
	(void)!sys_wait_pidfd(pidfd);
	return r < 0 ? r : TAKE_FD(ns);
}
