/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backend.h"
#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
#include "runtime/container_internal.h"
#include "runtime/hooks.h"
#include "runtime/intel_rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The OCI state machine: which statuses allow which verb. */
enum verb { VERB_START, VERB_EXEC, VERB_KILL, VERB_DELETE, VERB_PAUSE, VERB_RESUME, VERB_UPDATE, VERBS };
#define IN(s) (1u << CONTAINER_##s)
static const struct {
	const char *name;
	unsigned legal;
} verbs[VERBS] = {
	[VERB_START] = { "start", IN(CREATED) },
	[VERB_EXEC] = { "exec in", IN(CREATED) | IN(RUNNING) | IN(PAUSED) },
	[VERB_KILL] = { "kill", IN(CREATED) | IN(RUNNING) | IN(PAUSED) },
	[VERB_DELETE] = { "delete", IN(CREATED) | IN(STOPPED) },
	[VERB_PAUSE] = { "pause", IN(CREATED) | IN(RUNNING) },
	[VERB_RESUME] = { "resume", IN(PAUSED) },
	[VERB_UPDATE] = { "update", IN(CREATED) | IN(RUNNING) | IN(PAUSED) },
};

static int check_status(struct container *c, enum verb v, enum container_status s, struct err *err)
{
	if (verbs[v].legal & 1u << s)
		return 0;
	if (v == VERB_DELETE)
		return err_set(err, EBUSY, "cannot delete container %s that is not stopped: %s", c->id, container_status_name(s));
	if (s == CONTAINER_STOPPED && v != VERB_START)
		return err_set(err, ESRCH, "cannot %s container '%s': container not running", verbs[v].name, c->id);
	return err_set(err, EINVAL, "cannot %s a container in the %s state: '%s'", verbs[v].name, container_status_name(s), c->id);
}

static int run_hooks(struct container *c, enum hook_kind kind, enum container_status status, bool warn_only, struct err *err)
{
	AUTO_BUF struct buf state = { 0 };
	struct json_writer w = { .out = &state };
	int r = container_load_spec(c, err);

	if (r < 0 || !c->spec->hooks[kind].n)
		return r;
	container_state_json(c, status, false, &w);
	return hooks_run(&c->spec->hooks[kind], kind, state.p, state.len, -1, -1, warn_only, err);
}

/* ---- destroy: delete, and the rollback of create ---- */

static const char *const dir_files[] = { "state.json", "config.json", "gate", "seccomp.bpf" };

int container_remove_dir(struct container *c, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", c->opts->root, c->id);

	for (size_t i = 0; i < ARRAY_SIZE(dir_files); i++)
		if (unlinkat(c->dir_fd, dir_files[i], 0) < 0 && errno != ENOENT)
			return err_sys(err, -errno, "remove '%s/%s'", path, dir_files[i]);
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY)
		return err_sys(err, -errno, "remove '%s'", path);
	/* Temporary files of a command that was killed. */
	int r = dir_remove_files(c->dir_fd);
	if (r < 0 || rmdir(path) < 0)
		return err_sys(err, r < 0 ? r : -errno, "remove '%s'", path);
	return 0;
}

#define KILL_WAIT_MS 10000

static int wait_gone(struct container *c, int timeout_ms)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
	int r;

	if (c->pidfd < 0)
		return 0;
	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r > 0 ? 0 : r < 0 ? -errno : -ETIMEDOUT;
}

static int kill_everything(struct container *c, struct err *err)
{
	int r;

	if (c->pidfd >= 0)
		(void)!sys_pidfd_send_signal(c->pidfd, SIGKILL); /* ESRCH: gone already */
	if (c->cgroup && !c->cgroup_pending) {
		/* In the pid namespace of others nothing dies with init. This thaws, too: who is frozen does not die. */
		r = cgroup_kill_all(c->cgroup, SIGKILL, err);
		if (r < 0 && r != -ENODEV) /* a rootless one may have no cgroup */
			return r;
	}
	r = wait_gone(c, KILL_WAIT_MS);
	/* Ours (run, or a failed create): reap it. Somebody else's: ECHILD. */
	if (c->pidfd >= 0 && !r)
		(void)!sys_wait_pidfd(c->pidfd);
	return r < 0 ? err_sys(err, r, "container init still running after SIGKILL") : 0;
}

