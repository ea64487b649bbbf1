/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include "cgroups/internal.h"
#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *value_of(const struct limit_list *l, const char *file)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].file, file) == 0)
			return l->v[i].value;
	return NULL;
}

static void weights(void)
{
	static const struct {
		uint64_t shares, weight;
	} rows[] = { { 0, 1 }, { 2, 1 }, { 1024, 100 }, { 512, 59 }, { 2048, 174 }, { 262144, 10000 }, { 300000, 10000 } };
	bool grows = true;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		is_int(limits_weight_of_shares(rows[i].shares), rows[i].weight, "limits: %llu shares are weight %llu",
		       (unsigned long long)rows[i].shares, (unsigned long long)rows[i].weight);
	for (uint64_t s = 2; s < 262144; s += 7)
		grows = grows && limits_weight_of_shares(s) <= limits_weight_of_shares(s + 7);
	ok(grows, "limits: more shares are never a smaller weight");
}

static void v1_rows(void)
{
	CLEANUP(limit_list_done) struct limit_list l = { 0 };
	struct spec_throttle_device t = { 8, 16, 1000 };
	struct spec_hugepage_limit huge = { (char[]){ "2MB" }, 4096 };
	struct spec_resources r = { .mem_limit = { 1 << 20, true },
				    .mem_swap = { -1, true },
				    .cpu_quota = { 0, true },
				    .cpu_shares = { 512, true },
				    .pids_limit = { 0, true },
				    .cpus = (char[]){ "0-1" },
				    .blkio_read_bps = { &t, 1 },
				    .hugepages = &huge,
				    .n_hugepages = 1 };
	struct err err = { 0 };

	is_int(limits_v1(&l, &r, 0, &err), 0, "limits v1: builds");
	is_str(value_of(&l, "memory.limit_in_bytes"), "1048576", "limits v1: memory.limit");
	is_str(value_of(&l, "memory.memsw.limit_in_bytes"), "-1", "limits v1: unlimited swap");
	is_str(value_of(&l, "cpu.cfs_quota_us"), NULL, "limits v1: quota 0 is not given");
	is_str(value_of(&l, "cpu.shares"), "512", "limits v1: shares as they are");
	is_str(value_of(&l, "pids.max"), "0", "limits v1: pids 0 is a limit");
	is_str(value_of(&l, "cpuset.cpus"), "0-1", "limits v1: cpus");
	is_str(value_of(&l, "blkio.throttle.read_bps_device"), "8:16 1000", "limits v1: throttle line");
	is_str(value_of(&l, "hugetlb.2MB.limit_in_bytes"), "4096", "limits v1: hugetlb");
	is_str(value_of(&l, "hugetlb.2MB.rsvd.limit_in_bytes"), "4096", "limits v1: hugetlb reservations");
	limit_list_done(&l);
	is_int(limits_v1(&l, &r, CTL_BIT(CTL_HUGETLB), &err), 0, "limits hybrid: builds");
	is_str(value_of(&l, "hugetlb.2MB.max"), "4096", "limits hybrid: hugetlb has v2's file");
	is_str(value_of(&l, "hugetlb.2MB.limit_in_bytes"), NULL, "limits hybrid: and not v1's");
}

static void v2_rows(void)
{
	CLEANUP(limit_list_done) struct limit_list l = { 0 };
	struct spec_throttle_device t = { 8, 16, 1000 }, off = { 8, 16, 0 };
	struct spec_rdma rdma = { (char[]){ "mlx5_0" }, { 3, true }, { 0 } };
	struct kv unified[] = { { (char[]){ "memory.high" }, (char[]){ "100" } }, { (char[]){ "io.max" }, (char[]){ "8:0 rbps=1\n8:1 rbps=2" } } };
	struct spec_resources r = { .mem_limit = { 1000, true },
				    .mem_swap = { 3000, true },
				    .mem_reservation = { 500, true },
				    .cpu_shares = { 1024, true },
				    .cpu_quota = { -1, true },
				    .cpu_period = { 50000, true },
				    .pids_limit = { -1, true },
				    .blkio_weight = { 500, true },
				    .blkio_read_bps = { &t, 1 },
				    .blkio_write_iops = { &off, 1 },
				    .rdma = &rdma,
				    .n_rdma = 1,
				    .unified = { unified, 2 } };
	struct err err = { 0 };

	is_int(limits_v2(&l, &r, UINT32_MAX, &err), 0, "limits v2: builds (%s)", err.msg);
	is_str(value_of(&l, "memory.max"), "1000", "limits v2: memory.max");
	is_str(value_of(&l, "memory.swap.max"), "2000", "limits v2: swap is swap alone");
	is_str(value_of(&l, "memory.low"), "500", "limits v2: reservation");
	is_str(value_of(&l, "cpu.weight"), "100", "limits v2: weight");
	is_str(value_of(&l, "cpu.max"), "max 50000", "limits v2: quota -1");
	is_str(value_of(&l, "pids.max"), "max", "limits v2: pids -1");
	is_str(value_of(&l, "io.bfq.weight"), "500", "limits v2: bfq weight is as it is");
	is_str(value_of(&l, "io.max"), "8:16 rbps=1000", "limits v2: io.max names one rate");
	is_str(value_of(&l, "rdma.max"), "mlx5_0 hca_handle=3", "limits v2: rdma");
	is_str(l.v[l.n - 1].value, "8:1 rbps=2", "limits v2: unified is last, a line a write");
	is_str(l.v[l.n - 3].file, "memory.high", "limits v2: unified keeps its order");
	for (size_t i = 0; i < l.n; i++) {
		if (strcmp(l.v[i].file, "io.bfq.weight") == 0)
			is_str(l.v[i].alt_value, "default 4950", "limits v2: io.weight is the fallback, mapped");
		if (strcmp(l.v[i].value, "8:16 wiops=max") == 0)
			ok(true, "limits v2: rate 0 is no limit");
	}
}

