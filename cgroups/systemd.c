/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_bus.h"
#include "cgroups/systemd_props.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANNOTATION_PREFIX "org.systemd.property."
#define SYSTEMD_DIR	  "/run/systemd/system"

int systemd_expand_slice(const char *slice, char **ret, struct err *err)
{
	size_t n = strlen(slice);
	AUTO_FREE char *name = NULL;
	struct buf b = { 0 };

	if (n <= 6 || !str_ends(slice, ".slice") || strchr(slice, '/') || strstr(slice, "--") || str_starts(slice, "-.slice")) {
		if (str_eq(slice, "-.slice")) {
			*ret = xstrdup("");
			return 0;
		}
		return err_set(err, EINVAL, "linux.cgroupsPath: '%s' is not the name of a slice", slice);
	}
	name = xstrndup(slice, n - 6);
	if (name[0] == '-' || name[strlen(name) - 1] == '-')
		return err_set(err, EINVAL, "linux.cgroupsPath: '%s' is not the name of a slice", slice);
	for (char *p = name; p; p = *p ? strchr(p + 1, '-') : NULL)
		if (p != name)
			buf_addf(&b, "/%.*s.slice", (int)(p - name), name);
	buf_addf(&b, "/%s.slice", name);
	*ret = buf_take(&b);
	return 0;
}

struct unit_name {
	char *slice, *unit; /* owned */
};

static void unit_name_done(struct unit_name *u)
{
	free(u->slice);
	free(u->unit);
}

static int check_unit_part(const char *s, struct err *err)
{
	for (const char *p = s; *p; p++)
		if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || strchr(":-_.\\@", *p)))
			return err_set(err, EINVAL, "linux.cgroupsPath: '%s' has a character that a unit name cannot have: '%c'", s, *p);
	return 0;
}

/* SLICE:PREFIX:NAME. NAME.slice is a slice itself, everything else a scope PREFIX-NAME.scope. */
static int parse_unit_name(struct unit_name *u, const struct cgroup_opts *o, struct err *err)
{
	const char *path = o->path && *o->path ? o->path : NULL;
	const char *first = path ? strchr(path, ':') : NULL, *second = first ? strchr(first + 1, ':') : NULL;
	const char *standard = o->rootless ? "user.slice" : "system.slice";
	AUTO_FREE char *expanded = NULL;
	int r;

	if (path && (!second || strchr(second + 1, ':') || !second[1]))
		return err_set(err, EINVAL, "linux.cgroupsPath: expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"%s\"",
			       path);
	if (!path) {
		u->slice = xstrdup(standard);
		u->unit = xasprintf("brig-%s.scope", o->id);
	} else {
		u->slice = first == path ? xstrdup(standard) : xstrndup(path, (size_t)(first - path));
		if (str_ends(second + 1, ".slice"))
			u->unit = xstrdup(second + 1);
		else if (second == first + 1)
			u->unit = xasprintf("%s.scope", second + 1);
		else
			u->unit = xasprintf("%.*s-%s.scope", (int)(second - first - 1), first + 1, second + 1);
	}
	r = systemd_expand_slice(u->slice, &expanded, err);
	return r < 0 ? r : check_unit_part(u->unit, err);
}

static void add_values(struct sd_call *c, const struct sd_prop *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->type == 's' || p->type == 'o')
			sd_call_string(c, p->type, p->u.strings[i]);
		else if (p->type == 'd')
			sd_call_real(c, p->u.reals[i]);
		else
			sd_call_number(c, p->type, p->u.numbers[i]);
	}
}

static void add_device_pairs(struct sd_call *c, const struct sd_prop *p)
{
	sd_call_open(c, 'a', "(ss)");
	for (size_t i = 0; i < p->n; i++) {
		sd_call_open(c, 'r', "ss");
		sd_call_string(c, 's', p->u.strings[i * 2]);
		sd_call_string(c, 's', p->u.strings[i * 2 + 1]);
		sd_call_close(c);
	}
	sd_call_close(c);
}

/* One (sv) */
static void add_prop(struct sd_call *c, const struct sd_prop *p)
{
	const char element[2] = { p->type, '\0' }, array[3] = { 'a', p->type, '\0' };

	sd_call_open(c, 'r', "sv");
	sd_call_string(c, 's', p->name);
	sd_call_open(c, 'v', p->type == 'A' ? "a(ss)" : p->type == 'Y' ? "ay" : p->array ? array : element);
	if (p->type == 'A') {
		add_device_pairs(c, p);
	} else if (p->type == 'Y') {
		sd_call_bytes(c, p->u.bytes.p, p->u.bytes.n);
	} else {
		if (p->array)
			sd_call_open(c, 'a', element);
		add_values(c, p);
		if (p->array)
			sd_call_close(c);
	}
	sd_call_close(c);
	sd_call_close(c);
}

static void add_props(struct sd_call *c, const struct sd_props *l)
{
	sd_call_open(c, 'a', "(sv)");
	for (size_t i = 0; i < l->n; i++)
		add_prop(c, &l->v[i]);
	sd_call_close(c);
}

