/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/log.h"

#include <errno.h>
#include <stddef.h>

/* Numbers that are one write of one file. zero_is_unset: a 0 means "not given", as the engines send it. */
enum num_type { NUM_I64, NUM_U64, NUM_U32 };
struct num_row {
	const char *field, *file, *alt_file;
	enum cg_ctl ctl;
	enum num_type type;
	bool zero_is_unset;
	unsigned flags;
	size_t offset;
};
#define AT(member) offsetof(struct spec_resources, member)

/* Order matters only for the reader: what the kernel refuses in one order is tried again after the others. */
/* clang-format off */
static const struct num_row rows[] = {
	{ "memory.limit", "memory.limit_in_bytes", NULL, CTL_MEMORY, NUM_I64, true, LIMIT_DEFER, AT(mem_limit) },
	{ "memory.swap", "memory.memsw.limit_in_bytes", NULL, CTL_MEMORY, NUM_I64, true, LIMIT_DEFER, AT(mem_swap) },
	{ "memory.reservation", "memory.soft_limit_in_bytes", NULL, CTL_MEMORY, NUM_I64, true, 0, AT(mem_reservation) },
	{ "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", NULL, CTL_MEMORY, NUM_I64, true, 0, AT(mem_kernel_tcp) },
	{ "memory.swappiness", "memory.swappiness", NULL, CTL_MEMORY, NUM_U64, false, 0, AT(mem_swappiness) },
	{ "cpu.shares", "cpu.shares", NULL, CTL_CPU, NUM_U64, true, 0, AT(cpu_shares) },
	{ "cpu.period", "cpu.cfs_period_us", NULL, CTL_CPU, NUM_U64, true, LIMIT_DEFER, AT(cpu_period) },
	{ "cpu.quota", "cpu.cfs_quota_us", NULL, CTL_CPU, NUM_I64, true, LIMIT_DEFER, AT(cpu_quota) },
	{ "cpu.burst", "cpu.cfs_burst_us", NULL, CTL_CPU, NUM_U64, false, LIMIT_DEFER, AT(cpu_burst) },
	{ "cpu.realtimePeriod", "cpu.rt_period_us", NULL, CTL_CPU, NUM_U64, true, LIMIT_DEFER, AT(cpu_rt_period) },
	{ "cpu.realtimeRuntime", "cpu.rt_runtime_us", NULL, CTL_CPU, NUM_I64, true, LIMIT_DEFER, AT(cpu_rt_runtime) },
	{ "cpu.idle", "cpu.idle", NULL, CTL_CPU, NUM_I64, false, 0, AT(cpu_idle) },
	{ "blockIO.weight", "blkio.bfq.weight", "blkio.weight", CTL_IO, NUM_U32, true, 0, AT(blkio_weight) },
	{ "blockIO.leafWeight", "blkio.leaf_weight", NULL, CTL_IO, NUM_U32, true, 0, AT(blkio_leaf_weight) },
	{ "network.classID", "net_cls.classid", NULL, CTL_NET_CLS, NUM_U32, true, 0, AT(net_class_id) },
};
/* clang-format on */

/* False when the number is absent. -1 of an unsigned field cannot be: the spec has none. */
static bool read_number(const struct spec_resources *r, const struct num_row *row, char text[24])
{
	const char *base = (const char *)r + row->offset;
	struct opt_i64 i;
	struct opt_u64 u = { 0 };
	struct opt_u32 w;

	switch (row->type) {
	case NUM_I64:
		memcpy(&i, base, sizeof(i));
		(void)snprintf(text, 24, "%lld", i.v < 0 && i.v != -1 ? -1LL : (long long)i.v);
		return i.set && (i.v != 0 || !row->zero_is_unset);
	case NUM_U64:
		memcpy(&u, base, sizeof(u));
		break;
	case NUM_U32:
		memcpy(&w, base, sizeof(w));
		u.set = w.set;
		u.v = w.v;
		break;
	}
	(void)snprintf(text, 24, "%llu", (unsigned long long)u.v);
	return u.set && (u.v != 0 || !row->zero_is_unset);
}

static void add_numbers(struct limit_list *l, const struct spec_resources *r)
{
	char text[24];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct limit *one;

		if (!read_number(r, &rows[i], text))
			continue;
		one = limit_add(l, rows[i].ctl, rows[i].field, rows[i].file, arena_strdup(&l->arena, text));
		one->alt_file = rows[i].alt_file;
		one->flags = rows[i].flags;
		if (str_eq(text, "-1") && rows[i].type == NUM_I64) /* unlimited: so without the file too */
			one->flags |= LIMIT_NOOP;
		if (str_eq(text, "0") && (rows[i].ctl == CTL_CPU)) /* burst 0, idle 0: the default */
			one->flags |= LIMIT_NOOP;
	}
}

