/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/launch.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
#include "runtime/idmap.h"
#include "runtime/mount_tree.h"
#include "runtime/ns_join.h"
#include "runtime/sync.h"
#include "vm-mode/host/export.h"
#include "vm-mode/host/net.h"
#include "vm-mode/host/tty.h"
#include "vm-mode/protocol/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void vm_launch_done(struct vm_launch *l)
{
	int *const fds[] = { &l->sync_fd, &l->parent_sync_fd, &l->root_tree_fd, &l->kernel_fd, &l->initramfs_fd, &l->kvm_fd, &l->control_fd,
			     &l->gate_fd, &l->tty_fd, &l->own_console_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fd_close(fds[i]);
	for (int t = 0; t < NS_TYPES; t++)
		fd_close(&l->ns_fds[t]);
	plan_done(&l->plan);
	seccomp_prog_done(&l->seccomp);
	vm_settings_done(&l->settings);
	free(l->config);
}

void vm_launch_init(struct vm_launch *l)
{
	*l = (struct vm_launch){ 0 };
	l->sync_fd = l->parent_sync_fd = l->root_tree_fd = l->kernel_fd = l->initramfs_fd = l->kvm_fd = -1;
	l->control_fd = l->gate_fd = l->tty_fd = l->own_console_fd = -1;
	for (int t = 0; t < NS_TYPES; t++)
		l->ns_fds[t] = -1;
}

static void init(struct vm_launch *l, struct container *c, const struct create_opts *o)
{
	vm_launch_init(l);
	l->container = c;
	l->run = o->run;
	l->privileged = geteuid() == 0;
	l->create_flags = (o->no_pivot ? PROTO_CREATE_NO_PIVOT : 0) | (o->no_new_keyring ? PROTO_CREATE_NO_KEYRING : 0);
}

static int open_file(const char *path, int *ret_fd, struct err *err)
{
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(err, -errno, "vm-mode: open '%s'", path) : 0;
}

static int open_machine_files(struct vm_launch *l, struct err *err)
{
	int r = open_file(l->settings.kernel, &l->kernel_fd, err);

	if (!r)
		r = open_file(l->settings.initramfs, &l->initramfs_fd, err);
	if (!r && l->settings.accel == VM_ACCEL_KVM) {
		l->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		if (l->kvm_fd < 0)
			r = err_sys(err, -errno, "vm-mode: open '/dev/kvm'");
	}
	return r;
}

static void read_clocks(struct vm_launch *l)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	l->tsc_start = __builtin_ia32_rdtsc();
	l->tsc_start_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_terminal(struct vm_launch *l, const struct create_opts *o, struct err *err)
{
	const struct spec *s = l->container->spec;
	bool terminal = s->has_process && s->process.terminal;

	if (terminal && !o->console_socket && (!o->run || o->detach))
		return err_set(err, EINVAL, "process.terminal: cannot allocate a tty when detached without --console-socket");
	if (!terminal)
		return o->console_socket ?
			       err_set(err, EINVAL, "--console-socket: process.terminal is not set, so there is no console to send") : 0;
	return vm_tty_open(&s->process, o->console_socket, &l->tty_fd, &l->own_console_fd, err);
}

static int open_sockets(struct vm_launch *l, struct err *err)
{
	int pair[2], size = (int)SYNC_MAX_DATA * 2;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	l->parent_sync_fd = pair[0];
	l->sync_fd = pair[1];
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* for states with large annotations */
	l->control_fd = fd_unix_listen(l->container->dir_fd, KEEPER_CONTROL);
	if (l->control_fd < 0)
		return err_sys(err, l->control_fd, "make the control socket");
	(void)listen(l->control_fd, 1024); /* many execs at once */
	if (l->run)
		return 0;
	l->gate_fd = fd_seqpacket_listen(l->container->dir_fd, "gate");
	return l->gate_fd < 0 ? err_sys(err, l->gate_fd, "make the gate") : 0;
}

/* Joined on the host, where the machine's process is; the program's own are the guest's. */
static void warn_of_joins(const struct spec *s)
{
	static const enum ns_type inside[] = { NS_PID, NS_IPC, NS_UTS };

	for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
		if (s->ns[inside[i]].path)
			log_warn("linux.namespaces: the program in the machine does not see the %s namespace '%s', which is the host's",
				 ns_names[inside[i]], s->ns[inside[i]].path);
}

static int prepare(struct vm_launch *l, const struct create_opts *o, struct err *err)
{
	struct container *c = l->container;
	struct plan_env env = { .euid = geteuid(), .egid = getegid(), .no_pivot = o->no_pivot, .bundle = c->bundle };
	int r = vm_settings_host(c->opts, &l->settings, err);

	if (!r)
		r = vm_settings_container(&l->settings, c->spec, err);
	if (!r)
		r = plan_build(&l->plan, c->spec, &env, err);
	if (!r && l->plan.auto_userns)
		r = idmap_rootless(&l->plan, c->spec, env.euid, env.egid, err);
	if (!r)
		r = ns_open_joined(c->spec, l->ns_fds, err);
	if (!r && o->root_fd) {
		l->root_tree_fd = fcntl(*o->root_fd, F_DUPFD_CLOEXEC, 3);
		if (l->root_tree_fd < 0)
			r = err_sys(err, -errno, "the root file system");
	}
	if (!r && l->privileged)
		r = export_open_sources(&l->plan, c->bundle, &l->root_tree_fd, err);
	if (!r)
		r = container_compile_seccomp(c, &l->seccomp, err);
	if (!r)
		r = fd_read_file(c->dir_fd, "config.json", SPEC_MAX_BYTES, &l->config, NULL) < 0 ? err_sys(err, -EIO, "read config.json") : 0;
	if (!r)
		r = open_machine_files(l, err);
	if (!r)
		r = open_terminal(l, o, err);
	return r < 0 ? r : open_sockets(l, err);
}

NORETURN static void child_main(struct vm_launch *l)
{
	fd_close(&l->parent_sync_fd);
	fd_close(&l->own_console_fd);
	fd_close(&l->container->dir_fd);
	fd_close(&l->container->lock_fd);
	sys_reset_signals();
	vm_init_main(l);
}

static pid_t clone_into(struct vm_launch *l, int *ret_pidfd)
{
	int cgroup_fd = l->container->cgroup ? cgroup_clone_fd(l->container->cgroup) : -1;
	pid_t pid = sys_clone3(l->plan.clone_flags, cgroup_fd, ret_pidfd);

	l->in_v2_cgroup = cgroup_fd >= 0;
	if (pid < 0 && cgroup_fd >= 0 && pid != -ENOSYS) {
		l->in_v2_cgroup = false;
		pid = sys_clone3(l->plan.clone_flags, -1, ret_pidfd);
	}
	if (pid == -ENOSYS || pid == -EPERM) {
		l->in_v2_cgroup = false;
		pid = sys_clone(l->plan.clone_flags, ret_pidfd);
	}
	return pid;
}

/* setns() to a pid namespace changes where our children are born: there, and back. */
static int spawn(struct vm_launch *l, struct err *err)
{
	struct container *c = l->container;
	bool joins = l->ns_fds[NS_PID] >= 0;
	AUTO_CLOSE int own = joins ? open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC) : -1;
	pid_t pid;

	if (joins && (own < 0 || setns(l->ns_fds[NS_PID], CLONE_NEWPID) < 0))
		return err_sys(err, -errno, "join pid namespace '%s'", c->spec->ns[NS_PID].path);
	pid = clone_into(l, &c->pidfd);
	if (pid == 0)
		child_main(l);
	if (pid < 0)
		return err_sys(err, pid, "clone");
	c->pid = pid;
	if (joins && setns(own, CLONE_NEWPID) < 0)
		return err_sys(err, -errno, "return to own pid namespace");
	fd_close(&l->sync_fd);
	fd_close(&l->tty_fd);
	fd_close(&l->gate_fd);
	fd_close(&l->control_fd);
	return 0;
}

