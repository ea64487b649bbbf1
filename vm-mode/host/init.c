/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/launch.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/hooks.h"
#include "runtime/sync.h"
#include "vm-mode/host/client.h"
#include "vm-mode/host/export.h"
#include "vm-mode/host/jail.h"
#include "vm-mode/host/net.h"
#include "vm-mode/host/stdio.h"
#include "vm-mode/host/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * DOC: the child of create, until its loop
 *
 * A table of phases, as in namespaces mode; the order is the security argument: everything that needs the host comes before
 * `confine`, and the guest's first instruction after it.
 */
struct vm_init {
	struct vm_launch *l;
	char *state; /* for createContainer hooks */
	size_t state_n;
	const char *export_path;
	struct machine_nic nics[MACHINE_MAX_NICS];
	size_t n_nics;
	char *net;
	struct machine *machine;
	struct keeper_config keeper;
};

/* Needs: nothing. Must not: be traced or read by a process of another container with the same ids. */
static int phase_harden(struct vm_init *x, struct err *err)
{
	(void)prctl(PR_SET_NAME, "brig:vm", 0, 0, 0); /* cosmetic */
	umask(022);
	/* The files of a non-dumpable process in /proc are root's: an unprivileged parent writes the id maps first. */
	if (x->l->privileged && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, -errno, "make the process non-dumpable");
	return 0;
}

/* Needs: the parent's word that id maps and scope are in place. */
static int phase_go(struct vm_init *x, struct err *err)
{
	int r = sync_recv(x->l->sync_fd, 1u << SYNC_GO, &x->state, &x->state_n, NULL, err);

	return r == 0 ? err_set(err, EPIPE, "the runtime went away") : r < 0 ? r : 0;
}

static int phase_cgroup(struct vm_init *x, struct err *err)
{
	struct cgroup *cg = x->l->container->cgroup;
	const struct spec *s = x->l->container->spec;
	char text[32];

	if (s->has_process && s->process.oom_score_adj.set) {
		snprintf(text, sizeof(text), "%lld", (long long)s->process.oom_score_adj.v);
		(void)!fd_write_file(AT_FDCWD, "/proc/self/oom_score_adj", text); /* lowering it needs a privilege; the guest has its own */
	}
	return cg ? cgroup_enter_self(cg, x->l->in_v2_cgroup, err) : 0;
}

static int phase_join(struct vm_init *x, struct err *err)
{
	for (int t = 0; t < NS_TYPES; t++) {
		if (x->l->ns_fds[t] < 0 || t == NS_PID)
			continue;
		if (setns(x->l->ns_fds[t], (int)ns_clone_flags[t]) < 0)
			return err_sys(err, -errno, "join %s namespace '%s'", ns_names[t], x->l->container->spec->ns[t].path);
		fd_close(&x->l->ns_fds[t]);
	}
	return 0;
}

