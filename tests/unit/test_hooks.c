/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/hooks.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/brig-test-hooks-XXXXXX";
static const char state[] = "{\"id\":\"c1\",\"status\":\"creating\"}";

/* One hook "sh -c SCRIPT"; its output goes to DIR/out and DIR/err. */
static int run_script(const char *script, int64_t timeout_s, bool warn_only, struct err *err)
{
	char *env[] = { (char[]){ "A=1" }, (char[]){ "B=two words" }, NULL };
	char *args[] = { (char[]){ "sh" }, (char[]){ "-c" }, xstrdup(script), NULL };
	struct spec_hook hook = {
		.path = (char[]){ "/bin/sh" },
		.args = { .v = args, .n = 3 },
		.env = { .v = env, .n = 2 },
		.timeout_s = { .v = timeout_s, .set = timeout_s > 0 },
	};
	struct spec_hooks hooks = { .v = &hook, .n = 1 };
	int out = open("out", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int e = open("err", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r;

	*err = (struct err){ 0 };
	r = hooks_run(&hooks, HOOK_CREATE_RUNTIME, state, sizeof(state) - 1, out, e, warn_only, err);
	close(out);
	close(e);
	free(args[2]);
	return r;
}

static char *contents(const char *name)
{
	char *text = NULL;

	return fd_read_file(AT_FDCWD, name, 1 << 20, &text, NULL) < 0 ? xstrdup("(missing)") : text;
}

static void io(void)
{
	struct err err;
	AUTO_FREE char *out = NULL;
	AUTO_FREE char *e = NULL;
	AUTO_FREE char *env = NULL;
	AUTO_FREE char *fds = NULL;

	ok(run_script("cat; echo warned >&2", 0, false, &err) == 0, "hooks: one that succeeds");
	out = contents("out");
	e = contents("err");
	is_str(out, state, "hooks: the state comes on stdin, all of it and no more");
	is_str(e, "warned\n", "hooks: stderr is passed on");
	ok(run_script("/usr/bin/env", 0, false, &err) == 0, "hooks: env");
	env = contents("out");
	ok(strstr(env, "A=1\n") && strstr(env, "B=two words\n") && !strstr(env, "HOME="), "hooks: the environment is the listed one");
	ok(run_script("ls /proc/self/fd | wc -l", 0, false, &err) == 0, "hooks: list of descriptors");
	fds = contents("out");
	is_int(strtol(fds, NULL, 10), 4, "hooks: 0, 1, 2 (and the one of ls itself) are open, nothing else");
	ok(run_script("exec 0<&-; exit 0", 0, false, &err) == 0, "hooks: one that closes its stdin unread");
}

static void big_state(void)
{
	static char big[1 << 20];
	struct spec_hook hook = { .path = (char[]){ "/bin/true" } };
	struct spec_hooks hooks = { .v = &hook, .n = 1 };
	struct err err = { 0 };

	memset(big, 'x', sizeof(big));
	is_int(hooks_run(&hooks, HOOK_POSTSTART, big, sizeof(big), -1, -1, false, &err), 0,
	       "hooks: a state longer than a pipe, and a hook without args that does not read it");
}

static void failures(void)
{
	struct spec_hook missing = { .path = (char[]){ "/no/such/hook" } };
	struct spec_hooks one = { .v = &missing, .n = 1 };
	struct err err = { 0 };

	ok(run_script("echo 'bad news' >&2; exit 3", 0, false, &err) < 0, "hooks: one that fails");
	is_str(err.msg, "run createRuntime hook #0 '/bin/sh': exit status 3: bad news", "hooks: the error names kind, index, path");
	ok(run_script("kill -SEGV $$", 0, false, &err) < 0, "hooks: one that crashes");
	like(err.msg, "killed by signal 11", "hooks: the error names the signal");
	ok(hooks_run(&one, HOOK_PRESTART, state, 1, -1, -1, false, &err) < 0, "hooks: one that does not exist");
	like(err.msg, "run prestart hook #0 '/no/such/hook': execute: No such file", "hooks: the error is the kernel's");
	ok(run_script("i=0; while [ $i -lt 100 ]; do echo 0123456789 >&2; i=$((i+1)); done; exit 1", 0, false, &err) < 0,
	   "hooks: a talkative one that fails");
	ok(strlen(err.msg) < 300, "hooks: the error has the head of its stderr only");
}

static double seconds_of(const char *script, int64_t timeout, int *r, struct err *err)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	*r = run_script(script, timeout, false, err);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

static bool process_lives(const char *file)
{
	AUTO_FREE char *text = contents(file);
	long pid = strtol(text, NULL, 10);
	char path[64];
	AUTO_FREE char *status = NULL;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	return pid > 0 && fd_read_file(AT_FDCWD, path, 1 << 16, &status, NULL) >= 0 && !strstr(status, "State:\tZ");
}

static void timeouts(void)
{
	struct err err;
	double t;
	int r;

	t = seconds_of("sleep 60 & echo $! > child; wait", 1, &r, &err);
	ok(r < 0 && t < 10, "hooks: a timeout ends a hook (after %.1f s)", t);
	like(err.msg, "killed after its timeout of 1 seconds", "hooks: the error names the timeout");
	usleep(100000);
	ok(!process_lives("child"), "hooks: a timeout kills what the hook had started");
	t = seconds_of("sleep 30 & echo $! > child; exit 0", 20, &r, &err);
	ok(r == 0 && t < 10, "hooks: a process left behind with stderr open does not hold the hook's end (%.1f s)", t);
	ok(process_lives("child"), "hooks: and lives on");
	{
		AUTO_FREE char *text = contents("child");

		kill((pid_t)strtol(text, NULL, 10), SIGKILL);
	}
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "hooks: no zombie stays");
}

static void lists(void)
{
	char *one[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "echo 1 >> order" }, NULL };
	char *two[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "echo 2 >> order; exit 1" }, NULL };
	char *three[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "echo 3 >> order" }, NULL };
	struct spec_hook v[] = {
		{ .path = (char[]){ "/bin/sh" }, .args = { .v = one, .n = 3 } },
		{ .path = (char[]){ "/bin/sh" }, .args = { .v = two, .n = 3 } },
		{ .path = (char[]){ "/bin/sh" }, .args = { .v = three, .n = 3 } },
	};
	struct spec_hooks hooks = { .v = v, .n = 3 };
	struct err err = { 0 };
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *second = NULL;
	AUTO_CLOSE int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ok(hooks_run(&hooks, HOOK_POSTSTART, state, 1, -1, -1, false, &err) < 0, "hooks: a list with a failure in it");
	like(err.msg, "hook #1", "hooks: the error has the index");
	first = contents("order");
	is_str(first, "1\n2\n", "hooks: the list ends at a failure");
	log_setup(null, LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	is_int(hooks_run(&hooks, HOOK_POSTSTOP, state, 1, -1, -1, true, &err), 0, "hooks: warn_only makes no error of it");
	log_setup(2, LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	second = contents("order");
	is_str(second, "1\n2\n1\n2\n3\n", "hooks: and the list goes on");
}

int main(void)
{
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	io();
	big_state();
	failures();
	timeouts();
	lists();
	unlink("out");
	unlink("err");
	unlink("child");
	unlink("order");
	if (chdir("/") == 0)
		rmdir(dir);
	return done();
}
