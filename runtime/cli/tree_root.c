/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/tree_root.h"

#include "images/rootfs.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- plain files ---- */

/* program: brig-images; found by the process that has our own pid, which alone knows where its file lies */
static int unpack(struct record *r, const char *program, const char *manifest, const char *path, struct err *err)
{
	pid_t child = fork();
	int x;

	if (child == 0) {
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(program, "brig-images", "--root", r->cli->store.root, "image", "unpack", manifest, path, (char *)NULL);
		_exit(127);
	}
	if (child < 0)
		return err_sys(err, -errno, "fork");
	x = sys_wait_pid(child);
	return x ? err_set(err, EIO, "image %s could not be written as files", r->image) : 0;
}

/* The tree of the image's chain, made when it is missing. Two at once make it twice, and the second rename loses. */
static int make_tree(struct record *r, const char *program, const struct store_image *image, char **ret, struct err *err)
{
	char hex[DIGEST_HEX_LEN], manifest[DIGEST_TEXT_LEN];
	AUTO_FREE char *trees = xasprintf("%s/trees", r->cli->store.root);
	AUTO_FREE char *path = xasprintf("%s/%s", trees, digest_hex(&image->chain, hex));
	AUTO_FREE char *temp = xasprintf("%s/.%s", trees, r->id);
	int x;

	if (access(path, F_OK) == 0) {
		*ret = TAKE_PTR(path);
		return 0;
	}
	if ((mkdir(trees, 0711) < 0 && errno != EEXIST) || (mkdir(temp, 0755) < 0 && errno != EEXIST))
		return err_sys(err, -errno, "make '%s'", temp);
	x = unpack(r, program, digest_text(&image->manifest, manifest), temp, err);
	if (x == 0 && rename(temp, path) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		x = err_sys(err, -errno, "rename '%s'", temp);
	(void)!remove_tree(AT_FDCWD, temp);
	if (x == 0)
		*ret = TAKE_PTR(path);
	return x;
}

/* Upper and work directory are made here, or they would not belong to the user namespace's root. */
static int mount_overlay(struct record *r, const char *tree, bool userxattr, struct err *err)
{
	AUTO_FREE char *upper = xasprintf("%s/upper", r->dir), *work = xasprintf("%s/work", r->dir);
	AUTO_CLOSE int lower_fd = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct rootfs_overlay o = { .lower_fd = lower_fd, .upper = upper, .work = work, .userxattr = userxattr };

	if (lower_fd < 0)
		return err_sys(err, -errno, "open '%s'", tree);
	if ((mkdir(upper, 0755) < 0 && errno != EEXIST) || (mkdir(work, 0755) < 0 && errno != EEXIST))
		return err_sys(err, -errno, "make '%s'", upper);
	return rootfs_mount_overlay(&o, err);
}

struct tree_job {
	struct record *r;
	const char *program;
	const struct store_image *image;
};

static int open_here(const struct tree_job *j, bool userxattr, struct err *err)
{
	AUTO_FREE char *tree = NULL;
	int x = make_tree(j->r, j->program, j->image, &tree, err);

	return x < 0 ? x : mount_overlay(j->r, tree, userxattr, err);
}

/* ---- a helper in a user namespace ---- */

/* The child's side, before its work: 0 once its ids are mapped. */
static int enter_user_namespace(int fd, struct err *err)
{
	char byte = 0;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return err_sys(err, -errno, "make a user namespace");
	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		return err_set(err, EPIPE, "the user namespace got no ids");
	/* without a map of groups of its own setgroups is denied, and not needed */
	(void)setgroups(0, NULL);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(err, -errno, "become root of the user namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(err, -errno, "set the propagation of '/'");
	return 0;
}

/* Our side. */
static int map_ids(pid_t pid, int fd, struct err *err)
{
	struct spec none = { 0 };
	struct plan plan = { 0 };
	char byte;
	int r;

	if (read(fd, &byte, 1) != 1)
		return 0; /* its error follows */
	r = idmap_rootless(&plan, &none, geteuid(), getegid(), err);
	if (r == 0)
		r = idmap_write(pid, &plan.uid_maps, &plan.gid_maps, false, err);
	arena_done(&plan.arena);
	if (r == 0 && write(fd, &byte, 1) != 1)
		r = err_set(err, EPIPE, "the helper in the user namespace died");
	return r;
}

struct helper {
	pid_t pid;
	int fd; /* owned */
};

/* Run fn in a child in a new user namespace with the user's ids. fn returns an fd to send, 0 or negative with err. *ret_fd gets the
 * fd; the child then waits until the socket is closed. */
static int run_helper(int (*fn)(void *arg, struct err *err), void *arg, struct helper *ret, int *ret_fd, struct err *err)
{
	AUTO_CLOSE int ours = -1, theirs = -1;
	size_t n = 0;
	ssize_t got;
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
		struct err e = { 0 };
		int fd;

		fd_close(&ours);
		fd = enter_user_namespace(theirs, &e);
		if (fd == 0)
			fd = fn(arg, &e);
		if (fd < 0 && !e.code)
			err_set(&e, -fd, "helper in the user namespace");
		(void)!fd_send(theirs, &e, sizeof(e), &fd, fd > 0);
		(void)!read(theirs, &e, 1);
		_exit(0);
	}
	fd_close(&theirs);
	r = map_ids(pid, ours, err);
	if (r == 0) {
		got = fd_recv(ours, err, sizeof(*err), ret_fd, 1, &n);
		if (got != (ssize_t)sizeof(*err))
			r = err_set(err, EPIPE, "the helper in the user namespace died");
		else if (err->code)
			err_sanitize(err), r = -err->code;
	}
	if (r < 0) {
		fd_close(&ours);
		(void)!sys_wait_pid(pid);
		return r;
	}
	*ret = (struct helper){ .pid = pid, .fd = TAKE_FD(ours) };
	return 0;
}

static int tree_in_helper(void *arg, struct err *err)
{
	struct tree_job *j = arg;

	return open_here(j, true, err);
}

int tree_root_open(struct record *r, const struct store_image *image, bool rootless, struct tree_root *ret, struct err *err)
{
	AUTO_FREE char *program = NULL;
	struct tree_job job = { .r = r, .image = image };
	struct helper h;
	int fd = -1, x = cli_find_program("brig-images", &program, err);

	*ret = (struct tree_root){ .root_fd = -1, .helper_fd = -1 };
	if (x < 0)
		return x;
	job.program = program;
	if (!rootless) {
		ret->root_fd = open_here(&job, false, err);
		return ret->root_fd < 0 ? ret->root_fd : 0;
	}
	x = run_helper(tree_in_helper, &job, &h, &fd, err);
	if (x == 0)
		*ret = (struct tree_root){ .root_fd = fd, .helper = h.pid, .helper_fd = h.fd };
	return x;
}

void tree_root_close(struct tree_root *t)
{
	fd_close(&t->root_fd);
	fd_close(&t->helper_fd);
	if (t->helper > 0) {
		/* the container's init, which still waits at its gate, has a copy of our end: closing it alone says nothing */
		(void)kill(t->helper, SIGKILL);
		(void)!sys_wait_pid(t->helper);
	}
	t->helper = 0;
}

static int remove_in_helper(void *arg, struct err *err)
{
	int r = remove_tree(AT_FDCWD, arg);

	return r < 0 ? err_sys(err, r, "remove '%s'", (const char *)arg) : 0;
}

int tree_remove_rootless(const char *path, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(path);
	struct helper h;
	int fd = -1, r = run_helper(remove_in_helper, copy, &h, &fd, err);

	if (r < 0)
		return r;
	fd_close(&h.fd);
	(void)kill(h.pid, SIGKILL);
	(void)!sys_wait_pid(h.pid);
	return 0;
}
