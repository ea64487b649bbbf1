/* SPDX-License-Identifier: Apache-2.0 */
/*
 * touched FILE PROGRAM [ARG...]: run PROGRAM and its children one instruction at a time, until they execute something else, and
 * append to FILE where they have been: addresses of 16-byte pieces of the program, which is not position-independent.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define END   0x1000000ul
#define PIECE 16

static unsigned char seen[END / PIECE];

/* Returns false when the process is no longer ours to watch. */
static int note(pid_t pid, int event, int *execs)
{
	struct user_regs_struct regs;

	if (event == PTRACE_EVENT_EXEC && (*execs)++ > 0) { /* the first one is PROGRAM itself */
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
		return 0;
	}
	if (!event && ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0 && regs.rip < END)
		seen[regs.rip / PIECE] = 1;
	return 1;
}

/* Until first has ended: a child that waits for others goes on without us. */
static void watch(pid_t first)
{
	int status, execs = 0;

	for (pid_t pid = waitpid(-1, &status, __WALL); pid > 0; pid = waitpid(-1, &status, __WALL)) {
		int sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

		if (pid == first && !WIFSTOPPED(status))
			return;
		if (!WIFSTOPPED(status) || (sig == SIGTRAP && !note(pid, status >> 16, &execs)))
			continue;
		(void)ptrace(PTRACE_SINGLESTEP, pid, NULL, sig == SIGTRAP || sig == SIGSTOP ? 0L : (long)sig);
	}
}

int main(int argc, char **argv)
{
	FILE *out = argc > 2 ? fopen(argv[1], "a") : NULL;
	pid_t pid = out ? fork() : -1;
	int status;

	if (pid < 0)
		return 2;
	if (pid == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	(void)ptrace(PTRACE_SETOPTIONS, pid, NULL, (long)(PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC));
	(void)ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
	watch(pid);
	for (unsigned long i = 0; i < END / PIECE; i++)
		if (seen[i])
			fprintf(out, "%lx\n", i * PIECE);
	return fclose(out) == 0 ? 0 : 1;
}
