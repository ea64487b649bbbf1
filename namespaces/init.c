/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"

#include "runtime/sync.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/program_move.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int phase_undumpable(struct init_ctx *ctx, struct err *err)
{
	(void)ctx;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? err_sys(err, -errno, "make init non-dumpable") : 0;
}

/* The runtime's own file (runtime/self.h). Needs: nobody who could look at us yet. Must not: come after any of the container's. */
static int phase_program(struct init_ctx *ctx, struct err *err)
{
	int r;

	if (!ctx->move)
		return 0;
	r = program_move(ctx->move);
	fd_close(&ctx->move->fd);
	return r < 0 ? err_sys(err, r, "protect the runtime's program file") : 0;
}

/* Needs: nothing. Must not: be ptraced or read by anybody in the container, from the first moment on. */
static int phase_harden(struct init_ctx *ctx, struct err *err)
{
	(void)prctl(PR_SET_NAME, "brig:init", 0, 0, 0); /* cosmetic */
	umask(0);
	/* The files of a non-dumpable process in /proc are root's: an unprivileged parent writes the id maps first. */
	return ctx->privileged ? phase_undumpable(ctx, err) : 0;
}

/* A parent that stands still writes nothing. Needs: the host's /proc. Must not: keep the state directory open any longer. */
static int phase_state(struct init_ctx *ctx, struct err *err)
{
	struct container *c = ctx->container;
	int r;

	if (!ctx->lent)
		return 0;
	r = sys_pid_start_time(c->pid, &c->start_time);
	if (r < 0)
		return err_sys(err, r, "container init");
	r = container_save(c, err);
	close(c->dir_fd); /* the parent's variable */
	return r;
}

/* Needs: the parent's word that id maps, scope and net devices are in place. */
static int phase_go(struct init_ctx *ctx, struct err *err)
{
	AUTO_FREE char *data = NULL;
	size_t n = 0, first;
	int r;

	if (ctx->lent)
		return 0;
	r = sync_recv(ctx->sync_fd, 1u << SYNC_GO, &data, &n, NULL, err);
	if (r <= 0)
		return r ? r : err_set(err, EPIPE, "the runtime went away");
	/* Two texts, each ended by NUL: the states that hooks get. */
	first = strnlen(data, n);
	ctx->state_n = first;
	ctx->state = data;
	if (first + 1 < n) {
		ctx->start_state = data + first + 1;
		ctx->start_state_n = n - first - 1;
	}
	data = NULL;
	return 0;
}

/* Needs: fds opened before the clone. Must not: come after the cgroup namespace was made. */
static int phase_cgroup(struct init_ctx *ctx, struct err *err)
{
	struct container *c = ctx->container;

	if (c->cgroup)
		return cgroup_enter_self(c->cgroup, ctx->in_v2_cgroup, err);
	/* systemd has put us into a scope since the clone; mounts of type cgroup show it. */
	return !ctx->is_exec && c->opts->manager == CGROUP_SYSTEMD ? cgroup_of_self(&c->cgroup, err) : 0;
}

/* Needs: fds of the namespaces. The user namespace comes first: it gives the right to join those that it owns; when
 * that right comes from outside, the middle process has joined them already and closed the fds. */
static int phase_join(struct init_ctx *ctx, struct err *err)
{
	if (ctx->exec_flags && setns(ctx->init_pidfd, (int)ctx->exec_flags) < 0)
		return err_sys(err, -errno, "join the container's namespaces");
	for (int t = 0; t < NS_TYPES; t++) {
		if (ctx->ns_fds[t] < 0 || t == NS_PID)
			continue;
		if (setns(ctx->ns_fds[t], (int)ns_clone_flags[t]) < 0)
			return err_sys(err, -errno, "join %s namespace '%s'", ns_names[t],
				       ctx->spec->ns[t].path ? ctx->spec->ns[t].path : "of the container");
		fd_close(&ctx->ns_fds[t]);
	}
	return 0;
}

/* An unprivileged user who maps only the own group has had to give up setgroups(2) for this user namespace. */
static bool setgroups_denied(void)
{
	AUTO_FREE char *text = NULL;

	return fd_read_file(AT_FDCWD, "/proc/self/setgroups", 64, &text, NULL) == 0 && str_starts(text, "deny");
}

