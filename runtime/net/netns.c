/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/netns.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/net/link.h"
#include "runtime/base/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The child shares memory and descriptors with the caller, who sleeps until it is gone (as after vfork): what it opens
 * is the caller's, so nothing has to be sent. Entering a namespace ourselves instead would need the privilege to come back,
 * which a rootless process does not have over the host's namespace.
 */
struct opener {
	int enter_fd;  /* namespace to enter; -1: a new one */
	int userns_fd; /* to enter before; -1: none */
	int ns_fd, route_fd, error;
};

#define STACK_BYTES (32 << 10)

static int open_inside(void *p)
{
	struct opener *o = p;

	if ((o->userns_fd >= 0 && setns(o->userns_fd, CLONE_NEWUSER) < 0) ||
	    (o->enter_fd >= 0 ? setns(o->enter_fd, CLONE_NEWNET) : unshare(CLONE_NEWNET)) < 0) {
		o->error = -errno;
		return 1;
	}
	if (o->enter_fd < 0) {
		o->ns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (o->ns_fd < 0) {
			o->error = -errno;
			return 1;
		}
	}
	o->route_fd = nl_socket(NETLINK_ROUTE);
	o->error = o->route_fd < 0 ? o->route_fd : 0;
	return 0;
}

static int run_opener(struct opener *o)
{
	int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD;
	AUTO_FREE char *stack = xmalloc(STACK_BYTES);
	char *top = stack + STACK_BYTES - ((uintptr_t)(stack + STACK_BYTES) & 15);
	pid_t pid = clone(open_inside, top, flags, o);

	if (pid < 0)
		return -errno;
	if (sys_wait_pid(pid) < 0 && o->error >= 0)
		o->error = -ECHILD;
	if (o->error < 0) {
		fd_close(&o->ns_fd);
		fd_close(&o->route_fd);
	}
	return o->error;
}

int netns_route_socket(int ns_fd)
{
	struct opener o = { .enter_fd = ns_fd, .userns_fd = -1, .ns_fd = -1, .route_fd = -1, .error = -EIO };
	int r = run_opener(&o);

	return r < 0 ? r : o.route_fd;
}

int netns_create(int userns_fd, int *ret_ns_fd, int *ret_route_fd, struct err *err)
{
	struct opener o = { .enter_fd = -1, .userns_fd = userns_fd, .ns_fd = -1, .route_fd = -1, .error = -EIO };
	int r = run_opener(&o);

	if (r < 0)
		return err_sys(err, r, "make a network namespace");
	r = link_up(o.route_fd, 1, err); /* loopback is always the first */
	if (r < 0) {
		fd_close(&o.ns_fd);
		fd_close(&o.route_fd);
		return r;
	}
	*ret_ns_fd = o.ns_fd;
	*ret_route_fd = o.route_fd;
	return 0;
}
