/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/pod.h"

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/seccomp_prog.h"
#include "vm-mode/host/exec.h"
#include "vm-mode/host/export.h"
#include "vm-mode/host/keeper.h"
#include "vm-mode/host/stdio.h"
#include "vm-mode/host/tty.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *type, *sandbox;
} annotations[] = {
	{ "io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id" },
	{ "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID" },
};

static const char *annotated(const struct spec *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++)
		if (str_eq(spec_annotation(s, annotations[i].type), "container"))
			return spec_annotation(s, annotations[i].sandbox);
	return NULL;
}

char *pod_sandbox(const struct container *c)
{
	char target[512];
	ssize_t n = readlinkat(c->dir_fd, KEEPER_CONTROL, target, sizeof(target) - 1);
	char *end;

	if (n <= 0)
		return NULL; /* a socket: the machine is its own */
	target[n] = '\0';
	end = strrchr(target, '/');
	if (!str_starts(target, "../") || !end || end < target + 3)
		return NULL;
	return xstrndup(target + 3, (size_t)(end - target - 3));
}

/* Does this container have a machine, in the network namespace st? */
static bool is_machine_in(const struct runtime_opts *opts, const char *id, const struct stat *st)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	AUTO_FREE char *sandbox = NULL;
	char path[48];
	struct stat theirs;
	struct err ignored;

	if (container_load(&c, opts, id, false, &ignored) < 0 || c->backend != &vm_backend || c->pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)c->pid);
	if (stat(path, &theirs) < 0 || theirs.st_dev != st->st_dev || theirs.st_ino != st->st_ino)
		return false;
	sandbox = pod_sandbox(c);
	return !sandbox && container_status(c) != CONTAINER_STOPPED && container_load_spec(c, &ignored) >= 0 && c->spec->ns[NS_NET].present;
}

char *pod_find_sandbox(const struct container *c)
{
	const char *id = annotated(c->spec), *path = c->spec->ns[NS_NET].path;
	struct stat st, own;
	char **ids = NULL, *found = NULL;
	struct err ignored;
	size_t n = 0;

	if (id)
		return xstrdup(id);
	/* The host's own is no machine's. */
	if (!path || stat(path, &st) < 0 || (stat("/proc/self/ns/net", &own) == 0 && own.st_ino == st.st_ino && own.st_dev == st.st_dev) ||
	    container_list_ids(c->opts->root, &ids, &n, &ignored) < 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!found && !str_eq(ids[i], c->id) && is_machine_in(c->opts, ids[i], &st))
			found = xstrdup(ids[i]);
		free(ids[i]);
	}
	free(ids);
	return found;
}

struct pod {
	struct container *c, *sandbox;
	struct plan plan;
	struct seccomp_prog seccomp;
	struct buf create;
	int root_tree_fd;
	struct stub_launch stub;
};

static void pod_done(struct pod *p)
{
	plan_done(&p->plan);
	seccomp_prog_done(&p->seccomp);
	buf_done(&p->create);
	fd_close(&p->root_tree_fd);
	vm_stub_launch_done(&p->stub);
	container_free(p->sandbox);
}

static int find_sandbox(struct pod *p, const char *id, struct err *err)
{
	int r = container_load(&p->sandbox, p->c->opts, id, false, err);

	if (r < 0)
		return err_wrap(err, "the pod's sandbox");
	if (p->sandbox->backend != &vm_backend)
		return err_set(err, EINVAL, "the pod's sandbox '%s' is not in vm-mode", id);
	if (container_status(p->sandbox) == CONTAINER_STOPPED)
		return err_set(err, ESRCH, "the pod's sandbox '%s' is not running", id);
	return 0;
}