static void add_memory_rest(struct limit_list *l, const struct spec_resources *r)
{
	l->checked_memory = r->mem_check_before_update.set && r->mem_check_before_update.v;
	l->memory_limit = r->mem_limit.set ? r->mem_limit.v : 0;
	/* Unlimited memory below a memory+swap limit is no limit's removal: both go, unless swap was given. */
	if (r->mem_limit.set && r->mem_limit.v < 0 && (!r->mem_swap.set || r->mem_swap.v == 0))
		limit_add(l, CTL_MEMORY, "memory.limit", "memory.memsw.limit_in_bytes", "-1")->flags = LIMIT_OPTIONAL;
	if (r->mem_kernel.set && r->mem_kernel.v != 0)
		log_warn("linux.resources.memory.kernel is ignored: the kernel has no such limit since Linux 5.16");
	if (r->mem_disable_oom_killer.set)
		limit_add(l, CTL_MEMORY, "memory.disableOOMKiller", "memory.oom_control", r->mem_disable_oom_killer.v ? "1" : "0")
			->flags = r->mem_disable_oom_killer.v ? 0 : LIMIT_NOOP;
	/* Always on since Linux 5.11; the kernel answers EINVAL to a 0. */
	if (r->mem_use_hierarchy.set && r->mem_use_hierarchy.v)
		limit_add(l, CTL_MEMORY, "memory.useHierarchy", "memory.use_hierarchy", "1")->flags = LIMIT_NOOP;
}

static void add_io(struct limit_list *l, const struct spec_resources *r)
{
	static const struct {
		const char *field, *file;
		size_t offset;
	} throttles[] = {
		{ "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", AT(blkio_read_bps) },
		{ "blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", AT(blkio_write_bps) },
		{ "blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", AT(blkio_read_iops) },
		{ "blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", AT(blkio_write_iops) },
	};

	for (size_t i = 0; i < r->n_blkio_weight_devices; i++) {
		const struct spec_weight_device *d = &r->blkio_weight_devices[i];
		char *key = arena_printf(&l->arena, "%lld:%lld", (long long)d->major, (long long)d->minor);
		struct limit *one;

		if (d->weight.set && d->weight.v) {
			one = limit_addf(l, CTL_IO, "blockIO.weightDevice", "blkio.bfq.weight_device", "%s %u", key, d->weight.v);
			one->alt_file = "blkio.weight_device";
			one->key = key;
			one->reset = "default";
		}
		if (d->leaf_weight.set && d->leaf_weight.v) {
			one = limit_addf(l, CTL_IO, "blockIO.weightDevice", "blkio.leaf_weight_device", "%s %u", key, d->leaf_weight.v);
			one->key = key;
			one->reset = "default";
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(throttles); i++) {
		const struct spec_throttle_list *t = (const void *)((const char *)r + throttles[i].offset);

		for (size_t k = 0; k < t->n; k++) {
			char *key = arena_printf(&l->arena, "%lld:%lld", (long long)t->v[k].major, (long long)t->v[k].minor);
			struct limit *one = limit_addf(l, CTL_IO, throttles[i].field, throttles[i].file, "%s %llu", key,
						       (unsigned long long)t->v[k].rate);

			one->key = key;
			one->reset = "0";
		}
	}
}

static void add_rest(struct limit_list *l, const struct spec_resources *r)
{
	if (r->pids_limit.set && r->pids_limit.v < 0)
		limit_add(l, CTL_PIDS, "pids.limit", "pids.max", "max")->flags = LIMIT_NOOP;
	else if (r->pids_limit.set)
		limit_addf(l, CTL_PIDS, "pids.limit", "pids.max", "%lld", (long long)r->pids_limit.v);
	if (r->cpus && *r->cpus)
		limit_add(l, CTL_CPUSET, "cpu.cpus", "cpuset.cpus", r->cpus);
	if (r->mems && *r->mems)
		limit_add(l, CTL_CPUSET, "cpu.mems", "cpuset.mems", r->mems);
	for (size_t i = 0; i < r->n_net_prios; i++) {
		struct limit *one = limit_addf(l, CTL_NET_PRIO, "network.priorities", "net_prio.ifpriomap", "%s %u",
					       r->net_prios[i].name, r->net_prios[i].priority);

		one->key = r->net_prios[i].name;
		one->reset = "0";
	}
}

int limits_v1(struct limit_list *l, const struct spec_resources *r, uint32_t in_v2, struct err *err)
{
	struct spec_resources only = { 0 };

	if (r->unified.n)
		return err_set(err, EINVAL, "linux.resources.unified: '%s' needs cgroup v2, and this machine's controllers are on v1",
			       r->unified.v[0].key);
	add_numbers(l, r);
	add_memory_rest(l, r);
	add_io(l, r);
	add_rest(l, r);
	/* Hybrid: a controller that sits in the cgroup2 mount takes that file's name and unit. */
	if (in_v2 & CTL_BIT(CTL_HUGETLB)) {
		only.hugepages = r->hugepages;
		only.n_hugepages = r->n_hugepages;
	} else if (limits_hugetlb(l, r, "limit_in_bytes", err) < 0) {
		return -EINVAL;
	}
	only.rdma = r->rdma;
	only.n_rdma = r->n_rdma;
	return limits_v2(l, &only, in_v2, err);
}
