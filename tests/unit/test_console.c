/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
#include "tests/unit/tap.h"

static void open_pty(int *master, int *slave, bool raw)
{
	struct termios t;
	char name[64];

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*master < 0 || grantpt(*master) < 0 || unlockpt(*master) < 0 || ptsname_r(*master, name, sizeof(name)) != 0)
		exit(1);
	*slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0 || tcgetattr(*slave, &t) < 0)
		exit(1);
	if (raw) {
		cfmakeraw(&t);
		tcsetattr(*slave, TCSANOW, &t);
	}
}

struct scene {
	int in, out;	     /* what the relay gets as 0 and 1 */
	int master, slave;   /* -1: none */
	const char *script;  /* what the container runs, on the slave or on 0 1 2 */
	bool forward;
};

/* In a process of its own: make the container's process, be its relay. Exits with the relay's code. */
static NORETURN void relay_process(const struct scene *s)
{
	struct relay_opts o = { .master_fd = s->master, .status_fd = -1, .is_child = true, .forward_signals = s->forward };
	struct err err = { 0 };
	int r;

	alarm(60);
	dup2(s->in, 0);
	dup2(s->out, 1);
	o.pid = fork();
	if (o.pid == 0) {
		setsid();
		if (s->slave >= 0) {
			for (int fd = 0; fd < 3; fd++)
				dup2(s->slave, fd);
			ioctl(0, TIOCSCTTY, 0);
		}
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execl("/bin/sh", "sh", "-c", s->script, NULL);
		_exit(127);
	}
	if (s->slave >= 0)
		close(s->slave);
	o.pidfd = sys_pidfd_open(o.pid, 0);
	r = console_relay(&o, &err);
	if (r < 0)
		fprintf(stderr, "# relay: %s\n", err.msg);
	_exit(r < 0 ? 250 : r);
}

static int wait_code(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void exit_codes(void)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = { { "exit 0", 0 }, { "exit 7", 7 }, { "kill -9 $$", 137 }, { "kill -TERM $$", 143 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene s = { .in = 0, .out = 1, .master = -1, .slave = -1, .script = cases[i].script };
		pid_t pid = fork();

		if (pid == 0)
			relay_process(&s);
		is_int(wait_code(pid), cases[i].code, "console: '%s' gives its exit code", cases[i].script);
	}
}

/* Bytes are a function of their place, so that a lost, doubled or swapped one shows. */
static unsigned char byte_at(uint64_t i)
{
	return (unsigned char)((i * 2654435761u) >> 13);
}

static void write_pattern(int fd, uint64_t total)
{
	static unsigned char chunk[65536];

	for (uint64_t at = 0; at < total; at += sizeof(chunk)) {
		for (size_t k = 0; k < sizeof(chunk); k++)
			chunk[k] = byte_at(at + k);
		if (fd_write_all(fd, chunk, sizeof(chunk)) < 0)
			_exit(1);
	}
}

static uint64_t check_pattern(int fd, bool slow)
{
	static unsigned char chunk[65536];
	uint64_t at = 0;
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t k = 0; k < n; k++, at++) {
			if (chunk[k] != byte_at(at))
				return at;
		}
		if (slow && at < (1 << 20))
			usleep(2000);
	}
	return at;
}

/* The container writes TOTAL bytes into a raw terminal and exits at once; a reader that starts slowly gets them all. */
static void no_loss_out(uint64_t total)
{
	int out[2], master, slave;
	uint64_t got;
	pid_t pid;

	open_pty(&master, &slave, true);
	if (pipe2(out, O_CLOEXEC) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		struct relay_opts o = { .master_fd = master, .status_fd = -1, .is_child = true };
		struct err err = { 0 };
		int null = open("/dev/null", O_RDONLY);

		close(out[0]);
		dup2(null, 0);
		dup2(out[1], 1);
		close(out[1]);
		o.pid = fork();
		if (o.pid == 0) {
			close(master);
			write_pattern(slave, total);
			_exit(5);
		}
		close(slave);
		o.pidfd = sys_pidfd_open(o.pid, 0);
		_exit(console_relay(&o, &err));
	}
	close(out[1]);
	close(master);
	close(slave);
	got = check_pattern(out[0], true);
	close(out[0]);
	is_int(wait_code(pid), 5, "console: exit code after %llu MiB", (unsigned long long)total >> 20);
	is_int(got, total, "console: %llu MiB come out of the terminal whole, the reader being slow", (unsigned long long)total >> 20);
}