static int phase_become_root(struct vm_init *x, struct err *err)
{
	if (!x->l->plan.any_userns)
		return 0;
	if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
		return err_sys(err, -errno, "become group 0 of the user namespace");
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return err_sys(err, -errno, "drop supplementary groups");
	if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
		return err_sys(err, -errno, "become user 0 of the user namespace");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

static int phase_unshare(struct vm_init *x, struct err *err)
{
	/* A time namespace would be the guest's matter: nothing runs here that could see it. */
	uint64_t flags = x->l->plan.unshare_flags & CLONE_NEWCGROUP;

	return flags && unshare((int)flags) < 0 ? err_sys(err, -errno, "make the cgroup namespace") : 0;
}

static int phase_terminal(struct vm_init *x, struct err *err)
{
	return vm_tty_take(x->l->tty_fd, err);
}

static int phase_export(struct vm_init *x, struct err *err)
{
	struct vm_launch *l = x->l;
	int r = export_open_sources(&l->plan, l->container->bundle, &l->root_tree_fd, err);

	return r < 0 ? r : export_make(&l->plan, l->container->id, l->root_tree_fd, &x->export_path, err);
}

/* What the parent may not enter is set up from within. */
static int own_network(struct vm_init *x, struct err *err)
{
	CLEANUP(vm_net_done) struct vm_net net = { 0 };
	int r = vm_net_make_here(&net, err);

	for (size_t i = 0; i < net.n && r >= 0; i++) {
		x->nics[i] = net.nics[i];
		net.nics[i].tap_fd = -1;
	}
	if (r < 0)
		return r;
	x->n_nics = net.n;
	x->net = TAKE_PTR(net.json);
	return 0;
}

/* Needs: the namespaces. Must not: come after the share, which covers a directory of the host that hooks may use. */
static int phase_host_hooks(struct vm_init *x, struct err *err)
{
	int sock = x->l->sync_fd, r = sync_send(sock, SYNC_HOOKS, NULL, 0, -1);

	if (r < 0)
		return err_sys(err, r, "ask for the hooks");
	for (;;) {
		AUTO_FREE char *data = NULL;
		AUTO_CLOSE int fd = -1;
		size_t n = 0;

		r = sync_recv(sock, 1u << SYNC_NIC | 1u << SYNC_HOOKS_DONE, &data, &n, &fd, err);
		if (r <= 0)
			return r ? r : err_set(err, EPIPE, "the runtime went away");
		if (r == SYNC_HOOKS_DONE) {
			x->net = n ? TAKE_PTR(data) : NULL;
			return x->l->own_network && !x->l->privileged ? own_network(x, err) : 0;
		}
		if (n != sizeof(struct machine_nic) || fd < 0 || x->n_nics == MACHINE_MAX_NICS)
			return err_set(err, EPROTO, "bad network interface");
		memcpy(&x->nics[x->n_nics], data, n);
		x->nics[x->n_nics++].tap_fd = TAKE_FD(fd);
	}
}

/* createContainer hooks are programs of the host in the container's namespaces: here those of the machine's process. */
static int phase_container_hooks(struct vm_init *x, struct err *err)
{
	const struct spec_hooks *h = &x->l->container->spec->hooks[HOOK_CREATE_CONTAINER];

	return h->n ? hooks_run(h, HOOK_CREATE_CONTAINER, x->state, x->state_n, -1, -1, false, err) : 0;
}

/* kHz of the time stamp counter, from two readings of both clocks some milliseconds apart. */
static uint64_t measure_tsc(const struct vm_launch *l)
{
	const struct timespec more = { .tv_nsec = 5000000 };
	struct timespec t;
	uint64_t ns, tsc;

	(void)nanosleep(&more, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	tsc = __builtin_ia32_rdtsc();
	ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - l->tsc_start_ns;
	return (uint64_t)((double)(tsc - l->tsc_start) * 1e6 / (double)ns);
}

static int phase_machine(struct vm_init *x, struct err *err)
{
	const struct vm_settings *s = &x->l->settings;
	bool kvm = s->accel == VM_ACCEL_KVM;
	bool userns = x->l->plan.any_userns;
	AUTO_CLOSE int export_fd = open(x->export_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct machine_config c = {
		.vcpus = s->vcpus,
		.mem_bytes = s->guest_bytes,
		.kernel_fd = x->l->kernel_fd,
		.initrd_fd = x->l->initramfs_fd,
		.export_path = x->export_path,
		.export_fd = export_fd,
		.nics = x->nics,
		.n_nics = x->n_nics,
		.debug = log_get_level() >= LOG_LEVEL_DEBUG,
		.qemu = s->qemu,
		.virtiofsd = s->virtiofsd,
		.tsc_khz = kvm ? 0 : measure_tsc(x->l),
		.kvm_fd = x->l->kvm_fd,
	};

	if (export_fd < 0)
		return err_sys(err, -errno, "open '%s'", x->export_path);
	/* The file server's own /proc/self/fd belongs to the host's root while this process is not dumpable. */
	if (kvm && userns && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "make the process dumpable");
	return kvm ? machine_kvm_prepare(&c, &x->machine, err) : machine_emulate_prepare(&c, &x->machine, err);
}

static void pack_create(struct vm_init *x)
{
	const struct vm_launch *l = x->l;
	const struct container *c = l->container;
	struct stdio shape;
	struct proto_create m = {
		.container = c->id,
		.bundle = c->bundle,
		.config = l->config,
		.seccomp = (const uint8_t *)l->seccomp.v,
		.seccomp_n = l->seccomp.n * 8, /* sizeof(struct sock_filter), which the protocol fixes */
		.seccomp_flags = l->seccomp.flags,
		.flags = l->create_flags,
		.size = stdio_window_size(l->tty_fd),
	};

	if (c->spec->ns[NS_NET].present)
		m.ns[NS_NET] = PROTO_NS_GUEST; /* what has the machine's interfaces */
	stdio_init(&shape, KEEPER_INIT_ID, l->tty_fd);
	m.stdio = stdio_flags(&shape);
	proto_pack_create(&x->keeper.create, &m);
}

/* Needs: everything open. Must not: leave anything of the host within reach. */
static int phase_confine(struct vm_init *x, struct err *err)
{
	int r;

	for (size_t i = 0; i < x->n_nics; i++)
		fd_close(&x->nics[i].tap_fd);
	fd_close(&x->l->root_tree_fd);
	r = export_enter(x->export_path, err);
	if (r >= 0)
		r = export_cover(&x->l->plan, x->l->container->id, err);
	return r < 0 ? r : jail_enter(x->l->settings.accel, err);
}

/* Must not: run on as more than a loop between descriptors. */
static int phase_run(struct vm_init *x, struct err *err)
{
	int r = machine_run(x->machine, err);

	if (r >= 0)
		r = jail_thread(JAIL_CONTROL, err);

	fd_close(&x->l->kernel_fd);
	fd_close(&x->l->initramfs_fd);
	fd_close(&x->l->kvm_fd);
	return r;
}

static const struct {
	const char *name;
	int (*run)(struct vm_init *x, struct err *err);
} phases[] = {
	{ "harden", phase_harden },	      { "go", phase_go },
	{ "cgroup", phase_cgroup },	      { "namespaces", phase_join },
	{ "ids", phase_become_root },	      { "own namespaces", phase_unshare },
	{ "terminal", phase_terminal },	      { "hooks", phase_host_hooks },
	{ "createContainer hooks", phase_container_hooks },
	{ "share", phase_export },	      { "machine", phase_machine },
	{ "confinement", phase_confine },     { "guest", phase_run },
};

void vm_init_main(struct vm_launch *l)
{
	struct vm_init x = { .l = l };
	AUTO_FREE char *program = client_program();
	struct err err = { 0 };
	int code;

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		log_debug("machine: %s", phases[i].name);
		if (phases[i].run(&x, &err) >= 0)
			continue;
		sync_fail(l->sync_fd, &err);
		machine_free(x.machine);
		_exit(1);
	}
	x.keeper = (struct keeper_config){
		.machine = x.machine,
		.container = l->container->id,
		.program = program,
		.net = x.net,
		.sync_fd = l->sync_fd,
		.control_fd = l->control_fd,
		.gate_fd = l->gate_fd,
		.tty_fd = l->tty_fd,
		.emulated = l->settings.accel == VM_ACCEL_EMULATE,
	};
	pack_create(&x);
	code = keeper_main(&x.keeper);
	/* The kernel ends threads of this process by itself; helper processes are waited for, so that the cgroup is empty. */
	if (x.keeper.emulated)
		machine_free(x.machine);
	_exit(code);
}
