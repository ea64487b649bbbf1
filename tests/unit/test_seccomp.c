/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/seccomp.h"

#include "runtime/base/fd.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define X32_BIT	  0x40000000
#define NEW_CALL  10000 /* no kernel has so many */
#define MAX_NAMES 512
#define MAX_RULES 8

/* What engines' default profiles leave out, more or less; a few of them. */
static const char *const denied[] = { "swapon", "swapoff", "reboot", "kexec_load", "init_module", "delete_module", "mount", "umount2",
				      "acct",	"settimeofday", "nfsservctl", "quotactl", "lookup_dcookie", "vm86", NULL };

static bool is_denied(const char *name)
{
	for (size_t i = 0; denied[i]; i++)
		if (!strcmp(denied[i], name))
			return true;
	return false;
}

/* A profile of the size and shape of an engine's default one: all that libseccomp knows but the denied ones. */
struct profile {
	struct spec_seccomp s;
	struct spec_seccomp_rule rules[MAX_RULES];
	uint32_t archs[4];
	char *names[MAX_NAMES];
	char *one[MAX_RULES][2]; /* names of the rules for a single syscall */
};

static void profile_init(struct profile *p)
{
	memset(p, 0, sizeof(*p));
	p->s.set = true;
	p->s.default_action = SCMP_ACT_ERRNO(0);
	p->s.syscalls = p->rules;
	p->s.n_syscalls = 1;
	p->rules[0].action = SCMP_ACT_ALLOW;
	for (int nr = 0; nr < 1000 && p->rules[0].names.n < MAX_NAMES - 1; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (name && !is_denied(name))
			p->names[p->rules[0].names.n++] = name;
		else
			free(name);
	}
	p->rules[0].names.v = p->names;
}

static void profile_engine_archs(struct profile *p)
{
	p->archs[0] = SCMP_ARCH_X86_64;
	p->archs[1] = SCMP_ARCH_X86;
	p->archs[2] = SCMP_ARCH_X32;
	p->s.architectures = p->archs;
	p->s.n_architectures = 3;
}

static void profile_done(struct profile *p)
{
	for (size_t i = 0; i < MAX_NAMES; i++)
		free(p->names[i]);
	for (size_t i = 0; i < MAX_RULES; i++)
		free(p->one[i][0]);
}

/* Another rule for one syscall. */
static struct spec_seccomp_rule *profile_rule(struct profile *p, const char *name, uint32_t action)
{
	size_t i = p->s.n_syscalls++;

	p->one[i][0] = strdup(name);
	p->rules[i].names = (struct strlist){ p->one[i], 1 };
	p->rules[i].action = action;
	return &p->rules[i];
}

static void drop_name(struct profile *p, const char *name)
{
	struct strlist *l = &p->rules[0].names;

	for (size_t i = 0; i < l->n; i++) {
		if (!strcmp(l->v[i], name)) {
			free(l->v[i]);
			l->v[i] = l->v[--l->n];
			l->v[l->n] = NULL;
			return;
		}
	}
}

