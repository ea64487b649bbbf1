/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

void fd_close(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

int fd_write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;

	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Up to n bytes; at `end` bytes no more are expected. */
static ssize_t read_until(int fd, void *buf, size_t n, size_t end)
{
	char *p = buf;
	size_t got = 0;

	while (got < n && got != end) {
		ssize_t r = read(fd, p + got, n - got);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!r)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

ssize_t fd_read_all(int fd, void *buf, size_t n)
{
	return read_until(fd, buf, n, n);
}

int fd_read_file(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *p = NULL;
	size_t cap = 1024, len = 0, size = SIZE_MAX;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size <= max)
		cap = (size = (size_t)st.st_size) + 2;
	for (;;) {
		ssize_t r;

		p = xreallocarray(p, cap, 1);
		/* All of it, and less than was asked for: that was the end. */
		r = read_until(fd, p + len, cap - 1 - len, len ? SIZE_MAX : size);
		if (r < 0)
			return (int)r;
		len += (size_t)r;
		if (len > max)
			return -EFBIG;
		if (len < cap - 1)
			break;
		cap *= 2;
	}
	p[len] = '\0';
	if (ret_len)
		*ret_len = len;
	*ret = TAKE_PTR(p);
	return 0;
}

int fd_memory_file(const char *name, const void *data, size_t n)
{
	AUTO_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	int r;

	if (fd < 0 && errno == EINVAL) /* before 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, n);
	if (r < 0)
		return r;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

int fd_write_file(int dir_fd, const char *path, const char *text)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);
	ssize_t w;

	if (fd < 0)
		return -errno;
	do
		w = write(fd, text, n);
	while (w < 0 && errno == EINTR);
	if (w < 0)
		return -errno;
	return (size_t)w == n ? 0 : -EIO;
}

int fd_write_new_file(int dir_fd, const char *path, const void *data, size_t n, mode_t mode)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	return fd < 0 ? -errno : fd_write_all(fd, data, n);
}

int fd_write_file_atomic(int dir_fd, const char *path, const void *data, size_t n, mode_t mode, bool fsync_it)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path + 1) : 0;
	AUTO_FREE char *tmp = xasprintf("%.*s.%s.%d", dir_len, path, slash ? slash + 1 : path, (int)getpid());
	AUTO_CLOSE int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, n);
	if (!r && fsync_it && fsync(fd) < 0)
		r = -errno;
	if (!r && renameat(dir_fd, tmp, dir_fd, path) < 0)
		r = -errno;
	if (r)
		(void)unlinkat(dir_fd, tmp, 0); /* the first error counts */
	return r;
}

#define MAX_FDS 8

int fd_send(int sock_fd, const void *data, size_t n, const int *fds, size_t nfds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MAX_FDS)] = { 0 };
	struct iovec iov = { .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t w;

	if (!n || nfds > MAX_FDS)
		return -EINVAL;
	memcpy(&iov.iov_base, &data, sizeof(data)); /* sendmsg does not write to it; iovec has no const */
	if (nfds) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	do
		w = sendmsg(sock_fd, &msg, MSG_NOSIGNAL);
	while (w < 0 && errno == EINTR);
	if (w < 0)
		return -errno;
	return (size_t)w == n ? 0 : -EIO;
}

ssize_t fd_recv(int sock_fd, void *data, size_t n, int *ret_fds, size_t max_fds, size_t *ret_nfds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MAX_FDS)] = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int got[MAX_FDS];
	size_t ngot = 0;
	ssize_t r;

	do
		r = recvmsg(sock_fd, &msg, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t k = c->cmsg_len > CMSG_LEN(0) ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || ngot + k > MAX_FDS)
			continue;
		memcpy(got + ngot, CMSG_DATA(c), k * sizeof(int));
		ngot += k;
	}
	if (ngot > max_fds || (msg.msg_flags & MSG_CTRUNC)) {
		while (ngot)
			fd_close(&got[--ngot]);
		return -EPROTO;
	}
	if (ngot)
		memcpy(ret_fds, got, ngot * sizeof(int));
	if (ret_nfds)
		*ret_nfds = ngot;
	return r;
}

/* Fill sun for dir_fd/path. A long path goes through an O_PATH fd of its directory, which the caller closes. */
static int unix_address(int dir_fd, const char *path, struct sockaddr_un *sun, int *ret_dir_fd)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
	AUTO_CLOSE int fd = -1;
	int n;

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (dir_fd == AT_FDCWD || path[0] == '/') {
		n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s", path);
		if (n >= 0 && (size_t)n < sizeof(sun->sun_path))
			return 0;
	}
	fd = openat(dir_fd, dir ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(sun->sun_path, sizeof(sun->sun_path), "/proc/self/fd/%d/%s", fd, slash ? slash + 1 : path);
	if (n < 0 || (size_t)n >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	*ret_dir_fd = TAKE_FD(fd);
	return 0;
}

static int unix_socket(int dir_fd, const char *path, int type, bool listening)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	AUTO_CLOSE int parent_fd = -1;
	struct sockaddr_un sun;
	int r;

	if (fd < 0)
		return -errno;
	r = unix_address(dir_fd, path, &sun, &parent_fd);
	if (r < 0)
		return r;
	if (listening)
		r = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) || listen(fd, 8);
	else
		r = connect(fd, (struct sockaddr *)&sun, sizeof(sun));
	if (r)
		return -errno;
	return TAKE_FD(fd);
}

int fd_unix_connect(int dir_fd, const char *path)
{
	return unix_socket(dir_fd, path, SOCK_STREAM, false);
}

int fd_unix_listen(int dir_fd, const char *path)
{
	return unix_socket(dir_fd, path, SOCK_STREAM, true);
}

int fd_seqpacket_connect(int dir_fd, const char *path)
{
	return unix_socket(dir_fd, path, SOCK_SEQPACKET, false);
}

int fd_seqpacket_listen(int dir_fd, const char *path)
{
	return unix_socket(dir_fd, path, SOCK_SEQPACKET, true);
}

const char *fd_proc_path(int fd, char buf[FD_PROC_PATH_LEN])
{
	snprintf(buf, FD_PROC_PATH_LEN, "/proc/self/fd/%d", fd);
	return buf;
}

void fd_open_std(void)
{
	for (int fd = open("/dev/null", O_RDWR | O_CLOEXEC); fd >= 0; fd = open("/dev/null", O_RDWR | O_CLOEXEC)) {
		if (fd > STDERR_FILENO) {
			close(fd);
			return;
		}
		(void)fcntl(fd, F_SETFD, 0);
	}
}
