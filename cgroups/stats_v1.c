/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/stats.h"

#include "cgroups/libcg.h"

/* "12 34 56\n" as an array. */
static void number_array(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_begin_array(w);
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " \n");
		char number[32];
		uint64_t v;

		(void)snprintf(number, sizeof(number), "%.*s", (int)n, p);
		if (n && str_to_u64(number, &v) == 0)
			json_u64(w, v);
		p += n + (p[n] != '\0');
	}
	json_end_array(w);
}

struct throttling {
	uint64_t periods, throttled, time;
};

static void throttling_entry(const char *name, uint64_t value, void *arg)
{
	struct throttling *t = arg;

	if (str_eq(name, "nr_periods"))
		t->periods = value;
	else if (str_eq(name, "nr_throttled"))
		t->throttled = value;
	else if (str_eq(name, "throttled_time"))
		t->time = value;
}

static void cpu(struct cgroup *cg, struct json_writer *w)
{
	AUTO_FREE char *percpu = stats_text(cg, CTL_CPUACCT, "cpuacct.usage_percpu");
	AUTO_FREE char *kernel = stats_text(cg, CTL_CPUACCT, "cpuacct.usage_percpu_sys");
	AUTO_FREE char *user = stats_text(cg, CTL_CPUACCT, "cpuacct.usage_percpu_user");
	struct throttling t = { 0 };

	if (cgroup_hier_of(cg, CTL_CPU))
		ignore(libcg_read_stat("cpu", cg->path, throttling_entry, &t)); /* gone or unreadable: zeros */
	json_key(w, "cpu");
	json_begin_object(w);
	json_key(w, "usage");
	json_begin_object(w); /* nanoseconds */
	json_kv_u64(w, "total", stats_number(cg, CTL_CPUACCT, "cpuacct.usage"));
	number_array(w, "percpu", percpu);
	number_array(w, "percpu_kernel", kernel);
	number_array(w, "percpu_user", user);
	json_kv_u64(w, "kernel", stats_number(cg, CTL_CPUACCT, "cpuacct.usage_sys"));
	json_kv_u64(w, "user", stats_number(cg, CTL_CPUACCT, "cpuacct.usage_user"));
	json_end_object(w);
	json_key(w, "throttling");
	json_begin_object(w);
	json_kv_u64(w, "periods", t.periods);
	json_kv_u64(w, "throttledPeriods", t.throttled);
	json_kv_u64(w, "throttledTime", t.time);
	json_end_object(w);
	json_end_object(w);
}

static void cpuset(struct cgroup *cg, struct json_writer *w)
{
	static const char *const flags[] = { "cpu_exclusive",	   "mem_hardwall",	 "mem_exclusive",   "memory_migrate",
					     "memory_spread_page", "memory_spread_slab", "memory_pressure", "sched_load_balance" };
	AUTO_FREE char *cpus = stats_text(cg, CTL_CPUSET, "cpuset.cpus"), *mems = stats_text(cg, CTL_CPUSET, "cpuset.mems");
	AUTO_FREE char *level = stats_text(cg, CTL_CPUSET, "cpuset.sched_relax_domain_level");
	int64_t v = -1;

	json_key(w, "cpuset");
	json_begin_object(w);
	stats_list(w, "cpus", cpus);
	stats_list(w, "mems", mems);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		char file[64];

		(void)snprintf(file, sizeof(file), "cpuset.%s", flags[i]);
		json_kv_u64(w, flags[i], stats_number(cg, CTL_CPUSET, file));
	}
	level[strcspn(level, "\n")] = '\0';
	if (str_to_i64(level, &v) < 0)
		v = -1; /* the kernel's default: no request */
	json_kv_i64(w, "sched_relax_domain_level", v);
	json_end_object(w);
}

static void amount(struct cgroup *cg, struct json_writer *w, const char *key, const char *prefix)
{
	static const char *const tails[] = { "limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes", "failcnt" };
	uint64_t v[ARRAY_SIZE(tails)];

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		char file[64];

		(void)snprintf(file, sizeof(file), "memory.%s%s", prefix, tails[i]);
		v[i] = stats_number(cg, CTL_MEMORY, file);
	}
	stats_amount(w, key, v[0], v[1], v[2], v[3]);
}

static void raw_entry(const char *name, uint64_t value, void *arg)
{
	json_kv_u64(arg, name, value);
}

static void memory(struct cgroup *cg, struct json_writer *w)
{
	AUTO_FREE char *stat = stats_text(cg, CTL_MEMORY, "memory.stat");

	json_key(w, "memory");
	json_begin_object(w);
	json_kv_u64(w, "cache", stats_flat(stat, "total_cache", stats_flat(stat, "cache", 0)));
	amount(cg, w, "usage", "");
	amount(cg, w, "swap", "memsw.");
	amount(cg, w, "kernel", "kmem.");
	amount(cg, w, "kernelTCP", "kmem.tcp.");
	json_key(w, "raw");
	json_begin_object(w);
	if (cgroup_hier_of(cg, CTL_MEMORY))
		ignore(libcg_read_stat("memory", cg->path, raw_entry, w)); /* gone or unreadable: no entries */
	json_end_object(w);
	json_end_object(w);
}

/* The recursive counters of bfq or cfq where they exist; the throttle layer counts for every scheduler. */
static char *first_text(struct cgroup *cg, const char *a, const char *b)
{
	char *text = stats_text(cg, CTL_IO, a);

	if (*text && !str_starts(text, "Total"))
		return text;
	free(text);
	return stats_text(cg, CTL_IO, b);
}

static void blkio(struct cgroup *cg, struct json_writer *w)
{
	static const struct {
		const char *key, *file, *other;
	} rows[] = {
		{ "ioServiceBytesRecursive", "blkio.bfq.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive" },
		{ "ioServicedRecursive", "blkio.bfq.io_serviced_recursive", "blkio.throttle.io_serviced_recursive" },
		{ "ioQueueRecursive", "blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive" },
		{ "ioServiceTimeRecursive", "blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive" },
		{ "ioWaitTimeRecursive", "blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive" },
		{ "ioMergedRecursive", "blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive" },
		{ "ioTimeRecursive", "blkio.bfq.time_recursive", "blkio.time_recursive" },
		{ "sectorsRecursive", "blkio.bfq.sectors_recursive", "blkio.sectors_recursive" },
	};

	json_key(w, "blkio");
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *text = first_text(cg, rows[i].file, rows[i].other);

		stats_io_v1(w, rows[i].key, text);
	}
	json_end_object(w);
}

void stats_v1(struct cgroup *cg, struct json_writer *w)
{
	cpu(cg, w);
	cpuset(cg, w);
	memory(cg, w);
	stats_pids(cg, w);
	blkio(cg, w);
}
