/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_props.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

static struct sd_prop *add(struct sd_props *l, const char *name, char type)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 32;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n] = (struct sd_prop){ .name = name, .type = type, .n = 1 };
	return &l->v[l->n++];
}

void sd_props_done(struct sd_props *l)
{
	free(l->v);
	arena_done(&l->arena);
	*l = (struct sd_props){ 0 };
}

struct sd_prop *sd_props_string(struct sd_props *l, const char *name, const char *value)
{
	struct sd_prop *p = add(l, name, 's');

	p->u.strings = arena_alloc(&l->arena, sizeof(char *));
	p->u.strings[0] = arena_strdup(&l->arena, value);
	return p;
}

struct sd_prop *sd_props_number(struct sd_props *l, const char *name, char type, uint64_t value)
{
	struct sd_prop *p = add(l, name, type);

	p->u.numbers = arena_alloc(&l->arena, sizeof(uint64_t));
	p->u.numbers[0] = value;
	return p;
}

/* "0-3,7" as the little-endian bit array of AllowedCPUs. */
static void add_mask(struct sd_props *l, const char *name, const char *list)
{
	uint64_t bits[128] = { 0 };
	uint8_t *bytes;
	size_t n = 0;
	struct sd_prop *p;

	if (!list || !*list || str_to_bitset(list, bits, sizeof(bits) * 8) < 0)
		return;
	bytes = arena_alloc(&l->arena, sizeof(bits));
	for (size_t i = 0; i < sizeof(bits); i++) {
		bytes[i] = (uint8_t)(bits[i / 8] >> (i % 8 * 8));
		if (bytes[i])
			n = i + 1;
	}
	p = add(l, name, 'Y');
	p->u.bytes.p = bytes;
	p->u.bytes.n = n;
}

static uint64_t or_infinity(int64_t v)
{
	return v < 0 ? UINT64_MAX : (uint64_t)v;
}

static void add_quota(struct sd_props *l, int64_t quota, uint64_t period)
{
	uint64_t per_second = UINT64_MAX;

	if (!period)
		period = 100000;
	if (quota > 0) { /* systemd counts in steps of 10 ms a second, and would round down to none */
		per_second = (uint64_t)quota > UINT64_MAX / 1000000 ? UINT64_MAX : (uint64_t)quota * 1000000 / period;
		per_second = per_second > UINT64_MAX - 9999 ? UINT64_MAX : (per_second + 9999) / 10000 * 10000;
	}
	(void)sd_props_number(l, "CPUQuotaPerSecUSec", 't', per_second);
	(void)sd_props_number(l, "CPUQuotaPeriodUSec", 't', period);
}

static void add_cpu(struct sd_props *l, const struct spec_resources *r, bool v2)
{
	if (r->cpu_shares.set && r->cpu_shares.v && !(v2 && r->cpu_idle.set && r->cpu_idle.v > 0))
		(void)sd_props_number(l, v2 ? "CPUWeight" : "CPUShares", 't',
				      v2 ? limits_weight_of_shares(r->cpu_shares.v) : r->cpu_shares.v);
	if (r->cpu_quota.set && r->cpu_quota.v)
		add_quota(l, r->cpu_quota.v, r->cpu_period.set ? r->cpu_period.v : 0);
	if (v2) {
		add_mask(l, "AllowedCPUs", r->cpus);
		add_mask(l, "AllowedMemoryNodes", r->mems);
	}
}

/* A number as the kernel's files take it: "max", or digits, for bytes with a suffix of K to E. */
static int read_amount(const char *text, uint64_t *ret)
{
	static const char suffixes[] = "KMGTPE";
	size_t digits = strspn(text, "0123456789");
	char number[32];
	const char *suffix = NULL;
	unsigned shift = 0;

	if (str_eq(text, "max")) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (!digits || digits >= sizeof(number) || (text[digits] && text[digits + 1]))
		return -EINVAL;
	(void)snprintf(number, sizeof(number), "%.*s", (int)digits, text);
	if (text[digits]) {
		suffix = strchr(suffixes, toupper((unsigned char)text[digits]));
		if (!suffix)
			return -EINVAL;
		shift = 10 * (unsigned)(suffix - suffixes + 1);
	}
	if (str_to_u64(number, ret) < 0 || *ret > UINT64_MAX >> shift)
		return -EINVAL;
	*ret <<= shift;
	return 0;
}

