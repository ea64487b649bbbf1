/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first ROUNDS COMMAND [COMMAND]...: run each shell command in turn, ROUNDS times, and print for each how long it took until it wrote
 * its first byte to standard output (median and least, in ms). Then it is killed. For the boot of a machine, whose end is not the point.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 300000

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static pid_t start(const char *command, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)setpgid(0, 0); /* what the shell starts is killed along */
		(void)dup2(out, STDOUT_FILENO);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)setpgid(pid, pid);
	return pid;
}

static double first_byte(const char *command)
{
	double begin = now_ms(), took;
	struct pollfd p;
	int fds[2];
	pid_t pid;
	char byte;

	if (pipe(fds) < 0 || (pid = start(command, fds[1])) < 0) {
		perror("first");
		exit(1);
	}
	(void)close(fds[1]);
	p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	if (poll(&p, 1, PATIENCE_MS) != 1 || read(fds[0], &byte, 1) != 1) {
		(void)fprintf(stderr, "first: nothing was written by: %s\n", command);
		took = -1;
	} else {
		took = now_ms() - begin;
	}
	(void)kill(-pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(fds[0]);
	return took;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[1]) : 0, commands = argc - 2;
	double *took = rounds > 0 ? calloc((size_t)rounds * (size_t)commands, sizeof(*took)) : NULL;

	if (!took) {
		(void)fprintf(stderr, "usage: first ROUNDS COMMAND [COMMAND]...\n");
		return 2;
	}
	for (int i = 0; i < rounds; i++)
		for (int c = 0; c < commands; c++) {
			double ms = first_byte(argv[2 + c]);

			if (ms < 0)
				return 1;
			took[c * rounds + i] = ms;
		}
	for (int c = 0; c < commands; c++) {
		qsort(took + (size_t)c * (size_t)rounds, (size_t)rounds, sizeof(*took), by_value);
		(void)printf("  %9.1f ms (least %.1f)  %.60s\n", took[c * rounds + rounds / 2], took[c * rounds], argv[2 + c]);
	}
	free(took);
	return 0;
}
