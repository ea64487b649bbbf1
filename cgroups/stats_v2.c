/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/stats.h"

/* cpu.stat, io.stat and pressure exist in every directory, also without their controller: ask by the hierarchy. */
static char *text_of(struct cgroup *cg, const char *file)
{
	return stats_text(cg, CTL_COUNT, file);
}

static void cpu(struct cgroup *cg, struct json_writer *w)
{
	AUTO_FREE char *stat = text_of(cg, "cpu.stat"), *psi = text_of(cg, "cpu.pressure");

	json_key(w, "cpu");
	json_begin_object(w);
	json_key(w, "usage");
	json_begin_object(w); /* nanoseconds */
	json_kv_u64(w, "total", stats_flat(stat, "usage_usec", 0) * 1000);
	json_kv_u64(w, "kernel", stats_flat(stat, "system_usec", 0) * 1000);
	json_kv_u64(w, "user", stats_flat(stat, "user_usec", 0) * 1000);
	json_end_object(w);
	json_key(w, "throttling");
	json_begin_object(w);
	json_kv_u64(w, "periods", stats_flat(stat, "nr_periods", 0));
	json_kv_u64(w, "throttledPeriods", stats_flat(stat, "nr_throttled", 0));
	json_kv_u64(w, "throttledTime", stats_flat(stat, "throttled_usec", 0) * 1000);
	json_end_object(w);
	stats_psi(w, psi);
	json_end_object(w);
}

static void cpuset(struct cgroup *cg, struct json_writer *w)
{
	AUTO_FREE char *cpus = text_of(cg, "cpuset.cpus.effective"), *mems = text_of(cg, "cpuset.mems.effective");

	json_key(w, "cpuset");
	json_begin_object(w);
	stats_list(w, "cpus", cpus);
	stats_list(w, "mems", mems);
	json_end_object(w);
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == UINT64_MAX || b == UINT64_MAX ? UINT64_MAX : a + b;
}

static void memory(struct cgroup *cg, struct json_writer *w)
{
	AUTO_FREE char *stat = text_of(cg, "memory.stat"), *events = text_of(cg, "memory.events");
	AUTO_FREE char *psi = text_of(cg, "memory.pressure");
	uint64_t limit = stats_number(cg, CTL_MEMORY, "memory.max"), usage = stats_number(cg, CTL_MEMORY, "memory.current");
	uint64_t swap_limit = stats_number(cg, CTL_MEMORY, "memory.swap.max");
	uint64_t swap = stats_number(cg, CTL_MEMORY, "memory.swap.current");
	char *rest = stat, *line;

	json_key(w, "memory");
	json_begin_object(w);
	json_kv_u64(w, "cache", stats_flat(stat, "file", 0));
	stats_amount(w, "usage", limit, usage, stats_number(cg, CTL_MEMORY, "memory.peak"), stats_flat(events, "max", 0));
	/* The format is v1's, where swap counts memory too. */
	stats_amount(w, "swap", sum(limit, swap_limit), sum(usage, swap), 0, 0);
	stats_amount(w, "kernel", 0, stats_flat(stat, "kernel", stats_flat(stat, "kernel_stack", 0)), 0, 0);
	stats_amount(w, "kernelTCP", 0, stats_flat(stat, "sock", 0), 0, 0);
	json_key(w, "raw");
	json_begin_object(w);
	while (rest && *rest && (line = strsep(&rest, "\n"))) {
		char *space = strchr(line, ' ');
		uint64_t v;

		if (!space)
			continue;
		*space = '\0';
		if (str_to_u64(space + 1, &v) == 0)
			json_kv_u64(w, line, v);
	}
	json_end_object(w);
	stats_psi(w, psi);
	json_end_object(w);
}

static void blkio(struct cgroup *cg, struct json_writer *w)
{
	static const char *const empty[] = { "ioQueueRecursive",  "ioServiceTimeRecursive", "ioWaitTimeRecursive",
					     "ioMergedRecursive", "ioTimeRecursive",	    "sectorsRecursive" };
	AUTO_FREE char *stat = text_of(cg, "io.stat"), *psi = text_of(cg, "io.pressure");

	json_key(w, "blkio");
	json_begin_object(w);
	stats_io_v2(w, "ioServiceBytesRecursive", stat, "rbytes", "wbytes");
	stats_io_v2(w, "ioServicedRecursive", stat, "rios", "wios");
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) /* v2 does not count these */
		stats_io_v2(w, empty[i], "", "", "");
	stats_psi(w, psi);
	json_end_object(w);
}

void stats_v2(struct cgroup *cg, struct json_writer *w)
{
	cpu(cg, w);
	cpuset(cg, w);
	memory(cg, w);
	stats_pids(cg, w);
	blkio(cg, w);
}
