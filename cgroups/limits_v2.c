/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/log.h"

#include <errno.h>
#include <stddef.h>

#define NO_LIMIT "max"

/*
 * cpu.shares (2..262144, default 1024) to cpu.weight (1..10000, default 100). The curve goes through all three pairs:
 * weight = 10^((l^2 + 125 l) / 612 - 7 / 34) with l = log2(shares), rounded up. No libm: 2^x and log2 by the series
 * below are exact enough for the ceiling of a number up to 10000.
 */
static double log2_of(double x)
{
	double n = 0, y, y2, term, sum = 0;

	while (x >= 2) {
		x /= 2;
		n++;
	}
	y = (x - 1) / (x + 1);
	y2 = y * y;
	term = y;
	for (int k = 1; k < 60; k += 2) {
		sum += term / k;
		term *= y2;
	}
	return n + 2 * sum / 0.69314718055994530942;
}

static double pow10_of(double x)
{
	double t = x * 2.30258509299404568402, whole = 1, sum = 1, term = 1;

	while (t > 0.5) {
		t -= 0.5;
		whole *= 1.64872127070012814685; /* e^0.5 */
	}
	for (int k = 1; k < 25; k++) {
		term *= t / k;
		sum += term;
	}
	return whole * sum;
}

uint64_t limits_weight_of_shares(uint64_t shares)
{
	double l, w;
	uint64_t whole;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2_of((double)shares);
	w = pow10_of((l * l + 125 * l) / 612 - 7.0 / 34);
	whole = (uint64_t)w;
	return (double)whole + 1e-9 * w < w ? whole + 1 : whole;
}

/* -1 is "max", other numbers are themselves. */
static const char *amount(struct limit_list *l, int64_t v)
{
	return v < 0 ? NO_LIMIT : arena_printf(&l->arena, "%lld", (long long)v);
}

static int refuse(const char *field, const char *why, struct err *err)
{
	return err_set(err, EINVAL, "linux.resources.%s: cgroup v2 has no such limit%s%s", field, *why ? ": " : "", why);
}

static int add_swap(struct limit_list *l, const struct spec_resources *r, struct err *err)
{
	int64_t limit = r->mem_limit.set ? r->mem_limit.v : 0, swap = r->mem_swap.set ? r->mem_swap.v : 0;

	/* Unlimited memory, nothing said of swap: swap is unlimited too. */
	if (swap == 0 && limit < 0)
		swap = -1;
	if (swap == 0)
		return 0;
	if (swap < 0) {
		limit_add(l, CTL_MEMORY, "memory.swap", "memory.swap.max", NO_LIMIT)->flags = LIMIT_OPTIONAL;
		return 0;
	}
	/* v1 counts memory and swap together, v2 swap alone. */
	if (limit <= 0)
		return err_set(err, EINVAL, "linux.resources.memory.swap: %lld needs memory.limit to be set too on cgroup v2",
			       (long long)swap);
	if (swap < limit)
		return err_set(err, EINVAL, "linux.resources.memory.swap: %lld is memory and swap together, and is below memory.limit %lld",
			       (long long)swap, (long long)limit);
	/* A kernel without swap accounting has no file, and nothing to limit when no swap is allowed. */
	limit_addf(l, CTL_MEMORY, "memory.swap", "memory.swap.max", "%lld", (long long)(swap - limit))->flags =
		swap == limit ? LIMIT_OPTIONAL : 0;
	return 0;
}

static int add_memory(struct limit_list *l, const struct spec_resources *r, struct err *err)
{
	int ret = add_swap(l, r, err);

	if (ret < 0)
		return ret;
	l->checked_memory = r->mem_check_before_update.set && r->mem_check_before_update.v;
	l->memory_limit = r->mem_limit.set ? r->mem_limit.v : 0;
	if (r->mem_limit.set && r->mem_limit.v != 0)
		limit_add(l, CTL_MEMORY, "memory.limit", "memory.max", amount(l, r->mem_limit.v))->flags =
			r->mem_limit.v < 0 ? LIMIT_NOOP : 0;
	if (r->mem_reservation.set && r->mem_reservation.v != 0)
		limit_add(l, CTL_MEMORY, "memory.reservation", "memory.low", amount(l, r->mem_reservation.v));
	if ((r->mem_kernel.set && r->mem_kernel.v != 0) || (r->mem_kernel_tcp.set && r->mem_kernel_tcp.v != 0))
		log_warn("linux.resources.memory.kernel and kernelTCP are ignored: cgroup v2 has no such limits");
	if (r->mem_swappiness.set)
		return refuse("memory.swappiness", "vm.swappiness is for the whole machine", err);
	if (r->mem_disable_oom_killer.set && r->mem_disable_oom_killer.v)
		return refuse("memory.disableOOMKiller", "", err);
	return 0;
}

