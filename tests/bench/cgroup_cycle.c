/* SPDX-License-Identifier: Apache-2.0 */
/* What one container costs in cgroups: create with limits, a child that enters and exits, destroy. Prints medians.
 * usage: cgroup_cycle [N] [self|procs] [PAUSE_MS] (root) */
#include "cgroups/cgroup.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_N 10000

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

static void fail(const struct err *err)
{
	(void)fprintf(stderr, "cgroup_cycle: %s\n", err->msg);
	exit(1);
}

static double enter(struct cgroup *cg, bool self)
{
	struct err err = { 0 };
	double before = now_us(), spent;
	int gate[2], result[2];
	char c = 0;
	pid_t pid;

	if (pipe(gate) < 0 || pipe(result) < 0)
		exit(1);
	pid = self ? sys_clone3(0, cgroup_clone_fd(cg), NULL) : fork();
	if (pid == 0) {
		if (!self && read(gate[0], &c, 1) < 0)
			_exit(1);
		before = now_us();
		if (self && cgroup_enter_self(cg, cgroup_clone_fd(cg) >= 0, &err) < 0)
			fail(&err);
		spent = now_us() - before;
		_exit(write(result[1], &spent, sizeof(spent)) < 0);
	}
	before = now_us();
	if (!self && cgroup_attach(cg, pid, &err) < 0)
		fail(&err);
	before = now_us() - before;
	if (write(gate[1], &c, 1) < 0 || read(result[0], &spent, sizeof(spent)) < 0)
		exit(1);
	(void)waitpid(pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		(void)close(gate[i]);
		(void)close(result[i]);
	}
	return self ? spent : before;
}

int main(int argc, char **argv)
{
	static double create[MAX_N], join[MAX_N], destroy[MAX_N];
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 200;
	bool self = argc < 3 || strcmp(argv[2], "self") == 0;
	unsigned pause_ms = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	struct spec_resources res = { .mem_limit = { 64 << 20, true }, .pids_limit = { 100, true }, .cpu_shares = { 512, true } };
	struct err err = { 0 };
	char id[64];

	for (size_t i = 0; i < n && n <= MAX_N; i++) {
		struct cgroup *cg = NULL;
		struct cgroup_opts o = { .id = id, .manager = CGROUP_CGROUPFS };
		double t;

		(void)snprintf(id, sizeof(id), "bench-%d-%zu", getpid(), i);
		t = now_us();
		if (cgroup_create(&cg, &o, &res, 0, &err) < 0)
			fail(&err);
		create[i] = now_us() - t;
		join[i] = enter(cg, self);
		t = now_us();
		if (cgroup_destroy(cg, &err) < 0)
			fail(&err);
		destroy[i] = now_us() - t;
		cgroup_free(cg);
		if (pause_ms)
			(void)usleep(pause_ms * 1000);
	}
	printf("create %.0f us, join (%s) %.0f us, destroy %.0f us (medians of %zu)\n", median(create, n), self ? "self" : "procs",
	       median(join, n), median(destroy, n), n);
	return 0;
}
