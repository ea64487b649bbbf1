/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
#include "runtime/container_internal.h"
#include "runtime/criu_internal.h"

/*
 * criu wants the root to be a mount point. It gets one in a mount namespace of its own, so that the host's mount table
 * never sees it, and nothing has to be undone.
 */
static int in_criu_child(const struct criu_run *run)
{
	for (size_t i = 0; i < run->n_fds; i++) {
		if (fcntl(run->fds[i], F_SETFD, 0) < 0)
			return -errno;
	}
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	if (mount("", "/", "", MS_REC | MS_PRIVATE, "") < 0 || mount(run->root, run->root, "", MS_BIND | MS_REC, "") < 0)
		return -errno;
	return 0;
}

/* Mount points of binds were made at create; a root that was copied or made anew may lack them. */
static int make_mount_points(struct container *c, struct err *err)
{
	AUTO_CLOSE int root = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, -errno, "open '%s'", c->rootfs);
	for (size_t i = 0; i < c->spec->n_mounts; i++) {
		const struct spec_mount *m = &c->spec->mounts[i];
		AUTO_CLOSE int fd = -1;
		bool is_dir;

		if (!(m->flags & MS_BIND_FLAG) || str_starts(m->destination, "/dev/") || str_starts(m->destination, "/proc/") ||
		    str_starts(m->destination, "/sys/"))
			continue;
		fd = m->source ? open(m->source, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		is_dir = fd >= 0;
		fd_close(&fd);
		fd = is_dir ? path_mkdir_in_root(root, m->destination, 0755) :
				  path_mkfile_in_root(root, m->destination, 0755, 0644);
		if (fd < 0)
			return err_sys(err, fd, "make mount point '%s'", m->destination);
	}
	return 0;
}

/* Open a file for criu; it inherits the fd under the given key. */
static int inherit_path(struct criu_run *run, const char *path, const char *key, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, -errno, "open namespace '%s'", path);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	run->fds[run->n_fds++] = fd;
	criu_add(&run->argv, "--inherit-fd=fd[%d]:%s", fd, key);
	return 0;
}

static int inherit_namespaces(struct criu_run *run, struct err *err)
{
	const struct spec_namespace *ns = run->c->spec->ns;
	int r = 0;

	if (ns[NS_NET].path)
		r = inherit_path(run, ns[NS_NET].path, "extRootNetNS", err);
	if (r == 0 && ns[NS_PID].path)
		r = inherit_path(run, ns[NS_PID].path, "extRootPidNS", err);
	return r;
}

/* Pipes and files that led out of the container are replaced by our own 0, 1 and 2. */
static int inherit_stdio(struct criu_run *run, const char *image, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	AUTO_FREE char *path = xasprintf("%s/%s", image, CRIU_DESCRIPTORS);
	AUTO_FREE char *text = NULL;
	struct json *root;
	size_t n;
	int r = fd_read_file(AT_FDCWD, path, 1 << 16, &text, &n);

	if (r < 0)
		return err_sys(err, r, "read '%s' (is --image-path a checkpoint?)", path);
	r = json_parse(&arena, CRIU_DESCRIPTORS, text, n, &root, err);
	if (r < 0)
		return r;
	if (root->type != JSON_ARRAY)
		return json_err(err, CRIU_DESCRIPTORS, root, EINVAL, "must be an array");
	for (const struct json *e = root->u.kids.first; e && e->index < 3; e = e->next) {
		if (e->type == JSON_STRING && (str_starts(e->u.string, "pipe:") || str_starts(e->u.string, "file[")))
			criu_add(&run->argv, "--inherit-fd=fd[%u]:%s", e->index, e->u.string);
	}
	return 0;
}