/* TOTAL bytes into the terminal from a pipe; the container's side checks them. */
static void no_loss_in(uint64_t total)
{
	int in[2], master, slave;
	pid_t pid, writer;

	open_pty(&master, &slave, true);
	if (pipe2(in, O_CLOEXEC) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		struct relay_opts o = { .master_fd = master, .status_fd = -1, .is_child = true };
		struct err err = { 0 };

		close(in[1]);
		dup2(in[0], 0);
		o.pid = fork();
		if (o.pid == 0) {
			unsigned char c[4096];
			uint64_t at = 0;

			close(master);
			while (at < total) {
				ssize_t n = read(slave, c, sizeof(c));

				for (ssize_t k = 0; k < n; k++, at++) {
					if (c[k] != byte_at(at))
						_exit(1);
				}
				if (n <= 0)
					_exit(2);
			}
			_exit(42);
		}
		close(slave);
		o.pidfd = sys_pidfd_open(o.pid, 0);
		_exit(console_relay(&o, &err));
	}
	writer = fork();
	if (writer == 0) {
		close(in[0]);
		write_pattern(in[1], total);
		_exit(0);
	}
	close(in[0]);
	close(in[1]);
	close(master);
	close(slave);
	is_int(wait_code(pid), 42, "console: %llu MiB go into the terminal whole", (unsigned long long)total >> 20);
	wait_code(writer);
}

static char *read_text(int fd)
{
	char *text = xcalloc(1, 65536);

	if (fd_read_all(fd, text, 65535) < 0)
		text[0] = '\0';
	return text;
}

static pid_t start(struct scene *s, int out[2])
{
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		exit(1);
	s->out = out[1];
	pid = fork();
	if (pid == 0) {
		close(out[0]);
		relay_process(s);
	}
	close(out[1]);
	if (s->master >= 0)
		close(s->master);
	if (s->slave >= 0)
		close(s->slave);
	return pid;
}

static void end_of_input(const char *input, const char *want, const char *title)
{
	struct scene s = { .script = "cat; echo over", .forward = true };
	AUTO_FREE char *text = NULL;
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		exit(1);
	open_pty(&s.master, &s.slave, false);
	s.in = in[0];
	if (fd_write_all(in[1], input, strlen(input)) < 0)
		exit(1);
	close(in[1]);
	pid = start(&s, out);
	close(in[0]);
	text = read_text(out[0]);
	close(out[0]);
	is_int(wait_code(pid), 0, "console: cat ends with its input");
	like(text, want, "%s", title);
}

static void signals(void)
{
	struct scene s = { .in = 0, .master = -1, .slave = -1, .forward = true };
	AUTO_FREE char *text = NULL;
	char ready[8];
	int out[2];
	pid_t pid;

	s.script = "trap 'echo usr1' USR1; trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
	pid = start(&s, out);
	if (read(out[0], ready, 6) != 6)
		exit(1);
	kill(pid, SIGWINCH);
	kill(pid, SIGUSR1);
	usleep(300000);
	kill(pid, SIGTERM);
	text = read_text(out[0]);
	close(out[0]);
	is_str(text, "usr1\nterm\n", "console: signals reach the container, and not the relay");
	is_int(wait_code(pid), 9, "console: exit code after a forwarded signal");
}