/* The machine's process has the share as its root; who joins its mount namespace gets what lies over it (host/export.h). */
static int enter_machine(const struct container *sandbox, struct err *err)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/root", (int)sandbox->pid);
	AUTO_CLOSE int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, -errno, "open the machine's share");
	if (setns(sandbox->pidfd, CLONE_NEWNS) < 0)
		return err_sys(err, -errno, "join the machine's mount namespace");
	return fchdir(root) < 0 || chroot(".") < 0 ? err_sys(err, -errno, "enter the machine's share") : 0;
}

/* In a child, because a mount namespace is left only by ending: run work there. Its error comes back. */
static int in_machine(const struct container *sandbox, int (*work)(void *arg, struct err *err), void *arg, struct err *err)
{
	struct err theirs = { 0 };
	int pair[2];
	pid_t pid;
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	AUTO_CLOSE int ours = pair[0];
	AUTO_CLOSE int other = pair[1];
	pid = fork();
	if (pid < 0)
		return err_sys(err, -errno, "fork");
	if (pid == 0) {
		if (enter_machine(sandbox, &theirs) >= 0)
			(void)!work(arg, &theirs); /* it is in the error */
		(void)!fd_send(other, &theirs, sizeof(theirs), NULL, 0);
		_exit(0);
	}
	fd_close(&other);
	n = fd_recv(ours, &theirs, sizeof(theirs), NULL, 0, &(size_t){ 0 });
	(void)!sys_wait_pid(pid);
	if (n != (ssize_t)sizeof(theirs))
		return err_set(err, EIO, "change the machine's share: no answer");
	if (!theirs.code)
		return 0;
	*err = theirs;
	err_sanitize(err);
	return -err->code;
}

static int set_readonly(bool on)
{
	struct mount_attr attr = { .attr_set = on ? MOUNT_ATTR_RDONLY : 0, .attr_clr = on ? 0 : MOUNT_ATTR_RDONLY };

	return sys_mount_setattr(AT_FDCWD, "/", 0, &attr);
}

static int attach_work(void *arg, struct err *err)
{
	struct pod *p = arg;
	AUTO_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = root < 0 ? -errno : set_readonly(false);

	if (r < 0)
		return err_sys(err, r, "open the machine's share");
	r = export_attach(root, &p->plan, p->c->id, p->root_tree_fd, err);
	(void)!set_readonly(true);
	return r;
}

static void detach_binds(const char *binds)
{
	AUTO_DIR DIR *d = opendir(binds);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		AUTO_FREE char *path = xasprintf("%s/%s", binds, e->d_name);

		if (e->d_name[0] == '.')
			continue;
		(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
		if (unlink(path) < 0)
			(void)rmdir(path);
	}
}

static int detach_work(void *arg, struct err *err)
{
	const struct container *c = arg;
	AUTO_FREE char *dir = xasprintf("/c/%s", c->id), *rootfs = xasprintf("%s/rootfs", dir), *binds = xasprintf("%s/binds", dir);

	(void)err;
	if (access(dir, F_OK) < 0 || set_readonly(false) < 0)
		return 0;
	detach_binds(binds);
	(void)umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW);
	(void)rmdir(rootfs);
	(void)rmdir(binds);
	(void)rmdir(dir);
	(void)!set_readonly(true);
	return 0;
}

/* Namespaces that the configuration joins by path are the sandbox's, in the guest as on the host. */
static void choose_namespaces(const struct spec *s, struct proto_create *m)
{
	static const enum ns_type shared[] = { NS_NET, NS_IPC, NS_UTS, NS_PID };

	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (s->ns[shared[i]].present && s->ns[shared[i]].path)
			m->ns[shared[i]] = PROTO_NS_SANDBOX;
}

