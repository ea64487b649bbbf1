/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include "cgroups/stats.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The files of a v2 directory in, runc's object out. */
static const char *const files[][2] = {
	{ "cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 7\nnr_throttled 1\nthrottled_usec 9\n" },
	{ "cpu.pressure", "some avg10=1.05 avg60=0.20 avg300=10.00 total=1755\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n" },
	{ "memory.current", "4096\n" },
	{ "memory.max", "max\n" },
	{ "memory.swap.current", "1\n" },
	{ "memory.swap.max", "2\n" },
	{ "memory.stat", "anon 1\nfile 2\nkernel 3\nsock 4\n" },
	{ "memory.events", "low 0\nhigh 0\nmax 6\noom 1\noom_kill 2\n" },
	{ "pids.current", "3\n" },
	{ "pids.max", "max\n" },
	{ "io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 \n" },
	{ "cpuset.cpus.effective", "0,2-3\n" },
	{ "cpuset.mems.effective", "0\n" },
	{ "hugetlb.2MB.current", "2097152\n" },
	{ "hugetlb.2MB.events", "max 8\n" },
	{ "rdma.current", "mlx5_0 hca_handle=1 hca_object=20\n" },
	{ "rdma.max", "mlx5_0 hca_handle=max hca_object=50\n" },
};

static void v2(void)
{
	char dir[] = "/tmp/brig-stats-XXXXXX";
	struct cgroup cg = { .layout = CGROUP_LAYOUT_V2, .n = 1, .exec_fd = -1 };
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };
	struct arena arena = { 0 };
	struct json *json = NULL;
	struct err err = { 0 };
	uint64_t count = 0;

	cg.hier[0] = (struct cg_hier){ .v2 = true, .controllers = UINT32_MAX, .path = dir, .mount_fd = -1, .enter_fd = -1 };
	cg.hier[0].dir_fd = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = openat(cg.hier[0].dir_fd, files[i][0], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (write(fd, files[i][1], strlen(files[i][1])) < 0)
			printf("Bail out! cannot write\n");
		(void)close(fd);
	}
	is_int(cgroup_stats_json(&cg, &w, &err), 0, "stats v2: written (%s)", err.msg);
	ok(json_parse(&arena, "stats", b.p, b.len, &json, &err) == 0, "stats v2: is JSON (%s)", err.msg);
	like(b.p, "\"usage\":{\"total\":5000,\"kernel\":2000,\"user\":3000}", "stats v2: cpu in nanoseconds");
	like(b.p, "\"throttling\":{\"periods\":7,\"throttledPeriods\":1,\"throttledTime\":9000}", "stats v2: throttling");
	like(b.p, "\"some\":{\"avg10\":1.05,\"avg60\":0.20,\"avg300\":10.00,\"total\":1755}", "stats v2: pressure");
	like(b.p, "\"cpus\":[0,2,3],\"mems\":[0]", "stats v2: cpuset");
	like(b.p, "\"usage\":{\"limit\":18446744073709551615,\"usage\":4096,\"max\":0,\"failcnt\":6}", "stats v2: memory");
	like(b.p, "\"swap\":{\"limit\":18446744073709551615,\"usage\":4097", "stats v2: swap counts memory too");
	like(b.p, "\"raw\":{\"anon\":1,\"file\":2,\"kernel\":3,\"sock\":4}", "stats v2: raw");
	like(b.p, "\"pids\":{\"current\":3,\"limit\":0}", "stats v2: pids");
	like(b.p,
	     "\"ioServiceBytesRecursive\":[{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":10},{\"major\":8,\"minor\":0,\"op\":\"Write\","
	     "\"value\":20}]",
	     "stats v2: io bytes");
	like(b.p, "\"hugetlb\":{\"2MB\":{\"usage\":2097152,\"max\":0,\"failcnt\":8}}", "stats v2: hugetlb");
	like(b.p, "\"limit\":[{\"device\":\"mlx5_0\",\"hcaHandles\":18446744073709551615,\"hcaObjects\":50}]", "stats v2: rdma");
	ok(cgroup_oom_count(&cg, &count) == 0 && count == 2, "stats v2: OOM kills");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		(void)unlinkat(cg.hier[0].dir_fd, files[i][0], 0);
	(void)close(cg.hier[0].dir_fd);
	(void)rmdir(dir);
	buf_done(&b);
	arena_done(&arena);
}

int main(void)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };

	is_int(stats_flat("a 1\nab 2\n", "ab", 9), 2, "stats: a key is a whole word");
	is_int(stats_flat("a 1\n", "b", 9), 9, "stats: a missing key has the default");
	json_begin_object(&w);
	stats_io_v1(&w, "x", "8:0 Read 5\n8:0 Total 5\n7:1 9\nTotal 5\nbroken\n");
	json_end_object(&w);
	is_str(b.p,
	       "{\"x\":[{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":5},{\"major\":8,\"minor\":0,\"op\":\"Total\",\"value\":5},{\"major\":"
	       "7,\"minor\":1,\"value\":9}]}",
	       "stats v1: block lines");
	buf_done(&b);
	v2();
	return done();
}