/* The relay's own stdin is a terminal here: raw while it runs, as before when it is over; its size is followed. */
static void users_terminal(void)
{
	struct winsize first = { .ws_row = 33, .ws_col = 101 }, second = { .ws_row = 44, .ws_col = 77 };
	struct scene s = { .forward = true };
	struct termios before = { 0 }, during = { 0 }, after = { 0 };
	AUTO_FREE char *text = NULL;
	int user_master, user_slave, out[2];
	char ready[8];
	pid_t pid;

	open_pty(&user_master, &user_slave, false);
	open_pty(&s.master, &s.slave, false);
	ioctl(user_master, TIOCSWINSZ, &first);
	tcgetattr(user_slave, &before);
	s.in = user_slave;
	s.script = "trap 'stty size; exit 3' WINCH; sleep 0.2; stty size; while :; do sleep 0.05; done";
	pid = start(&s, out);
	if (read(out[0], ready, 8) != 8)
		exit(1);
	ok(strncmp(ready, "33 101\r\n", 8) == 0, "console: the container's terminal has the size of the user's");
	tcgetattr(user_slave, &during);
	ok(!(during.c_lflag & (ICANON | ECHO | ISIG)), "console: the user's terminal is raw meanwhile");
	ioctl(user_master, TIOCSWINSZ, &second);
	kill(pid, SIGWINCH);
	text = read_text(out[0]);
	close(out[0]);
	is_int(wait_code(pid), 3, "console: a new size reaches the container");
	is_str(text, "44 77\r\n", "console: and it is the right one");
	tcgetattr(user_slave, &after);
	ok(memcmp(&before, &after, sizeof(before)) == 0, "console: the user's terminal is as before in the end");
	close(user_master);
	close(user_slave);
}

static void reader_gone(void)
{
	struct scene s = { .in = open("/dev/null", O_RDONLY | O_CLOEXEC), .forward = true };
	int out[2];
	pid_t pid;

	open_pty(&s.master, &s.slave, false);
	s.script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; exit 6";
	pid = start(&s, out);
	close(out[0]);
	is_int(wait_code(pid), 6, "console: a reader that goes away neither blocks nor kills the container");
	close(s.in);
}

static void shared_flags(void)
{
	int out[2], before, after;
	struct scene s = { .in = open("/dev/null", O_RDONLY | O_CLOEXEC), .script = "echo x" };
	AUTO_FREE char *text = NULL;
	pid_t pid;

	open_pty(&s.master, &s.slave, false);
	if (pipe2(out, O_CLOEXEC) < 0)
		exit(1);
	s.out = out[1];
	before = fcntl(out[1], F_GETFL);
	pid = fork();
	if (pid == 0)
		relay_process(&s);
	close(s.master);
	close(s.slave);
	wait_code(pid);
	after = fcntl(out[1], F_GETFL);
	is_int(after, before, "console: flags of a shared stdout are not changed");
	close(out[1]);
	text = read_text(out[0]);
	is_str(text, "x\r\n", "console: and what was written is there");
	close(out[0]);
	close(s.in);
}

static void sockets(void)
{
	char path[] = "/tmp/brig-test-console-XXXXXX";
	AUTO_CLOSE int listener = -1;
	AUTO_CLOSE int sock = -1;
	AUTO_CLOSE int peer = -1;
	int master, slave, got = -1;
	struct err err = { 0 };
	char name[64] = "";
	size_t nfds = 0;
	ssize_t n;

	if (!mkdtemp(path) || chdir(path) < 0)
		exit(1);
	ok(console_connect("none", &err) < 0, "console: a socket that is not there");
	like(err.msg, "connect to console socket 'none': No such file", "console: the error names it");
	listener = fd_unix_listen(AT_FDCWD, "s");
	sock = console_connect("s", &err);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	open_pty(&master, &slave, false);
	ok(sock >= 0 && console_send(sock, master, "/dev/pts/7", &err) == 0, "console: send a terminal");
	n = fd_recv(peer, name, sizeof(name) - 1, &got, 1, &nfds);
	ok(n == 10 && nfds == 1 && strcmp(name, "/dev/pts/7") == 0 && isatty(got), "console: it arrives with its name");
	close(got);
	close(master);
	close(slave);
	unlink("s");
	if (chdir("/") == 0)
		rmdir(path);
}

int main(void)
{
	const char *big = getenv("TEST_BIG_MIB");
	uint64_t mib = big ? strtoull(big, NULL, 10) : 16;

	exit_codes();
	signals();
	end_of_input("line\n", "over", "console: the end of the input reaches the container");
	end_of_input("no end of line", "over", "console: also behind an unfinished line");
	users_terminal();
	reader_gone();
	shared_flags();
	sockets();
	no_loss_out(mib << 20);
	no_loss_in(mib << 18);
	return done();
}
