/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include "cgroups/internal.h"
#include "cgroups/systemd_props.h"

#include <errno.h>

static void paths(void)
{
	static const char *const bad[] = { "/a/../b", "..", "/x/./y", "a\nb", "/brig/\x7f" };
	static const char *const good[] = { "/a/b", "a/b", "/a..b/c", "/machine.slice/x:y", "" };
	struct err err = { 0 };
	char name[300];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(cgroup_check_path(bad[i], "linux.cgroupsPath", &err) < 0 && strstr(err.msg, "linux.cgroupsPath"), "path: refused: %zu",
		   i);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		is_int(cgroup_check_path(good[i], "p", &err), 0, "path: '%s' is fine", good[i]);
	memset(name, 'x', 299);
	name[299] = '\0';
	is_int(cgroup_check_path(name, "p", &err), -ENAMETOOLONG, "path: a long component is refused");
}

static void mountinfo(void)
{
	static const char text[] =
		"31 23 0:28 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755\n"
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:15 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
		"33 31 0:30 / /mnt/my\\040cpuset rw - cgroup cgroup rw,cpuset,noprefix\n"
		"34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
		"41 31 0:38 /x /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
	AUTO_FREE char *cpu = layout_mount_of(text, "cpu,cpuacct"), *swapped = layout_mount_of(text, "cpuacct,cpu");
	AUTO_FREE char *set = layout_mount_of(text, "cpuset"), *named = layout_mount_of(text, "name=systemd");
	AUTO_FREE char *v2 = layout_mount_of(text, ""), *none = layout_mount_of(text, "memory"), *part = layout_mount_of(text, "cpus");

	is_str(cpu, "/sys/fs/cgroup/cpu,cpuacct", "mountinfo: co-mounted controllers");
	is_str(swapped, "/sys/fs/cgroup/cpu,cpuacct", "mountinfo: in any order");
	is_str(set, "/mnt/my cpuset", "mountinfo: an escaped space");
	is_str(named, "/sys/fs/cgroup/systemd", "mountinfo: a named hierarchy");
	is_str(v2, "/sys/fs/cgroup/unified", "mountinfo: cgroup2");
	is_str(none, NULL, "mountinfo: what is not mounted");
	is_str(part, NULL, "mountinfo: a prefix of a name is another name");
}

static void slices(void)
{
	static const struct {
		const char *slice, *path;
	} rows[] = { { "system.slice", "/system.slice" },
		     { "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice" },
		     { "-.slice", "" },
		     { "a--b.slice", NULL },
		     { "-a.slice", NULL },
		     { "a-.slice", NULL },
		     { "a/b.slice", NULL },
		     { ".slice", NULL },
		     { "a.scope", NULL } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *path = NULL;
		struct err err = { 0 };
		int r = systemd_expand_slice(rows[i].slice, &path, &err);

		is_str(r < 0 ? NULL : path, rows[i].path, "slice: %s", rows[i].slice);
	}
}

static void state(void)
{
	struct cgroup cg = { .layout = CGROUP_LAYOUT_HYBRID, .manager = CGROUP_SYSTEMD, .n = 2, .exec_fd = -1 };
	struct cgroup *back = NULL;
	struct buf b = { 0 };
	struct json_writer w = { .out = &b };
	struct arena arena = { 0 };
	struct json *json = NULL;
	struct err err = { 0 };
	char id[] = "c1", path[] = "/a/b", unit[] = "brig-c1.scope";

	cg.id = id;
	cg.path = path;
	cg.unit = unit;
	cg.hier[0] = (struct cg_hier){ .name = (char[]){ "memory" }, .mountpoint = (char[]){ "/m" }, .controllers = CTL_BIT(CTL_MEMORY) };
	cg.hier[1] = (struct cg_hier){ .name = (char[]){ "" }, .mountpoint = (char[]){ "/u" }, .v2 = true };
	json_begin_object(&w);
	cgroup_save(&cg, &w);
	json_end_object(&w);
	ok(json_parse(&arena, "state", b.p, b.len, &json, &err) == 0 && cgroup_load(&back, json, &err) == 0, "state: comes back (%s)",
	   err.msg);
	if (back) {
		const struct cgroup_hierarchy *h;

		is_str(cgroup_path(back), "/a/b", "state: path");
		is_int(cgroup_layout(back), CGROUP_LAYOUT_HYBRID, "state: layout");
		is_int(cgroup_get_manager(back), CGROUP_SYSTEMD, "state: manager");
		is_int(cgroup_hierarchies(back, &h), 2, "state: hierarchies");
		is_str(h[0].path, "/m/a/b", "state: a hierarchy's path");
		ok(h[1].v2 && !h[0].v2, "state: which one is v2");
		is_int(cgroup_destroy(back, &err), 0, "state: destroy of what is gone is fine (%s)", err.msg);
	}
	cgroup_free(back);
	cgroup_free(NULL);
	buf_done(&b);
	arena_done(&arena);
}

