/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/emulate/qmp.h"
#include "vm-mode/machine.h"
#include "vm-mode/protocol/protocol.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * DOC: the emulated machine
 *
 * QEMU's microvm machine with TCG, and Debian's virtiofsd behind its vhost-user-fs device: what there is where KVM is not.
 * Both are children of the machine's process, in the container's cgroup and namespaces; they get descriptors, not paths, and die
 * with their parent. QEMU starts with its CPUs stopped (-S). Its first answer on the monitor says that it has opened everything
 * it needs (and virtiofsd, that it has shut itself up in the shared directory); then the caller takes the host's file system
 * away from the mount namespace that all three share, and machine_run() lets the CPUs go.
 *
 * QEMU runs as nobody, without capabilities or new privileges, under its own system call filter. virtiofsd has to act as
 * each of the guest's users, so it keeps the few capabilities that a file server needs, and its own filter.
 */
#define NOBODY	      65534
#define START_MS      30000
#define END_MS	      2000
#define MAX_QEMU_ARGS 96

struct emulate {
	struct machine m;
	struct qmp qmp;
	pid_t qemu, virtiofsd;
	uint64_t mem_bytes;
	int qmp_fd;
	int messages_fd; /* memfd: stderr of both */
};

/* ---- children ---- */

struct child_fds {
	const int *keep;
	size_t n;
	int stderr_fd;
};

/* The child's side of fork: 0 from /dev/null, 1 and 2 to the messages, the kept descriptors inherited, nothing else. */
static int child_setup(const struct child_fds *f, pid_t parent)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent || null_fd < 0)
		return -1;
	(void)setsid(); /* away from the container's terminal; it leads no group yet */
	if (dup2(null_fd, 0) < 0 || dup2(f->stderr_fd, 1) < 0 || dup2(f->stderr_fd, 2) < 0)
		return -1;
	if (sys_close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	for (size_t i = 0; i < f->n; i++)
		if (fcntl(f->keep[i], F_SETFD, 0) < 0)
			return -1;
	return 0;
}

