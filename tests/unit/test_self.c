/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/program.h"
#include "runtime/self.h"
#include "tests/unit/tap.h"

static char program[] = "/tmp/brig-test-self-XXXXXX";

/* A copy of this program is run as a child that protects itself, reports, and waits for the end of its stdin. */
static int child_main(char **argv)
{
	AUTO_FREE char *path = NULL;
	struct err err = { 0 };
	char c;

	if (self_protect(argv, NULL, &err) < 0) {
		printf("failed: %s\n", err.msg);
		return 1;
	}
	path = program_path();
	printf("argv0=%s arg=%s env=%s path=%s\n", argv[0], argv[2], getenv("KEPT"), path ? path : "unknown");
	fflush(stdout);
	return read(0, &c, 1) == 0 ? 0 : 1;
}

/* mark: 0 none, 1 the one of an earlier run of this process, 2 one that was inherited. Returns what it printed.
 * attack: what a process in the container would try, the errno of it. */
static char *run_child(int mark, int *attack)
{
	char *argv[] = { (char[]){ "my-name" }, (char[]){ "--child" }, (char[]){ "two words" }, NULL };
	char *text = xcalloc(1, 4096), path[64];
	AUTO_CLOSE int link_fd = -1;
	AUTO_CLOSE int write_fd = -1;
	int out[2], in[2], status;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(in, O_CLOEXEC) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		setenv("KEPT", "yes", 1);
		snprintf(path, sizeof(path), "%d:/elsewhere/brig-oci", mark == 1 ? (int)getpid() : (int)getppid());
		if (mark)
			setenv(PROGRAM_MARK, path, 1);
		execv(program, argv);
		_exit(127);
	}
	close(out[1]);
	close(in[0]);
	if (read(out[0], text, 4095) < 0)
		text[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	link_fd = open(path, O_PATH | O_CLOEXEC);
	close(out[0]);
	close(in[1]);
	waitpid(pid, &status, 0);
	/* while it ran, the file was busy; now only the protection is in the way */
	*attack = 0;
	if (link_fd >= 0)
		write_fd = open(fd_proc_path(link_fd, path), O_WRONLY | O_CLOEXEC);
	if (write_fd < 0)
		*attack = errno;
	else if (write(write_fd, "x", 1) < 0)
		*attack = errno;
	return text;
}

static void copy_program(void)
{
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int fd = mkostemp(program, O_CLOEXEC);
	size_t n;

	if (fd < 0 || fd_read_file(AT_FDCWD, "/proc/self/exe", 64 << 20, &text, &n) < 0 || fd_write_all(fd, text, n) < 0 ||
	    fchmod(fd, 0700) < 0)
		exit(1);
}

static void sealed_copy(void)
{
	AUTO_CLOSE int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int copy = self_sealed_copy(exe);
	char path[FD_PROC_PATH_LEN];
	AUTO_CLOSE int again = -1;
	ssize_t n;

	ok(copy >= 0 && self_is_sealed(copy), "self: a copy is sealed");
	ok(!self_is_sealed(exe), "self: the program's file is not");
	is_int(lseek(copy, 0, SEEK_END), lseek(exe, 0, SEEK_END), "self: the copy is whole");
	again = open(fd_proc_path(copy, path), O_RDWR | O_CLOEXEC);
	n = again < 0 ? -1 : pwrite(again, "x", 1, 0);
	ok(n < 0, "self: nobody can write to the copy, also not through /proc");
}

int main(int argc, char **argv)
{
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *second = NULL;
	AUTO_FREE char *third = NULL;
	int attack;

	if (argc > 2 && strcmp(argv[1], "--child") == 0)
		return child_main(argv);
	sealed_copy();
	copy_program();
	first = run_child(0, &attack);
	like(first, "argv0=my-name arg=two words env=yes", "self: arguments and environment survive");
	like(first, program, "self: the second run knows where the program lies");
	ok(attack == EROFS || attack == EPERM, "self: the program cannot be written through /proc/PID/exe (%s)", strerror(attack));
	second = run_child(2, &attack);
	like(second, program, "self: the mark of another process says nothing");
	ok(attack == EROFS || attack == EPERM, "self: ... and does not switch the protection off (%s)", strerror(attack));
	third = run_child(1, &attack);
	like(third, "failed: protect '/proc/self/exe': still writable", "self: a second run that is unprotected ends, without a loop");
	unlink(program);
	return done();
}
