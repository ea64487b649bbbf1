/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs ROUNDS COMMAND [ARG...] [-- COMMAND [ARG...]]...: run the commands in turn, ROUNDS times, in another order each time, and print
 * for each: wall time and processor time (its own and its children's; median and first quartile), the largest resident set, and
 * how often it failed. Processor time is what stays steady on a machine that others use, too.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_COMMANDS 16

struct command {
	char **argv;
	double *wall_ms, *cpu_ms;
	long rss_kib;
	int failed;
};

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double to_ms(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static void run(struct command *c, int round)
{
	posix_spawn_file_actions_t quiet;
	struct rusage used;
	double start = now_ms();
	int status;
	pid_t pid;

	(void)posix_spawn_file_actions_init(&quiet);
	for (int fd = 0; fd < 3; fd++)
		(void)posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_RDWR, 0);
	if (posix_spawnp(&pid, c->argv[0], &quiet, NULL, c->argv, environ) != 0 || wait4(pid, &status, 0, &used) != pid) {
		perror(c->argv[0]);
		exit(1);
	}
	c->wall_ms[round] = now_ms() - start;
	c->cpu_ms[round] = to_ms(used.ru_utime) + to_ms(used.ru_stime);
	c->failed += status != 0;
	if (used.ru_maxrss > c->rss_kib)
		c->rss_kib = used.ru_maxrss;
	(void)posix_spawn_file_actions_destroy(&quiet);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print(struct command *c, int rounds)
{
	const char *slash = strrchr(c->argv[0], '/');

	qsort(c->wall_ms, (size_t)rounds, sizeof(double), compare);
	qsort(c->cpu_ms, (size_t)rounds, sizeof(double), compare);
	printf("  wall %8.2f %8.2f   cpu %8.2f %8.2f ms   %5ld KiB   ", c->wall_ms[rounds / 2], c->wall_ms[rounds / 4],
	       c->cpu_ms[rounds / 2], c->cpu_ms[rounds / 4], c->rss_kib);
	if (c->failed)
		printf("FAILED %d times   ", c->failed);
	printf("%s", slash ? slash + 1 : c->argv[0]);
	for (int i = 1; c->argv[i] && i < 4; i++)
		printf(" %.24s", c->argv[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct command c[MAX_COMMANDS] = { 0 };
	int n = 0, rounds = argc > 2 ? atoi(argv[1]) : 0;

	if (rounds < 1)
		return 2;
	c[n++].argv = argv + 2;
	for (int i = 2; i < argc && n < MAX_COMMANDS; i++)
		if (strcmp(argv[i], "--") == 0) {
			argv[i] = NULL;
			c[n++].argv = argv + i + 1;
		}
	for (int i = 0; i < n; i++) {
		c[i].wall_ms = calloc((size_t)rounds, sizeof(double));
		c[i].cpu_ms = calloc((size_t)rounds, sizeof(double));
		if (!c[i].wall_ms || !c[i].cpu_ms)
			return 1;
	}
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < n; i++)
			run(&c[(i + round) % n], round);
	for (int i = 0; i < n; i++)
		print(&c[i], rounds);
	return 0;
}
