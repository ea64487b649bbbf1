/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/stats.h"

#include "runtime/base/dir.h"
#include "runtime/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define STAT_MAX (1u << 20)

uint64_t stats_flat(const char *text, const char *key, uint64_t fallback)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char number[32] = "";
		uint64_t v;

		if (strncmp(line, key, len) != 0 || line[len] != ' ')
			continue;
		(void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
		return str_to_u64(number, &v) == 0 ? v : fallback;
	}
	return fallback;
}

uint64_t stats_number(struct cgroup *cg, enum cg_ctl ctl, const char *file)
{
	struct cg_hier *h = cgroup_hier_of(cg, ctl);
	int dir_fd = h ? cg_hier_dir(h) : -1;
	uint64_t v;

	return dir_fd >= 0 && cg_read_u64(dir_fd, file, &v) == 0 ? v : 0;
}

char *stats_text(struct cgroup *cg, enum cg_ctl ctl, const char *file)
{
	struct cg_hier *h = cgroup_hier_of(cg, ctl);
	int dir_fd = h ? cg_hier_dir(h) : -1;
	char *text = NULL;

	if (dir_fd < 0 || fd_read_file(dir_fd, file, STAT_MAX, &text, NULL) < 0)
		return xstrdup("");
	return text;
}

void stats_amount(struct json_writer *w, const char *key, uint64_t limit, uint64_t usage, uint64_t max, uint64_t failcnt)
{
	if (key)
		json_key(w, key);
	json_begin_object(w);
	json_kv_u64(w, "limit", limit);
	json_kv_u64(w, "usage", usage);
	json_kv_u64(w, "max", max);
	json_kv_u64(w, "failcnt", failcnt);
	json_end_object(w);
}

void stats_list(struct json_writer *w, const char *key, const char *list)
{
	uint64_t bits[128] = { 0 };
	char text[4096];

	json_key(w, key);
	json_begin_array(w);
	(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(list, "\n"), list);
	if (*text && str_to_bitset(text, bits, sizeof(bits) * 8) == 0)
		for (size_t i = 0; i < sizeof(bits) * 8; i++)
			if (bits[i / 64] >> (i % 64) & 1)
				json_u64(w, i);
	json_end_array(w);
}

static void io_entry(struct json_writer *w, uint64_t major, uint64_t minor, const char *op, uint64_t value)
{
	json_begin_object(w);
	json_kv_u64(w, "major", major);
	json_kv_u64(w, "minor", minor);
	if (*op)
		json_kv_string(w, "op", op);
	json_kv_u64(w, "value", value);
	json_end_object(w);
}

/* "MAJOR:MINOR rest": the rest, or NULL. */
static char *device_of(char *line, uint64_t *major, uint64_t *minor)
{
	char *colon = strchr(line, ':'), *space = colon ? strchr(colon, ' ') : NULL;

	if (!space)
		return NULL;
	*colon = *space = '\0';
	return str_to_u64(line, major) == 0 && str_to_u64(colon + 1, minor) == 0 ? space + 1 : NULL;
}

/* Calls strsep for lines; the copy is the caller's. */
static char *next_line(char **rest)
{
	return *rest && **rest ? strsep(rest, "\n") : NULL;
}

void stats_io_v1(struct json_writer *w, const char *key, const char *text)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *line;

	json_key(w, key);
	json_begin_array(w);
	while ((line = next_line(&rest))) {
		uint64_t major, minor, value;
		char *op = device_of(line, &major, &minor), *number;

		if (!op) /* "Total N" at the end */
			continue;
		number = strrchr(op, ' ');
		if (number)
			*number++ = '\0';
		else { /* blkio.time: "8:0 N" */
			number = op;
			op = number + strlen(number);
		}
		if (str_to_u64(number, &value) == 0)
			io_entry(w, major, minor, op, value);
	}
	json_end_array(w);
}

static bool find_value(const char *fields, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	for (const char *p = fields; p && *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL) {
		char number[32];

		if (strncmp(p, key, len) != 0 || p[len] != '=')
			continue;
		(void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(p + len + 1, " \n"), p + len + 1);
		if (str_eq(number, "max")) {
			*ret = UINT64_MAX;
			return true;
		}
		return str_to_u64(number, ret) == 0;
	}
	return false;
}

void stats_io_v2(struct json_writer *w, const char *key, const char *text, const char *read_key, const char *write_key)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *line;

	json_key(w, key);
	json_begin_array(w);
	while ((line = next_line(&rest))) {
		uint64_t major, minor, value;
		const char *fields = device_of(line, &major, &minor);

		if (!fields)
			continue;
		if (find_value(fields, read_key, &value))
			io_entry(w, major, minor, "Read", value);
		if (find_value(fields, write_key, &value))
			io_entry(w, major, minor, "Write", value);
	}
	json_end_array(w);
}