static void add_cpu_max(struct sd_props *l, const char *text)
{
	AUTO_FREE char *quota = xstrndup(text, strcspn(text, " "));
	const char *rest = text + strlen(quota);
	uint64_t q, period = 0;

	if (read_amount(quota, &q) < 0 || (*rest && str_to_u64(rest + 1, &period) < 0))
		return;
	add_quota(l, q > INT64_MAX ? -1 : (int64_t)q, period);
}

/* What systemd does not know of, it writes its own default over at its next occasion. What is no value in its eyes is left to
 * the kernel, which tells. */
static void add_unified(struct sd_props *l, const struct kvlist *unified)
{
	static const struct {
		const char *file, *property;
	} rows[] = {
		{ "memory.max", "MemoryMax" }, { "memory.high", "MemoryHigh" },	       { "memory.low", "MemoryLow" },
		{ "memory.min", "MemoryMin" }, { "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" },
		{ "cpu.weight", "CPUWeight" }, { "io.weight", "IOWeight" },
	};

	for (size_t i = 0; i < unified->n; i++) {
		const char *file = unified->v[i].key, *text = unified->v[i].value;
		uint64_t v;

		if (str_eq(file, "cpu.max"))
			add_cpu_max(l, text);
		else if (str_eq(file, "cpuset.cpus"))
			add_mask(l, "AllowedCPUs", text);
		else if (str_eq(file, "cpuset.mems"))
			add_mask(l, "AllowedMemoryNodes", text);
		for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
			if (str_eq(file, rows[k].file) && read_amount(str_starts(text, "default ") ? text + 8 : text, &v) == 0)
				(void)sd_props_number(l, rows[k].property, 't', str_eq(file, "pids.max") && !v ? 1 : v);
	}
}

void sd_props_resources(struct sd_props *l, const struct spec_resources *r, bool v2)
{
	int64_t limit = r->mem_limit.set ? r->mem_limit.v : 0, swap = r->mem_swap.set ? r->mem_swap.v : 0;

	if (limit != 0)
		(void)sd_props_number(l, v2 ? "MemoryMax" : "MemoryLimit", 't', or_infinity(limit));
	if (v2 && r->mem_reservation.set && r->mem_reservation.v)
		(void)sd_props_number(l, "MemoryLow", 't', or_infinity(r->mem_reservation.v));
	if (v2 && (swap < 0 || (swap > 0 && limit > 0 && swap >= limit)))
		(void)sd_props_number(l, "MemorySwapMax", 't', swap < 0 ? UINT64_MAX : (uint64_t)(swap - limit));
	add_cpu(l, r, v2);
	if (r->pids_limit.set) /* systemd refuses 0; 1 means the same to a container, whose init is the one */
		(void)sd_props_number(l, "TasksMax", 't', r->pids_limit.v == 0 ? 1 : or_infinity(r->pids_limit.v));
	if (v2 && r->blkio_weight.set && r->blkio_weight.v)
		(void)sd_props_number(l, "IOWeight", 't',
				      r->blkio_weight.v < 10 ? 1 : 1 + (uint64_t)(r->blkio_weight.v - 10) * 9999 / 990);
	if (v2)
		add_unified(l, &r->unified);
}

/* Name of a major number in /proc/devices, as "char-NAME"; NULL when it has none. */
static char *device_group(struct arena *a, const char *text, char type, int64_t major)
{
	const char *p = strstr(text, type == 'b' ? "Block devices:" : "Character devices:");
	const char *end = p ? strstr(p, "\n\n") : NULL;

	while (p && (p = strchr(p, '\n')) && (!end || p < end)) {
		int number;
		char name[64];

		p++;
		if (sscanf(p, "%9d %63s", &number, name) == 2 && number == major)
			return arena_printf(a, "%s-%s", type == 'b' ? "block" : "char", name);
	}
	return NULL;
}

