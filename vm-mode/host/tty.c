/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/tty.h"

#include "runtime/base/fd.h"
#include "runtime/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static int open_pair(int *ret_master, int *ret_slave, char name[32])
{
	AUTO_CLOSE int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO_CLOSE int slave = -1;
	struct termios t;
	unsigned n;
	int unlock = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &n) < 0)
		return -errno;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (slave < 0 || tcgetattr(slave, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	if (tcsetattr(slave, TCSANOW, &t) < 0)
		return -errno;
	snprintf(name, 32, "/dev/pts/%u", n);
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}

static int deliver(int master, const char *name, const char *console_socket, int *ret_socket, struct err *err)
{
	AUTO_CLOSE int sock = -1;
	int pair[2], r;

	if (console_socket) {
		sock = console_connect(console_socket, err);
		return sock < 0 ? sock : console_send(sock, master, name, err);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	sock = pair[1];
	r = console_send(sock, master, name, err);
	if (r < 0)
		close(pair[0]);
	else
		*ret_socket = pair[0];
	return r;
}

int vm_tty_open(const struct spec_process *p, const char *console_socket, int *ret_slave, int *ret_socket, struct err *err)
{
	AUTO_CLOSE int master = -1;
	AUTO_CLOSE int slave = -1;
	char name[32];
	int r = open_pair(&master, &slave, name);

	if (r < 0)
		return err_sys(err, r, "open a terminal");
	if (p->has_console_size) {
		struct winsize size = { .ws_row = p->console_rows, .ws_col = p->console_cols };

		(void)ioctl(master, TIOCSWINSZ, &size); /* 80x24 is not wrong either */
	}
	r = deliver(master, name, console_socket, ret_socket, err);
	if (r < 0)
		return r;
	*ret_slave = TAKE_FD(slave);
	return 0;
}

int vm_tty_take(int slave_fd, struct err *err)
{
	AUTO_CLOSE int null_fd = -1;

	(void)setsid(); /* EPERM: it leads one already */
	if (slave_fd < 0)
		return 0;
	if (ioctl(slave_fd, TIOCSCTTY, 0) < 0)
		return err_sys(err, -errno, "take the terminal");
	/* Whoever started the runtime may wait for the end of its output, which this process must not hold open. */
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return err_sys(err, -errno, "open '/dev/null'");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null_fd, fd) < 0)
			return err_sys(err, -errno, "dup2");
	return 0;
}