static void annotations(void)
{
	static const struct {
		const char *name, *text, *want_name;
		char type;
		uint64_t number;
	} good[] = {
		{ "TasksMax", "uint64 5", "TasksMax", 't', 5 },	       { "Nice", "-3", "Nice", 'i', (uint64_t)-3 },
		{ "Delegate", "true", "Delegate", 'b', 1 },		       { "TimeoutStopSec", "2", "TimeoutStopUSec", 't', 2000000 },
		{ "TimeoutStopSec", "1.5", "TimeoutStopUSec", 't', 1500000 },    { "TimeoutStopUSec", "uint64 7", "TimeoutStopUSec", 't', 7 },
	};
	static const char *const bad[][2] = { { "A-B", "1" },	     { "Ab", "1" },	     { "Nice", "" },	   { "Nice", "1 2" },
					      { "Nice", "'open" },   { "Nice", "byte 256" }, { "Nice", "[1" },	   { "Nice", "uint32 -1" },
					      { "XSec", "'text'" } };
	CLEANUP(sd_props_done) struct sd_props l = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		int r = sd_props_annotation(&l, good[i].name, good[i].text, &err);

		ok(r == 0 && strcmp(l.v[l.n - 1].name, good[i].want_name) == 0 && l.v[l.n - 1].type == good[i].type &&
			   l.v[l.n - 1].u.numbers[0] == good[i].number,
		   "annotation: %s = %s", good[i].name, good[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(sd_props_annotation(&l, bad[i][0], bad[i][1], &err) < 0 && strstr(err.msg, bad[i][0]), "annotation: refused: %s = %s",
		   bad[i][0], bad[i][1]);
	is_int(sd_props_annotation(&l, "After", "['a.service', \"b.service\"]", &err), 0, "annotation: a list");
	ok(l.v[l.n - 1].array && l.v[l.n - 1].n == 2 && strcmp(l.v[l.n - 1].u.strings[1], "b.service") == 0, "annotation: its values");
}

static void unit_properties(void)
{
	CLEANUP(sd_props_done) struct sd_props l = { 0 };
	struct spec_resources r = { .cpu_quota = { 50001, true }, .pids_limit = { 0, true }, .cpus = (char[]){ "0,9" } };
	static const struct spec_device_rule rules[] = { { false, 'a', -1, -1, 7 }, { true, 'c', 136, -1, 3 }, { true, 'b', 8, 0, 1 } };
	struct device_list d = { 0 };

	sd_props_resources(&l, &r, true);
	for (size_t i = 0; i < l.n; i++) {
		if (strcmp(l.v[i].name, "CPUQuotaPerSecUSec") == 0)
			is_int(l.v[i].u.numbers[0], 510000, "unit: the quota is rounded up to 10 ms");
		if (strcmp(l.v[i].name, "TasksMax") == 0)
			is_int(l.v[i].u.numbers[0], 1, "unit: no task limit of 0");
		if (strcmp(l.v[i].name, "AllowedCPUs") == 0)
			ok(l.v[i].u.bytes.n == 2 && l.v[i].u.bytes.p[0] == 1 && l.v[i].u.bytes.p[1] == 2, "unit: the bytes of AllowedCPUs");
	}
	d = (struct device_list){ xcalloc(3, sizeof(rules[0])), 3 };
	memcpy(d.v, rules, sizeof(rules));
	sd_props_devices(&l, &d, "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n");
	is_str(l.v[l.n - 1].u.strings[0], "char-pts", "unit: a whole major by its name");
	is_str(l.v[l.n - 1].u.strings[2], "/dev/block/8:0", "unit: one device by its number");
	is_int(l.v[l.n - 1].n, 2, "unit: deny all is the policy, not an entry");
	device_list_done(&d);
}

static const struct sd_prop *last_of(const struct sd_props *l, const char *name)
{
	for (size_t i = l->n; i-- > 0;)
		if (strcmp(l->v[i].name, name) == 0)
			return &l->v[i];
	return NULL;
}

/* A file that systemd writes too is a property, or systemd takes it back. */
static void unit_unified(void)
{
	static const struct {
		const char *file, *value, *property;
		uint64_t number; /* 0: no property */
	} rows[] = {
		{ "memory.high", "48M", "MemoryHigh", 48u << 20 },
		{ "memory.min", "4096", "MemoryMin", 4096 },
		{ "memory.swap.max", "max", "MemorySwapMax", UINT64_MAX },
		{ "pids.max", "0", "TasksMax", 1 },
		{ "cpu.weight", "77", "CPUWeight", 77 },
		{ "io.weight", "default 55", "IOWeight", 55 },
		{ "io.weight", "8:0 55", "IOWeight", 0 },
		{ "cpu.max", "5000 50000", "CPUQuotaPerSecUSec", 100000 },
		{ "cpu.max", "5000 50000", "CPUQuotaPeriodUSec", 50000 },
		{ "cpu.max", "max", "CPUQuotaPerSecUSec", UINT64_MAX },
		{ "memory.high", "48Mx", "MemoryHigh", 0 },
		{ "memory.high", "99999999999999999999E", "MemoryHigh", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(sd_props_done) struct sd_props l = { 0 };
		AUTO_FREE char *file = xstrdup(rows[i].file), *value = xstrdup(rows[i].value);
		struct kv one = { file, value };
		struct spec_resources r = { .mem_limit = { 1000, true }, .unified = { &one, 1 } };
		const struct sd_prop *p;

		sd_props_resources(&l, &r, true);
		p = last_of(&l, rows[i].property);
		ok(rows[i].number ? p && p->u.numbers[0] == rows[i].number : !p, "unit: unified %s = %s", rows[i].file, rows[i].value);
	}
}

int main(void)
{
	paths();
	mountinfo();
	slices();
	state();
	annotations();
	unit_properties();
	unit_unified();
	return done();
}