int container_destroy(struct container *c, struct err *err)
{
	int r = c->backend->destroy ? c->backend->destroy(c, err) : 0;

	if (!r)
		r = kill_everything(c, err);
	if (!r && c->cgroup)
		r = cgroup_destroy(c->cgroup, err);
	/* One that was never ours to make may be in use by others. */
	if (r < 0 && c->cgroup_pending)
		r = 0;
	if (!r)
		r = intel_rdt_remove(c, err);
	if (r < 0)
		return r;
	if (!c->no_poststop && run_hooks(c, HOOK_POSTSTOP, CONTAINER_STOPPED, true, err) < 0)
		log_warn("poststop hooks: %s", err->msg);
	return container_remove_dir(c, err);
}

int container_delete(struct container *c, bool force, struct err *err)
{
	enum container_status s = container_status(c);
	int r = force ? 0 : check_status(c, VERB_DELETE, s, err);

	return r < 0 ? r : container_destroy(c, err);
}

int container_delete_remains(const struct runtime_opts *opts, const char *id, struct err *err)
{
	struct container *c;
	int r = container_check_id(id, err);

	if (r < 0)
		return r;
	c = container_new(opts, id);
	r = container_open_dir(c, true, err);
	/* Before the first state.json there is nothing but files: it is written before the cgroup and the process. */
	if (!r)
		r = container_remove_dir(c, err);
	container_free(c);
	return r;
}

/* ---- start, run ---- */

int container_start(struct container *c, struct err *err)
{
	int r = c->backend_data ? 0 : check_status(c, VERB_START, container_status(c), err);
	struct err ignored;

	if (!r)
		r = container_load_spec(c, err);
	if (!r && !c->spec->has_process)
		return err_set(err, EINVAL, "process: required to start a container");
	if (r < 0)
		return r;
	if (!c->started)
		r = c->backend->start(c, err);
	if (!r)
		r = run_hooks(c, HOOK_POSTSTART, CONTAINER_RUNNING, false, err);
	/* runtime-spec "Lifecycle", steps 7 and 9: a failure stops the container. What is left of it is for delete, which engines
	 * call next, and which has to find something; also its poststop hooks run then. */
	if (r < 0 && kill_everything(c, &ignored) < 0)
		log_warn("stop the container after a failed start: %s", ignored.msg);
	return r;
}

int console_receive_master(int socket_fd, struct err *err)
{
	char name[128];
	size_t n = 0;
	int fd = -1;
	ssize_t r;

	if (socket_fd < 0)
		return -1;
	r = fd_recv(socket_fd, name, sizeof(name), &fd, 1, &n);
	if (r <= 0 || n != 1)
		return err_sys(err, r < 0 ? (int)r : -EPROTO, "receive the console");
	return fd;
}

static int relay(struct container *c, int master, bool no_subreaper, struct err *err)
{
	struct relay_opts o = {
		.pidfd = c->pidfd,
		.pid = c->pid,
		.is_child = true,
		.master_fd = master,
		.no_subreaper = no_subreaper,
		.forward_signals = true,
	};

	return console_relay(&o, err);
}

static int run_foreground(struct container *c, const struct create_opts *o, struct err *err)
{
	AUTO_CLOSE int socket_fd = c->backend->console ? c->backend->console(c) : -1;
	AUTO_CLOSE int master = -1;
	int code, r;

	if (socket_fd >= 0) {
		master = console_receive_master(socket_fd, err);
		if (master < 0)
			return master;
	}
	r = container_start(c, err);
	if (r < 0)
		return r;
	container_unlock(c);
	code = relay(c, master, o->no_subreaper, err);
	if (code < 0 || o->keep)
		return code;
	r = container_destroy(c, err);
	return r < 0 ? r : code;
}

