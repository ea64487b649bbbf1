/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_bus.h"
#include "cgroups/systemd_props.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define ANNOTATION_PREFIX "org.systemd.property."

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

static int append_values(struct sd_conn *c, sd_bus_message *m, const struct sd_prop *p)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->n; i++) {
		uint64_t v = p->type == 's' || p->type == 'o' || p->type == 'd' ? 0 : p->u.numbers[i];

		switch (p->type) {
		case 's':
		case 'o':
			r = c->api.append_basic(m, p->type, p->u.strings[i]);
			break;
		case 'd':
			r = c->api.append(m, "d", p->u.reals[i]);
			break;
		case 'b':
		case 'i':
		case 'u': {
			const uint32_t word = (uint32_t)v;

			r = c->api.append_basic(m, p->type, &word);
			break;
		}
		case 'y': {
			const uint8_t byte = (uint8_t)v;

			r = c->api.append_basic(m, 'y', &byte);
			break;
		}
		case 'n':
		case 'q': {
			const uint16_t half = (uint16_t)v;

			r = c->api.append_basic(m, p->type, &half);
			break;
		}
		default:
			r = c->api.append_basic(m, p->type, &v);
		}
	}
	return r;
}

static int append_device_pairs(struct sd_conn *c, sd_bus_message *m, const struct sd_prop *p)
{
	int r = c->api.open_container(m, 'a', "(ss)");

	for (size_t i = 0; r >= 0 && i < p->n; i++)
		r = c->api.append(m, "(ss)", p->u.strings[i * 2], p->u.strings[i * 2 + 1]);
	return r < 0 ? r : c->api.close_container(m);
}

/* One (sv) */
static int append_prop(struct sd_conn *c, sd_bus_message *m, const struct sd_prop *p)
{
	const char element[2] = { p->type, '\0' }, array[3] = { 'a', p->type, '\0' };
	const char *type = p->type == 'A' ? "a(ss)" : p->type == 'Y' ? "ay" : p->array ? array : element;
	int r = c->api.open_container(m, 'r', "sv");

	if (r >= 0)
		r = c->api.append(m, "s", p->name);
	if (r >= 0)
		r = c->api.open_container(m, 'v', type);
	if (r >= 0 && p->type == 'A')
		r = append_device_pairs(c, m, p);
	else if (r >= 0 && p->type == 'Y')
		r = c->api.append_array(m, 'y', p->u.bytes.p, p->u.bytes.n);
	else if (r >= 0) {
		if (p->array)
			r = c->api.open_container(m, 'a', element);
		if (r >= 0)
			r = append_values(c, m, p);
		if (r >= 0 && p->array)
			r = c->api.close_container(m);
	}
	if (r >= 0)
		r = c->api.close_container(m);
	return r < 0 ? r : c->api.close_container(m);
}

