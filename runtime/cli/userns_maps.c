/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of ids: what the flags say, through what the caller may use. */
#include "runtime/cli/userns.h"

#include "runtime/base/mem.h"
#include "runtime/idmap.h"

#include <errno.h>

#define OVERFLOW_ID 65534

uint32_t userns_to_host(const struct spec_id_maps *maps, uint32_t id)
{
	for (size_t i = 0; i < maps->n; i++)
		if (id >= maps->v[i].container_id && id - maps->v[i].container_id < maps->v[i].size)
			return maps->v[i].host_id + (id - maps->v[i].container_id);
	return OVERFLOW_ID;
}

int userns_add_through(const struct spec_id_maps *base, uint32_t inside, uint32_t outside, uint32_t n, struct arena *a,
		       struct spec_id_maps *ret)
{
	while (n) {
		const struct spec_id_map *b = NULL;
		uint32_t skip, here;

		for (size_t i = 0; i < base->n && !b; i++)
			if (outside >= base->v[i].container_id && outside - base->v[i].container_id < base->v[i].size)
				b = &base->v[i];
		if (!b)
			return -ERANGE;
		skip = outside - b->container_id;
		here = n < b->size - skip ? n : b->size - skip;
		idmap_add(a, ret, (struct spec_id_map){ inside, b->host_id + skip, here });
		inside += here;
		outside += here;
		n -= here;
	}
	return 0;
}

uint32_t userns_others(const struct spec_id_maps *base)
{
	uint64_t n = 0;

	for (size_t i = 1; i < base->n; i++)
		n += base->v[i].size;
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX - 1;
}

void userns_keep_id(const struct spec_id_maps *base, uint32_t id, struct arena *a, struct spec_id_maps *ret)
{
	uint32_t others = userns_others(base), below = id < others ? id : others;

	/* all of them are there, as just counted */
	(void)!userns_add_through(base, 0, 1, below, a, ret);
	idmap_add(a, ret, (struct spec_id_map){ id, base->v[0].host_id, 1 });
	(void)!userns_add_through(base, id + 1, 1 + below, others - below, a, ret);
}

/* INSIDE:OUTSIDE[:N] */
static int parse_map(const char *flag, const char *text, struct spec_id_map *ret, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *inside = strsep(&rest, ":"), *outside = rest ? strsep(&rest, ":") : NULL;

	if (outside && *outside == '@')
		return err_set(err, ENOTSUP, "--%s '%s': OUTSIDE must be a number", flag, text);
	if (!outside || str_to_u32(inside, &ret->container_id) < 0 || str_to_u32(outside, &ret->host_id) < 0 ||
	    str_to_u32(rest ? rest : "1", &ret->size) < 0 || !ret->size)
		return err_set(err, EINVAL, "--%s '%s': must be INSIDE:OUTSIDE:N, three numbers", flag, text);
	if (ret->size > UINT32_MAX - ret->container_id || ret->size > UINT32_MAX - ret->host_id)
		return err_set(err, ERANGE, "--%s '%s': goes beyond the last id", flag, text);
	return 0;
}

static bool overlaps(uint32_t a, uint32_t n, uint32_t b, uint32_t m)
{
	return a < (uint64_t)b + m && b < (uint64_t)a + n;
}

static int check_overlap(const char *flag, const struct spec_id_maps *l, const char *text, const struct spec_id_map *m, struct err *err)
{
	for (size_t i = 0; i < l->n; i++)
		if (overlaps(m->container_id, m->size, l->v[i].container_id, l->v[i].size) ||
		    overlaps(m->host_id, m->size, l->v[i].host_id, l->v[i].size))
			return err_set(err, EINVAL, "--%s '%s': has ids of another --%s", flag, text, flag);
	return 0;
}

int userns_parse_maps(const char *flag, const struct option_list *l, const struct spec_id_maps *base, struct arena *a,
		      struct spec_id_maps *ret, struct err *err)
{
	struct spec_id_maps given = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		struct spec_id_map m = { 0 };
		int r = parse_map(flag, l->v[i], &m, err);

		if (r == 0)
			r = check_overlap(flag, &given, l->v[i], &m, err);
		if (r < 0)
			return r;
		idmap_add(a, &given, m);
		if (!base)
			idmap_add(a, ret, m);
		else if (userns_add_through(base, m.container_id, m.host_id, m.size, a, ret) < 0)
			return err_set(err, ERANGE,
				       "--%s '%s': of a user without privileges OUTSIDE counts the own id (0) and the subordinate ids of "
				       "/etc/sub%cid (from 1 on), and there are not as many", flag, l->v[i], flag[0]);
	}
	return 0;
}

/* The end of the last used range that overlaps size ids from host on; 0: none does. */
static uint64_t blocked_until(const struct spec_id_maps *used, uint32_t host, uint32_t size)
{
	uint64_t end = 0;

	for (size_t i = 0; i < used->n; i++)
		if (overlaps(host, size, used->v[i].host_id, used->v[i].size) && (uint64_t)used->v[i].host_id + used->v[i].size > end)
			end = (uint64_t)used->v[i].host_id + used->v[i].size;
	return end;
}

int userns_find_free(const struct spec_id_maps *base, const struct spec_id_maps *used, uint32_t size, uint32_t *ret_host)
{
	for (size_t i = 0; i < base->n; i++) {
		uint64_t at = base->v[i].host_id, end = at + base->v[i].size, until;

		while (at + size <= end) {
			until = blocked_until(used, (uint32_t)at, size);
			if (!until) {
				*ret_host = (uint32_t)at;
				return 0;
			}
			at = until;
		}
	}
	return -ENOSPC;
}