static void refused(void)
{
	struct spec_hugepage_limit bad = { (char[]){ "2MB/../../x" }, 1 };
	struct kv slash = { (char[]){ "memory/../x.y" }, (char[]){ "1" } }, missing = { (char[]){ "rdma.max" }, (char[]){ "x" } };
	struct spec_net_prio prio = { (char[]){ "eth0" }, 1 };
	const struct {
		struct spec_resources r;
		bool v1;
		const char *text;
	} rows[] = {
		{ { .hugepages = &bad, .n_hugepages = 1 }, true, "hugepageLimits[0].pageSize" },
		{ { .hugepages = &bad, .n_hugepages = 1 }, false, "hugepageLimits[0].pageSize" },
		{ { .unified = { &slash, 1 } }, false, "unified: 'memory/../x.y' is not the name" },
		{ { .unified = { &missing, 1 } }, false, "controller 'rdma' is not available" },
		{ { .unified = { &missing, 1 } }, true, "needs cgroup v2" },
		{ { .mem_swap = { 100, true } }, false, "needs memory.limit" },
		{ { .mem_limit = { 200, true }, .mem_swap = { 100, true } }, false, "is below memory.limit" },
		{ { .mem_swappiness = { 1, true } }, false, "memory.swappiness" },
		{ { .cpu_rt_runtime = { 1, true } }, false, "cpu.realtimeRuntime" },
		{ { .net_prios = &prio, .n_net_prios = 1 }, false, "network.priorities" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(limit_list_done) struct limit_list l = { 0 };
		struct err err = { 0 };
		int r = rows[i].v1 ? limits_v1(&l, &rows[i].r, 0, &err) :
				     limits_v2(&l, &rows[i].r, UINT32_MAX & ~CTL_BIT(CTL_RDMA), &err);

		ok(r < 0 && strstr(err.msg, rows[i].text), "limits: refuses: %s", err.msg);
	}
	ok(limits_page_size_ok("1GB") && !limits_page_size_ok("GB") && !limits_page_size_ok("2MBx") && !limits_page_size_ok(""),
	   "limits: page sizes");
}

/* A v2 cgroup whose directory is a plain one: what is written can be read back. */
static void fake_v2(struct cgroup *cg, char dir[32])
{
	*cg = (struct cgroup){ .layout = CGROUP_LAYOUT_V2, .n = 1, .exec_fd = -1 };
	memcpy(dir, "/tmp/brig-cgroup-XXXXXX", 24);
	cg->hier[0] = (struct cg_hier){ .v2 = true, .controllers = UINT32_MAX, .mount_fd = -1, .enter_fd = -1 };
	cg->hier[0].dir_fd = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	cg->hier[0].path = dir;
}

static void put(struct cgroup *cg, const char *file, const char *text)
{
	AUTO_CLOSE int fd = openat(cg->hier[0].dir_fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		printf("Bail out! cannot write %s\n", file);
}

static const char *got(struct cgroup *cg, const char *file, char buf[256])
{
	return cg_read(cg->hier[0].dir_fd, file, buf, 256) < 0 ? NULL : buf;
}

static void remove_fake(struct cgroup *cg, const char *dir, const char *const *files)
{
	for (; *files; files++)
		(void)unlinkat(cg->hier[0].dir_fd, *files, 0);
	fd_close(&cg->hier[0].dir_fd);
	(void)rmdir(dir);
}

static void update(void)
{
	static const char *const files[] = { "memory.max", "pids.max", "cpu.max", "memory.current", NULL };
	char dir[32], buf[256];
	struct cgroup cg;
	struct err err = { 0 };
	struct spec_resources good = { .mem_limit = { 2000, true }, .pids_limit = { 22, true }, .cpu_period = { 20000, true } };
	struct spec_resources bad = { .mem_limit = { 3000, true }, .pids_limit = { 33, true }, .cpus = (char[]){ "0" } };
	struct spec_resources below = { .mem_limit = { 1500, true }, .mem_check_before_update = { true, true } };

	fake_v2(&cg, dir);
	put(&cg, "memory.max", "1000\n");
	put(&cg, "pids.max", "11\n");
	put(&cg, "cpu.max", "70000 100000");
	put(&cg, "memory.current", "1800\n");
	is_int(limits_update(&cg, &good, NULL, NULL, NULL, &err), 0, "update: takes effect (%s)", err.msg);
	is_str(got(&cg, "memory.max", buf), "2000", "update: memory.max is new");
	is_str(got(&cg, "pids.max", buf), "22", "update: pids.max is new");
	ok(got(&cg, "cpu.max", buf) && strncmp(buf, "70000 20000", 11) == 0, "update: a period keeps the quota: %s", buf);
	ok(limits_update(&cg, &bad, NULL, NULL, NULL, &err) < 0 && strstr(err.msg, "cpu.cpus"), "update: fails at cpus: %s", err.msg);
	is_str(got(&cg, "memory.max", buf), "2000", "update: memory.max is what it was");
	is_str(got(&cg, "pids.max", buf), "22", "update: pids.max is what it was");
	ok(limits_update(&cg, &below, NULL, NULL, NULL, &err) < 0 && strstr(err.msg, "checkBeforeUpdate"), "update: %s", err.msg);
	is_str(got(&cg, "memory.max", buf), "2000", "update: nothing was written below the usage");
	cg.rootless = true;
	is_int(limits_update(&cg, &bad, NULL, NULL, NULL, &err), 0, "update: rootless, a missing file is a warning");
	remove_fake(&cg, dir, files);
}

/* What systemd does to the files while its unit is set. */
static int rounds(struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	(void)r;
	(void)err;
	put(cg, "cpu.max", "21000 100000\n");
	return 0;
}

static int fails(struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	(void)cg;
	(void)r;
	return err_set(err, EIO, "the bus is gone");
}

static int refuses(void *arg, struct err *err)
{
	(void)arg;
	return err_set(err, EBUSY, "the guest says no");
}

static void update_also(void)
{
	static const char *const files[] = { "memory.max", "cpu.max", "io.max", "memory.swap.max", NULL };
	char dir[32], buf[256];
	struct cgroup cg;
	struct err err = { 0 };
	struct kv lines[] = { { (char[]){ "io.max" }, (char[]){ "8:0 rbps=1" } }, { (char[]){ "cpu.max" }, (char[]){ "500 100000" } } };
	struct spec_resources r = { .mem_limit = { 2000, true }, .cpu_quota = { 20001, true }, .cpu_period = { 100000, true } };
	struct spec_resources swap = { .mem_swap = { 3000, true } };
	struct spec_resources unified = { .cpu_quota = { 777, true }, .unified = { lines, 2 } };

	fake_v2(&cg, dir);
	put(&cg, "memory.max", "1000\n");
	put(&cg, "cpu.max", "max 100000\n");
	put(&cg, "io.max", "");
	put(&cg, "memory.swap.max", "max\n");
	ok(limits_update(&cg, &r, fails, NULL, NULL, &err) < 0 && strstr(err.msg, "the bus is gone"), "update: the manager fails: %s", err.msg);
	is_str(got(&cg, "memory.max", buf), "1000", "update: and memory.max is what it was");
	ok(limits_update(&cg, &r, rounds, refuses, NULL, &err) < 0 && strstr(err.msg, "the guest says no"), "update: what else changes fails: %s", err.msg);
	is_str(got(&cg, "memory.max", buf), "1000", "update: and memory.max is what it was, again");
	ok(got(&cg, "cpu.max", buf) && strncmp(buf, "max 100000", 10) == 0, "update: and the manager was not asked: %s", buf);
	is_int(limits_update(&cg, &r, rounds, NULL, NULL, &err), 0, "update: the manager rounds");
	is_str(got(&cg, "cpu.max", buf), "20001 100000", "update: and the kernel has what was asked for");
	is_int(limits_update(&cg, &swap, NULL, NULL, NULL, &err), 0, "update: swap alone (%s)", err.msg);
	is_str(got(&cg, "memory.swap.max", buf), "1000", "update: is what is above the memory limit in force");
	ok(limits_update(&cg, &unified, fails, NULL, NULL, &err) < 0, "update: unified, and the manager fails");
	is_str(got(&cg, "io.max", buf), "8:0 rbps=max wbps=max riops=max wiops=max", "update: a new line of io.max is taken back");
	is_int(limits_update(&cg, &unified, NULL, NULL, NULL, &err), 0, "update: unified");
	ok(got(&cg, "cpu.max", buf) && strncmp(buf, "500 100000", 10) == 0, "update: unified overrides: %s", buf);
	remove_fake(&cg, dir, files);
}

int main(void)
{
	weights();
	v1_rows();
	v2_rows();
	refused();
	update();
	update_also();
	return done();
}