static int add_cpu(struct limit_list *l, const struct spec_resources *r, struct err *err)
{
	bool quota = r->cpu_quota.set && r->cpu_quota.v != 0, period = r->cpu_period.set && r->cpu_period.v != 0;

	if ((r->cpu_rt_runtime.set && r->cpu_rt_runtime.v > 0) || (r->cpu_rt_period.set && r->cpu_rt_period.v > 0))
		return refuse("cpu.realtimeRuntime", "real-time groups are v1 only", err);
	if (r->cpu_idle.set)
		limit_addf(l, CTL_CPU, "cpu.idle", "cpu.idle", "%lld", (long long)r->cpu_idle.v)->flags =
			r->cpu_idle.v == 0 ? LIMIT_NOOP : 0;
	/* cpu.weight of an idle group is refused by the kernel, and 0 is its value there. */
	if (r->cpu_shares.set && r->cpu_shares.v != 0 && !(r->cpu_idle.set && r->cpu_idle.v > 0))
		limit_addf(l, CTL_CPU, "cpu.shares", "cpu.weight", "%llu",
			   (unsigned long long)limits_weight_of_shares(r->cpu_shares.v));
	/* "QUOTA PERIOD", of which a single number is the quota alone; a period alone needs the quota that is set, which
	 * the executor reads: see limits_apply(). */
	if (quota && period)
		limit_addf(l, CTL_CPU, "cpu.quota", "cpu.max", "%s %llu", amount(l, r->cpu_quota.v),
			   (unsigned long long)r->cpu_period.v)
			->flags = LIMIT_DEFER;
	else if (quota)
		limit_add(l, CTL_CPU, "cpu.quota", "cpu.max", amount(l, r->cpu_quota.v))->flags =
			LIMIT_DEFER | (r->cpu_quota.v < 0 ? LIMIT_NOOP : 0);
	else if (period)
		limit_addf(l, CTL_CPU, "cpu.period", "cpu.max", "%llu", (unsigned long long)r->cpu_period.v)->flags =
			LIMIT_KEEP_FIRST;
	if (r->cpu_burst.set)
		limit_addf(l, CTL_CPU, "cpu.burst", "cpu.max.burst", "%llu", (unsigned long long)r->cpu_burst.v)->flags =
			LIMIT_DEFER | (r->cpu_burst.v == 0 ? LIMIT_NOOP : 0);
	return 0;
}

/* blkio.weight 10..1000 on io.weight's 1..10000. */
static unsigned io_weight(unsigned w)
{
	return w < 10 ? 1 : 1 + (w - 10) * 9999 / 990;
}

static int add_io(struct limit_list *l, const struct spec_resources *r, struct err *err)
{
	static const struct {
		const char *field, *key;
		size_t offset;
	} throttles[] = {
		{ "blockIO.throttleReadBpsDevice", "rbps", offsetof(struct spec_resources, blkio_read_bps) },
		{ "blockIO.throttleWriteBpsDevice", "wbps", offsetof(struct spec_resources, blkio_write_bps) },
		{ "blockIO.throttleReadIOPSDevice", "riops", offsetof(struct spec_resources, blkio_read_iops) },
		{ "blockIO.throttleWriteIOPSDevice", "wiops", offsetof(struct spec_resources, blkio_write_iops) },
	};
	struct arena *a = &l->arena;
	struct limit *one;

	if (r->blkio_leaf_weight.set && r->blkio_leaf_weight.v)
		return refuse("blockIO.leafWeight", "", err);
	if (r->blkio_weight.set && r->blkio_weight.v) {
		one = limit_addf(l, CTL_IO, "blockIO.weight", "io.bfq.weight", "%u", r->blkio_weight.v);
		one->alt_file = "io.weight";
		one->alt_value = arena_printf(a, "default %u", io_weight(r->blkio_weight.v));
	}
	for (size_t i = 0; i < r->n_blkio_weight_devices; i++) {
		const struct spec_weight_device *d = &r->blkio_weight_devices[i];

		if (d->leaf_weight.set && d->leaf_weight.v)
			return refuse("blockIO.weightDevice.leafWeight", "", err);
		if (!d->weight.set || !d->weight.v)
			continue;
		one = limit_add(l, CTL_IO, "blockIO.weightDevice", "io.bfq.weight", NULL);
		one->key = arena_printf(a, "%lld:%lld", (long long)d->major, (long long)d->minor);
		one->reset = "default";
		one->value = arena_printf(a, "%s %u", one->key, d->weight.v);
		one->alt_file = "io.weight";
		one->alt_value = arena_printf(a, "%s %u", one->key, io_weight(d->weight.v));
	}
	for (size_t i = 0; i < ARRAY_SIZE(throttles); i++) {
		const struct spec_throttle_list *t = (const void *)((const char *)r + throttles[i].offset);

		for (size_t k = 0; k < t->n; k++) {
			one = limit_add(l, CTL_IO, throttles[i].field, "io.max", NULL);
			one->key = arena_printf(a, "%lld:%lld", (long long)t->v[k].major, (long long)t->v[k].minor);
			one->reset = "rbps=max wbps=max riops=max wiops=max";
			one->value = t->v[k].rate ? arena_printf(a, "%s %s=%llu", one->key, throttles[i].key,
								 (unsigned long long)t->v[k].rate)
						  : arena_printf(a, "%s %s=max", one->key, throttles[i].key);
		}
	}
	return 0;
}