/* Load in a child and make one syscall there: its errno, 0 when it worked, -1 when the child was killed. */
static int try_call(const struct seccomp_prog *prog, long nr, long a0, long a1, long a2)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct sock_fprog f = { .len = (unsigned short)prog->n, .filter = prog->v };
		long r;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, prog->flags, &f) < 0)
			_exit(254);
		r = syscall(nr, a0, a1, a2);
		_exit(r < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_engine_profile(void)
{
	struct seccomp_prog prog;
	struct err err = { 0 };
	struct profile p;

	profile_init(&p);
	profile_engine_archs(&p);
	ok(p.rules[0].names.n > 300, "seccomp: the test profile has the size of an engine's");
	if (!ok(seccomp_compile(&p.s, NULL, &prog, &err) == 0, "seccomp: compiles it: %s", err.msg))
		return;
	is_int(prog.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW, "seccomp: without flags SPEC_ALLOW is set");
	ok(!prog.notify, "seccomp: no listener without a notify rule");
	is_int(try_call(&prog, SYS_getppid, 0, 0, 0), 0, "seccomp: an allowed syscall works");
	is_int(try_call(&prog, SYS_swapoff, 0, 0, 0), EPERM, "seccomp: a denied one gives EPERM");
	is_int(try_call(&prog, SYS_umount2, 0, 0, 0), EPERM, "seccomp: another denied one gives EPERM");
	is_int(try_call(&prog, NEW_CALL, 0, 0, 0), ENOSYS, "seccomp: a syscall newer than the profile gives ENOSYS");
#ifdef __x86_64__
	is_int(try_call(&prog, X32_BIT | NEW_CALL, 0, 0, 0), ENOSYS, "seccomp: a new x32 syscall gives ENOSYS, too");
	is_int(try_call(&prog, X32_BIT | SYS_swapoff, 0, 0, 0), EPERM, "seccomp: a denied x32 syscall gives EPERM");
#endif
	seccomp_prog_done(&prog);
	seccomp_prog_done(&prog);
	ok(!prog.v && !prog.n, "seccomp: done twice is fine");
	profile_done(&p);
}

static void test_native_only(void)
{
	struct seccomp_prog prog;
	struct err err = { 0 };
	struct profile p;

	profile_init(&p);
	if (!ok(seccomp_compile(&p.s, NULL, &prog, &err) == 0, "seccomp: compiles without architectures: %s", err.msg))
		return;
	is_int(try_call(&prog, SYS_getppid, 0, 0, 0), 0, "seccomp: native only: an allowed syscall works");
	is_int(try_call(&prog, NEW_CALL, 0, 0, 0), ENOSYS, "seccomp: native only: a new one gives ENOSYS");
#ifdef __x86_64__
	is_int(try_call(&prog, X32_BIT | SYS_getppid, 0, 0, 0), -1, "seccomp: native only: the x32 one kills");
#endif
	seccomp_prog_done(&prog);
	profile_done(&p);
}

static void test_default_action(void)
{
	static const struct {
		uint32_t action, errno_ret;
		int old_call, new_call;
		const char *name;
	} rows[] = {
		{ SCMP_ACT_ALLOW, 0, 0, ENOSYS, "ALLOW leaves new syscalls to the kernel" },
		{ SCMP_ACT_LOG, 0, 0, ENOSYS, "LOG does, too" },
		{ SCMP_ACT_ERRNO(0), ENOTTY, ENOTTY, ENOSYS, "defaultErrnoRet is for old ones" },
		{ SCMP_ACT_KILL_PROCESS, 0, -1, ENOSYS, "KILL_PROCESS kills for old ones only" },
		{ SCMP_ACT_KILL_THREAD, 0, -1, ENOSYS, "KILL kills for old ones only" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seccomp_prog prog;
		struct err err = { 0 };
		struct profile p;
		size_t before;

		profile_init(&p);
		drop_name(&p, "getppid");
		p.s.default_action = rows[i].action;
		if (rows[i].errno_ret)
			p.s.default_errno = (struct opt_u32){ rows[i].errno_ret, true };
		before = p.s.n_syscalls;
		if (rows[i].action == SCMP_ACT_ALLOW)
			profile_rule(&p, "swapoff", SCMP_ACT_ERRNO(0))->errno_ret = (struct opt_u32){ EXDEV, true };
		if (ok(seccomp_compile(&p.s, NULL, &prog, &err) == 0, "seccomp: default action %zu compiles: %s", i, err.msg)) {
			is_int(try_call(&prog, SYS_getppid, 0, 0, 0), rows[i].old_call, "seccomp: old syscall: %s", rows[i].name);
			is_int(try_call(&prog, NEW_CALL, 0, 0, 0), rows[i].new_call, "seccomp: new syscall: %s", rows[i].name);
			if (p.s.n_syscalls > before)
				is_int(try_call(&prog, SYS_swapoff, 0, 0, 0), EXDEV, "seccomp: errnoRet of a rule");
		}
		seccomp_prog_done(&prog);
		profile_done(&p);
	}
}

static void test_args(void)
{
	struct spec_seccomp_arg zero[1] = { { .index = 0, .value = 0, .op = SCMP_CMP_EQ } };
	struct spec_seccomp_arg either[2] = { { .index = 0, .value = 0x0008, .op = SCMP_CMP_EQ },
					      { .index = 0, .value = 0xffffffff, .op = SCMP_CMP_EQ } };
	struct spec_seccomp_arg both[2] = { { .index = 0, .value = 100, .op = SCMP_CMP_GT },
					    { .index = 1, .value = 7, .op = SCMP_CMP_NE } };
	struct spec_seccomp_arg mask[1] = { { .index = 0, .value = 0xf0, .value_two = 0x20, .op = SCMP_CMP_MASKED_EQ } };
	static const struct {
		int rule;
		long nr, a0, a1;
		int want;
		const char *name;
	} rows[] = {
		{ 0, SYS_getpriority, 0, 0, 0, "EQ holds" },
		{ 0, SYS_getpriority, 1, 0, EPERM, "EQ does not hold" },
		{ 1, SYS_personality, 8, 0, 0, "the first of two on one argument" },
		{ 1, SYS_personality, 0xffffffff, 0, 0, "the second of two on one argument" },
		{ 1, SYS_personality, 4, 0, EPERM, "neither of two on one argument" },
		{ 2, SYS_getpgid, 101, 8, ESRCH, "GT and NE both hold" },
		{ 2, SYS_getpgid, 101, 7, EPERM, "NE does not hold" },
		{ 2, SYS_getpgid, 100, 8, EPERM, "GT does not hold" },
		{ 3, SYS_getsid, 0x7fffff20, 0, ESRCH, "MASKED_EQ holds" },
		{ 3, SYS_getsid, 0x7fffff30, 0, EPERM, "MASKED_EQ does not hold" },
	};
	struct seccomp_prog prog;
	struct err err = { 0 };
	struct profile p;
	struct spec_seccomp_rule *r;

	profile_init(&p);
	profile_engine_archs(&p);
	drop_name(&p, "getpriority");
	drop_name(&p, "personality");
	drop_name(&p, "getpgid");
	drop_name(&p, "getsid");
	r = profile_rule(&p, "getpriority", SCMP_ACT_ALLOW);
	r->args = zero;
	r->n_args = 1;
	r = profile_rule(&p, "personality", SCMP_ACT_ALLOW);
	r->args = either;
	r->n_args = 2;
	r = profile_rule(&p, "getpgid", SCMP_ACT_ALLOW);
	r->args = both;
	r->n_args = 2;
	r = profile_rule(&p, "getsid", SCMP_ACT_ALLOW);
	r->args = mask;
	r->n_args = 1;
	if (!ok(seccomp_compile(&p.s, NULL, &prog, &err) == 0, "seccomp: arguments compile: %s", err.msg))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int got = try_call(&prog, rows[i].nr, rows[i].a0, rows[i].a1, 0);

		/* A process with the id may exist: then it works, and the filter let it. */
		if (rows[i].want == ESRCH && got == 0)
			got = ESRCH;
		is_int(got, rows[i].want, "seccomp: arguments: %s", rows[i].name);
	}
	seccomp_prog_done(&prog);
	profile_done(&p);
}

static void expect_refusal(struct profile *p, const struct kvlist *annotations, const char *part, const char *what)
{
	struct seccomp_prog prog = { 0 };
	struct err err = { 0 };
	int r = seccomp_compile(&p->s, annotations, &prog, &err);

	ok(r < 0 && !prog.v, "seccomp: refuses %s", what);
	like(err.msg, part, "seccomp: says why: %s", what);
	profile_done(p);
	profile_init(p);
}

static void test_refusals(void)
{
	struct kv pairs[1] = { { (char[]){ "run.oci.seccomp_fail_unknown_syscall" }, (char[]){ "1" } } };
	struct kvlist annotations = { pairs, 1 };
	struct spec_seccomp_arg bad[1] = { { .index = 6, .op = SCMP_CMP_EQ } };
	struct seccomp_prog prog = { 0 };
	struct err err = { 0 };
	struct spec_seccomp_rule *rule;
	struct profile p;

	profile_init(&p);
	p.s.default_action = SCMP_ACT_ALLOW;
	p.s.default_errno = (struct opt_u32){ 1, true };
	expect_refusal(&p, NULL, "defaultErrnoRet", "an errno for an action without one");
	p.rules[0].errno_ret = (struct opt_u32){ 1, true };
	expect_refusal(&p, NULL, "errnoRet", "an errno in a rule that allows");
	p.s.default_errno = (struct opt_u32){ 70000, true };
	expect_refusal(&p, NULL, "70000", "an errno that does not fit");
	p.s.default_action = SCMP_ACT_NOTIFY;
	expect_refusal(&p, NULL, "defaultAction", "notify as the default action");
	profile_rule(&p, "swapoff", SCMP_ACT_NOTIFY);
	expect_refusal(&p, NULL, "listenerPath", "notify without a listener");
	p.s.listener_path = (char[]){ "/run/agent" };
	drop_name(&p, "sendmsg");
	profile_rule(&p, "sendmsg", SCMP_ACT_NOTIFY);
	expect_refusal(&p, NULL, "sendmsg", "notify on sendmsg");
	rule = profile_rule(&p, "swapoff", SCMP_ACT_ALLOW);
	rule->args = bad;
	rule->n_args = 1;
	expect_refusal(&p, NULL, "index", "argument number 6");
	p.archs[0] = 0x12345678;
	p.s.architectures = p.archs;
	p.s.n_architectures = 1;
	expect_refusal(&p, NULL, "architectures", "an architecture that does not exist");
	profile_rule(&p, "no_such_syscall", SCMP_ACT_ALLOW);
	expect_refusal(&p, &annotations, "no_such_syscall", "an unknown syscall when the annotation says so");
	profile_rule(&p, "no_such_syscall", SCMP_ACT_ALLOW);
	ok(seccomp_compile(&p.s, NULL, &prog, &err) == 0 && prog.n, "seccomp: skips an unknown syscall without it");
	seccomp_prog_done(&prog);
	p.s.flags_set = true;
	p.s.flags = SECCOMP_FILTER_FLAG_LOG;
	ok(seccomp_compile(&p.s, NULL, &prog, &err) == 0 && prog.flags == SECCOMP_FILTER_FLAG_LOG, "seccomp: takes over the flags");
	seccomp_prog_done(&prog);
	p.s.set = false;
	ok(seccomp_compile(&p.s, NULL, &prog, &err) == 0 && !prog.v, "seccomp: no profile, no filter");
	profile_done(&p);
}

/* The child's swapoff waits for us, and gets the answer that we make up. */
static void test_notify(void)
{
	struct seccomp_prog prog;
	struct err err = { 0 };
	struct profile p;
	int sock[2], status, fd = -1;
	size_t n = 0;
	char byte;
	pid_t pid;

	profile_init(&p);
	p.s.listener_path = (char[]){ "/run/agent" };
	profile_rule(&p, "swapoff", SCMP_ACT_NOTIFY);
	if (!ok(seccomp_compile(&p.s, NULL, &prog, &err) == 0, "seccomp: notify compiles: %s", err.msg))
		return;
	ok(prog.notify, "seccomp: a notify rule asks for a listener");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		struct sock_fprog f = { .len = (unsigned short)prog.n, .filter = prog.v };
		int l;

		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		l = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, prog.flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, &f);
		if (l < 0 || fd_send(sock[1], "x", 1, &l, 1) < 0)
			_exit(254);
		close(l);
		_exit(syscall(SYS_swapoff, NULL) < 0 ? errno : 0);
	}
	close(sock[1]);
	if (fd_recv(sock[0], &byte, 1, &fd, 1, &n) == 1 && n == 1) {
		struct seccomp_notif req = { 0 };
		struct seccomp_notif_resp resp = { 0 };

		ok(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req) == 0 && req.data.nr == SYS_swapoff, "seccomp: the listener sees the syscall");
		resp.id = req.id;
		resp.error = -EXDEV;
		(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
		close(fd);
	} else {
		skip("no listener (already below a filter with one)");
	}
	close(sock[0]);
	waitpid(pid, &status, 0);
	is_int(WEXITSTATUS(status), EXDEV, "seccomp: the caller gets the listener's answer");
	seccomp_prog_done(&prog);
	profile_done(&p);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void damage(int dir, const char *name, off_t at)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
	unsigned char c = 0;

	if (fd < 0 || pread(fd, &c, 1, at) != 1)
		return;
	c ^= 1;
	(void)!pwrite(fd, &c, 1, at);
}