static int append_props(struct sd_conn *c, sd_bus_message *m, const struct sd_props *l)
{
	int r = c->api.open_container(m, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && i < l->n; i++)
		r = append_prop(c, m, &l->v[i]);
	return r < 0 ? r : c->api.close_container(m);
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

static int build_props(struct sd_props *l, const struct cgroup_opts *o, const struct unit_name *u, const struct spec_resources *r,
		       pid_t pid, bool v2, struct err *err)
{
	CLEANUP(device_list_done) struct device_list devices = { 0 };
	AUTO_FREE char *names = NULL;
	int ret;

	add_fixed(l, u, o->id, pid, v2);
	if (r)
		sd_props_resources(l, r, v2);
	device_list_build(&devices, r ? r->devices : NULL, r ? r->n_devices : 0);
	if (fd_read_file(AT_FDCWD, "/proc/devices", 1 << 20, &names, NULL) < 0)
		names = xstrdup("");
	if (!o->rootless) /* a user's manager may not load device filters */
		sd_props_devices(l, &devices, names);
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
	sd_bus_message *m = NULL;
	char name[64];
	int r = sd_conn_new_call(c, "ResetFailedUnit", &m);

	if (r >= 0)
		r = c->api.append(m, "s", unit);
	if (r >= 0)
		r = sd_conn_call(c, m, NULL, name, NULL);
	if (m)
		(void)c->api.unref(m);
	return r;
}

static int start_unit(struct sd_conn *c, const char *unit, const struct sd_props *l, char name[64], struct err *err)
{
	sd_bus_message *m = NULL;
	int r = sd_conn_new_call(c, "StartTransientUnit", &m);

	if (r >= 0)
		r = c->api.append(m, "ss", unit, "fail");
	if (r >= 0)
		r = append_props(c, m, l);
	if (r >= 0)
		r = c->api.append(m, "a(sa(sv))", 0);
	if (r < 0)
		(void)err_sys(err, r, "build the request");
	else
		r = sd_conn_run_job(c, m, name, err);
	if (m)
		(void)c->api.unref(m);
	return r < 0 ? err_wrap(err, "start '%s'", unit) : 0;
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

int systemd_create(struct cgroup *cg, const struct cgroup_opts *o, const struct spec_resources *r, pid_t pid, struct err *err)
{
	CLEANUP(unit_name_done) struct unit_name u = { 0 };
	CLEANUP(sd_props_done) struct sd_props props = { 0 };
	CLEANUP(sd_conn_close) struct sd_conn c = { 0 };
	char name[64];
	int ret = parse_unit_name(&u, o, err);

	if (ret == 0)
		ret = build_props(&props, o, &u, r, pid, cg->layout == CGROUP_LAYOUT_V2, err);
	if (ret == 0)
		ret = sd_conn_open(&c, o->rootless && geteuid() != 0, err);
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
		ret = cgroup_use_path(cg, r, pid, err);
	if (ret < 0)
		ignore(systemd_destroy(cg, NULL)); /* the first error is the one to report */
	return ret;
}

int systemd_update(struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	CLEANUP(sd_props_done) struct sd_props props = { 0 };
	CLEANUP(sd_conn_close) struct sd_conn c = { 0 };
	sd_bus_message *m = NULL;
	char name[64];
	int ret;

	sd_props_resources(&props, r, cg->layout == CGROUP_LAYOUT_V2);
	if (!props.n)
		return 0;
	ret = sd_conn_open(&c, cg->rootless && geteuid() != 0, err);
	if (ret < 0)
		return ret;
	ret = sd_conn_new_call(&c, "SetUnitProperties", &m);
	if (ret >= 0)
		ret = c.api.append(m, "sb", cg->unit, 1); /* runtime: gone with the unit */
	if (ret >= 0)
		ret = append_props(&c, m, &props);
	if (ret < 0)
		(void)err_sys(err, ret, "build the request");
	else
		ret = sd_conn_call(&c, m, NULL, name, err);
	if (m)
		(void)c.api.unref(m);
	return ret < 0 ? err_wrap(err, "set properties of '%s'", cg->unit) : 0;
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
	sd_bus_message *m = NULL;
	char name[64] = "";
	int r;

	if (!cg->unit || directory_is_gone(cg))
		return 0;
	r = sd_conn_open(&c, cg->rootless && geteuid() != 0, err);
	if (r < 0)
		return r;
	r = sd_conn_new_call(&c, "StopUnit", &m);
	if (r >= 0)
		r = c.api.append(m, "ss", cg->unit, "replace");
	if (r < 0)
		(void)err_sys(err, r, "build the request");
	else
		r = sd_conn_run_job(&c, m, name, err);
	if (m)
		(void)c.api.unref(m);
	if (str_eq(name, "org.freedesktop.systemd1.NoSuchUnit"))
		r = 0;
	if (r >= 0)
		ignore(reset_failed(&c, cg->unit)); /* mostly there is nothing to reset */
	return r < 0 ? err_wrap(err, "stop '%s'", cg->unit) : 0;
}
