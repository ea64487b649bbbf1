/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp agent: seccomp_agent SOCKET STATE-FILE ERRNO
 * Listens on SOCKET, takes one container process state with its fd, writes the state to STATE-FILE, and answers every
 * syscall that is notified with ERRNO until the container is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(a.sun_path, path, strlen(path));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4) < 0)
		die("listen");
	return fd;
}

/* One message; the fd comes with its first byte. */
static int take_state(int conn, const char *file)
{
	static char text[65536];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	size_t len = 0;
	int fd = -1, out;
	ssize_t n;

	do {
		struct iovec iov = { text + len, sizeof(text) - len };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
		struct cmsghdr *c;

		n = recvmsg(conn, &m, MSG_CMSG_CLOEXEC);
		if (n < 0)
			die("recvmsg");
		c = CMSG_FIRSTHDR(&m);
		if (c && c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		len += (size_t)n;
	} while (n > 0);
	out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0 || write(out, text, len) != (ssize_t)len)
		die(file);
	close(out);
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd p = { .events = POLLIN };
	int answer, listener;

	if (argc != 4)
		return 2;
	answer = (int)strtol(argv[3], NULL, 10);
	listener = listen_at(argv[1]);
	p.fd = take_state(accept(listener, NULL, NULL), argv[2]);
	if (p.fd < 0) {
		fputs("no fd came with the state\n", stderr);
		return 1;
	}
	while (poll(&p, 1, -1) > 0 && !(p.revents & POLLHUP)) {
		struct seccomp_notif req;
		struct seccomp_notif_resp resp;

		memset(&req, 0, sizeof(req));
		if (ioctl(p.fd, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0)
			continue; /* the caller was killed meanwhile */
		memset(&resp, 0, sizeof(resp));
		resp.id = req.id;
		resp.error = -answer;
		(void)ioctl(p.fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
	return 0;
}