static int pack_create(struct pod *p, const struct create_opts *o, const char *sandbox, struct err *err)
{
	AUTO_FREE char *config = NULL;
	struct stdio shape;
	struct proto_create m = {
		.container = p->c->id,
		.bundle = p->c->bundle,
		.seccomp = (const uint8_t *)p->seccomp.v,
		.seccomp_n = p->seccomp.n * 8,
		.seccomp_flags = p->seccomp.flags,
		.flags = (o->no_pivot ? PROTO_CREATE_NO_PIVOT : 0) | (o->no_new_keyring ? PROTO_CREATE_NO_KEYRING : 0),
		.size = stdio_window_size(p->stub.tty_fd),
		.sandbox = sandbox,
	};
	int r = fd_read_file(p->c->dir_fd, "config.json", SPEC_MAX_BYTES, &config, NULL);

	if (r < 0)
		return err_sys(err, r, "read config.json");
	stdio_init(&shape, KEEPER_INIT_ID, p->stub.tty_fd);
	m.stdio = stdio_flags(&shape);
	m.config = config;
	choose_namespaces(p->c->spec, &m);
	proto_pack_create(&p->create, &m);
	return 0;
}

static int prepare(struct pod *p, const struct create_opts *o, const char *sandbox, struct err *err)
{
	struct container *c = p->c;
	const struct spec *s = c->spec;
	struct plan_env env = { .euid = geteuid(), .egid = getegid(), .no_pivot = o->no_pivot, .bundle = c->bundle };
	bool terminal = s->has_process && s->process.terminal;
	AUTO_FREE char *link = xasprintf("../%s/" KEEPER_CONTROL, sandbox);
	int r = plan_build(&p->plan, s, &env, err);

	if (!r && terminal && !o->console_socket && (!o->run || o->detach))
		r = err_set(err, EINVAL, "process.terminal: cannot allocate a tty when detached without --console-socket");
	if (!r && terminal)
		r = vm_tty_open(&s->process, o->console_socket, &p->stub.tty_fd, &p->stub.console_fd, err);
	if (!r)
		r = export_open_sources(&p->plan, c->bundle, &p->root_tree_fd, err);
	if (!r)
		r = container_compile_seccomp(c, &p->seccomp, err);
	if (!r)
		r = pack_create(p, o, sandbox, err);
	if (!r && symlinkat(link, c->dir_fd, KEEPER_CONTROL) < 0)
		r = err_sys(err, -errno, "link the sandbox's control socket");
	if (!r && !o->run) {
		p->stub.gate_fd = fd_seqpacket_listen(c->dir_fd, "gate");
		if (p->stub.gate_fd < 0)
			r = err_sys(err, p->stub.gate_fd, "make the gate");
	}
	return r;
}

int pod_create(struct container *c, const struct create_opts *o, const char *sandbox, int *ret_console_fd, struct err *err)
{
	CLEANUP(pod_done) struct pod p = { .c = c, .root_tree_fd = -1 };
	int r;

	p.stub = STUB_LAUNCH(.c = c, .type = PROTO_CREATE, .id = KEEPER_INIT_ID, .payload = &p.create);
	r = find_sandbox(&p, sandbox, err);
	if (!r)
		r = prepare(&p, o, sandbox, err);
	if (!r)
		r = container_make_cgroup(c, false, &(struct spec_id_maps){ 0 }, err);
	if (!r)
		r = in_machine(p.sandbox, attach_work, &p, err);
	if (!r)
		r = vm_stub_spawn(&p.stub, NULL, &c->pid, &c->pidfd, err);
	if (!r)
		r = container_cgroup_with_pid(c, c->pid, err);
	if (!r)
		r = container_run_create_hooks(c, err);
	if (!r)
		*ret_console_fd = TAKE_FD(p.stub.console_fd);
	return r;
}

int pod_destroy(struct container *c, const char *sandbox, struct err *err)
{
	CLEANUP(cleanup_container) struct container *sb = NULL;
	struct err ignored;

	(void)err;
	if (container_load(&sb, c->opts, sandbox, false, &ignored) < 0 || container_status(sb) == CONTAINER_STOPPED)
		return 0;
	if (in_machine(sb, detach_work, c, &ignored) < 0)
		log_warn("container '%s' leaves its trees in the machine's share: %s", c->id, ignored.msg);
	return 0;
}