/* Needs: written id maps. Files made from here on belong to the container's root. */
static int phase_become_root(struct init_ctx *ctx, struct err *err)
{
	bool userns = ctx->is_exec ? ctx->exec_userns : ctx->plan->any_userns;

	if (!userns)
		return 0;
	ctx->process.setgroups_denied = setgroups_denied();
	/* An id map without 0 is legal (EINVAL): then the ids stay as they are. */
	if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
		return err_sys(err, -errno, "become group 0 of the user namespace");
	if (!ctx->process.setgroups_denied && !ctx->process.keep_groups && setgroups(0, NULL) < 0 && errno != EPERM)
		return err_sys(err, -errno, "drop supplementary groups");
	if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
		return err_sys(err, -errno, "become user 0 of the user namespace");
	/* setresuid cleared it along with the change of credentials. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

static int write_time_offsets(const struct spec *s, struct err *err)
{
	char text[128];
	int n = 0, r;

	if (s->time_monotonic.set)
		n += snprintf(text, sizeof(text), "monotonic %lld %u\n", (long long)s->time_monotonic.secs, s->time_monotonic.nanosecs);
	if (s->time_boottime.set)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "boottime %lld %u\n", (long long)s->time_boottime.secs,
			      s->time_boottime.nanosecs);
	if (!n)
		return 0;
	r = fd_write_file(AT_FDCWD, "/proc/self/timens_offsets", text);
	return r < 0 ? err_sys(err, r, "linux.timeOffsets") : 0;
}

/* Needs: the cgroup entered. Must not: leave the time namespace empty of us, a program could not change its clock later. */
static int phase_unshare(struct init_ctx *ctx, struct err *err)
{
	uint64_t flags = ctx->is_exec ? 0 : ctx->plan->unshare_flags;
	int r;

	if (!flags)
		return 0;
	if (unshare((int)flags) < 0)
		return err_sys(err, -errno, "make cgroup or time namespace");
	if (!(flags & CLONE_NEWTIME))
		return 0;
	r = write_time_offsets(ctx->spec, err);
	if (r < 0)
		return r;
	AUTO_CLOSE int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
		return err_sys(err, -errno, "enter the new time namespace");
	return 0;
}

static int phase_hostname(struct init_ctx *ctx, struct err *err)
{
	const struct spec *s = ctx->spec;

	if (s->hostname && *s->hostname && sethostname(s->hostname, strlen(s->hostname)) < 0)
		return err_sys(err, -errno, "set hostname '%s'", s->hostname);
	if (s->domainname && *s->domainname && setdomainname(s->domainname, strlen(s->domainname)) < 0)
		return err_sys(err, -errno, "set domainname '%s'", s->domainname);
	return 0;
}

static int phase_loopback(struct init_ctx *ctx, struct err *err)
{
	return ctx->plan->clone_flags & CLONE_NEWNET ? netdev_loopback_up(err) : 0;
}

/*
 * A session of its own: the caller's terminal must not be the container's controlling one (TIOCSTI would type into the
 * user's shell), its ^C comes by the relay, and criu can dump only sessions that lie in the pid namespace.
 *
 * Needs: the process in its pid namespace.
 */
static int phase_session(struct init_ctx *ctx, struct err *err)
{
	(void)ctx;
	if (setsid() < 0 && errno != EPERM) /* EPERM: it leads one already */
		return err_sys(err, -errno, "start a session");
	return 0;
}

static int phase_keyring(struct init_ctx *ctx, struct err *err)
{
	return process_keyring(&ctx->process, err);
}

/* What is written through procfs; without it none is mounted, which saves time. */
static bool needs_procfs(const struct init_ctx *ctx)
{
	const struct spec_process *p = ctx->process.spec;

	for (size_t i = 0; i < ctx->plan->n_ops; i++)
		if (ctx->plan->ops[i].kind == OP_SYSCTL)
			return true;
	return p && (p->oom_score_adj.set || (p->apparmor_profile && *p->apparmor_profile) || (p->selinux_label && *p->selinux_label));
}

/*
 * A procfs of our own, attached nowhere: what the container mounts over its /proc cannot redirect our writes. Where a
 * new one is refused (nested containers with a masked /proc, AppArmor), a detached copy of the one that stands on
 * /proc before the container's mounts are made: the host's, as trustworthy, and ".." does not lead out of it.
 *
 * Needs: the host's mounts (init), or the container's pid namespace (exec).
 */
static int phase_procfs(struct init_ctx *ctx, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	struct statfs fs;
	struct stat st;

	if (!needs_procfs(ctx))
		return 0;
	fd = mount_new(ctx, "proc", "proc", NULL, 0, NULL);
	if (fd < 0)
		fd = sys_open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd < 0)
		fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(err, -errno, "open procfs");
	if (fs.f_type != PROC_SUPER_MAGIC || fstat(fd, &st) < 0 || st.st_ino != PROC_ROOT_INO)
		return err_set(err, EINVAL, "/proc is not a procfs");
	ctx->process.proc_fd = TAKE_FD(fd);
	return 0;
}

