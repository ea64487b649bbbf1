/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/verbs.h"

#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "vm-mode/host/client.h"
#include "vm-mode/host/settings.h"

#include <errno.h>
#include <time.h>

/*
 * DOC: update
 *
 * The limits are in force twice: the container's own in the guest's cgroup, and those of its machine in the host's. Both change or
 * neither does: the host's are written, the guest is asked, and when it refuses the host's are set back. Only a lower memory limit of
 * the host comes last: the machine holds more than that until its guest has let go of it (the guest's kernel reclaims, the
 * balloon takes what is over), and a limit below what it holds would kill it.
 */
#define SHRINK_MS 10000
#define SHRINK_STEP_MS 100

struct update {
	struct container *container;
	const struct spec_resources *resources;
};

static bool changes_anything(const struct spec_resources *r)
{
	return r->mem_limit.set || r->mem_swap.set || r->mem_reservation.set || r->cpu_quota.set || r->cpu_period.set || r->cpu_shares.set ||
	       r->cpus || r->mems || r->pids_limit.set || r->cpu_idle.set || r->cpu_burst.set || r->unified.n || r->blkio_weight.set ||
	       r->n_devices;
}

static int update_guest(void *arg, struct err *err)
{
	const struct update *u = arg;
	AUTO_BUF struct buf json = { 0 };
	AUTO_BUF struct buf b = { 0 };
	struct json_writer w = { .out = &json };

	if (!changes_anything(u->resources))
		return 0;
	vm_resources_json(u->resources, &w);
	proto_pack_update(&b, &(struct proto_update){ .container = u->container->id, .resources = json.p });
	return client_call(u->container, PROTO_UPDATE, 0, &b, VM_ANSWER_MS, NULL, err);
}

struct host_memory {
	uint64_t limit; /* 0: none */
	uint64_t held;	/* in use, without the file cache, which the kernel takes away when it must */
};

static uint64_t number(const struct json *object, const char *key)
{
	const struct json *n = object ? json_get(object, key) : NULL;
	uint64_t v = 0;

	return n && n->type == JSON_NUMBER && str_to_u64(n->u.string, &v) == 0 ? v : 0;
}

static int host_memory(struct container *c, struct host_memory *ret, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	const struct json *memory, *usage, *raw;
	struct json *root;
	uint64_t cache;
	int r = cgroup_stats_json(c->cgroup, &w, err);

	if (r >= 0)
		r = json_parse(&arena, "stats", text.p ? text.p : "", text.len, &root, err);
	if (r < 0)
		return r;
	memory = json_get(root, "memory");
	usage = memory ? json_get(memory, "usage") : NULL;
	if (!usage)
		return err_set(err, ENOENT, "the host's cgroup has no figures of its memory");
	raw = json_get(memory, "raw");
	cache = number(raw, "inactive_file") + number(raw, "active_file");
	ret->limit = number(usage, "limit");
	ret->held = number(usage, "usage");
	ret->held -= cache < ret->held ? cache : ret->held;
	return 0;
}

/* What the machine should keep of its memory. */
static void set_balloon(struct container *c, const struct vm_settings *s, const struct spec_resources *r)
{
	AUTO_BUF struct buf b = { 0 };
	struct err err = { 0 };

	proto_pack_balloon(&b, &(struct proto_balloon){ .container = c->id, .bytes = vm_size_needed(s, r) });
	if (client_call(c, PROTO_BALLOON, 0, &b, VM_ANSWER_MS, NULL, &err) < 0)
		log_warn("the machine's memory keeps its size: %s", err.msg);
}

/* The guest has its new limit; the host's follows when the machine holds no more than that. */
static void shrink_host(struct container *c, const struct spec_resources *host)
{
	const struct spec_resources memory = { .mem_limit = host->mem_limit, .mem_swap = host->mem_swap };
	const struct timespec step = { .tv_nsec = SHRINK_STEP_MS * 1000000L };
	struct host_memory m = { 0 };
	struct err err = { 0 };

	for (int ms = 0; ms < SHRINK_MS; ms += SHRINK_STEP_MS) {
		if (host_memory(c, &m, &err) < 0)
			break;
		if (m.held < (uint64_t)host->mem_limit.v && cgroup_update(c->cgroup, &memory, &err) == 0)
			return;
		(void)nanosleep(&step, NULL);
	}
	log_warn("container '%s' has its new memory limit; the host's cgroup keeps the old one, because the machine still holds %llu MiB%s%s", c->id,
		 (unsigned long long)(m.held >> 20), err.msg[0] ? ": " : "", err.msg);
}

static bool lowers_memory(struct container *c, const struct spec_resources *host)
{
	struct host_memory m;
	struct err ignored;

	return host->mem_limit.set && host->mem_limit.v > 0 && host_memory(c, &m, &ignored) == 0 &&
	       (m.limit == 0 || (uint64_t)host->mem_limit.v < m.limit);
}

static int update_both(struct container *c, const struct spec_resources *r, const struct spec_resources *host, struct err *err)
{
	struct update u = { .container = c, .resources = r };
	struct spec_resources first = *host;
	bool lowers;
	int ret;

	if (!c->cgroup)
		return update_guest(&u, err);
	lowers = lowers_memory(c, host);
	if (lowers)
		first.mem_limit.set = first.mem_swap.set = false;
	ret = cgroup_update_also(c->cgroup, &first, update_guest, &u, err);
	return ret < 0 ? ret : lowers;
}

/* The machine was built for a size: within it everything goes, beyond it a limit would be a false promise. */
int vm_verb_update(struct container *c, const struct spec_resources *r, struct err *err)
{
	CLEANUP(vm_settings_done) struct vm_settings s = { 0 };
	struct spec_resources host = *r;
	int ret = container_load_spec(c, err);

	if (ret < 0)
		return ret;
	ret = vm_settings_host(c->opts, &s, err);
	if (!ret)
		ret = vm_settings_container(&s, c->spec, err);
	if (!ret)
		ret = vm_size_allows(&s, r, err);
	if (ret < 0)
		return ret;
	s.overhead_bytes = VM_OVERHEAD_EMULATE; /* the larger one: the limit must not kill a machine that was made otherwise */
	vm_host_limits(&s, &host);
	host.n_devices = 0; /* the guest guards its own */
	ret = update_both(c, r, &host, err);
	if (ret < 0)
		return ret;
	if (r->mem_limit.set)
		set_balloon(c, &s, r);
	if (ret)
		shrink_host(c, &host);
	return 0;
}