static void add_fixed(struct sd_props *l, const struct unit_name *u, const char *id, pid_t pid, bool v2)
{
	bool slice = str_ends(u->unit, ".slice");
	AUTO_FREE char *text = xasprintf("brig container %s", id);

	(void)sd_props_string(l, "Description", text);
	if (!slice) { /* Wants= for a slice's parent follows from its name */
		(void)sd_props_string(l, "Slice", u->slice);
		(void)sd_props_number(l, "Delegate", 'b', 1);
		sd_props_number(l, "PIDs", 'u', (uint64_t)pid)->array = true;
	}
	(void)sd_props_string(l, "CollectMode", "inactive-or-failed");
	(void)sd_props_number(l, "DefaultDependencies", 'b', 0);
	(void)sd_props_number(l, "MemoryAccounting", 'b', 1);
	(void)sd_props_number(l, "CPUAccounting", 'b', 1);
	(void)sd_props_number(l, "TasksAccounting", 'b', 1);
	(void)sd_props_number(l, v2 ? "IOAccounting" : "BlockIOAccounting", 'b', 1);
}

/* A user's manager may not load device filters. */
static void add_devices(struct sd_props *l, const struct spec_resources *r, bool rootless)
{
	CLEANUP(device_list_done) struct device_list devices = { 0 };
	AUTO_FREE char *names = NULL;

	if (rootless)
		return;
	device_list_build(&devices, r ? r->devices : NULL, r ? r->n_devices : 0);
	if (fd_read_file(AT_FDCWD, "/proc/devices", 1 << 20, &names, NULL) < 0)
		names = xstrdup("");
	sd_props_devices(l, &devices, names);
}

