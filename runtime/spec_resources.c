/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/path.h"
#include "runtime/spec_fields.h"

/* config-linux.md "Control groups". */
#define RES(member) offsetof(struct spec_resources, member)
#define MAX_MAJOR   4095    /* 12 and 20 bits: what the kernel's dev_t holds */
#define MAX_MINOR   1048575

static int read_rule_type(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at)
{
	char *type = at;
	const char *s = node->u.string;

	if (!*s)
		return 0; /* all, set by the check */
	if (s[1] || !strchr("abc", s[0]))
		return spec_fail(r, node, "'%s' is not a type of device rule (a, b, c)", s);
	*type = s[0];
	return 0;
}

static int read_access(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at)
{
	uint8_t *access = at;

	for (const char *s = node->u.string; *s; s++) {
		uint8_t bit = *s == 'r' ? DEVICE_R : *s == 'w' ? DEVICE_W : *s == 'm' ? DEVICE_M : 0;

		if (!bit)
			return spec_fail(r, node, "'%s' is not a combination of r, w and m", node->u.string);
		*access = (uint8_t)(*access | bit);
	}
	return 0;
}

static int check_rule(struct spec_reader *r UNUSED, const struct json *node, void *base)
{
	struct spec_device_rule *rule = base;
	const struct json *major = json_get(node, "major"), *minor = json_get(node, "minor");

	if (!major || major->type == JSON_NULL)
		rule->major = -1;
	if (!minor || minor->type == JSON_NULL)
		rule->minor = -1;
	if (!rule->type)
		rule->type = 'a';
	if (!rule->access)
		rule->access = DEVICE_R | DEVICE_W | DEVICE_M;
	return 0;
}

#define RULE(member) offsetof(struct spec_device_rule, member)
static const struct field rule_fields[] = {
	FIELD("allow", JSON_BOOL, true, FIELD_BOTH, RULE(allow), read_bool),
	FIELD("type", JSON_STRING, false, FIELD_BOTH, RULE(type), read_rule_type, .note = "default: all"),
	FIELD("major", JSON_NUMBER, false, FIELD_BOTH, RULE(major), read_i64, .min = -1, .max = MAX_MAJOR, .note = "-1: all"),
	FIELD("minor", JSON_NUMBER, false, FIELD_BOTH, RULE(minor), read_i64, .min = -1, .max = MAX_MINOR, .note = "-1: all"),
	FIELD("access", JSON_STRING, false, FIELD_BOTH, RULE(access), read_access, .note = "default: rwm"),
	FIELD_END,
};
static const struct object_type rule_type = { "config-linux.md#allowed-device-list", rule_fields, check_rule };

/* Zero is what engines write for "not set", so only two real limits are compared. */
static int check_memory(struct spec_reader *r, const struct json *node, void *base)
{
	const struct spec_resources *res = base;
	int64_t limit = res->mem_limit.v, swap = res->mem_swap.v;

	if (limit > 0 && swap > 0 && swap < limit)
		return spec_fail(r, spec_blame(node, "swap"), "%lld is below the memory limit %lld: swap is the sum of memory and swap",
				 (long long)swap, (long long)limit);
	return 0;
}

