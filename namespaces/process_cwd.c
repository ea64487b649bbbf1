/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/process_internal.h"

#include "runtime/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CWD_MODE 0755

static const char *wanted_cwd(const struct process_ctx *ctx)
{
	if (ctx->spec->cwd && *ctx->spec->cwd)
		return ctx->spec->cwd;
	return ctx->default_cwd && *ctx->default_cwd ? ctx->default_cwd : "/";
}

/*
 * A directory fd that leaked from the host could be reached as /proc/self/fd/N, and a cwd there is a way out of the
 * container (CVE-2024-21626). The kernel's getcwd says "(unreachable)" for what is not below our root, and ENOENT for
 * what was removed; both are refused.
 */
static int check_inside(void)
{
	char path[PATH_MAX + 16];
	long n = syscall(SYS_getcwd, path, sizeof(path));

	if (n < 0)
		return errno == ENOENT ? -EXDEV : -errno;
	return path[0] == '/' ? 0 : -EXDEV;
}

int cwd_enter(struct process_ctx *ctx, bool make)
{
	AUTO_CLOSE int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	mode_t mask;

	if (root_fd < 0)
		return -errno;
	fd = path_open_in_root(root_fd, wanted_cwd(ctx), O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT && make) {
		mask = umask(0);
		fd = path_mkdir_in_root(root_fd, wanted_cwd(ctx), CWD_MODE);
		umask(mask);
	}
	if (fd < 0)
		return fd;
	if (fchdir(fd) < 0)
		return -errno;
	return check_inside();
}

int cwd_error(const struct process_ctx *ctx, int r, struct err *err)
{
	if (r == -EXDEV)
		return err_set(err, EXDEV,
			       "current working directory is outside of container mount namespace root -- possible container "
			       "breakout attempt detected");
	return err_sys(err, r, "chdir to cwd '%s'", wanted_cwd(ctx));
}

int process_cwd(struct process_ctx *ctx, struct err *err)
{
	const char *cwd = wanted_cwd(ctx);
	int r;

	if (cwd[0] != '/')
		return err_set(err, EINVAL, "process.cwd: '%s' is not an absolute path", cwd);
	r = cwd_enter(ctx, !ctx->is_exec); /* the container's own is made, as engines expect; a mistyped one of exec is an error */
	/* Root of a user namespace, or without CAP_DAC_*: the user may have the right that root has not. */
	if (r == -EACCES) {
		ctx->cwd_as_user = true;
		return 0;
	}
	return r < 0 ? cwd_error(ctx, r, err) : 0;
}
