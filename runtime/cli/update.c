/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/cli/config.h"
#include "runtime/cli/events.h"
#include "runtime/cli/launch.h"
#include "runtime/cli/select.h"
#include "runtime/cli/template.h"

#include <errno.h>

/* The limits and the restart policy of `run`, changed: they are added to the record's flags, of which the last one of a name holds, and
 * given to the container when it runs. */
#define T struct run_options
static const struct option_row rows[] = {
	OPT_U32(T, blkio_weight, "blkio-weight", 0, "N", "relative share of block I/O, 10 to 1000"),
	OPT_LIST(T, blkio_weight_device, "blkio-weight-device", 0, "DEVICE:N", "the same for one device"),
	OPT_U64(T, cpu_period, "cpu-period", 0, "USEC", "period of --cpu-quota"),
	OPT_I64(T, cpu_quota, "cpu-quota", 0, "USEC", "CPU time in each period"),
	OPT_U64(T, cpu_rt_period, "cpu-rt-period", 0, "USEC", "period of --cpu-rt-runtime"),
	OPT_I64(T, cpu_rt_runtime, "cpu-rt-runtime", 0, "USEC", "real-time CPU time in each period"),
	OPT_U64(T, cpu_shares, "cpu-shares", 'c', "N", "relative share of CPU time"),
	OPT_STRING(T, cpus, "cpus", 0, "N", "number of CPUs, such as 1.5"),
	OPT_STRING(T, cpuset_cpus, "cpuset-cpus", 0, "LIST", "CPUs to run on, such as 0-2,4"),
	OPT_STRING(T, cpuset_mems, "cpuset-mems", 0, "LIST", "memory nodes to use"),
	OPT_LIST(T, device_read_bps, "device-read-bps", 0, "DEVICE:BYTES", "limit of reading in bytes a second"),
	OPT_LIST(T, device_read_iops, "device-read-iops", 0, "DEVICE:N", "limit of reading in operations a second"),
	OPT_LIST(T, device_write_bps, "device-write-bps", 0, "DEVICE:BYTES", "limit of writing in bytes a second"),
	OPT_LIST(T, device_write_iops, "device-write-iops", 0, "DEVICE:N", "limit of writing in operations a second"),
	OPT_SIZE(T, memory, "memory", 'm', "BYTES", "limit of memory"),
	OPT_SIZE(T, memory_reservation, "memory-reservation", 0, "BYTES", "soft limit of memory"),
	OPT_SIZE(T, memory_swap, "memory-swap", 0, "BYTES", "limit of memory and swap together, -1: none"),
	OPT_I64(T, memory_swappiness, "memory-swappiness", 0, "N", "tendency to swap, 0 to 100"),
	OPT_I64(T, pids_limit, "pids-limit", 0, "N", "limit of processes, -1: none"),
	OPT_STRING(T, restart, "restart", 0, "POLICY", "no, on-failure[:N], always or unless-stopped"),
	OPT_END,
};
#undef T

/* linux.resources of the record's flags, without devices, which do not change while it runs. */
static int resources_of(struct record *r, struct arena *a, struct spec_resources *ret, struct err *err)
{
	AUTO_RUN_OPTIONS struct run_options all = { 0 };
	struct config_input in = { .o = &all, .id = r->id, .swap_limit = true };
	AUTO_BUF struct buf text = { 0 }, limits = { 0 };
	struct json_writer w = { .out = &text }, out = { .out = &limits };
	struct json *root = NULL;
	int x = run_options_thaw(&r->flags, &all, err);

	if (x == 0)
		x = run_options_check(&all, err);
	json_begin_object(&w);
	if (x == 0)
		x = config_resources(&in, &w, err);
	json_end_object(&w);
	if (x == 0)
		x = json_parse(a, "limits", text.p, text.len, &root, err);
	if (x < 0 || !root)
		return x;
	json_begin_object(&out);
	for (const struct json *k = json_get(root, "resources")->u.kids.first; k; k = k->next) {
		AUTO_BUF struct buf value = { 0 };

		if (str_eq(k->key, "devices"))
			continue;
		template_json(k, false, &value);
		json_key(&out, k->key);
		json_raw(&out, value.p);
	}
	json_end_object(&out);
	return spec_parse_resources(a, ret, "limits", limits.p, limits.len, err);
}

static int update_one(struct record *r, void *arg, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	CLEANUP(arena_done) struct arena a = { 0 };
	static const struct run_options none;
	const struct run_options *o = arg;
	struct spec_resources resources = { 0 };
	struct strlist words = { 0 };
	enum record_state s;
	int x = record_lock(r, err);

	if (x < 0)
		return x;
	options_to_words(rows, o, &none, &a, &words);
	for (size_t i = 0; i < words.n; i++)
		strlist_add(&r->arena, &r->flags, arena_strdup(&r->arena, words.v[i]));
	if (o->restart)
		r->restart_policy = str_eq(o->restart, "no") ? NULL : arena_strdup(&r->arena, o->restart);
	x = resources_of(r, &a, &resources, err);
	s = record_state(r, &c);
	if (x == 0 && c && (s == RECORD_RUNNING || s == RECORD_PAUSED || s == RECORD_STARTING))
		x = container_update(c, &resources, NULL, NULL, err);
	if (x == 0)
		x = record_save(r, err);
	if (x == 0)
		event_container(r, "update");
	return x < 0 ? x : 1;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct selection s = { 0 };
	CLEANUP(arena_done) struct arena a = { 0 };
	static const struct run_options none;
	struct strlist words = { 0 };

	options_to_words(rows, target, &none, &a, &words);
	if (!words.n)
		return err_set(err, EINVAL, "update: no option says what to change");
	return for_each_selected(cli, &s, operands, update_one, target, err);
}

const struct cli_command cli_update = {
	.name = "update",
	.operands = "OPTIONS CONTAINER [CONTAINER...]",
	.help = "change limits and restart policy of containers",
	.options = rows,
	.target_size = sizeof(struct run_options),
	.min_operands = 1,
	.max_operands = -1,
	.container = true,
	.run = run,
};
