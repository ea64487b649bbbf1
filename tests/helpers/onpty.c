/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onpty COLSxROWS COMMAND...: a terminal for a command, without a terminal. Runs it on a new pty of that size, copies its
 * output to stdout and stdin to it, makes the window 101x51 on SIGUSR1, and ends with its exit code.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t resize;

static void on_usr1(int sig)
{
	(void)sig;
	resize = 1;
}

static ssize_t copy(int from, int to)
{
	char buf[65536];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n > 0 && write(to, buf, (size_t)n) != n)
		return -1;
	return n;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	struct winsize ws = { 0 }, big = { .ws_col = 101, .ws_row = 51 };
	struct pollfd p[2] = { { .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	char *end;
	int m, status;
	pid_t pid;

	if (argc < 3)
		return 2;
	ws.ws_col = (unsigned short)strtoul(argv[1], &end, 10);
	ws.ws_row = (unsigned short)strtoul(end + 1, NULL, 10);
	m = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (m < 0 || grantpt(m) < 0 || unlockpt(m) < 0 || ioctl(m, TIOCSWINSZ, &ws) < 0) {
		perror("pty");
		return 1;
	}
	pid = fork();
	if (pid == 0) {
		int s;

		(void)setsid();
		s = open(ptsname(m), O_RDWR);
		if (s < 0 || dup2(s, 0) < 0 || dup2(s, 1) < 0 || dup2(s, 2) < 0)
			_exit(126);
		if (s > 2)
			(void)close(s);
		(void)execvp(argv[2], argv + 2);
		_exit(127);
	}
	(void)sigaction(SIGUSR1, &sa, NULL);
	p[0].fd = m;
	for (;;) {
		if (resize) {
			resize = 0;
			(void)ioctl(m, TIOCSWINSZ, &big);
		}
		if (poll(p, 2, 100) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (p[0].revents && copy(m, 1) <= 0)
			break;
		if (p[1].revents && copy(0, m) <= 0)
			p[1].fd = -1;
	}
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