static const char *device_name(struct sd_props *l, const struct spec_device_rule *d, const char *proc_devices)
{
	const char *kind = d->type == 'b' ? "block" : "char";
	char *group = NULL;

	if (d->major >= 0 && d->minor >= 0)
		return arena_printf(&l->arena, "/dev/%s/%lld:%lld", kind, (long long)d->major, (long long)d->minor);
	if (d->major >= 0)
		group = device_group(&l->arena, proc_devices, d->type, d->major);
	return group ? group : arena_printf(&l->arena, "%s-*", kind);
}

void sd_props_no_devices(struct sd_props *l)
{
	add(l, "DeviceAllow", 'A')->n = 0;
}

void sd_props_devices(struct sd_props *l, const struct device_list *d, const char *proc_devices)
{
	bool all = d->n && d->v[0].type == 'a' && d->v[0].allow;
	struct sd_prop *p;
	const char **pairs;
	size_t n = 0;

	(void)sd_props_string(l, "DevicePolicy", all ? "auto" : "strict");
	pairs = arena_alloc(&l->arena, (d->n + 1) * 2 * sizeof(*pairs));
	for (size_t i = 0; i < d->n && !all; i++) {
		const struct spec_device_rule *one = &d->v[i];

		if (!one->allow || one->type == 'a')
			continue;
		pairs[n * 2] = device_name(l, one, proc_devices);
		pairs[n * 2 + 1] = arena_printf(&l->arena, "%s%s%s", one->access & DEVICE_R ? "r" : "", one->access & DEVICE_W ? "w" : "",
						one->access & DEVICE_M ? "m" : "");
		n++;
	}
	p = add(l, "DeviceAllow", 'A');
	p->n = n;
	p->u.strings = pairs;
}

/* gvariant text: the subset that unit properties need: scalars with an optional type keyword, and arrays of them. */
static const struct name_value type_words[] = {
	{ "boolean", 'b' }, { "byte", 'y' },   { "int16", 'n' },  { "uint16", 'q' }, { "int32", 'i' },	{ "uint32", 'u' },
	{ "int64", 'x' },   { "uint64", 't' }, { "double", 'd' }, { "string", 's' }, { "objectpath", 'o' }, { NULL, 0 },
};

struct reader {
	struct arena *arena;
	const char *p;
};

static void skip_space(struct reader *r)
{
	while (isspace((unsigned char)*r->p))
		r->p++;
}

static char *read_quoted(struct reader *r)
{
	char quote = *r->p++, *out = arena_alloc(r->arena, strlen(r->p) + 1), *o = out;

	while (*r->p && *r->p != quote) {
		if (*r->p == '\\' && r->p[1])
			r->p++;
		*o++ = *r->p++;
	}
	if (!*r->p)
		return NULL;
	r->p++;
	return out;
}

union value {
	uint64_t number;
	double real;
	const char *string;
};

static const struct {
	char type;
	int64_t min;
	uint64_t max;
} ranges[] = {
	{ 'y', 0, UINT8_MAX },		 { 'n', INT16_MIN, INT16_MAX }, { 'q', 0, UINT16_MAX },
	{ 'i', INT32_MIN, INT32_MAX },	 { 'u', 0, UINT32_MAX },	{ 'x', INT64_MIN, INT64_MAX },
	{ 't', 0, UINT64_MAX },
};

static int to_number(const char *word, char type, uint64_t *ret)
{
	int64_t signed_value;

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (ranges[i].type != type)
			continue;
		if (*word != '-')
			return str_to_u64(word, ret) == 0 && *ret <= ranges[i].max ? 0 : -EINVAL;
		if (str_to_i64(word, &signed_value) < 0 || signed_value < ranges[i].min)
			return -EINVAL;
		*ret = (uint64_t)signed_value;
		return 0;
	}
	return -EINVAL;
}