static void test_files(const struct profile *p, const struct seccomp_prog *prog, int dir)
{
	static const off_t places[] = { 0, 8, 16, 20, 24, 28, 40 };
	struct seccomp_prog got = { 0 };

	(void)p;
	ok(seccomp_prog_save(prog, dir, "f") == 0, "seccomp: saves a program");
	ok(seccomp_prog_load(&got, dir, "f") == 0 && got.n == prog->n && got.flags == prog->flags &&
		   !memcmp(got.v, prog->v, got.n * sizeof(*got.v)),
	   "seccomp: loads the same program");
	seccomp_prog_done(&got);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		damage(dir, "f", places[i]);
		ok(seccomp_prog_load(&got, dir, "f") == -EBADMSG && !got.v, "seccomp: sees damage at %d", (int)places[i]);
		damage(dir, "f", places[i]);
	}
	ok(fchmodat(dir, "f", 0666, 0) == 0, "seccomp: test: chmod");
	ok(seccomp_prog_load(&got, dir, "f") == -EPERM, "seccomp: does not believe a file that others may write");
	(void)unlinkat(dir, "f", 0);
	ok(seccomp_prog_load(&got, dir, "f") == -ENOENT, "seccomp: a missing file is ENOENT");
	ok(symlinkat("seccomp-00.bpf", dir, "f") == 0 && seccomp_prog_load(&got, dir, "f") == -ELOOP, "seccomp: follows no link");
	(void)unlinkat(dir, "f", 0);
	ok(seccomp_prog_save(&got, dir, "f") == -EINVAL, "seccomp: an empty program is not saved");
}