int container_run(const struct runtime_opts *opts, const struct create_opts *o, struct err *err)
{
	struct container *c = NULL;
	int r;

	if (!o->no_subreaper && !o->detach)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* old kernels: orphans go to init instead */
	r = container_create(&c, opts, o, err);
	if (r < 0 || !c)
		return r;
	r = o->detach ? container_start(c, err) : run_foreground(c, o, err);
	if (r < 0) {
		struct err ignored;

		if (container_destroy(c, &ignored) < 0)
			log_warn("clean up: %s", ignored.msg);
	}
	container_free(c);
	return r;
}

/* ---- the rest ---- */

int container_kill(struct container *c, int sig, bool all, struct err *err)
{
	enum container_status s = container_status(c);
	int r;

	/* The processes of a machine are not in our cgroup: what is there is the machine. */
	if (all && c->backend->kill && s != CONTAINER_STOPPED)
		return c->backend->kill(c, sig, true, err);
	if (all && c->cgroup) {
		r = cgroup_kill_all(c->cgroup, sig, err);
		return r < 0 ? r : 0; /* also when nobody is left: engines send it to make sure */
	}
	if (all && s == CONTAINER_STOPPED)
		return 0;
	r = check_status(c, VERB_KILL, s, err);
	if (r < 0)
		return r;
	if (c->backend->kill)
		return c->backend->kill(c, sig, all, err);
	r = sys_pidfd_send_signal(c->pidfd, sig);
	if (r < 0)
		return r == -ESRCH ? check_status(c, VERB_KILL, CONTAINER_STOPPED, err) : err_sys(err, r, "kill container '%s'", c->id);
	if (sig != SIGKILL || !c->cgroup)
		return 0;
	/* Without a pid namespace of its own the rest would live on; frozen processes die when they thaw. */
	if (container_load_spec(c, err) == 0 && (!c->spec->ns[NS_PID].present || c->spec->ns[NS_PID].path))
		(void)!cgroup_kill_all(c->cgroup, SIGKILL, err);
	return s == CONTAINER_PAUSED ? cgroup_freeze(c->cgroup, false, err) : 0;
}

static int freeze(struct container *c, bool on, struct err *err)
{
	if (!c->cgroup)
		return err_set(err, ENOTSUP, "container '%s' has no cgroup: cannot pause or resume it", c->id);
	return cgroup_freeze(c->cgroup, on, err);
}

int container_pause(struct container *c, struct err *err)
{
	int r = check_status(c, VERB_PAUSE, container_status(c), err);

	if (r < 0)
		return r;
	return c->backend->pause ? c->backend->pause(c, err) : freeze(c, true, err);
}

int container_resume(struct container *c, struct err *err)
{
	int r = check_status(c, VERB_RESUME, container_status(c), err);

	if (r < 0)
		return r;
	return c->backend->resume ? c->backend->resume(c, err) : freeze(c, false, err);
}

#define DEVICES_MARK "devices-updated"

/*
 * Engines send the whole object, devices included. The list that the container was made with is no change, and what others did to the
 * filter since (the hooks of GPU vendors) stays; unless an update brought another list before.
 */
