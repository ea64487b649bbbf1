/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/hooks.h"

#define HEAD_MAX 200 /* bytes of a hook's stderr that go into the error */

struct hook_run {
	const struct spec_hook *hook;
	int state_fd, out_fd, err_fd; /* borrowed */
	pid_t pid;
	int pidfd;  /* of the hook */
	int fail_fd; /* an errno comes here when execve failed */
	int text_fd; /* read end of the hook's stderr */
	char head[HEAD_MAX + 1];
	size_t head_len;
	bool timed_out;
};

static void hook_run_done(struct hook_run *h)
{
	fd_close(&h->pidfd);
	fd_close(&h->fail_fd);
	fd_close(&h->text_fd);
}

/* ---- child ---- */

static void close_from(int first)
{
	if (sys_close_range((unsigned)first, ~0U, 0) == 0)
		return;
	for (int fd = first; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
		close(fd);
}

/* Move to numbers above 3 first: a wanted fd may lie on 0..3 and would be overwritten. */
static int place_fds(int in, int out, int err, int fail)
{
	int fds[4] = { in, out, err, fail };

	for (int i = 0; i < 4; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD, 10);
		if (fds[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 4; i++) {
		if (dup3(fds[i], i, i == 3 ? O_CLOEXEC : 0) < 0)
			return -errno;
	}
	close_from(4);
	return 0;
}

static NORETURN void hook_child(const struct hook_run *h, int text_fd, int fail_fd)
{
	static char *const no_env[] = { NULL };
	char *only_path[] = { h->hook->path, NULL };
	char *const *env = h->hook->env.v ? h->hook->env.v : no_env;
	int r;

	(void)setpgid(0, 0);
	sys_reset_signals();
	r = place_fds(h->state_fd, h->out_fd < 0 ? STDOUT_FILENO : h->out_fd, text_fd, fail_fd);
	if (r == 0) {
		fail_fd = 3;
		execve(h->hook->path, h->hook->args.n ? h->hook->args.v : only_path, env);
		r = -errno;
	}
	(void)!write(fail_fd, &r, sizeof(r));
	_exit(127);
}

/* ---- parent ---- */

static int hook_spawn(struct hook_run *h, struct err *err)
{
	AUTO_CLOSE int text_write = -1;
	AUTO_CLOSE int fail_write = -1;
	int text[2], fail[2];

	if (pipe2(text, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	h->text_fd = text[0];
	text_write = text[1];
	if (pipe2(fail, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	h->fail_fd = fail[0];
	fail_write = fail[1];
	(void)fcntl(h->text_fd, F_SETFL, O_NONBLOCK);

	h->pid = fork();
	if (h->pid < 0)
		return err_sys(err, -errno, "fork");
	if (h->pid == 0)
		hook_child(h, text_write, fail_write);
	(void)setpgid(h->pid, h->pid); /* also done by the child: whoever comes first */
	h->pidfd = sys_pidfd_open(h->pid, 0);
	return h->pidfd < 0 ? err_sys(err, h->pidfd, "open a pidfd") : 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Pass the hook's stderr on, and keep its beginning. */
static void pass_text(struct hook_run *h)
{
	char text[4096];
	ssize_t n;

	while ((n = read(h->text_fd, text, sizeof(text))) > 0) {
		size_t keep = HEAD_MAX - h->head_len;

		keep = (size_t)n < keep ? (size_t)n : keep;
		memcpy(h->head + h->head_len, text, keep);
		h->head_len += keep;
		(void)!fd_write_all(h->err_fd < 0 ? STDERR_FILENO : h->err_fd, text, (size_t)n); /* a reader may be gone */
	}
	if (n == 0)
		fd_close(&h->text_fd);
}

/* Wait for the end of the process itself: whoever it left behind may keep its stderr open. */
static void hook_wait(struct hook_run *h)
{
	int64_t deadline = INT64_MAX;

	if (h->hook->timeout_s.set && h->hook->timeout_s.v < INT64_MAX / 1000 - now_ms())
		deadline = now_ms() + h->hook->timeout_s.v * 1000;
	for (;;) {
		struct pollfd p[2] = { { .fd = h->pidfd, .events = POLLIN }, { .fd = h->text_fd, .events = POLLIN } };
		int64_t left = deadline == INT64_MAX ? INT_MAX : deadline - now_ms();
		int n;

		if (left <= 0) {
			h->timed_out = true;
			return;
		}
		n = poll(p, 2, deadline == INT64_MAX ? -1 : (int)(left < INT_MAX ? left : INT_MAX));
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0 && p[1].revents)
			pass_text(h);
		if (n > 0 && p[0].revents)
			return;
	}
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status;
}

/* Processes of its group become our children when we are their reaper (pid 1 of the container, a subreaper). */
static void reap_group(pid_t group)
{
	while (waitpid(-group, NULL, WNOHANG) > 0)
		;
}

static void tidy_head(struct hook_run *h)
{
	while (h->head_len && isspace((unsigned char)h->head[h->head_len - 1]))
		h->head_len--;
	h->head[h->head_len] = '\0';
	for (char *c = h->head; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = ' ';
	}
}

static int hook_result(struct hook_run *h, int status, struct err *err)
{
	int failure = 0;
	ssize_t n = read(h->fail_fd, &failure, sizeof(failure));

	tidy_head(h);
	if (h->timed_out)
		return err_set(err, ETIMEDOUT, "killed after its timeout of %lld seconds%s%s", (long long)h->hook->timeout_s.v,
			       h->head_len ? ": " : "", h->head);
	if (n == (ssize_t)sizeof(failure) && failure < 0)
		return err_sys(err, failure, "execute");
	if (status < 0)
		return err_sys(err, status, "wait");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, ECHILD, "killed by signal %d%s%s", WTERMSIG(status), h->head_len ? ": " : "", h->head);
	return err_set(err, ECHILD, "exit status %d%s%s", WEXITSTATUS(status), h->head_len ? ": " : "", h->head);
}

static int hook_run_one(const struct spec_hook *hook, const char *state, size_t n, int out_fd, int err_fd, struct err *err)
{
	CLEANUP(hook_run_done) struct hook_run h = {
		.hook = hook, .out_fd = out_fd, .err_fd = err_fd, .pidfd = -1, .fail_fd = -1, .text_fd = -1
	};
	/* The state as a file: a hook reads all of it, a part, or nothing, and nobody has to wait for it or mind SIGPIPE. */
	AUTO_CLOSE int state_fd = fd_memory_file("state.json", state, n);
	int r, status;

	if (state_fd < 0)
		return err_sys(err, state_fd, "make a file for its stdin");
	h.state_fd = state_fd;
	r = hook_spawn(&h, err);
	if (r < 0 && h.pid <= 0)
		return r;
	if (r == 0)
		hook_wait(&h);
	if (r < 0 || h.timed_out)
		(void)kill(-h.pid, SIGKILL);
	status = reap(h.pid);
	reap_group(h.pid);
	if (h.text_fd >= 0)
		pass_text(&h);
	return r < 0 ? r : hook_result(&h, status, err);
}

int hooks_run(const struct spec_hooks *hooks, enum hook_kind kind, const char *state, size_t n, int out_fd, int err_fd, bool warn_only,
	      struct err *err)
{
	for (size_t i = 0; i < hooks->n; i++) {
		struct err why = { 0 };
		int r;

		log_debug("run %s hook #%zu '%s'", hook_names[kind], i, hooks->v[i].path);
		r = hook_run_one(&hooks->v[i], state, n, out_fd, err_fd, &why);
		if (r == 0)
			continue;
		err_wrap(&why, "run %s hook #%zu '%s'", hook_names[kind], i, hooks->v[i].path);
		if (warn_only) {
			log_warn("%s", why.msg);
			continue;
		}
		if (err)
			*err = why;
		return r;
	}
	return 0;
}
