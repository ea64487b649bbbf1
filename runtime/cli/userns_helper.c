/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/userns_helper.h"

#include "runtime/base/fd.h"
#include "runtime/base/sys.h"
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* The child in a new one: 0 once its ids are mapped. */
static int make_namespace(int fd, struct err *err)
{
	char byte = 0;

	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(err, -errno, "make a user namespace");
	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		return err_set(err, EPIPE, "the user namespace got no ids");
	return 0;
}

static int join_namespace(const char *path, struct err *err)
{
	AUTO_CLOSE int ns = open(path, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || setns(ns, CLONE_NEWUSER) < 0)
		return err_sys(err, -errno, "join the user namespace '%s'", path);
	return 0;
}

static int enter(const struct userns *u, int fd, struct err *err)
{
	int r = u->join ? join_namespace(u->join, err) : make_namespace(fd, err);

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, -errno, "make a mount namespace");
	/* without a map of groups of its own setgroups is denied, and not needed */
	(void)setgroups(0, NULL);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(err, -errno, "become root of the user namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(err, -errno, "set the propagation of '/'");
	return 0;
}

/* Our side. */
static int map_ids(const struct userns *u, pid_t pid, int fd, struct err *err)
{
	char byte;
	int r;

	if (u->join || read(fd, &byte, 1) != 1)
		return 0; /* its error follows */
	r = idmap_write(pid, &u->uids, &u->gids, false, err);
	if (r == 0 && write(fd, &byte, 1) != 1)
		r = err_set(err, EPIPE, "the helper in the user namespace died");
	return r;
}

/* What the child is asked for later. */
struct request {
	unsigned flags;
	char path[4096];
};

static void serve(int fd)
{
	struct request q;

	while (read(fd, &q, sizeof(q)) == (ssize_t)sizeof(q)) {
		AUTO_CLOSE int tree = sys_open_tree(AT_FDCWD, q.path, q.flags);
		int result = tree < 0 ? tree : 0;

		if (fd_send(fd, &result, sizeof(result), &tree, tree >= 0) < 0)
			return;
	}
}

int userns_helper_open_tree(struct userns_helper *h, const char *path, unsigned flags)
{
	struct request q = { .flags = flags };
	int result, tree = -1;
	size_t n = 0;

	if (strlen(path) >= sizeof(q.path))
		return -ENAMETOOLONG;
	memcpy(q.path, path, strlen(path));
	if (send(h->fd, &q, sizeof(q), MSG_NOSIGNAL) != (ssize_t)sizeof(q) ||
	    fd_recv(h->fd, &result, sizeof(result), &tree, 1, &n) != (ssize_t)sizeof(result))
		return -EPIPE;
	return result < 0 ? result : tree;
}

/* The child: enter, open, send. */
static int open_inside(pid_t pid, const char *path, unsigned flags)
{
	AUTO_FREE char *user = xasprintf("/proc/%d/ns/user", (int)pid), *mnt = xasprintf("/proc/%d/ns/mnt", (int)pid);
	AUTO_CLOSE int user_fd = open(user, O_RDONLY | O_CLOEXEC), mnt_fd = open(mnt, O_RDONLY | O_CLOEXEC);

	if (user_fd < 0 || mnt_fd < 0)
		return -errno;
	if (setns(user_fd, CLONE_NEWUSER) < 0 && errno != EINVAL) /* EINVAL: it is ours */
		return -errno;
	return setns(mnt_fd, CLONE_NEWNS) < 0 ? -errno : sys_open_tree(AT_FDCWD, path, flags);
}

int userns_open_tree_of(pid_t pid, const char *path, unsigned flags)
{
	int p[2], result = -EIO, tree = -1;
	size_t n = 0;
	pid_t worker;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return -errno;
	worker = fork();
	if (worker == 0) {
		tree = open_inside(pid, path, flags);
		result = tree < 0 ? tree : 0;
		_exit(fd_send(p[1], &result, sizeof(result), &tree, tree >= 0) < 0);
	}
	close(p[1]);
	if (worker < 0 || fd_recv(p[0], &result, sizeof(result), &tree, 1, &n) != (ssize_t)sizeof(result))
		result = -EIO;
	close(p[0]);
	if (worker > 0)
		(void)!sys_wait_pid(worker);
	return result < 0 ? result : tree;
}

_Noreturn static void child(const struct userns *u, int fd, int (*fn)(void *arg, struct err *err), void *arg)
{
	struct err e = { 0 };
	int result = enter(u, fd, &e);

	if (result == 0)
		result = fn(arg, &e);
	if (result < 0 && !e.code)
		err_set(&e, -result, "helper in the user namespace");
	(void)!fd_send(fd, &e, sizeof(e), &result, result > 0);
	serve(fd);
	_exit(0);
}

static int answer(int fd, int *ret_fd, struct err *err)
{
	size_t n = 0;

	*ret_fd = -1;
	if (fd_recv(fd, err, sizeof(*err), ret_fd, 1, &n) != (ssize_t)sizeof(*err))
		return err_set(err, EPIPE, "the helper in the user namespace died");
	if (!err->code)
		return 0;
	err_sanitize(err);
	return -err->code;
}

int userns_helper_run(const struct userns *u, int (*fn)(void *arg, struct err *err), void *arg, struct userns_helper *ret, int *ret_fd,
		      struct err *err)
{
	AUTO_CLOSE int ours = -1, theirs = -1;
	pid_t pid;
	int p[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return err_sys(err, -errno, "socketpair");
	ours = p[0];
	theirs = p[1];
	pid = fork();
	if (pid < 0)
		return err_sys(err, -errno, "fork");
	if (pid == 0) {
		fd_close(&ours);
		child(u, theirs, fn, arg);
	}
	fd_close(&theirs);
	r = map_ids(u, pid, ours, err);
	if (r == 0)
		r = answer(ours, ret_fd, err);
	if (r < 0) {
		fd_close(&ours);
		(void)kill(pid, SIGKILL);
		(void)!sys_wait_pid(pid);
		return r;
	}
	*ret = (struct userns_helper){ .pid = pid, .fd = TAKE_FD(ours) };
	return 0;
}

void userns_helper_end(struct userns_helper *h)
{
	fd_close(&h->fd);
	if (h->pid > 0) {
		/* the container's init, which still waits at its gate, has a copy of our end: closing it alone says nothing */
		(void)kill(h->pid, SIGKILL);
		(void)!sys_wait_pid(h->pid);
	}
	h->pid = 0;
}

static int remove_in_helper(void *arg, struct err *err)
{
	int r = remove_tree(AT_FDCWD, arg);

	return r < 0 ? err_sys(err, r, "remove '%s'", (const char *)arg) : 0;
}

int userns_remove_tree(const char *path, struct err *err)
{
	CLEANUP(userns_helper_end) struct userns_helper h = { .fd = -1 };
	CLEANUP(arena_done) struct arena a = { 0 };
	struct userns user = { .fd = -1 };
	int fd = -1, r = remove_tree(AT_FDCWD, path);

	if (r < 0 && geteuid() == 0)
		return err_sys(err, r, "remove '%s'", path);
	if (r == 0)
		return 0;
	idmap_default(geteuid(), getegid(), &a, &user.uids, &user.gids);
	return userns_helper_run(&user, remove_in_helper, arena_strdup(&a, path), &h, &fd, err);
}