static int drop_same_devices(struct container *c, struct spec_resources *r, struct err *err)
{
	const struct spec_resources *made;
	bool same;
	int ret = r->n_devices ? container_load_spec(c, err) : 1;

	if (ret != 0 || faccessat(c->dir_fd, DEVICES_MARK, F_OK, 0) == 0)
		return ret < 0 ? ret : 0;
	made = &c->spec->resources;
	same = made->n_devices == r->n_devices;
	for (size_t i = 0; i < r->n_devices && same; i++) {
		const struct spec_device_rule *a = &made->devices[i], *b = &r->devices[i];

		same = a->allow == b->allow && a->type == b->type && a->major == b->major && a->minor == b->minor && a->access == b->access;
	}
	if (same) {
		r->n_devices = 0;
		return 0;
	}
	ret = fd_write_file_atomic(c->dir_fd, DEVICES_MARK, "", 0, 0600, false);
	return ret < 0 ? err_sys(err, ret, "write '%s' in the state of container '%s'", DEVICES_MARK, c->id) : 0;
}

int container_update(struct container *c, const struct spec_resources *given, const char *l3_schema, const char *mb_schema, struct err *err)
{
	AUTO_FREE char *old_rdt = NULL;
	struct spec_resources now = *given, *res = &now;
	int r = check_status(c, VERB_UPDATE, container_status(c), err);

	if (!r)
		r = drop_same_devices(c, res, err);
	if (!r && (l3_schema || mb_schema))
		r = intel_rdt_update(c, l3_schema, mb_schema, &old_rdt, err);
	if (r < 0)
		return r;
	if (c->backend->update)
		r = c->backend->update(c, res, err);
	else if (!c->cgroup)
		r = err_set(err, ENOTSUP, "container '%s' has no cgroup: there is nothing to update", c->id);
	else
		r = cgroup_update(c->cgroup, res, err);
	if (r < 0 && old_rdt)
		intel_rdt_set_back(c, old_rdt);
	return r;
}

int container_pids(struct container *c, pid_t **ret, size_t *ret_n, struct err *err)
{
	if (c->backend->ps)
		return c->backend->ps(c, ret, ret_n, err);
	if (c->cgroup)
		return cgroup_pids(c->cgroup, ret, ret_n, err);
	if (container_status(c) == CONTAINER_STOPPED) {
		*ret_n = 0;
		return 0;
	}
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)[0] = c->pid;
	*ret_n = 1;
	return 0;
}

int container_open_root(const struct container *c, struct err *err)
{
	char path[64];
	int fd;

	if (c->backend && c->backend->open_root)
		return c->backend->open_root(c, err);
	snprintf(path, sizeof(path), "/proc/%d/root", (int)c->pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, -errno, "open the container's root") : fd;
}

int container_stats_json(struct container *c, struct json_writer *w, struct err *err)
{
	if (c->backend->stats)
		return c->backend->stats(c, w, err);
	if (!c->cgroup)
		return err_set(err, ENOTSUP, "container '%s' has no cgroup: there are no statistics", c->id);
	return cgroup_stats_json(c->cgroup, w, err);
}

int container_apply_rdt(struct container *c, struct err *err)
{
	return intel_rdt_apply(c, err);
}

/* ---- exec ---- */

int container_exec(struct container *c, const struct exec_opts *o, struct err *err)
{
	enum container_status s = container_status(c);
	AUTO_CLOSE int pidfd = -1, socket_fd = -1, master = -1;
	struct relay_opts relay = { .is_child = true, .forward_signals = true };
	pid_t pid = 0;
	int r = check_status(c, VERB_EXEC, s, err);

	if (!r && s == CONTAINER_PAUSED && !o->ignore_paused)
		r = err_set(err, EBUSY, "cannot exec in a paused container (use --ignore-paused to override)");
	if (!r)
		r = container_load_spec(c, err);
	if (!r)
		r = c->backend->exec(c, o, &pid, &pidfd, &socket_fd, err);
	if (!r && o->pidfd_socket)
		r = console_send_pidfd(o->pidfd_socket, pidfd, err);
	if (r < 0 || o->detach)
		return r;
	if (socket_fd >= 0) {
		master = console_receive_master(socket_fd, err);
		if (master < 0)
			return master;
	}
	relay.pidfd = pidfd;
	relay.pid = pid;
	relay.master_fd = master;
	return console_relay(&relay, err);
}