static int build_props(struct sd_props *l, const struct cgroup_opts *o, const struct unit_name *u, const struct spec_resources *r,
		       pid_t pid, bool v2, struct err *err)
{
	int ret;

	add_fixed(l, u, o->id, pid, v2);
	if (r)
		sd_props_resources(l, r, v2);
	add_devices(l, r, o->rootless);
	for (size_t i = 0; o->annotations && i < o->annotations->n; i++) {
		const struct kv *a = &o->annotations->v[i];

		if (!str_starts(a->key, ANNOTATION_PREFIX))
			continue;
		ret = sd_props_annotation(l, a->key + strlen(ANNOTATION_PREFIX), a->value, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int reset_failed(struct sd_conn *c, const char *unit)
{
	CLEANUP(sd_call_done) struct sd_call call;
	char name[SD_ERROR_NAME];

	sd_call_start(&call, "ResetFailedUnit", false);
	sd_call_string(&call, 's', unit);
	return sd_conn_call(c, &call, name, NULL);
}

static int start_unit(struct sd_conn *c, const char *unit, const struct sd_props *l, char name[SD_ERROR_NAME], struct err *err)
{
	CLEANUP(sd_call_done) struct sd_call call;

	sd_call_start(&call, "StartTransientUnit", true);
	sd_call_string(&call, 's', unit);
	sd_call_string(&call, 's', "fail");
	add_props(&call, l);
	sd_call_open(&call, 'a', "(sa(sv))"); /* auxiliary units: none */
	sd_call_close(&call);
	return sd_conn_call(c, &call, name, err) < 0 ? err_wrap(err, "start '%s'", unit) : 0;
}

/* The manager's cgroup is where the kernel says the process is now. */
static int adopt_path(struct cgroup *cg, pid_t pid, struct err *err)
{
	const char *name = cg->layout == CGROUP_LAYOUT_V2 ? "" : "name=systemd";
	int r = layout_path_of(pid, name, &cg->path);

	if (r < 0)
		return err_sys(err, r, "find the cgroup that systemd made for '%s'", cg->unit);
	if (!strstr(cg->path, cg->unit))
		return err_set(err, ESRCH, "systemd started '%s', but process %d is in cgroup '%s'", cg->unit, pid, cg->path);
	return 0;
}

/*
 * Which manager? An unprivileged user's own. Root of a user namespace may be either: root of a container that runs a systemd of
 * its own, or a user who became root there (rootless podman); the host's root, who owns the system's manager, is nobody to him.
 */
static bool users_manager(bool rootless)
{
	struct stat st;

	if (!rootless)
		return false;
	return geteuid() != 0 || (stat(SYSTEMD_DIR, &st) == 0 && st.st_uid != 0);
}

int systemd_create(struct cgroup *cg, const struct cgroup_opts *o, const struct spec_resources *r, pid_t pid, struct err *err)
{
	CLEANUP(unit_name_done) struct unit_name u = { 0 };
	CLEANUP(sd_props_done) struct sd_props props = { 0 };
	CLEANUP(sd_conn_close) struct sd_conn c = { 0 };
	char name[SD_ERROR_NAME];
	int ret = parse_unit_name(&u, o, err);

	if (ret == 0)
		ret = build_props(&props, o, &u, r, pid, cg->layout == CGROUP_LAYOUT_V2, err);
	if (ret == 0)
		ret = sd_conn_open(&c, users_manager(o->rootless), err);
	if (ret < 0)
		return ret;
	ret = start_unit(&c, u.unit, &props, name, err);
	/* A unit of an earlier container that failed keeps the name until it is reset. */
	if (ret < 0 && str_eq(name, "org.freedesktop.systemd1.UnitExists") && reset_failed(&c, u.unit) >= 0)
		ret = start_unit(&c, u.unit, &props, name, err);
	if (ret < 0)
		return ret;
	cg->unit = xstrdup(u.unit);
	ret = adopt_path(cg, pid, err);
	if (ret == 0)
		ret = cgroup_use_path(cg, o, r, pid, err);
	if (ret < 0)
		ignore(systemd_destroy(cg, NULL)); /* the first error is the one to report */
	return ret;
}

/* The two numbers that are in force; UINT64_MAX: no quota. */
static bool read_quota(const struct cg_hier *h, uint64_t *quota, uint64_t *period)
{
	char text[64] = "", *space;

	if (!h->v2)
		return cg_read_u64(h->dir_fd, "cpu.cfs_quota_us", quota) == 0 && cg_read_u64(h->dir_fd, "cpu.cfs_period_us", period) == 0;
	ignore(cg_read(h->dir_fd, "cpu.max", text, sizeof(text))); /* "max 100000" */
	space = strchr(text, ' ');
	if (!space)
		return false;
	*space = '\0';
	*quota = UINT64_MAX;
	return (str_eq(text, "max") || str_to_u64(text, quota) == 0) && str_to_u64(space + 1, period) == 0;
}

/* The unit's quota is a share of a second: what it is depends on both numbers, of which an update may give one. */
static void complete_quota(struct cgroup *cg, struct spec_resources *r)
{
	struct cg_hier *h = cgroup_hier_of(cg, CTL_CPU);
	bool given = (r->cpu_quota.set && r->cpu_quota.v) || (r->cpu_period.set && r->cpu_period.v);
	uint64_t quota = 0, period = 0;

	if (!given || !h || cg_hier_dir(h) < 0 || !read_quota(h, &quota, &period))
		return;
	r->cpu_quota = (struct opt_i64){ quota > INT64_MAX ? -1 : (int64_t)quota, true };
	r->cpu_period = (struct opt_u64){ period, true };
}

/* Called when the kernel took all values. */
int systemd_update(struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	struct spec_resources now = *r;
	CLEANUP(sd_props_done) struct sd_props props = { 0 };
	CLEANUP(sd_conn_close) struct sd_conn c = { 0 };
	CLEANUP(sd_call_done) struct sd_call call = { 0 };
	char name[SD_ERROR_NAME];
	int ret;

	complete_quota(cg, &now);
	sd_props_resources(&props, &now, cg->layout == CGROUP_LAYOUT_V2);
	if (now.n_devices && !cg->rootless) {
		sd_props_no_devices(&props); /* what follows is added to the list that the unit has */
		add_devices(&props, &now, cg->rootless);
	}
	if (!props.n)
		return 0;
	ret = sd_conn_open(&c, users_manager(cg->rootless), err);
	if (ret < 0)
		return ret;
	sd_call_start(&call, "SetUnitProperties", false);
	sd_call_string(&call, 's', cg->unit);
	sd_call_number(&call, 'b', 1); /* runtime: gone with the unit */
	add_props(&call, &props);
	return sd_conn_call(&c, &call, name, err) < 0 ? err_wrap(err, "set properties of '%s'", cg->unit) : 0;
}

static bool directory_is_gone(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if ((cg->hier[i].v2 || str_eq(cg->hier[i].name, "name=systemd")) && cg->hier[i].path &&
		    access(cg->hier[i].path, F_OK) == 0)
			return false;
	return cg->n > 0 && cg->hier[0].path;
}

/* An empty scope ends by itself; what is left (sub-cgroups, a process) is stopped. */
int systemd_destroy(struct cgroup *cg, struct err *err)
{
	CLEANUP(sd_conn_close) struct sd_conn c = { 0 };
	CLEANUP(sd_call_done) struct sd_call call = { 0 };
	char name[SD_ERROR_NAME] = "";
	int r;

	if (!cg->unit || directory_is_gone(cg))
		return 0;
	r = sd_conn_open(&c, users_manager(cg->rootless), err);
	if (r < 0)
		return r;
	sd_call_start(&call, "StopUnit", true);
	sd_call_string(&call, 's', cg->unit);
	sd_call_string(&call, 's', "replace");
	r = sd_conn_call(&c, &call, name, err);
	if (str_eq(name, "org.freedesktop.systemd1.NoSuchUnit"))
		r = 0;
	if (r >= 0)
		ignore(reset_failed(&c, cg->unit)); /* mostly there is nothing to reset */
	return r < 0 ? err_wrap(err, "stop '%s'", cg->unit) : 0;
}