static const struct field memory_fields[] = {
	FIELD("limit", JSON_NUMBER, false, FIELD_BOTH, RES(mem_limit), read_opt_i64, .min = -1),
	FIELD("reservation", JSON_NUMBER, false, FIELD_BOTH, RES(mem_reservation), read_opt_i64, .min = -1),
	FIELD("swap", JSON_NUMBER, false, FIELD_BOTH, RES(mem_swap), read_opt_i64, .min = -1),
	FIELD("kernel", JSON_NUMBER, false, FIELD_BOTH, RES(mem_kernel), read_opt_i64, .min = -1),
	FIELD("kernelTCP", JSON_NUMBER, false, FIELD_BOTH, RES(mem_kernel_tcp), read_opt_i64, .min = -1),
	FIELD("swappiness", JSON_NUMBER, false, FIELD_BOTH, RES(mem_swappiness), read_opt_u64, .max = 100),
	FIELD("disableOOMKiller", JSON_BOOL, false, FIELD_BOTH, RES(mem_disable_oom_killer), read_opt_bool),
	FIELD("useHierarchy", JSON_BOOL, false, FIELD_BOTH, RES(mem_use_hierarchy), read_opt_bool),
	FIELD("checkBeforeUpdate", JSON_BOOL, false, FIELD_BOTH, RES(mem_check_before_update), read_opt_bool),
	FIELD_END,
};
static const struct object_type memory_type = { "config-linux.md#memory", memory_fields, check_memory };

static int check_cpu(struct spec_reader *r, const struct json *node, void *base)
{
	const struct spec_resources *res = base;

	if (res->cpu_burst.set && res->cpu_quota.v > 0 && res->cpu_burst.v > (uint64_t)res->cpu_quota.v)
		return spec_fail(r, spec_blame(node, "burst"), "%llu is above the quota %lld",
				 (unsigned long long)res->cpu_burst.v, (long long)res->cpu_quota.v);
	return 0;
}

static const struct field cpu_fields[] = {
	FIELD("shares", JSON_NUMBER, false, FIELD_BOTH, RES(cpu_shares), read_opt_u64),
	FIELD("quota", JSON_NUMBER, false, FIELD_BOTH, RES(cpu_quota), read_opt_i64, .min = -1),
	FIELD("burst", JSON_NUMBER, false, FIELD_BOTH, RES(cpu_burst), read_opt_u64),
	FIELD("period", JSON_NUMBER, false, FIELD_BOTH, RES(cpu_period), read_opt_u64),
	FIELD("realtimeRuntime", JSON_NUMBER, false, FIELD_BOTH, RES(cpu_rt_runtime), read_opt_i64, .min = -1),
	FIELD("realtimePeriod", JSON_NUMBER, false, FIELD_BOTH, RES(cpu_rt_period), read_opt_u64),
	FIELD("cpus", JSON_STRING, false, FIELD_BOTH, RES(cpus), read_cpu_list),
	FIELD("mems", JSON_STRING, false, FIELD_BOTH, RES(mems), read_cpu_list),
	FIELD("idle", JSON_NUMBER, false, FIELD_BOTH, RES(cpu_idle), read_opt_i64, .min = 0, .max = 1),
	FIELD_END,
};
static const struct object_type cpu_type = { "config-linux.md#cpu", cpu_fields, check_cpu };

#define WEIGHT(member) offsetof(struct spec_weight_device, member)
static int check_weight(struct spec_reader *r, const struct json *node, void *base)
{
	const struct spec_weight_device *w = base;

	if (!w->weight.set && !w->leaf_weight.set)
		return spec_fail(r, node, "'weight' or 'leafWeight' is required");
	return 0;
}

static const struct field weight_fields[] = {
	FIELD("major", JSON_NUMBER, true, FIELD_BOTH, WEIGHT(major), read_i64, .min = 0, .max = MAX_MAJOR),
	FIELD("minor", JSON_NUMBER, true, FIELD_BOTH, WEIGHT(minor), read_i64, .min = 0, .max = MAX_MINOR),
	FIELD("weight", JSON_NUMBER, false, FIELD_BOTH, WEIGHT(weight), read_opt_u32, .max = UINT16_MAX),
	FIELD("leafWeight", JSON_NUMBER, false, FIELD_BOTH, WEIGHT(leaf_weight), read_opt_u32, .max = UINT16_MAX),
	FIELD_END,
};
static const struct object_type weight_type = { "config-linux.md#block-io", weight_fields, check_weight };