static void test_cache(void)
{
	char path[] = "/tmp/brig-test-seccomp-XXXXXX", command[64];
	struct seccomp_prog a, b, c;
	struct err err = { 0 };
	struct profile p;
	double t0, t1, t2;
	int dir;

	if (!mkdtemp(path))
		exit(1);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	profile_init(&p);
	profile_engine_archs(&p);
	t0 = now_ms();
	ok(seccomp_compile_cached(&p.s, NULL, dir, &a, &err) == 0, "seccomp: compiles through an empty cache: %s", err.msg);
	t1 = now_ms();
	ok(seccomp_compile_cached(&p.s, NULL, dir, &b, &err) == 0, "seccomp: and through a filled one: %s", err.msg);
	t2 = now_ms();
	printf("# %zu instructions; compiled in %.3f ms, from the cache in %.3f ms\n", a.n, t1 - t0, t2 - t1);
	ok(a.n == b.n && a.flags == b.flags && a.notify == b.notify && !memcmp(a.v, b.v, a.n * sizeof(*a.v)),
	   "seccomp: the cached program is the same");
	p.s.default_errno = (struct opt_u32){ ENOTTY, true };
	ok(seccomp_compile_cached(&p.s, NULL, dir, &c, &err) == 0, "seccomp: another profile: %s", err.msg);
	is_int(try_call(&c, SYS_swapoff, 0, 0, 0), ENOTTY, "seccomp: another profile is not taken from the cache");
	is_int(try_call(&b, SYS_swapoff, 0, 0, 0), EPERM, "seccomp: a cached program works");
	seccomp_prog_done(&c);
	ok(seccomp_compile_cached(&p.s, NULL, -1, &c, &err) == 0 && c.n, "seccomp: works without a cache");
	test_files(&p, &a, dir);
	seccomp_prog_done(&a);
	seccomp_prog_done(&b);
	seccomp_prog_done(&c);
	close(dir);
	snprintf(command, sizeof(command), "%s", path);
	for (int i = 0; i < 64; i++) {
		snprintf(command, sizeof(command), "%s/seccomp-%02d.bpf", path, i);
		(void)unlink(command);
	}
	ok(rmdir(path) == 0, "seccomp: nothing else is left in the cache's directory");
	profile_done(&p);
}