/* *type: 0, or the type that a keyword or the first element fixed. */
static int read_scalar(struct reader *r, char *type, union value *ret)
{
	char word[64], *end;
	const struct name_value *row;
	size_t n;

	skip_space(r);
	n = strcspn(r->p, ", ]\t\n");
	if (isalpha((unsigned char)*r->p) && n < sizeof(word)) {
		(void)snprintf(word, sizeof(word), "%.*s", (int)n, r->p);
		row = name_find(type_words, word);
		if (row) {
			*type = (char)row->value;
			r->p += n;
			skip_space(r);
			n = strcspn(r->p, ", ]\t\n");
		}
	}
	if (*r->p == '\'' || *r->p == '"') {
		if (!*type)
			*type = 's';
		ret->string = read_quoted(r);
		return ret->string && (*type == 's' || *type == 'o') ? 0 : -EINVAL;
	}
	if (n == 0 || n >= sizeof(word))
		return -EINVAL;
	(void)snprintf(word, sizeof(word), "%.*s", (int)n, r->p);
	r->p += n;
	if (str_eq(word, "true") || str_eq(word, "false")) {
		ret->number = word[0] == 't';
		*type = *type ? *type : 'b';
		return *type == 'b' ? 0 : -EINVAL;
	}
	if (!*type)
		*type = strpbrk(word, ".eE") ? 'd' : 'i';
	if (*type == 'd') {
		ret->real = strtod(word, &end);
		return *end || !isfinite(ret->real) ? -EINVAL : 0;
	}
	return to_number(word, *type, &ret->number);
}

static void store(struct sd_prop *p, size_t i, const union value *v)
{
	if (p->type == 's' || p->type == 'o')
		p->u.strings[i] = v->string;
	else if (p->type == 'd')
		p->u.reals[i] = v->real;
	else
		p->u.numbers[i] = v->number;
}

static int read_value(struct sd_props *l, struct sd_prop *p, const char *text)
{
	struct reader r = { &l->arena, text };
	union value v;
	size_t max = strlen(text) + 1;
	int ret = 0;

	p->u.numbers = arena_alloc(&l->arena, max * sizeof(uint64_t)); /* room for any of the three */
	p->n = 0;
	skip_space(&r);
	p->array = *r.p == '[';
	if (p->array)
		r.p++;
	do {
		skip_space(&r);
		if (p->array && *r.p == ']')
			break;
		ret = read_scalar(&r, &p->type, &v);
		if (ret < 0)
			return ret;
		store(p, p->n++, &v);
		skip_space(&r);
	} while (p->array && *r.p == ',' && r.p++);
	if (p->array && *r.p++ != ']')
		return -EINVAL;
	if (p->array && !p->type) /* "[]": a list of strings is what units have */
		p->type = 's';
	skip_space(&r);
	return *r.p ? -EINVAL : 0;
}

/* TimeoutStopSec=1.5 is a setting's name; on the bus the same is TimeoutStopUSec, in microseconds. */
static int seconds_to_usec(struct sd_props *l, struct sd_prop *p, const char *name, size_t n)
{
	double seconds;

	if (p->array || p->n != 1 || p->type == 's' || p->type == 'o' || p->type == 'b')
		return -EINVAL;
	seconds = p->type == 'd' ? p->u.reals[0] : strchr("nix", p->type) ? (double)(int64_t)p->u.numbers[0] : (double)p->u.numbers[0];
	if (seconds < 0 || seconds > 1e12)
		return -EINVAL;
	p->name = arena_printf(&l->arena, "%.*sUSec", (int)(n - 3), name);
	p->type = 't';
	p->u.numbers[0] = (uint64_t)(seconds * 1e6);
	return 0;
}

int sd_props_annotation(struct sd_props *l, const char *name, const char *text, struct err *err)
{
	size_t n = strlen(name);
	struct sd_prop *p;
	int r;

	if (n < 3)
		return err_set(err, EINVAL, "annotation 'org.systemd.property.%s': the name is too short", name);
	for (size_t i = 0; i < n; i++)
		if (!isalpha((unsigned char)name[i]))
			return err_set(err, EINVAL, "annotation 'org.systemd.property.%s': the name has a character that is no letter", name);
	p = add(l, arena_strdup(&l->arena, name), 0);
	r = read_value(l, p, text);
	if (r == 0 && str_ends(name, "Sec") && !str_ends(name, "USec"))
		r = seconds_to_usec(l, p, name, n);
	return r < 0 ? err_set(err, EINVAL, "annotation 'org.systemd.property.%s': '%s' is no value in gvariant text", name, text) : 0;
}