#define THROTTLE(member) offsetof(struct spec_throttle_device, member)
static const struct field throttle_fields[] = {
	FIELD("major", JSON_NUMBER, true, FIELD_BOTH, THROTTLE(major), read_i64, .min = 0, .max = MAX_MAJOR),
	FIELD("minor", JSON_NUMBER, true, FIELD_BOTH, THROTTLE(minor), read_i64, .min = 0, .max = MAX_MINOR),
	FIELD("rate", JSON_NUMBER, true, FIELD_BOTH, THROTTLE(rate), read_u64),
	FIELD_END,
};
static const struct object_type throttle_type = { "config-linux.md#block-io", throttle_fields, NULL };

#define THROTTLE_LIST .object = &throttle_type, .size = sizeof(struct spec_throttle_device)
static const struct field blkio_fields[] = {
	FIELD("weight", JSON_NUMBER, false, FIELD_BOTH, RES(blkio_weight), read_opt_u32, .max = UINT16_MAX),
	FIELD("leafWeight", JSON_NUMBER, false, FIELD_BOTH, RES(blkio_leaf_weight), read_opt_u32, .max = UINT16_MAX),
	FIELD("weightDevice", JSON_ARRAY, false, FIELD_BOTH, RES(blkio_weight_devices), read_list, .object = &weight_type,
	  .size = sizeof(struct spec_weight_device)),
	FIELD("throttleReadBpsDevice", JSON_ARRAY, false, FIELD_BOTH, RES(blkio_read_bps), read_list, THROTTLE_LIST),
	FIELD("throttleWriteBpsDevice", JSON_ARRAY, false, FIELD_BOTH, RES(blkio_write_bps), read_list, THROTTLE_LIST),
	FIELD("throttleReadIOPSDevice", JSON_ARRAY, false, FIELD_BOTH, RES(blkio_read_iops), read_list, THROTTLE_LIST),
	FIELD("throttleWriteIOPSDevice", JSON_ARRAY, false, FIELD_BOTH, RES(blkio_write_iops), read_list, THROTTLE_LIST),
	FIELD_END,
};
static const struct object_type blkio_type = { "config-linux.md#block-io", blkio_fields, NULL };

/* The text becomes part of a file's name (hugetlb.2MB.max), so its form is checked to the byte. */
static int read_page_size(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	const char *s = node->u.string;
	size_t n = strspn(s, "0123456789");

	if (!n || n > 6 || s[0] == '0' || !s[n] || !strchr("KMG", s[n]) || s[n + 1] != 'B' || s[n + 2])
		return spec_fail(r, node, "'%s' is not a page size such as 64KB, 2MB or 1GB", s);
	return read_string(r, f, node, at);
}

static const struct field hugepage_fields[] = {
	FIELD("pageSize", JSON_STRING, true, FIELD_BOTH, offsetof(struct spec_hugepage_limit, page_size), read_page_size),
	FIELD("limit", JSON_NUMBER, true, FIELD_BOTH, offsetof(struct spec_hugepage_limit, limit), read_u64),
	FIELD_END,
};
static const struct object_type hugepage_type = { "config-linux.md#huge-page-limits", hugepage_fields, NULL };

/* It becomes a line "NAME VALUE" of a cgroup file. */
static int read_device_name(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	if (strpbrk(node->u.string, " \t\n/"))
		return spec_fail(r, node, "'%s' is not a device name", node->u.string);
	return read_string(r, f, node, at);
}

static const struct field priority_fields[] = {
	FIELD("name", JSON_STRING, true, FIELD_BOTH, offsetof(struct spec_net_prio, name), read_device_name),
	FIELD("priority", JSON_NUMBER, true, FIELD_BOTH, offsetof(struct spec_net_prio, priority), read_u32),
	FIELD_END,
};
static const struct object_type priority_type = { "config-linux.md#network", priority_fields, NULL };