static void test_send_listener(void)
{
	char path[] = "/tmp/brig-test-listener-XXXXXX", sock[64], text[64] = "";
	struct err err = { 0 };
	int fd = -1, listener, conn, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct stat a = { 0 }, b = { 0 };
	size_t n = 0;

	if (!mkdtemp(path))
		exit(1);
	snprintf(sock, sizeof(sock), "%s/s", path);
	ok(seccomp_send_listener(sock, null, "{}", 2, &err) < 0, "seccomp: nobody listens at the listener path");
	like(err.msg, "listenerPath", "seccomp: names the field");
	listener = fd_unix_listen(AT_FDCWD, sock);
	ok(seccomp_send_listener(sock, null, "{}", 2, &err) == 0, "seccomp: sends state and fd");
	conn = accept(listener, NULL, NULL);
	ok(fd_recv(conn, text, sizeof(text), &fd, 1, &n) == 2 && n == 1, "seccomp: they arrive together");
	is_str(text, "{}", "seccomp: the state arrives as it was");
	ok(fstat(null, &a) == 0 && fstat(fd, &b) == 0 && a.st_rdev == b.st_rdev, "seccomp: the fd arrives");
	ok(read(conn, text, 1) == 0, "seccomp: the connection is closed after one state");
	close(conn);
	close(listener);
	close(fd);
	close(null);
	unlink(sock);
	rmdir(path);
}

int main(void)
{
	test_engine_profile();
	test_native_only();
	test_default_action();
	test_args();
	test_refusals();
	test_notify();
	test_cache();
	test_send_listener();
	return done();
}
