/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * DOC: mounts where the kernel's newer calls are missing or denied
 *
 * Detached mounts need open_tree, fsopen, fsmount, move_mount and mount_setattr. Old kernels lack them, and the seccomp and AppArmor
 * profiles of a container around us may deny them. Then each mount is made by mount(2) in a directory, or on a file, of a tmpfs of our own,
 * and moved from there to its place. So mounts and places are fds here, too: what mount(2) gets as a path is /proc/self/fd/N,
 * in the host's procfs.
 *
 * The tmpfs covers the root of our mount namespace. Nobody finds it by a path, since look-ups start below it, but for "/..". It goes
 * away together with the host's tree.
 */

static int stage_open(struct init_ctx *ctx)
{
	AUTO_CLOSE int fd = -1;

	if (ctx->stage_fd >= 0)
		return 0;
	/* An exec'd process is in the container's mount namespace, where nothing may be left. */
	if (ctx->is_exec)
		return -EPERM;
	if (mount("brig", "/", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") < 0)
		return -errno;
	fd = open("/..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Out of a shared mount nothing can be moved. */
	if (mount(NULL, "/..", NULL, MS_PRIVATE, NULL) < 0)
		return -errno;
	ctx->stage_fd = TAKE_FD(fd);
	return 0;
}

/* A new directory or file on the stage to mount on. */
static int make_place(struct init_ctx *ctx, bool is_dir, char name[16])
{
	int r = stage_open(ctx), fd;

	if (r < 0)
		return r;
	snprintf(name, 16, "%u", ctx->stage_count++);
	if (is_dir && mkdirat(ctx->stage_fd, name, 0700) < 0)
		return -errno;
	fd = openat(ctx->stage_fd, name, is_dir ? O_PATH | O_DIRECTORY | O_CLOEXEC : O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

/* The same name leads to the mount that now covers the place. */
static int open_mount(struct init_ctx *ctx, const char *name)
{
	int fd = openat(ctx->stage_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int stage_new(struct init_ctx *ctx, const char *type, const char *source, const char *options, uint64_t ms_flags)
{
	char name[16], path[FD_PROC_PATH_LEN];
	AUTO_CLOSE int place = make_place(ctx, true, name);

	if (place < 0)
		return place;
	if (mount(source ? source : type, fd_proc_path(place, path), type, ms_flags & ~(uint64_t)(MS_REC | MS_BIND), options ? options : "") < 0)
		return -errno;
	return open_mount(ctx, name);
}

int stage_clone(struct init_ctx *ctx, int source_fd, bool recursive)
{
	char name[16], from[FD_PROC_PATH_LEN], to[FD_PROC_PATH_LEN];
	AUTO_CLOSE int place = -1;
	struct stat st;

	if (fstat(source_fd, &st) < 0)
		return -errno;
	place = make_place(ctx, S_ISDIR(st.st_mode), name);
	if (place < 0)
		return place;
	if (mount(fd_proc_path(source_fd, from), fd_proc_path(place, to), NULL, MS_BIND | (recursive ? MS_REC : 0), NULL) < 0)
		return -errno;
	return open_mount(ctx, name);
}

int stage_move(int from_fd, int to_fd)
{
	char from[FD_PROC_PATH_LEN], to[FD_PROC_PATH_LEN];

	return mount(fd_proc_path(from_fd, from), fd_proc_path(to_fd, to), NULL, MS_MOVE, NULL) < 0 ? -errno : 0;
}

int stage_switch(struct init_ctx *ctx)
{
	int r = stage_open(ctx);

	for (size_t i = 0; r == 0 && i < ctx->plan->n_ops; i++) {
		struct op *op = &ctx->plan->ops[i];

		if (op->src_fd >= 0 && op->mount->idmap)
			return -EOPNOTSUPP; /* the mapping lies on the detached tree */
		fd_close(&op->src_fd);
	}
	ctx->staged = r == 0;
	log_debug("mounts are made by mount(2): the newer calls are missing or denied");
	return r;
}
