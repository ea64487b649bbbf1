/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/lend.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct lent {
	pid_t pid; /* by the kernel, before the child runs */
	pid_t seen;
	char *heap;
	const char *program;
};

static void child(void *arg)
{
	struct lent *l = arg;
	char *argv[] = { (char[]){ "true" }, NULL };

	l->seen = l->pid;
	l->heap = malloc(100000); /* the parent's heap grows */
	if (l->heap)
		l->heap[99999] = 'x';
	if (l->program)
		(void)execv(l->program, argv);
	_exit(7);
}

static void check(const char *what, const char *program, int code)
{
	struct lent l = { .program = program };
	int pidfd = -1, status = 0;
	pid_t pid = sys_clone_lend(0, -1, &l.pid, &pidfd, child, &l);

	if (pid == -ENOSYS) {
		ok(true, "%s # skip this build cannot lend memory", what);
		return;
	}
	ok(pid > 0 && l.seen == pid && pidfd >= 0 && l.heap && l.heap[99999] == 'x' && waitpid(pid, &status, 0) == pid &&
	   WIFEXITED(status) && WEXITSTATUS(status) == code, "%s", what);
	free(l.heap);
	close(pidfd);
}

int main(void)
{
	check("lend: a child that exits leaves what it wrote in its parent's memory", NULL, 7);
	check("lend: a child that executes a program does, too", "/bin/true", 0);
	check("lend: a program that is not there", "/nonexistent", 7);
	return done();
}