static const struct field network_fields[] = {
	FIELD("classID", JSON_NUMBER, false, FIELD_BOTH, RES(net_class_id), read_opt_u32, .note = "cgroup v1"),
	FIELD("priorities", JSON_ARRAY, false, FIELD_BOTH, RES(net_prios), read_list, .object = &priority_type,
	  .size = sizeof(struct spec_net_prio), .note = "cgroup v1"),
	FIELD_END,
};
static const struct object_type network_type = { "config-linux.md#network", network_fields, NULL };

static const struct field pids_fields[] = {
	FIELD("limit", JSON_NUMBER, false, FIELD_BOTH, RES(pids_limit), read_opt_i64, .min = INT64_MIN,
	  .note = "below 0: no limit; 0 is a limit"),
	FIELD_END,
};
static const struct object_type pids_type = { "config-linux.md#pids", pids_fields, NULL };

static const struct field rdma_fields[] = {
	FIELD("hcaHandles", JSON_NUMBER, false, FIELD_BOTH, offsetof(struct spec_rdma, hca_handles), read_opt_u32),
	FIELD("hcaObjects", JSON_NUMBER, false, FIELD_BOTH, offsetof(struct spec_rdma, hca_objects), read_opt_u32),
	FIELD_END,
};
static const struct object_type rdma_type = { "config-linux.md#rdma", rdma_fields, NULL };

static int read_rdma(struct spec_reader *r, const struct field *f, const struct json *node, void *at UNUSED)
{
	struct spec_resources *res = (struct spec_resources *)((char *)at - f->offset);

	res->rdma = arena_alloc(r->arena, node->u.kids.n * sizeof(*res->rdma));
	for (const struct json *k = node->u.kids.first; k; k = k->next) {
		struct spec_rdma *d = &res->rdma[res->n_rdma++];
		int result = spec_read_members(r, f->object, k, d);

		if (result < 0)
			return result;
		d->device = k->key;
		if (!k->key[0] || strpbrk(k->key, " \t\n/="))
			return spec_fail(r, k, "'%s' is not a device name", k->key);
		if (!d->hca_handles.set && !d->hca_objects.set)
			return spec_fail(r, k, "'hcaHandles' or 'hcaObjects' is required");
	}
	return 0;
}

/* The key becomes a file's name in the container's cgroup. */
static int read_unified(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	int result = read_kvlist(r, f, node, at);

	for (const struct json *k = node->u.kids.first; k && result >= 0; k = k->next) {
		const char *dot = strchr(k->key, '.');

		if (strchr(k->key, '/'))
			return spec_fail(r, k, "'%s' must not have a slash", k->key);
		if (!dot || dot == k->key || !dot[1])
			return spec_fail(r, k, "'%s' does not have the form CONTROLLER.PARAMETER", k->key);
	}
	return result;
}

static int check_resources(struct spec_reader *r UNUSED, const struct json *node UNUSED, void *base)
{
	struct spec_resources *res = base;

	res->set = true;
	return 0;
}

static const struct field resources_fields[] = {
	FIELD("devices", JSON_ARRAY, false, FIELD_BOTH, RES(devices), read_list, .object = &rule_type,
	  .size = sizeof(struct spec_device_rule)),
	FIELD("memory", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &memory_type),
	FIELD("cpu", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &cpu_type),
	FIELD("blockIO", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &blkio_type),
	FIELD("hugepageLimits", JSON_ARRAY, false, FIELD_BOTH, RES(hugepages), read_list, .object = &hugepage_type,
	  .size = sizeof(struct spec_hugepage_limit)),
	FIELD("network", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &network_type),
	FIELD("pids", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &pids_type),
	FIELD("rdma", JSON_OBJECT, false, FIELD_BOTH, RES(rdma), read_rdma, .map = true,
	      .object = &rdma_type),
	FIELD("unified", JSON_OBJECT, false, FIELD_BOTH, RES(unified), read_unified, .note = "cgroup v2"),
	FIELD_END,
};

const struct object_type spec_type_resources = { "config-linux.md#control-groups", resources_fields, check_resources };