static int prepare_child(struct vm_launch *l, struct err *err)
{
	struct container *c = l->container;
	int r = 0;

	if (l->plan.new_userns)
		r = idmap_write(c->pid, &l->plan.uid_maps, &l->plan.gid_maps, l->privileged, err);
	if (!r)
		r = container_cgroup_with_pid(c, c->pid, err);
	if (!r)
		r = mount_idmap_all(&l->plan, l->ns_fds[NS_USER], c->pid, err);
	if (!r)
		r = container_apply_rdt(c, err);
	return r;
}

/* The state that createContainer hooks get. */
static int send_go(struct vm_launch *l, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	struct json_writer w = { .out = &b };
	int r;

	container_state_json(l->container, CONTAINER_CREATING, false, &w);
	r = sync_send(l->parent_sync_fd, SYNC_GO, b.p, b.len, -1);
	return r < 0 && r != -EPIPE ? err_sys(err, r, "start the machine's process") : 0;
}

/* A namespace that is also ours has the host's interfaces: a machine must not take those. */
static bool has_own_network(const struct container *c)
{
	const struct spec_namespace *ns = &c->spec->ns[NS_NET];
	struct stat own, theirs;

	return ns->present && (!ns->path || stat("/proc/self/ns/net", &own) < 0 || stat(ns->path, &theirs) < 0 ||
			       own.st_dev != theirs.st_dev || own.st_ino != theirs.st_ino);
}

