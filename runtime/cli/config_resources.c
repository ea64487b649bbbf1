/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"

#include "runtime/base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CPU_PERIOD_USEC 100000
#define DEFAULT_PIDS	2048

/* ---- which devices ---- */

static void write_rule(struct json_writer *w, bool allow, const char *type, int64_t major, int64_t minor, const char *access)
{
	json_begin_object(w);
	json_kv_bool(w, "allow", allow);
	if (type)
		json_kv_string(w, "type", type);
	if (major >= 0)
		json_kv_i64(w, "major", major);
	if (minor >= 0)
		json_kv_i64(w, "minor", minor);
	json_kv_string(w, "access", access);
	json_end_object(w);
}

static int rule_number(const char *s, int64_t *ret)
{
	*ret = -1;
	if (str_eq(s, "*"))
		return 0;
	return str_to_i64(s, ret) < 0 || *ret < 0 ? -EINVAL : 0;
}

/* "c 10:229 rwm", "a *:* m" */
static int write_user_rule(struct json_writer *w, const char *text, struct err *err)
{
	char type[2], major[16], minor[16], access[4];
	int64_t ma, mi;
	int end = 0;

	if (sscanf(text, "%1[acb] %15[0-9*]:%15[0-9*] %3[rwm]%n", type, major, minor, access, &end) != 4 || text[end] ||
	    rule_number(major, &ma) < 0 || rule_number(minor, &mi) < 0)
		return err_set(err, EINVAL, "--device-cgroup-rule '%s': must look like 'c 10:229 rwm'", text);
	write_rule(w, true, type, ma, mi, access);
	return 0;
}

static int write_device_rules(const struct config_input *in, struct json_writer *w, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct config_devices devices = { 0 };
	int r = 0;

	json_key(w, "devices");
	json_begin_array(w);
	if (in->o->privileged) {
		write_rule(w, true, NULL, -1, -1, "rwm");
	} else {
		write_rule(w, false, NULL, -1, -1, "rwm");
		r = config_devices(in->o, &a, &devices, err);
		for (size_t i = 0; i < devices.n && r == 0; i++)
			write_rule(w, true, (const char[]){ devices.v[i].type, '\0' }, devices.v[i].major, devices.v[i].minor,
				   devices.v[i].access);
		for (size_t i = 0; i < in->o->device_cgroup_rule.n && r == 0; i++)
			r = write_user_rule(w, in->o->device_cgroup_rule.v[i], err);
	}
	json_end_array(w);
	return r;
}

/* ---- memory, cpu ---- */

static int write_memory(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const struct run_options *o = in->o;

	if (o->memory_swap.set && o->memory_swap.v > 0 && (!o->memory.set || o->memory_swap.v < o->memory.v))
		return err_set(err, EINVAL, "--memory-swap is memory and swap together: it needs --memory, and must not be less than it");
	if (o->memory.set && o->memory.v > 0 && o->memory.v < 6 << 20)
		return err_set(err, EINVAL, "--memory %lld: less than 6m, with which no container starts", (long long)o->memory.v);
	if (o->memory_swappiness.set && (o->memory_swappiness.v < -1 || o->memory_swappiness.v > 100))
		return err_set(err, EINVAL, "--memory-swappiness %lld: must be from 0 to 100", (long long)o->memory_swappiness.v);
	json_key(w, "memory");
	json_begin_object(w);
	if (o->memory.set && o->memory.v)
		json_kv_i64(w, "limit", o->memory.v);
	if (o->memory_reservation.set && o->memory_reservation.v)
		json_kv_i64(w, "reservation", o->memory_reservation.v);
	if (o->memory_swap.set && o->memory_swap.v)
		json_kv_i64(w, "swap", o->memory_swap.v);
	else if (o->memory.set && o->memory.v > 0 && in->swap_limit)
		json_kv_i64(w, "swap", o->memory.v > INT64_MAX / 2 ? INT64_MAX : o->memory.v * 2);
	if (o->memory_swappiness.set && o->memory_swappiness.v >= 0)
		json_kv_i64(w, "swappiness", o->memory_swappiness.v);
	if (o->oom_kill_disable)
		json_kv_bool(w, "disableOOMKiller", true);
	json_end_object(w);
	return 0;
}

/* "1.5": hundred-thousandths of a CPU's time are more than anybody sees */
static int parse_cpus(const char *text, int64_t *ret_quota, struct err *err)
{
	char *end;
	double v = strtod(text, &end);

	if (!isdigit((unsigned char)text[0]) || *end || !(v >= 0.01 && v <= 100000))
		return err_set(err, EINVAL, "--cpus '%s': must be a number such as 1.5, at least 0.01", text);
	*ret_quota = (int64_t)(v * CPU_PERIOD_USEC + 0.5);
	return 0;
}