/* Ids of a user namespace may not include nobody: then it stays what it is, without capabilities. */
static int drop_to_nobody(void)
{
	for (int cap = 0; cap < 64; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL: the kernel knows no such capability */
	(void)setgroups(0, NULL);
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL)
		return -1;
	if (setresuid(NOBODY, NOBODY, NOBODY) < 0 && errno != EINVAL)
		return -1;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a change of ids clears it */
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static pid_t spawn(const char *program, char *const *argv, const struct child_fds *f, bool nobody)
{
	static char *const env[] = { NULL };
	pid_t self = getpid(), pid = fork();
	struct rlimit none = { 0, 0 };

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	if (child_setup(f, self) == 0 && setrlimit(RLIMIT_CORE, &none) == 0 && (!nobody || drop_to_nobody() == 0))
		execve(program, argv, env);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

/* virtiofsd accepts on a socket that listens. It lies in the shared tree for a moment, which nobody else sees yet. */
static int fs_socket_pair(const struct machine_config *c, int *ret_listen, int *ret_connected, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO_CLOSE int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_CLOSE int connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = 0;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/vhost-user", c->export_path);
	if (listener < 0 || connected < 0 || bind(listener, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(listener, 1) < 0 ||
	    connect(connected, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		r = -errno;
	(void)unlink(sa.sun_path);
	if (r < 0)
		return err_sys(err, r, "make the socket of virtiofsd");
	*ret_listen = TAKE_FD(listener);
	*ret_connected = TAKE_FD(connected);
	return 0;
}

static int start_virtiofsd(struct emulate *e, const struct machine_config *c, int listener, struct err *err)
{
	AUTO_FREE char *fd_arg = xasprintf("--fd=%d", listener), *source = xasprintf("source=%s", c->export_path);
	static char f[] = "-f", o[] = "-o", sandbox[] = "sandbox=chroot", cache[] = "cache=auto", level[] = "log_level=err",
		    features[] = "announce_submounts,xattr,posix_lock,flock,killpriv_v2", acl[] = "posix_acl";
	AUTO_FREE char *name = xstrdup(c->virtiofsd);
	char *argv[] = { name, fd_arg, f, o, source, o, sandbox, o, cache, o, level, o, features, o, acl, NULL };
	struct child_fds fds = { .keep = &listener, .n = 1, .stderr_fd = e->messages_fd };
	pid_t pid = spawn(c->virtiofsd, argv, &fds, false);

	if (pid < 0)
		return err_sys(err, pid, "start %s", c->virtiofsd);
	e->virtiofsd = pid;
	return 0;
}

/* ---- QEMU's command line ---- */

struct args {
	char *v[MAX_QEMU_ARGS];
	size_t n;
	int keep[8 + MACHINE_MAX_NICS];
	size_t n_keep;
};

static void args_done(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
}

static void add(struct args *a, char *word)
{
	if (a->n + 1 < MAX_QEMU_ARGS)
		a->v[a->n++] = word;
	else
		free(word); /* cannot happen: the number of interfaces is bounded */
}

static void add_words(struct args *a, const char *words)
{
	AUTO_FREE char *copy = xstrdup(words);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " ")))
		add(a, xstrdup(word));
}

static void add_pair(struct args *a, const char *option, char *value)
{
	add(a, xstrdup(option));
	add(a, value);
}

static int keep(struct args *a, int fd)
{
	a->keep[a->n_keep++] = fd;
	return fd;
}

static void add_nics(struct args *a, const struct machine_config *c)
{
	for (size_t i = 0; i < c->n_nics && i < MACHINE_MAX_NICS; i++) {
		const struct machine_nic *nic = &c->nics[i];
		const uint8_t *m = nic->mac;

		add_pair(a, "-netdev", xasprintf("tap,id=n%zu,fd=%d,vhost=off", i, keep(a, nic->tap_fd)));
		add_pair(a, "-device", xasprintf("virtio-net-device,netdev=n%zu,mac=%02x:%02x:%02x:%02x:%02x:%02x", i, m[0], m[1], m[2], m[3],
						 m[4], m[5]));
	}
}

/*
 * The emulated time stamp counter runs with the host's, and an ACPI machine without PIT or HPET gives the kernel nothing to measure it
 * by: it has to be told. Mitigations protect a guest's kernel from its processes on real CPUs; translated code needs none.
 */
static char *kernel_command_line(const struct machine_config *c)
{
	return xasprintf("console=ttyS0 %s panic=-1 reboot=t tsc=reliable tsc_early_khz=%llu no_timer_check mitigations=off nokaslr "
			 "random.trust_cpu=on cryptomgr.notests",
			 c->debug ? "loglevel=7" : "quiet loglevel=1", (unsigned long long)c->tsc_khz);
}

static void build_args(struct args *a, const struct emulate *e, const struct machine_config *c, int fs_fd, int agent_fd, int qmp_fd, int log_fd)
{
	unsigned long long mib = c->mem_bytes >> 20;

	(void)e;
	add(a, xstrdup(c->qemu));
	add_words(a, "-nodefaults -no-user-config -display none -no-reboot -S"
		     " -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
		     " -global virtio-mmio.force-legacy=false -cpu max -accel tcg,tb-size=64,thread=multi"
		     " -machine microvm,acpi=on,rtc=on,pit=off,pic=off,isa-serial=on,x-option-roms=off,memory-backend=mem");
	add_pair(a, "-smp", xasprintf("%u", c->vcpus));
	add_pair(a, "-m", xasprintf("%lluM", mib));
	add_pair(a, "-object", xasprintf("memory-backend-memfd,id=mem,size=%lluM,share=on", mib));
	add_pair(a, "-chardev", xasprintf("socket,id=qmp,fd=%d", keep(a, qmp_fd)));
	add_words(a, "-mon chardev=qmp,mode=control");
	add_pair(a, "-chardev", xasprintf("socket,id=log,fd=%d", keep(a, log_fd)));
	add_words(a, "-serial chardev:log");
	add_pair(a, "-chardev", xasprintf("socket,id=fs,fd=%d", keep(a, fs_fd)));
	add_words(a, "-device vhost-user-fs-device,chardev=fs,tag=" PROTO_SHARE ",queue-size=1024");
	add_pair(a, "-chardev", xasprintf("socket,id=agent,fd=%d", keep(a, agent_fd)));
	add_words(a, "-device virtio-serial-device,max_ports=2 -device virtserialport,chardev=agent,nr=1,name=" PROTO_PORT
		     " -device virtio-rng-device -device virtio-balloon-device,id=balloon,free-page-reporting=on");
	add_nics(a, c);
	add_pair(a, "-kernel", xasprintf("/proc/self/fd/%d", keep(a, c->kernel_fd)));
	add_pair(a, "-initrd", xasprintf("/proc/self/fd/%d", keep(a, c->initrd_fd)));
	add_pair(a, "-append", kernel_command_line(c));
}

static int pair(int *ours, int *theirs, bool nonblock)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*ours = fds[0];
	*theirs = fds[1];
	if (nonblock && fcntl(*ours, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int start_qemu(struct emulate *e, const struct machine_config *c, int fs_fd, struct err *err)
{
	CLEANUP(args_done) struct args a = { 0 };
	AUTO_CLOSE int agent = -1;
	AUTO_CLOSE int qmp = -1;
	AUTO_CLOSE int log = -1;
	int r = pair(&e->m.agent_fd, &agent, true);

	if (!r)
		r = pair(&e->qmp_fd, &qmp, true);
	if (!r)
		r = pair(&e->m.log_fd, &log, true);
	if (r < 0)
		return err_sys(err, r, "socketpair");
	build_args(&a, e, c, fs_fd, agent, qmp, log);
	struct child_fds fds = { .keep = a.keep, .n = a.n_keep, .stderr_fd = e->messages_fd };
	e->qemu = spawn(c->qemu, a.v, &fds, true);
	if (e->qemu < 0)
		return err_sys(err, e->qemu, "start %s", c->qemu);
	e->qmp.fd = e->m.event_fd = e->qmp_fd;
	return 0;
}

/* ---- the machine ---- */

/* What QEMU or virtiofsd had to say, one line of it. */
static void last_words(struct emulate *e, char *out, size_t n)
{
	char text[512];
	ssize_t got = pread(e->messages_fd, text, sizeof(text) - 1, 0);
	char *rest, *line;

	out[0] = '\0';
	if (got <= 0)
		return;
	text[got] = '\0';
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			snprintf(out, n, "%s", line);
}

/* A process that may not be signalled any more (virtiofsd, by nobody) ends by itself when QEMU has gone; if not, it is left alone. */
static void reap(pid_t *pid)
{
	const struct timespec tick = { .tv_nsec = 5000000 };
	bool killed;

	if (*pid <= 0)
		return;
	killed = kill(*pid, SIGKILL) == 0;
	if (killed)
		(void)!sys_wait_pid(*pid);
	for (int i = 0; !killed && i < END_MS / 5 && waitpid(*pid, NULL, WNOHANG) == 0; i++)
		(void)nanosleep(&tick, NULL);
	*pid = 0;
}

static void emulate_stop(struct machine *m)
{
	struct emulate *e = (struct emulate *)m;

	reap(&e->qemu);
	reap(&e->virtiofsd);
	m->ended = true;
}

static void emulate_event(struct machine *m)
{
	struct emulate *e = (struct emulate *)m;

	if (m->ended || qmp_events(&e->qmp) == 0)
		return;
	if (e->qmp.guest_reset)
		snprintf(m->end, sizeof(m->end), "the guest's kernel crashed or asked for a reset");
	else if (!e->qmp.powered_off)
		last_words(e, m->end, sizeof(m->end));
	if (!e->qmp.powered_off && !m->end[0])
		snprintf(m->end, sizeof(m->end), "QEMU ended");
	emulate_stop(m);
}

static int emulate_run(struct machine *m, struct err *err)
{
	struct emulate *e = (struct emulate *)m;

	return qmp_command(&e->qmp, "cont", NULL, START_MS, err);
}

static void emulate_balloon(struct machine *m, uint64_t guest_bytes)
{
	struct emulate *e = (struct emulate *)m;
	AUTO_FREE char *arguments =
		xasprintf("{\"value\":%llu}", (unsigned long long)(guest_bytes < e->mem_bytes ? guest_bytes : e->mem_bytes));

	if (!m->ended)
		qmp_send(&e->qmp, "balloon", arguments);
}

static void emulate_free(struct machine *m)
{
	struct emulate *e = (struct emulate *)m;

	emulate_stop(m);
	qmp_done(&e->qmp);
	fd_close(&e->qmp_fd);
	fd_close(&e->messages_fd);
	fd_close(&m->agent_fd);
	fd_close(&m->log_fd);
	free(e);
}

static const struct machine_ops emulate_ops = {
	.run = emulate_run,
	.event = emulate_event,
	.stop = emulate_stop,
	.balloon = emulate_balloon,
	.free = emulate_free,
};

static int start_both(struct emulate *e, const struct machine_config *c, struct err *err)
{
	AUTO_CLOSE int listener = -1;
	AUTO_CLOSE int connected = -1;
	int r;

	e->messages_fd = memfd_create("messages", MFD_CLOEXEC);
	if (e->messages_fd < 0 || fcntl(e->messages_fd, F_SETFL, O_APPEND) < 0)
		return err_sys(err, -errno, "memfd_create");
	r = fs_socket_pair(c, &listener, &connected, err);
	if (!r)
		r = start_virtiofsd(e, c, listener, err);
	if (!r)
		r = start_qemu(e, c, connected, err);
	return r;
}

int machine_emulate_prepare(const struct machine_config *c, struct machine **ret, struct err *err)
{
	struct emulate *e = xcalloc(1, sizeof(*e));
	char words[256];
	int r;

	e->m = (struct machine){ .ops = &emulate_ops, .agent_fd = -1, .event_fd = -1, .log_fd = -1 };
	e->qmp_fd = e->messages_fd = -1;
	e->mem_bytes = c->mem_bytes >> 20 << 20; /* as QEMU gets it */
	r = start_both(e, c, err);
	if (!r)
		r = qmp_command(&e->qmp, "qmp_capabilities", NULL, START_MS, err);
	if (r < 0) {
		last_words(e, words, sizeof(words));
		if (words[0])
			r = err_set(err, -r, "emulator: %s", words);
		emulate_free(&e->m);
		return r;
	}
	*ret = &e->m;
	return 0;
}