static int read_pid(struct container *c, const char *path, struct err *err)
{
	AUTO_FREE char *text = NULL;
	int pid, r = fd_read_file(AT_FDCWD, path, 64, &text, NULL);

	if (r < 0)
		return err_sys(err, r, "read the restored process id from '%s'", path);
	text[strcspn(text, "\n")] = '\0';
	if (str_to_int(text, &pid) < 0 || pid <= 0)
		return err_set(err, EINVAL, "criu wrote no process id into '%s'", path);
	(void)unlink(path);
	c->pid = pid;
	c->pidfd = sys_pidfd_open(pid, 0);
	if (c->pidfd < 0)
		return err_sys(err, c->pidfd, "open a pidfd of the restored process %d", pid);
	r = sys_pid_start_time(pid, &c->start_time);
	if (r == -ESRCH) /* it had little left to do, and waits for us to take its exit code */
		return 0;
	return r < 0 ? err_sys(err, r, "restored process %d", pid) : 0;
}

static int restore_processes(struct container *c, const struct checkpoint_opts *ck, struct err *err)
{
	CLEANUP(criu_run_done) struct criu_run run = { .c = c, .root = c->rootfs, .prepare = in_criu_child };
	AUTO_FREE char *image = NULL;
	AUTO_FREE char *work = NULL;
	AUTO_FREE char *pid_path = xasprintf("%s/%s/criu.pid", c->opts->root, c->id);
	int r = criu_paths(ck, false, &image, &work, err);

	if (r == 0)
		r = make_mount_points(c, err);
	if (r < 0)
		return r;
	run.argv = criu_command(ck, "restore", image, work);
	criu_add(&run.argv, "--root=%s", c->rootfs);
	criu_add(&run.argv, "--pidfile=%s", pid_path);
	criu_add(&run.argv, "--restore-detached");
	criu_add(&run.argv, "--restore-sibling"); /* the restored process becomes our child, not criu's */
	criu_add_external_mounts(&run.argv, c, true);
	r = inherit_namespaces(&run, err);
	if (r == 0)
		r = inherit_stdio(&run, image, err);
	if (r == 0)
		r = criu_execute(&run, work, "restore.log", err);
	return r < 0 ? r : read_pid(c, pid_path, err);
}

static int wait_for_it(struct container *c, const struct create_opts *o, struct err *err)
{
	struct relay_opts relay = {
		.pidfd = c->pidfd,
		.pid = c->pid,
		.is_child = true,
		.status_fd = -1,
		.master_fd = -1,
		.no_subreaper = o->no_subreaper,
		.forward_signals = true,
	};
	int code, r;

	container_unlock(c);
	code = console_relay(&relay, err);
	if (code < 0)
		return code;
	r = container_destroy(c, err);
	return r < 0 ? r : code;
}

/* Into its cgroup or scope, unless it ended meanwhile. */
static int restore_cgroup(struct container *c, struct err *err)
{
	uint64_t start;
	int r = c->cgroup ? cgroup_attach(c->cgroup, c->pid, err) : container_cgroup_with_pid(c, c->pid, err);

	if (r < 0 && sys_pid_start_time(c->pid, &start) == -ESRCH)
		return 0;
	return r;
}

static int restore_locked(struct container *c, const struct create_opts *o, const struct checkpoint_opts *ck, struct err *err)
{
	int r = container_save(c, err);

	if (r == 0)
		r = container_make_cgroup(c, false, &(struct spec_id_maps){ 0 }, err);
	if (r == 0)
		r = restore_processes(c, ck, err);
	if (r == 0)
		r = restore_cgroup(c, err);
	if (r < 0)
		return r;
	c->restored = true;
	r = container_save(c, err);
	if (r == 0 && o->pid_file)
		r = container_write_pid_file(o->pid_file, c->pid, err);
	return r;
}

int container_restore(const struct runtime_opts *opts, const struct create_opts *o, const struct checkpoint_opts *ck, struct err *err)
{
	struct container *c = NULL;
	struct err ignored;
	int r = container_prepare(&c, opts, o, err);

	if (r < 0)
		return r;
	if (c->spec->has_process && c->spec->process.terminal && !ck->shell_job)
		r = err_set(err, ENOTSUP, "a container with a terminal can be restored with --shell-job only");
	if (r == 0)
		r = restore_locked(c, o, ck, err);
	if (r < 0) {
		if (container_destroy(c, &ignored) < 0)
			log_warn("clean up after a failed restore: %s", ignored.msg);
	} else if (!o->detach) {
		r = wait_for_it(c, o, err);
	}
	container_free(c);
	return r;
}