/* "some avg10=0.12 avg60=0.00 avg300=0.00 total=1755". The averages are decimals: their text is the JSON number. */
static void psi_line(struct json_writer *w, const char *name, const char *line)
{
	static const char *const averages[] = { "avg10", "avg60", "avg300" };
	uint64_t total = 0;

	json_key(w, name);
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_SIZE(averages); i++) {
		const char *p = strstr(line, averages[i]);
		unsigned whole = 0, part = 0;

		json_key(w, averages[i]);
		if (p && sscanf(p + strlen(averages[i]), "=%5u.%2u", &whole, &part) < 1)
			whole = part = 0;
		json_decimal(w, whole, part);
	}
	(void)find_value(line, "total", &total);
	json_kv_u64(w, "total", total);
	json_end_object(w);
}

void stats_psi(struct json_writer *w, const char *text)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *line;

	if (!str_starts(text, "some ") && !str_starts(text, "full "))
		return;
	json_key(w, "psi");
	json_begin_object(w);
	while ((line = next_line(&rest))) {
		if (str_starts(line, "some "))
			psi_line(w, "some", line);
		else if (str_starts(line, "full "))
			psi_line(w, "full", line);
	}
	json_end_object(w);
}

void stats_pids(struct cgroup *cg, struct json_writer *w)
{
	uint64_t limit = stats_number(cg, CTL_PIDS, "pids.max");

	json_key(w, "pids");
	json_begin_object(w);
	json_kv_u64(w, "current", stats_number(cg, CTL_PIDS, "pids.current"));
	json_kv_u64(w, "limit", limit == UINT64_MAX ? 0 : limit); /* 0: none, as runc has it */
	json_end_object(w);
}

/* One object for each page size that the directory has files of. */
void stats_hugetlb(struct cgroup *cg, struct json_writer *w)
{
	struct cg_hier *h = cgroup_hier_of(cg, CTL_HUGETLB);
	const char *tail = h && h->v2 ? ".current" : ".usage_in_bytes";
	AUTO_DIR DIR *dir = NULL;
	struct dirent *e;

	json_key(w, "hugetlb");
	json_begin_object(w);
	dir = h && cg_hier_dir(h) >= 0 ? dir_open(h->dir_fd, ".") : NULL;
	while (dir && (e = dir_next(dir))) {
		char size[64], file[128], events[128];
		uint64_t max = 0, failed = 0;

		if (!str_starts(e->d_name, "hugetlb.") || !str_ends(e->d_name, tail) || strstr(e->d_name, ".rsvd."))
			continue;
		(void)snprintf(size, sizeof(size), "%.*s", (int)(strlen(e->d_name) - 8 - strlen(tail)), e->d_name + 8);
		if (h->v2) {
			(void)snprintf(file, sizeof(file), "hugetlb.%s.events", size);
			if (cg_read(h->dir_fd, file, events, sizeof(events)) == 0)
				failed = stats_flat(events, "max", 0);
		} else {
			(void)snprintf(file, sizeof(file), "hugetlb.%s.max_usage_in_bytes", size);
			max = stats_number(cg, CTL_HUGETLB, file);
			(void)snprintf(file, sizeof(file), "hugetlb.%s.failcnt", size);
			failed = stats_number(cg, CTL_HUGETLB, file);
		}
		json_key(w, size);
		json_begin_object(w);
		json_kv_u64(w, "usage", stats_number(cg, CTL_HUGETLB, e->d_name));
		json_kv_u64(w, "max", max);
		json_kv_u64(w, "failcnt", failed);
		json_end_object(w);
	}
	json_end_object(w);
}

static void rdma_list(struct json_writer *w, const char *key, char *text)
{
	char *rest = text, *line;

	json_key(w, key);
	json_begin_array(w);
	while ((line = next_line(&rest))) {
		char *fields = strchr(line, ' ');
		uint64_t handles = 0, objects = 0;

		if (!fields)
			continue;
		*fields++ = '\0';
		(void)find_value(fields, "hca_handle", &handles);
		(void)find_value(fields, "hca_object", &objects);
		json_begin_object(w);
		json_kv_string(w, "device", line);
		json_kv_u64(w, "hcaHandles", handles);
		json_kv_u64(w, "hcaObjects", objects);
		json_end_object(w);
	}
	json_end_array(w);
}

void stats_rdma(struct cgroup *cg, struct json_writer *w)
{
	AUTO_FREE char *now = stats_text(cg, CTL_RDMA, "rdma.current"), *limit = stats_text(cg, CTL_RDMA, "rdma.max");

	if (!*now && !*limit)
		return;
	json_key(w, "rdma");
	json_begin_object(w);
	rdma_list(w, "current", now);
	rdma_list(w, "limit", limit);
	json_end_object(w);
}

int cgroup_stats_json(struct cgroup *cg, struct json_writer *w, struct err *err)
{
	if (cg->n == 0)
		return err_set(err, ENODEV, "the container has no cgroup, so there are no statistics");
	json_begin_object(w);
	if (cg->layout == CGROUP_LAYOUT_V2)
		stats_v2(cg, w);
	else
		stats_v1(cg, w);
	stats_hugetlb(cg, w);
	stats_rdma(cg, w);
	json_end_object(w);
	return 0;
}
