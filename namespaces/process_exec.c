/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/process_internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif

/* What execvp(3) uses when the environment has no PATH. */
#define DEFAULT_PATH "/bin:/usr/bin"

void process_ctx_done(struct process_ctx *ctx)
{
	arena_done(&ctx->arena);
	ctx->env = NULL;
	ctx->exe = NULL;
}

const char *errno_text(int code, char buf[ERRNO_TEXT_LEN])
{
	snprintf(buf, ERRNO_TEXT_LEN, "%s", strerror(code));
	buf[0] = (char)tolower((unsigned char)buf[0]);
	return buf;
}

/* 0: path can be executed. -EISDIR: it is there, but a directory; -EACCES: no execute permission; else stat's -errno. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	/* A mount that is noexec says EACCES here, too. */
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return errno == EACCES ? -EACCES : -errno;
	return 0;
}

static int resolve_path(struct process_ctx *ctx, const char *name, struct err *err)
{
	char text[ERRNO_TEXT_LEN];
	struct stat st;
	int r = check_executable(name);

	if (r == 0) {
		ctx->exe = arena_strdup(&ctx->arena, name);
		return 0;
	}
	if (r == -EISDIR)
		return err_set(err, EACCES, "exec: \"%s\": is a directory", name);
	if (r == -EACCES && stat(name, &st) == 0)
		return err_set(err, EACCES, "exec: \"%s\": permission denied", name);
	return err_set(err, -r, "exec: \"%s\": stat %s: %s", name, name, errno_text(-r, text));
}

static const char *path_of(char *const *env)
{
	for (size_t i = 0; env && env[i]; i++)
		if (str_starts(env[i], "PATH="))
			return env[i] + 5;
	return DEFAULT_PATH;
}

/* As execvp(3): an empty element is the cwd; a file that may not be executed does not end the search, but is what the
 * error is about when nothing better comes. */
static int search_path(struct process_ctx *ctx, const char *name, struct err *err)
{
	const char *dir = path_of(ctx->env);
	bool denied = false;

	for (;;) {
		size_t n = strcspn(dir, ":");
		char path[PATH_MAX];
		int len = snprintf(path, sizeof(path), "%.*s%s%s", (int)n, dir, n ? "/" : "./", name);
		int r;

		if (len > 0 && (size_t)len < sizeof(path)) {
			struct stat st;

			r = check_executable(path);
			if (r == 0) {
				ctx->exe = arena_strdup(&ctx->arena, path);
				return 0;
			}
			/* Not the directory that may not be searched: the name itself has to be there. */
			denied = denied || (r == -EACCES && stat(path, &st) == 0);
		}
		if (!dir[n])
			break;
		dir += n + 1;
	}
	if (denied)
		return err_set(err, EACCES, "exec: \"%s\": permission denied", name);
	return err_set(err, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

int process_resolve_exe(struct process_ctx *ctx, struct err *err)
{
	const char *name = ctx->spec->args.n ? ctx->spec->args.v[0] : NULL;
	struct cap_sets all, user;
	int r, back;

	if (!name)
		return err_set(err, EINVAL, "process.args: at least one is required");
	if (!*name)
		return err_set(err, ENOENT, "exec: \"\": executable file not found in $PATH");
	/* process_ids left every capability raised; the program will have to do with its own. */
	r = caps_get(&all);
	if (r < 0)
		return err_sys(err, r, "read capabilities");
	user = all;
	user.effective = ctx->spec->caps.effective & ctx->spec->caps.permitted & all.permitted;
	r = caps_set(&user);
	if (r < 0)
		return err_sys(err, r, "set effective capabilities");
	r = strchr(name, '/') ? resolve_path(ctx, name, err) : search_path(ctx, name, err);
	back = caps_set(&all);
	if (!r && back < 0)
		return err_sys(err, back, "set effective capabilities");
	return r;
}

static int set_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return errno == EBADF ? 0 : -errno;
	return fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0 ? -errno : 0;
}

/* A kernel before 5.11. With procfs the list of open ones; else every number that could be one. */
static int cloexec_by_hand(unsigned first, int keep_fd, int proc_fd)
{
	int list_fd = proc_fd < 0 ? -1 : openat(proc_fd, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct rlimit64 lim = { .rlim_max = 1u << 20 };
	int r = 0;

	if (dir) {
		for (struct dirent *e; !r && (e = readdir(dir));) {
			uint32_t fd;

			if (str_to_u32(e->d_name, &fd) == 0 && fd >= first && (int)fd != keep_fd)
				r = set_cloexec((int)fd);
		}
		return r;
	}
	fd_close(&list_fd);
	/* process_rlimits may have set a limit below fds that are open already. */
	(void)prlimit64(0, RLIMIT_NOFILE, NULL, &lim);
	if (lim.rlim_max < 65536 || lim.rlim_max > INT_MAX)
		lim.rlim_max = 65536;
	for (unsigned fd = first; !r && fd < lim.rlim_max; fd++)
		if ((int)fd != keep_fd)
			r = set_cloexec((int)fd);
	return r;
}

int process_close_fds(struct process_ctx *ctx, int keep_fd, struct err *err)
{
	unsigned first = 3 + ctx->preserve_fds, keep = (unsigned)keep_fd;
	int r = 0;

	if (keep_fd < 0 || keep < first) {
		r = sys_close_range(first, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	} else {
		if (keep > first)
			r = sys_close_range(first, keep - 1, CLOSE_RANGE_CLOEXEC);
		if (!r)
			r = sys_close_range(keep + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	}
	if (r == -ENOSYS || r == -EINVAL || r == -EPERM)
		r = cloexec_by_hand(first, keep_fd, ctx->proc_fd);
	return r < 0 ? err_sys(err, r, "close inherited file descriptors") : 0;
}

int process_seccomp(struct process_ctx *ctx, struct err *err)
{
	const struct seccomp_prog *s = ctx->seccomp;
	struct sock_fprog prog;
	unsigned long flags;
	const char *hint = "";
	long r;

	ctx->notify_fd = -1;
	if (!s || !s->v)
		return 0;
	prog = (struct sock_fprog){ .len = (unsigned short)s->n, .filter = s->v };
	flags = s->flags;
	if (s->notify) {
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
		/* Both give a positive number; the kernel wants to be told that the listener is meant. */
		if (flags & SECCOMP_FILTER_FLAG_TSYNC)
			flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	}
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (r < 0) {
		int code = errno;

		if (code == EACCES)
			hint = " (without no_new_privs it needs CAP_SYS_ADMIN)";
		else if (code == EINVAL)
			hint = " (does this kernel know all of linux.seccomp.flags?)";
		return err_sys(err, -code, "load seccomp filter%s", hint);
	}
	if (s->notify)
		ctx->notify_fd = (int)r;
	return 0;
}

int process_exec(struct process_ctx *ctx, struct err *err)
{
	char text[ERRNO_TEXT_LEN];
	int code;

	execve(ctx->exe, ctx->spec->args.v, ctx->env);
	code = errno;
	/* It was there when it was looked up, so mostly it is what the file names that is not. No look: a strict filter may
	 * be in force, and the error has to get out. */
	if (code == ENOENT)
		return err_set(err, code, "exec: \"%s\": no such file or directory (is its interpreter or loader missing?)", ctx->exe);
	return err_set(err, code, "exec: \"%s\": %s", ctx->exe, errno_text(code, text));
}