static int send_network(struct vm_launch *l, struct err *err)
{
	CLEANUP(vm_net_done) struct vm_net net = { 0 };
	const struct container *c = l->container;
	int r = l->own_network && l->privileged ? vm_net_make(c->pid, l->plan.any_userns, &net, err) : 0;

	if (!l->own_network)
		log_warn("vm-mode: the container has no network namespace of its own, and a machine cannot share the host's: it gets only lo");
	for (size_t i = 0; i < net.n && r >= 0; i++) {
		struct machine_nic nic = net.nics[i];

		r = sync_send(l->parent_sync_fd, SYNC_NIC, &nic, sizeof(nic), nic.tap_fd);
	}
	if (r >= 0)
		r = sync_send(l->parent_sync_fd, SYNC_HOOKS_DONE, net.json, net.json ? strlen(net.json) : 0, -1);
	return r < 0 && r != -EPIPE && !err->code ? err_sys(err, r, "continue the machine's process") : r == -EPIPE ? 0 : r;
}

static int drive_child(struct vm_launch *l, struct err *err)
{
	int r = prepare_child(l, err);

	if (!r)
		r = send_go(l, err);
	if (r < 0)
		return r;
	r = sync_recv(l->parent_sync_fd, 1u << SYNC_HOOKS, NULL, NULL, NULL, err);
	if (r > 0)
		r = container_run_create_hooks(l->container, err);
	else if (r == 0)
		r = err_set(err, ECHILD, "the machine's process died (killed, or out of its memory limit?)");
	if (r >= 0)
		r = send_network(l, err);
	if (r < 0)
		return r;
	r = sync_recv(l->parent_sync_fd, 1u << SYNC_READY, NULL, NULL, NULL, err);
	if (r == 0)
		return err_set(err, ECHILD, "the machine's process died (killed, or out of its memory limit?)");
	return r < 0 ? r : 0;
}

static void say_slow(const struct vm_settings *s)
{
	if (s->accel == VM_ACCEL_EMULATE && !str_eq(s->accel_why, "asked for"))
		log_warn("vm-mode: KVM is not usable here (%s): the machine is emulated, which is slow", s->accel_why);
}

int vm_launch(struct vm_launch *l, struct container *c, const struct create_opts *o, struct err *err)
{
	int r;

	init(l, c, o);
	read_clocks(l);
	if (o->preserve_fds)
		return err_set(err, ENOTSUP, "--preserve-fds: vm-mode cannot pass file descriptors into a machine");
	r = prepare(l, o, err);
	if (r < 0)
		return r;
	l->own_network = has_own_network(c);
	say_slow(&l->settings);
	warn_of_joins(c->spec);
	vm_host_limits(&l->settings, &c->spec->resources);
	r = container_make_cgroup(c, false, &l->plan.uid_maps, err);
	if (!r)
		r = spawn(l, err);
	return r < 0 ? r : drive_child(l, err);
}
