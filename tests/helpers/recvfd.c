/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recvfd SOCKET console [COLSxROWS]: what an engine does behind --console-socket. Takes one pty master, prints
 * "name: NAME" and "got" on stderr, sets the window size, and copies pty to stdout and stdin to pty until the pty ends.
 * recvfd SOCKET pidfd: takes one pidfd and prints the pid it stands for.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int receive(const char *path, char *name, size_t size)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} u;
	struct iovec v = { name, size - 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c;
	ssize_t n;
	int s, fd;

	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) >= (int)sizeof(a.sun_path)) {
		fprintf(stderr, "socket path is too long\n");
		exit(1);
	}
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 1) < 0)
		fail(path);
	fd = accept(s, NULL, NULL);
	if (fd < 0)
		fail("accept");
	n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	if (n < 0)
		fail("recvmsg");
	name[n] = '\0';
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS) {
		fprintf(stderr, "no fd came\n");
		exit(1);
	}
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int show_pidfd(int fd)
{
	char path[64], line[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		fail(path);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Pid:", 4)) {
			printf("%ld\n", strtol(line + 4, NULL, 10));
			return 0;
		}
	fprintf(stderr, "not a pidfd\n");
	return 1;
}

static int copy(int from, int to)
{
	char buf[65536], *p = buf;
	ssize_t n = read(from, buf, sizeof(buf)), w;

	for (; n > 0; n -= w, p += w) {
		w = write(to, p, (size_t)n);
		if (w < 0)
			return -1;
		if (n == w)
			return 1;
	}
	return (int)n;
}

int main(int argc, char **argv)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	struct winsize ws = { 0 };
	char name[4096];
	int fd;

	if (argc < 3)
		return 2;
	fd = receive(argv[1], name, sizeof(name));
	if (!strcmp(argv[2], "pidfd"))
		return show_pidfd(fd);
	if (argc > 3) {
		char *end;

		ws.ws_col = (unsigned short)strtoul(argv[3], &end, 10);
		ws.ws_row = (unsigned short)strtoul(end + 1, NULL, 10);
		if (ioctl(fd, TIOCSWINSZ, &ws) < 0)
			fail("TIOCSWINSZ");
	}
	fprintf(stderr, "name: %s\ngot\n", name);
	p[0].fd = fd;
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents && copy(fd, 1) <= 0)
			break;
		if (p[1].revents && copy(0, fd) <= 0)
			p[1].fd = -1;
	}
	return 0;
}