static void add_rdma(struct limit_list *l, const struct spec_resources *r)
{
	for (size_t i = 0; i < r->n_rdma; i++) {
		const struct spec_rdma *d = &r->rdma[i];
		struct arena *a = &l->arena;
		struct limit *one = limit_add(l, CTL_RDMA, "rdma", "rdma.max", NULL);
		char *value = arena_strdup(a, d->device);

		if (d->hca_handles.set)
			value = arena_printf(a, "%s hca_handle=%u", value, d->hca_handles.v);
		if (d->hca_objects.set)
			value = arena_printf(a, "%s hca_object=%u", value, d->hca_objects.v);
		one->value = value;
		one->key = d->device;
		one->reset = "hca_handle=max hca_object=max";
	}
}

/* Files of lines "KEY VALUE", and the value that takes a line away. */
static const struct {
	const char *file, *reset;
} keyed[] = {
	{ "io.max", "rbps=max wbps=max riops=max wiops=max" },
	{ "io.weight", "default" },
	{ "io.bfq.weight", "default" },
	{ "io.latency", "target=0" },
	{ "rdma.max", "hca_handle=max hca_object=max" },
	{ "misc.max", "max" },
};

static void add_unified_line(struct limit_list *l, enum cg_ctl ctl, const char *file, const char *value)
{
	struct limit *one = limit_add(l, ctl, arena_printf(&l->arena, "unified['%s']", file), file, value);

	one->flags = LIMIT_LAST;
	for (size_t i = 0; i < ARRAY_SIZE(keyed); i++) {
		if (!str_eq(file, keyed[i].file) || !strchr(value, ' '))
			continue;
		one->key = arena_strndup(&l->arena, value, strcspn(value, " "));
		one->reset = keyed[i].reset;
	}
}

/* The controller of "memory.high" is what stands before the dot; "cgroup.*" files need none. */
static int add_unified(struct limit_list *l, const struct spec_resources *r, uint32_t in_v2, struct err *err)
{
	for (size_t i = 0; i < r->unified.n; i++) {
		const char *key = r->unified.v[i].key, *dot = strchr(key, '.');
		uint32_t bit = dot ? ctl_bit_of(key, (size_t)(dot - key)) : 0;
		char *value = arena_strdup(&l->arena, r->unified.v[i].value);
		enum cg_ctl ctl = CTL_COUNT;
		bool first = true;

		if (strchr(key, '/') || !dot || *key == '.')
			return err_set(err, EINVAL, "linux.resources.unified: '%s' is not the name of a cgroup file", key);
		if (!(bit & in_v2) && !str_starts(key, "cgroup."))
			return err_set(err, EINVAL, "linux.resources.unified: '%s': controller '%.*s' is not available", key,
				       (int)(dot - key), key);
		for (int c = 0; c < CTL_COUNT; c++)
			if (bit == CTL_BIT(c))
				ctl = (enum cg_ctl)c;
		/* The kernel takes one line a write; keyed files come with several. */
		while (first || *value) {
			char *end = strchrnul(value, '\n'), *next = *end ? end + 1 : end;

			*end = '\0';
			if (first || *value)
				add_unified_line(l, ctl, key, value);
			first = false;
			value = next;
		}
	}
	return 0;
}

int limits_v2(struct limit_list *l, const struct spec_resources *r, uint32_t in_v2, struct err *err)
{
	int ret = add_memory(l, r, err);

	if (ret == 0)
		ret = add_cpu(l, r, err);
	if (ret == 0)
		ret = add_io(l, r, err);
	if (ret == 0)
		ret = limits_hugetlb(l, r, "max", err);
	if (ret < 0)
		return ret;
	if (r->pids_limit.set)
		limit_add(l, CTL_PIDS, "pids.limit", "pids.max", amount(l, r->pids_limit.v))->flags =
			r->pids_limit.v < 0 ? LIMIT_NOOP : 0;
	if (r->cpus && *r->cpus)
		limit_add(l, CTL_CPUSET, "cpu.cpus", "cpuset.cpus", r->cpus);
	if (r->mems && *r->mems)
		limit_add(l, CTL_CPUSET, "cpu.mems", "cpuset.mems", r->mems);
	if (r->net_class_id.set && r->net_class_id.v)
		return refuse("network.classID", "", err);
	if (r->n_net_prios)
		return refuse("network.priorities", "", err);
	add_rdma(l, r);
	return add_unified(l, r, in_v2, err); /* last: what the user wrote for this very kernel wins */
}
