/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

struct update_options {
	const char *resources, *l3_schema, *mb_schema, *cpus, *mems;
	struct opt_i64 kernel, kernel_tcp;
	struct opt_i64 cpu_idle, memory, reservation, swap, pids, quota, rt_runtime;
	struct opt_u64 burst, period, shares, rt_period;
	struct opt_u32 blkio_weight;
};

#define T struct update_options
static const struct option_row rows[] = {
	OPT_STRING(T, resources, "resources", 'r', "FILE", "read all limits from FILE (JSON; - is stdin), and no other option"),
	OPT_U32(T, blkio_weight, "blkio-weight", 0, "N", "weight of block input and output, 10 to 1000"),
	OPT_U64(T, burst, "cpu-burst", 0, "USEC", "CPU time that may be saved up for bursts"),
	OPT_I64(T, cpu_idle, "cpu-idle", 0, "N", "1: run only when the CPU is idle"),
	OPT_U64(T, period, "cpu-period", 0, "USEC", "period of the CPU quota"),
	OPT_I64(T, quota, "cpu-quota", 0, "USEC", "CPU time in each period; -1 is unlimited"),
	OPT_U64(T, rt_period, "cpu-rt-period", 0, "USEC", "period of the real-time runtime"),
	OPT_I64(T, rt_runtime, "cpu-rt-runtime", 0, "USEC", "real-time CPU time in each period"),
	OPT_U64(T, shares, "cpu-share", 0, "N", "share of the CPU time against others"),
	OPT_STRING(T, cpus, "cpuset-cpus", 0, "LIST", "CPUs that may be used, as 0-3,7"),
	OPT_STRING(T, mems, "cpuset-mems", 0, "LIST", "memory nodes that may be used"),
	OPT_SIZE(T, memory, "memory", 0, "SIZE", "memory limit"),
	OPT_SIZE(T, reservation, "memory-reservation", 0, "SIZE", "memory that is kept for the container"),
	OPT_SIZE(T, swap, "memory-swap", 0, "SIZE", "limit of memory and swap together; -1 is unlimited"),
	OPT_SIZE(T, kernel, "kernel-memory", 0, "SIZE", "accepted and ignored, with a warning"),
	OPT_SIZE(T, kernel_tcp, "kernel-memory-tcp", 0, "SIZE", "accepted and ignored, with a warning"),
	OPT_I64(T, pids, "pids-limit", 0, "N", "greatest number of processes; -1 is unlimited"),
	OPT_STRING(T, l3_schema, "l3-cache-schema", 0, "SCHEMA", "Intel RDT: L3 cache schema"),
	OPT_STRING(T, mb_schema, "mem-bw-schema", 0, "SCHEMA", "Intel RDT: memory bandwidth schema"),
	OPT_END,
};
#undef T

static void from_options(struct arena *a, const struct update_options *o, struct spec_resources *r)
{
	*r = (struct spec_resources){
		.set = true,
		.mem_limit = o->memory,
		.mem_reservation = o->reservation,
		.mem_swap = o->swap,
		.cpu_shares = o->shares,
		.cpu_period = o->period,
		.cpu_quota = o->quota,
		.cpu_burst = o->burst,
		.cpu_idle = o->cpu_idle,
		.cpu_rt_period = o->rt_period,
		.cpu_rt_runtime = o->rt_runtime,
		.cpus = o->cpus ? arena_strdup(a, o->cpus) : NULL,
		.mems = o->mems ? arena_strdup(a, o->mems) : NULL,
		.pids_limit = o->pids,
		.blkio_weight = o->blkio_weight,
	};
	if (o->kernel.set || o->kernel_tcp.set)
		log_warn("kernel memory limits are ignored: the kernel has given them up");
}

static int from_file(struct arena *a, const char *path, struct spec_resources *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t n;
	int r = oci_read_input(path, SPEC_MAX_BYTES, &text, &n, err);

	if (r == 0)
		r = spec_parse_resources(a, ret, str_eq(path, "-") ? "stdin" : path, text, n, err);
	if (r < 0)
		return r;
	ret->set = true;
	return 0;
}

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	AUTO_CONTAINER struct container *c = NULL;
	const struct update_options *o = target;
	struct spec_resources resources = { 0 };
	int r = 0;

	if (o->resources)
		r = from_file(&arena, o->resources, &resources, err);
	else
		from_options(&arena, o, &resources);
	if (r == 0)
		r = container_load(&c, global, operands[0], true, err);
	return r < 0 ? r : container_update(c, &resources, o->l3_schema, o->mb_schema, err);
}

const struct oci_command cmd_update = {
	.name = "update",
	.operands = "ID",
	.help = "change the limits of a container",
	.options = rows,
	.target_size = sizeof(struct update_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
