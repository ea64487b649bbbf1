/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/verbs.h"

static void number(struct json_writer *w, const char *key, const struct opt_i64 *v)
{
	if (v->set)
		json_kv_i64(w, key, v->v);
}

static void number_u(struct json_writer *w, const char *key, const struct opt_u64 *v)
{
	if (v->set)
		json_kv_u64(w, key, v->v);
}

static void write_memory(struct json_writer *w, const struct spec_resources *r)
{
	json_key(w, "memory");
	json_begin_object(w);
	number(w, "limit", &r->mem_limit);
	number(w, "reservation", &r->mem_reservation);
	number(w, "swap", &r->mem_swap);
	json_end_object(w);
}

static void write_cpu(struct json_writer *w, const struct spec_resources *r)
{
	json_key(w, "cpu");
	json_begin_object(w);
	number_u(w, "shares", &r->cpu_shares);
	number(w, "quota", &r->cpu_quota);
	number_u(w, "period", &r->cpu_period);
	number_u(w, "burst", &r->cpu_burst);
	number(w, "idle", &r->cpu_idle);
	/* Host CPUs have no counterpart in the guest: cpuset is the host's matter. */
	json_end_object(w);
}

static void write_devices(struct json_writer *w, const struct spec_resources *r)
{
	json_key(w, "devices");
	json_begin_array(w);
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct spec_device_rule *d = &r->devices[i];
		char access[4] = "";
		size_t n = 0;

		for (size_t k = 0; k < 3; k++)
			if (d->access & "\1\2\4"[k])
				access[n++] = "rwm"[k];
		json_begin_object(w);
		json_kv_bool(w, "allow", d->allow);
		json_kv_string(w, "type", (const char[]){ d->type, '\0' });
		if (d->major >= 0)
			json_kv_i64(w, "major", d->major);
		if (d->minor >= 0)
			json_kv_i64(w, "minor", d->minor);
		json_kv_string(w, "access", access);
		json_end_object(w);
	}
	json_end_array(w);
}

void vm_resources_json(const struct spec_resources *r, struct json_writer *w)
{
	json_begin_object(w);
	write_memory(w, r);
	write_cpu(w, r);
	if (r->pids_limit.set) {
		json_key(w, "pids");
		json_begin_object(w);
		json_kv_i64(w, "limit", r->pids_limit.v);
		json_end_object(w);
	}
	if (r->n_devices)
		write_devices(w, r);
	if (r->unified.n) {
		json_key(w, "unified");
		json_begin_object(w);
		for (size_t i = 0; i < r->unified.n; i++)
			json_kv_string(w, r->unified.v[i].key, r->unified.v[i].value);
		json_end_object(w);
	}
	json_end_object(w);
}
