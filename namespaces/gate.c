/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * DOC: exec before the start, by an unprivileged user
 *
 * The init child is not dumpable until it executes the container's program, so its /proc/PID/ns belongs to root, and a pidfd
 * of it gives nobody else its namespaces. Root opens them regardless; everybody else asks the child at its gate, which only the
 * owner of the state directory can reach, and gets them as fds.
 */
#define NS_PATH_LEN 40

static const char *own_ns_path(int type, char path[NS_PATH_LEN])
{
	snprintf(path, NS_PATH_LEN, "/proc/self/ns/%s", ns_proc_names[type]);
	return path;
}

int gate_keep_namespaces(struct init_ctx *ctx, struct err *err)
{
	char path[NS_PATH_LEN];

	if (ctx->privileged || ctx->gate_fd < 0)
		return 0;
	for (int t = 0; t < NS_TYPES; t++) {
		ctx->own_ns_fds[t] = open(own_ns_path(t, path), O_RDONLY | O_CLOEXEC);
		if (ctx->own_ns_fds[t] < 0 && errno != ENOENT) /* a kernel without that type */
			return err_sys(err, -errno, "open '%s'", path);
	}
	return 0;
}

static void send_namespaces(const struct init_ctx *ctx, int sock)
{
	struct {
		uint32_t kind;
		char types[NS_TYPES];
	} message = { .kind = SYNC_NAMESPACES };
	int fds[NS_TYPES];
	size_t n = 0;

	for (int t = 0; t < NS_TYPES; t++) {
		if (ctx->own_ns_fds[t] < 0)
			continue;
		message.types[n] = (char)t;
		fds[n++] = ctx->own_ns_fds[t];
	}
	(void)!fd_send(sock, &message, sizeof(message.kind) + n, fds, n); /* whoever asked sees the end of file */
}

/* Who connects to the gate and goes away without a word (a killed start, a look at the status) changes nothing. */
int gate_wait(struct init_ctx *ctx, struct err *err)
{
	for (;;) {
		AUTO_CLOSE int fd = accept4(ctx->gate_fd, NULL, NULL, SOCK_CLOEXEC);
		int r;

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return err_sys(err, -errno, "wait at the gate");
		r = sync_recv(fd, 1u << SYNC_START | 1u << SYNC_NAMESPACES, NULL, NULL, NULL, NULL);
		if (r == SYNC_NAMESPACES)
			send_namespaces(ctx, fd);
		if (r != SYNC_START)
			continue;
		ctx->sync_fd = TAKE_FD(fd);
		fd_close(&ctx->gate_fd);
		for (int t = 0; t < NS_TYPES; t++)
			fd_close(&ctx->own_ns_fds[t]);
		return 0;
	}
}

/* Keep what differs from ours: nobody may join the user namespace that he is in. */
static int take_namespace(struct init_ctx *ctx, int type, int *fd)
{
	char path[NS_PATH_LEN];
	struct stat mine, theirs;

	if (type < 0 || type >= NS_TYPES || ctx->ns_fds[type] >= 0)
		return -EPROTO;
	if (fstat(*fd, &theirs) < 0 || stat(own_ns_path(type, path), &mine) < 0)
		return -errno;
	if (mine.st_ino != theirs.st_ino || mine.st_dev != theirs.st_dev)
		ctx->ns_fds[type] = TAKE_FD(*fd);
	return 0;
}

int gate_ask_namespaces(struct init_ctx *ctx, struct err *err)
{
	AUTO_CLOSE int sock = fd_seqpacket_connect(ctx->container->dir_fd, "gate");
	struct {
		uint32_t kind;
		char types[NS_TYPES];
	} message = { 0 };
	int fds[NS_TYPES];
	size_t n = 0;
	ssize_t got;
	int r = sock < 0 ? sock : sync_send(sock, SYNC_NAMESPACES, NULL, 0, -1);

	if (r < 0)
		return err_sys(err, r, "open the gate");
	got = fd_recv(sock, &message, sizeof(message), fds, NS_TYPES, &n);
	if (got < 0)
		return err_sys(err, (int)got, "receive the container's namespaces");
	r = message.kind == SYNC_NAMESPACES && n && (size_t)got == sizeof(message.kind) + n ? 0 : -EPROTO;
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = take_namespace(ctx, message.types[i], &fds[i]);
		fd_close(&fds[i]);
	}
	return r < 0 ? err_sys(err, r, "the container's namespaces") : 0;
}