static int phase_null(struct init_ctx *ctx, struct err *err)
{
	struct stat st;

	ctx->null_fd = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (ctx->null_fd < 0)
		return err_sys(err, -errno, "open /dev/null of the host");
	if (fstat(ctx->null_fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(err, EINVAL, "/dev/null of the host is not the null device");
	return 0;
}

static int run_host_hooks(struct init_ctx *ctx, struct err *err)
{
	int r = sync_send(ctx->sync_fd, SYNC_HOOKS, NULL, 0, -1);

	if (r < 0)
		return err_sys(err, r, "ask for hooks");
	r = sync_recv(ctx->sync_fd, 1u << SYNC_HOOKS_DONE, NULL, NULL, NULL, err);
	if (r <= 0)
		return r ? r : err_set(err, EPIPE, "the runtime went away");
	return hooks_run(&ctx->spec->hooks[HOOK_CREATE_CONTAINER], HOOK_CREATE_CONTAINER, ctx->state, ctx->state_n, -1, -1, false, err);
}

static int execute_op(struct init_ctx *ctx, struct op *op, struct err *err)
{
	if (op->kind != OP_DEVICE && op->kind != OP_SYMLINK)
		fd_close(&ctx->dev_fd); /* something may be mounted over it now */
	switch (op->kind) {
	case OP_MOUNT:
	case OP_BIND:
	case OP_REMOUNT:
	case OP_CGROUP:
	case OP_MOUNT_READONLY:
		return mount_execute(ctx, op, err);
	case OP_DEVICE:
		return dev_create(ctx, op->device, err);
	case OP_SYMLINK:
		return dev_symlink(ctx, op->dst, op->src, err);
	case OP_CONSOLE:
		return dev_console(ctx, op->dst, err);
	case OP_HOST_HOOKS:
		return run_host_hooks(ctx, err);
	case OP_PIVOT:
		return rootfs_pivot(ctx, err);
	case OP_SYSCTL:
		return sysctl_write(ctx->process.proc_fd, op->dst, op->src, err);
	case OP_ROOT_READONLY:
		return rootfs_readonly(err);
	case OP_MASK:
		return rootfs_mask(ctx, op->dst, err);
	case OP_READONLY_PATH:
		return rootfs_readonly_path(ctx, op->dst, err);
	case OP_ROOT_PROPAGATION:
		return mount(NULL, "/", NULL, op->flags, NULL) < 0 ? err_sys(err, -errno, "linux.rootfsPropagation '%s'", op->src) : 0;
	case OP_KINDS:
		break;
	}
	return err_set(err, EINVAL, "operation %d", op->kind);
}

/* The interpreter of the plan. */
static int phase_plan(struct init_ctx *ctx, struct err *err)
{
	for (size_t i = 0; i < ctx->plan->n_ops; i++) {
		int r = execute_op(ctx, &ctx->plan->ops[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* exec with a terminal: the pty is made in the container's devpts. */
static int phase_exec_console(struct init_ctx *ctx, struct err *err)
{
	ctx->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ctx->root_fd < 0)
		return err_sys(err, -errno, "open the container's root");
	return ctx->process.spec->terminal ? dev_console(ctx, NULL, err) : 0;
}

/* Needs: the final root. Must not: be done with fewer capabilities than these need. */
static int phase_process(struct init_ctx *ctx, struct err *err)
{
	static int (*const steps[])(struct process_ctx *, struct err *) = {
		process_oom_score,     process_scheduler, process_affinity, process_rlimits, process_personality,
		process_memory_policy, process_env,	  process_cwd,	    process_fix_stdio, process_lsm_label,
		process_drop_bounding, process_ids,	  process_resolve_exe,
	};

	if (!ctx->process.spec)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](&ctx->process, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Needs: everything that can fail for a reason in the configuration done. */
static int phase_gate(struct init_ctx *ctx, struct err *err)
{
	int r;

	fd_close(&ctx->root_fd);
	fd_close(&ctx->null_fd);
	fd_close(&ctx->mask_dir_fd);
	if (ctx->lent) {
		ctx->lent->ready = true;
		return 0;
	}
	r = sync_send(ctx->sync_fd, SYNC_READY, NULL, 0, -1);
	if (r < 0)
		return err_sys(err, r, "report readiness");
	if (ctx->gate_fd < 0) {
		r = sync_recv(ctx->sync_fd, 1u << SYNC_START, NULL, NULL, NULL, err);
		return r <= 0 ? (r ? r : err_set(err, EPIPE, "the runtime went away")) : 0;
	}
	/* End of file says that create has written the state. Before that a death of create is our end, too. */
	r = sync_recv(ctx->sync_fd, 1u << SYNC_READY, NULL, NULL, NULL, err);
	if (r <= 0)
		return r ? r : err_set(err, EPIPE, "the runtime went away");
	fd_close(&ctx->sync_fd);
	return gate_wait(ctx, err);
}

static int phase_start_hooks(struct init_ctx *ctx, struct err *err)
{
	if (ctx->is_exec)
		return 0;
	return hooks_run(&ctx->spec->hooks[HOOK_START_CONTAINER], HOOK_START_CONTAINER, ctx->start_state, ctx->start_state_n, -1, -1, false,
			 err);
}

/* The filter's listener goes to the runtime, which passes it on; until then nothing that the filter may stop is called. */
static int load_seccomp(struct init_ctx *ctx, struct err *err)
{
	int r = process_seccomp(&ctx->process, err);

	if (r < 0 || ctx->process.notify_fd < 0)
		return r;
	r = sync_send(ctx->sync_fd, SYNC_NOTIFY, NULL, 0, ctx->process.notify_fd);
	if (r < 0)
		return err_sys(err, r, "send the seccomp listener");
	fd_close(&ctx->process.notify_fd);
	r = sync_recv(ctx->sync_fd, 1u << SYNC_NOTIFY_DONE, NULL, NULL, NULL, err);
	return r <= 0 ? (r ? r : err_set(err, EPIPE, "the runtime went away")) : 0;
}

/* Without no_new_privs the filter needs CAP_SYS_ADMIN, so it is loaded before the capabilities go; with it, last of all.
 * Must not: call anything after it that a strict profile could forbid without need. */
static int phase_privileges(struct init_ctx *ctx, struct err *err)
{
	struct process_ctx *p = &ctx->process;
	int r;

	if (!p->spec)
		return err_set(err, EINVAL, "process: required to start a container");
	r = process_close_fds(p, ctx->sync_fd, err);
	if (!r && !p->spec->no_new_privileges)
		r = load_seccomp(ctx, err);
	if (!r)
		r = process_caps(p, err);
	if (!r)
		r = process_no_new_privs(p, err);
	if (!r && p->spec->no_new_privileges)
		r = load_seccomp(ctx, err);
	return r < 0 ? r : 0;
}

static int phase_exec(struct init_ctx *ctx, struct err *err)
{
	return process_exec(&ctx->process, err);
}

struct phase {
	const char *name;
	int (*run)(struct init_ctx *, struct err *);
};

static const struct phase init_phases[] = {
	{ "program", phase_program },
	{ "harden", phase_harden },
	{ "state", phase_state },
	{ "go", phase_go },
	{ "undumpable", phase_undumpable },
	{ "cgroup", phase_cgroup },
	{ "join namespaces", phase_join },
	{ "user namespace", phase_become_root },
	{ "namespaces", phase_unshare },
	{ "gate", gate_keep_namespaces },
	{ "hostname", phase_hostname },
	{ "loopback", phase_loopback },
	{ "session", phase_session },
	{ "keyring", phase_keyring },
	{ "propagation", rootfs_propagation },
	{ "procfs", phase_procfs },
	{ "null device", phase_null },
	{ "root", rootfs_attach },
	{ "plan", phase_plan },
	{ "process", phase_process },
	{ "gate", phase_gate },
	{ "startContainer hooks", phase_start_hooks },
	{ "privileges", phase_privileges },
	{ "exec", phase_exec },
	{ NULL, NULL },
};

static const struct phase exec_phases[] = {
	{ "harden", phase_harden },
	{ "go", phase_go },
	{ "undumpable", phase_undumpable },
	{ "cgroup", phase_cgroup },
	{ "join namespaces", phase_join },
	{ "user namespace", phase_become_root },
	{ "session", phase_session },
	{ "keyring", phase_keyring },
	{ "procfs", phase_procfs },
	{ "console", phase_exec_console },
	{ "process", phase_process },
	{ "gate", phase_gate },
	{ "privileges", phase_privileges },
	{ "exec", phase_exec },
	{ NULL, NULL },
};

void init_main(struct init_ctx *ctx)
{
	const struct phase *p = ctx->is_exec ? exec_phases : init_phases;
	struct err err = { 0 };

	for (; p->name; p++) {
		log_debug("init: %s", p->name);
		if (p->run(ctx, &err) < 0)
			break;
	}
	/* Texts of the last phase are parsed by engines: they stay bare. */
	if (p->name && p->run != phase_exec && p->run != phase_process && p->run != phase_plan)
		(void)err_wrap(&err, "container init, phase %s", p->name);
	if (ctx->lent) {
		ctx->lent->failed = true;
		ctx->lent->err = err;
	}
	if (ctx->sync_fd >= 0)
		sync_fail(ctx->sync_fd, &err);
	_exit(ctx->is_exec ? 255 : 1);
}