static int write_cpu(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const struct run_options *o = in->o;
	int64_t quota = 0;
	int r = o->cpus && !str_eq(o->cpus, "0") ? parse_cpus(o->cpus, &quota, err) : 0;

	if (r == 0 && quota && (o->cpu_quota.set || o->cpu_period.set))
		r = err_set(err, EINVAL, "--cpus and --cpu-quota or --cpu-period say the same thing: give one of them");
	if (r < 0)
		return r;
	json_key(w, "cpu");
	json_begin_object(w);
	if (o->cpu_shares.set && o->cpu_shares.v)
		json_kv_u64(w, "shares", o->cpu_shares.v);
	if (quota || o->cpu_quota.set)
		json_kv_i64(w, "quota", quota ? quota : o->cpu_quota.v);
	if (quota || o->cpu_period.set)
		json_kv_u64(w, "period", quota ? CPU_PERIOD_USEC : o->cpu_period.v);
	if (o->cpu_rt_runtime.set)
		json_kv_i64(w, "realtimeRuntime", o->cpu_rt_runtime.v);
	if (o->cpu_rt_period.set)
		json_kv_u64(w, "realtimePeriod", o->cpu_rt_period.v);
	if (o->cpuset_cpus && *o->cpuset_cpus)
		json_kv_string(w, "cpus", o->cpuset_cpus);
	if (o->cpuset_mems && *o->cpuset_mems)
		json_kv_string(w, "mems", o->cpuset_mems);
	json_end_object(w);
	return 0;
}

/* ---- block I/O ---- */

/* DEVICE:VALUE; bytes: the value may have a unit */
static int write_throttle(struct json_writer *w, const char *flag, const char *text, bool bytes, const char *member, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *colon = strrchr(copy, ':');
	struct stat st;
	int64_t value;

	if (colon)
		*colon = '\0';
	if (!colon || (bytes ? option_size(colon + 1, &value) : str_to_i64(colon + 1, &value)) < 0 || value < 0)
		return err_set(err, EINVAL, "--%s '%s': must be DEVICE:%s", flag, text, bytes ? "BYTES" : "NUMBER");
	if (stat(copy, &st) < 0)
		return err_sys(err, -errno, "--%s '%s'", flag, copy);
	if (!S_ISBLK(st.st_mode))
		return err_set(err, EINVAL, "--%s '%s': not a block device", flag, copy);
	json_begin_object(w);
	json_kv_u64(w, "major", major(st.st_rdev));
	json_kv_u64(w, "minor", minor(st.st_rdev));
	json_kv_i64(w, member, value);
	json_end_object(w);
	return 0;
}

static int write_block_io(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const struct run_options *o = in->o;
	const struct {
		const char *flag, *key, *member;
		const struct option_list *list;
		bool bytes;
	} rows[] = {
		{ "blkio-weight-device", "weightDevice", "weight", &o->blkio_weight_device, false },
		{ "device-read-bps", "throttleReadBpsDevice", "rate", &o->device_read_bps, true },
		{ "device-write-bps", "throttleWriteBpsDevice", "rate", &o->device_write_bps, true },
		{ "device-read-iops", "throttleReadIOPSDevice", "rate", &o->device_read_iops, false },
		{ "device-write-iops", "throttleWriteIOPSDevice", "rate", &o->device_write_iops, false },
	};
	int r = 0;

	if (o->blkio_weight.set && o->blkio_weight.v && (o->blkio_weight.v < 10 || o->blkio_weight.v > 1000))
		return err_set(err, EINVAL, "--blkio-weight %u: must be from 10 to 1000", o->blkio_weight.v);
	json_key(w, "blockIO");
	json_begin_object(w);
	if (o->blkio_weight.set && o->blkio_weight.v)
		json_kv_u64(w, "weight", o->blkio_weight.v);
	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++) {
		if (!rows[i].list->n)
			continue;
		json_key(w, rows[i].key);
		json_begin_array(w);
		for (size_t k = 0; k < rows[i].list->n && r == 0; k++)
			r = write_throttle(w, rows[i].flag, rows[i].list->v[k], rows[i].bytes, rows[i].member, err);
		json_end_array(w);
	}
	json_end_object(w);
	return r;
}

static int write_unified(const struct config_input *in, struct json_writer *w, struct err *err)
{
	if (!in->o->cgroup_conf.n)
		return 0;
	json_key(w, "unified");
	json_begin_object(w);
	for (size_t i = 0; i < in->o->cgroup_conf.n; i++) {
		AUTO_FREE char *key = xstrdup(in->o->cgroup_conf.v[i]);
		char *equals = strchr(key, '=');

		if (!equals)
			return err_set(err, EINVAL, "--cgroup-conf '%s': must be FILE=VALUE", in->o->cgroup_conf.v[i]);
		*equals = '\0';
		json_kv_string(w, key, equals + 1);
	}
	json_end_object(w);
	return 0;
}

int config_resources(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const struct opt_i64 *pids = &in->o->pids_limit;
	int r;

	json_key(w, "resources");
	json_begin_object(w);
	r = write_device_rules(in, w, err);
	if (r == 0)
		r = write_memory(in, w, err);
	if (r == 0)
		r = write_cpu(in, w, err);
	if (r == 0)
		r = write_block_io(in, w, err);
	if (r < 0)
		return r;
	/* rootless there may be no cgroup for it, and nobody asked */
	if (pids->set || !in->rootless) {
		json_key(w, "pids");
		json_begin_object(w);
		json_kv_i64(w, "limit", !pids->set ? DEFAULT_PIDS : pids->v > 0 ? pids->v : -1);
		json_end_object(w);
	}
	r = write_unified(in, w, err);
	json_end_object(w);
	return r;
}
