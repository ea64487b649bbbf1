/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/path.h"
#include "runtime/spec_fields.h"

#include <sys/mount.h>
#include <sys/personality.h>

/* config-linux.md. */
#define SPEC(member)   offsetof(struct spec, member)
#define DEV(member)    offsetof(struct spec_device, member)
#define RDT(member)    offsetof(struct spec_intel_rdt, member)
#define OFFSET(member) offsetof(struct spec_time_offset, member)
#define MAX_MAJOR      4095 /* 12 and 20 bits: what the kernel's dev_t holds */
#define MAX_MINOR      1048575

/* One entry of "namespaces", before it moves to its place in spec->ns. */
struct ns_entry {
	char *type, *path;
};
static const struct field ns_fields[] = {
	FIELD("type", JSON_STRING, true, FIELD_BOTH, offsetof(struct ns_entry, type), read_string,
	  .note = "pid, network, mount, ipc, uts, user, cgroup, time"),
	FIELD("path", JSON_STRING, false, FIELD_BOTH, offsetof(struct ns_entry, path), read_abs_path),
	FIELD_END,
};
static const struct object_type ns_type = { "config-linux.md#namespaces", ns_fields, NULL };

static int find_ns(const char *name)
{
	for (int t = 0; t < NS_TYPES; t++)
		if (strcmp(ns_names[t], name) == 0)
			return t;
	return -1;
}

static int read_namespaces(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	struct spec_namespace *ns = at;

	for (const struct json *k = node->u.kids.first; k; k = k->next) {
		struct ns_entry e = { 0 };
		int result = spec_read_members(r, f->object, k, &e);
		int t;

		if (result < 0)
			return result;
		t = find_ns(e.type);
		if (t < 0)
			return spec_fail(r, spec_blame(k, "type"), "'%s' is not a namespace type", e.type);
		if (ns[t].present)
			return spec_fail(r, spec_blame(k, "type"), "'%s' is given twice", e.type);
		ns[t].present = true;
		ns[t].path = e.path;
	}
	return 0;
}

static int check_time_offset(struct spec_reader *r UNUSED, const struct json *node UNUSED, void *base)
{
	struct spec_time_offset *o = base;

	o->set = true;
	return 0;
}

static const struct field time_offset_fields[] = {
	FIELD("secs", JSON_NUMBER, false, FIELD_BOTH, OFFSET(secs), read_i64, .min = INT64_MIN),
	FIELD("nanosecs", JSON_NUMBER, false, FIELD_BOTH, OFFSET(nanosecs), read_u32, .max = 999999999),
	FIELD_END,
};
static const struct object_type time_offset_type = { "config-linux.md#offset-for-time-namespace", time_offset_fields,
						      check_time_offset };

/* The clocks that a time namespace has. An offset that is not applied would be a wrong time, so others are refused. */
static int read_time_offsets(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at UNUSED)
{
	for (const struct json *k = node->u.kids.first; k; k = k->next)
		if (strcmp(k->key, "monotonic") != 0 && strcmp(k->key, "boottime") != 0)
			return spec_fail(r, k, "'%s' is not a clock of a time namespace (monotonic, boottime)", k->key);
	return spec_read_members(r, f->object, node, r->spec);
}

static const struct field time_fields[] = {
	FIELD("monotonic", JSON_OBJECT, false, FIELD_BOTH, SPEC(time_monotonic), read_object, .object = &time_offset_type),
	FIELD("boottime", JSON_OBJECT, false, FIELD_BOTH, SPEC(time_boottime), read_object, .object = &time_offset_type),
	FIELD_END,
};
static const struct object_type time_type = { "config-linux.md#offset-for-time-namespace", time_fields, NULL };

static int read_device_type(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at)
{
	char *type = at;
	const char *s = node->u.string;

	if (!s[0] || s[1] || !strchr("cbup", s[0]))
		return spec_fail(r, node, "'%s' is not a device type (c, b, u, p)", s);
	*type = s[0] == 'u' ? 'c' : s[0]; /* unbuffered: mknod(1)'s other word for a character device */
	return 0;
}

static int check_device(struct spec_reader *r, const struct json *node, void *base)
{
	struct spec_device *d = base;
	static const char *const numbers[] = { "major", "minor" };

	if (path_has_dotdot(d->path))
		return spec_fail(r, spec_blame(node, "path"), "'%s' has '..' in it", d->path);
	d->mode.v &= 07777; /* some engines send the whole st_mode */
	for (size_t i = 0; i < ARRAY_SIZE(numbers) && d->type != 'p'; i++) {
		const struct json *n = json_get(node, numbers[i]);

		if (!n || n->type == JSON_NULL)
			return spec_fail(r, node, "'%s' is required", numbers[i]);
	}
	return 0;
}

static const struct field device_fields[] = {
	FIELD("type", JSON_STRING, true, FIELD_BOTH, DEV(type), read_device_type),
	FIELD("path", JSON_STRING, true, FIELD_BOTH, DEV(path), read_abs_path),
	FIELD("major", JSON_NUMBER, false, FIELD_BOTH, DEV(major), read_i64, .max = MAX_MAJOR, .note = "required unless type is p"),
	FIELD("minor", JSON_NUMBER, false, FIELD_BOTH, DEV(minor), read_i64, .max = MAX_MINOR, .note = "required unless type is p"),
	FIELD("fileMode", JSON_NUMBER, false, FIELD_BOTH, DEV(mode), read_opt_u32, .note = "the permission bits of it"),
	FIELD("uid", JSON_NUMBER, false, FIELD_BOTH, DEV(uid), read_opt_u32, .max = UINT32_MAX - 1),
	FIELD("gid", JSON_NUMBER, false, FIELD_BOTH, DEV(gid), read_opt_u32, .max = UINT32_MAX - 1),
	FIELD_END,
};
static const struct object_type device_type = { "config-linux.md#devices", device_fields, check_device };

/* dev_valid_name() of the kernel; '%' makes a template. */
static bool is_netdev_name(const char *s)
{
	return *s && strlen(s) < 16 && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 && !strpbrk(s, "/: \t\n\v\f\r");
}

static const struct field net_device_fields[] = {
	FIELD("name", JSON_STRING, false, FIELD_NAMESPACES, offsetof(struct spec_net_device, name), read_string),
	FIELD_END,
};
static const struct object_type net_device_type = { "config-linux.md#network-devices", net_device_fields, NULL };

static int read_net_devices(struct spec_reader *r, const struct field *f, const struct json *node, void *at UNUSED)
{
	struct spec *s = r->spec;

	s->net_devices = arena_alloc(r->arena, node->u.kids.n * sizeof(*s->net_devices));
	for (const struct json *k = node->u.kids.first; k; k = k->next) {
		struct spec_net_device *d = &s->net_devices[s->n_net_devices++];
		int result = spec_read_members(r, f->object, k, d);

		if (result < 0)
			return result;
		d->host_name = k->key;
		if (!is_netdev_name(k->key))
			return spec_fail(r, k, "'%s' is not a name of a network device", k->key);
		if (d->name && !is_netdev_name(d->name))
			return spec_fail(r, spec_blame(k, "name"), "'%s' is not a name of a network device", d->name);
		if (!d->name)
			d->name = d->host_name;
	}
	return 0;
}

static const struct name_value propagations[] = {
	{ "shared", MS_SHARED },	      { "slave", MS_SLAVE },
	{ "private", MS_PRIVATE },	      { "unbindable", MS_UNBINDABLE },
	{ "rshared", MS_SHARED | MS_REC },    { "rslave", MS_SLAVE | MS_REC },
	{ "rprivate", MS_PRIVATE | MS_REC }, { "runbindable", MS_UNBINDABLE | MS_REC },
	{ NULL, 0 },
};

static int read_propagation(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	const struct name_value *row;

	if (!node->u.string[0])
		return 0;
	row = name_find(propagations, node->u.string);
	if (!row)
		return spec_fail(r, node, "'%s' is not a mount propagation", node->u.string);
	r->spec->rootfs_propagation = row->value;
	return read_string(r, f, node, at);
}

static int check_line(struct spec_reader *r, const struct json *node, const char *prefix)
{
	if (strchr(node->u.string, '\n'))
		return spec_fail(r, node, "must not have a newline");
	if (!str_starts(node->u.string, prefix))
		return spec_fail(r, node, "must start with '%s'", prefix);
	return 0;
}

static int read_l3_schema(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	int result = check_line(r, node, ""); /* "L3:" is only a SHOULD: L3CODE: and L3DATA: are in use */

	return result < 0 ? result : read_string(r, f, node, at);
}

static int read_mb_schema(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	int result = node->u.string[0] ? check_line(r, node, "MB:") : 0;

	return result < 0 ? result : read_string(r, f, node, at);
}

static int read_schemata(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	int result = read_strlist(r, f, node, at);

	for (const struct json *k = node->u.kids.first; k && result >= 0; k = k->next)
		result = check_line(r, k, "");
	return result;
}

/* It becomes a directory's name below the resctrl mount; "/" alone is the mount itself. */
static int read_clos_id(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	const char *s = node->u.string;

	if (strcmp(s, "/") != 0 && (strchr(s, '/') || strcmp(s, ".") == 0 || strcmp(s, "..") == 0))
		return spec_fail(r, node, "'%s' is not a name of a class of service", s);
	return read_string(r, f, node, at);
}

static int check_rdt(struct spec_reader *r UNUSED, const struct json *node UNUSED, void *base)
{
	struct spec_intel_rdt *rdt = base;

	rdt->set = true;
	return 0;
}

static const struct field rdt_fields[] = {
	FIELD("closID", JSON_STRING, false, FIELD_BOTH, RDT(clos_id), read_clos_id),
	FIELD("l3CacheSchema", JSON_STRING, false, FIELD_BOTH, RDT(l3_cache_schema), read_l3_schema),
	FIELD("memBwSchema", JSON_STRING, false, FIELD_BOTH, RDT(mem_bw_schema), read_mb_schema),
	FIELD("schemata", JSON_ARRAY, false, FIELD_BOTH, RDT(schemata), read_schemata),
	FIELD("enableMonitoring", JSON_BOOL, false, FIELD_BOTH, RDT(enable_monitoring), read_bool),
	FIELD_END,
};
static const struct object_type rdt_type = { "config-linux.md#intelrdt", rdt_fields, check_rdt };

/* Modes of set_mempolicy(2) by their place in mpol_mode_names. */
enum { POL_DEFAULT, POL_PREFERRED, POL_BIND, POL_INTERLEAVE, POL_LOCAL, POL_PREFERRED_MANY, POL_WEIGHTED_INTERLEAVE };
#define POL_STATIC   (1u << 15)
#define POL_RELATIVE (1u << 14)
#define POL_NUMA     (1u << 13)

static int check_memory_policy(struct spec_reader *r, const struct json *node, void *base)
{
	struct spec_memory_policy *p = base;
	bool nodes = p->nodes != NULL;
	const char *mode = name_of(mpol_mode_names, (uint64_t)p->mode);

	p->set = true;
	if ((p->mode == POL_DEFAULT || p->mode == POL_LOCAL) && nodes)
		return spec_fail(r, spec_blame(node, "nodes"), "the mode %s takes no nodes", mode);
	if (p->mode != POL_DEFAULT && p->mode != POL_LOCAL && p->mode != POL_PREFERRED && !nodes)
		return spec_fail(r, spec_blame(node, "nodes"), "the mode %s needs at least one node", mode);
	if ((p->flags & POL_STATIC) && (p->flags & POL_RELATIVE))
		return spec_fail(r, spec_blame(node, "flags"), "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
	if ((p->flags & (POL_STATIC | POL_RELATIVE)) && !nodes)
		return spec_fail(r, spec_blame(node, "flags"), "the flags need nodes");
	if ((p->flags & POL_NUMA) && p->mode != POL_BIND && p->mode != POL_PREFERRED_MANY)
		return spec_fail(r, spec_blame(node, "flags"), "MPOL_F_NUMA_BALANCING is not for the mode %s", mode);
	return 0;
}

static const struct field memory_policy_fields[] = {
	FIELD("mode", JSON_STRING, true, FIELD_BOTH, offsetof(struct spec_memory_policy, mode), read_name32,
	  .names = mpol_mode_names, .what = "mode of memory policy"),
	FIELD("nodes", JSON_STRING, false, FIELD_BOTH, offsetof(struct spec_memory_policy, nodes), read_cpu_list),
	FIELD("flags", JSON_ARRAY, false, FIELD_BOTH, offsetof(struct spec_memory_policy, flags), read_flags32,
	  .names = mpol_flag_names, .what = "flag of memory policy"),
	FIELD_END,
};
static const struct object_type memory_policy_type = { "config-linux.md#memory-policy", memory_policy_fields,
							check_memory_policy };

static const struct name_value domains[] = { { "LINUX", PER_LINUX }, { "LINUX32", PER_LINUX32 }, { NULL, 0 } };

static int read_domain(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at UNUSED)
{
	const struct name_value *row = name_find(domains, node->u.string);

	if (!row)
		return spec_fail(r, node, "'%s' is not an execution domain (LINUX, LINUX32)", node->u.string);
	r->spec->has_personality = true;
	r->spec->personality = (unsigned long)row->value;
	return 0;
}

static int read_personality_flags(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at UNUSED)
{
	if (node->u.kids.n)
		return spec_fail(r, node->u.kids.first, "the specification has no personality flags");
	return 0;
}

static const struct field personality_fields[] = {
	FIELD("domain", JSON_STRING, true, FIELD_BOTH, 0, read_domain),
	FIELD("flags", JSON_ARRAY, false, FIELD_BOTH, 0, read_personality_flags, .note = "the specification has none yet"),
	FIELD_END,
};
static const struct object_type personality_type = { "config-linux.md#personality", personality_fields, NULL };

/* sysctl(8) takes both separators: the first one found is the separator, the other is part of a name. Names below
 * /proc/sys never leave it. Kept with dots between the parts, so that all readers see one form. */
static int read_sysctl(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	struct kvlist *list = at;
	int result = read_kvlist(r, f, node, list);
	size_t i = 0;

	for (const struct json *k = node->u.kids.first; k && result >= 0; k = k->next, i++) {
		char *key = list->v[i].key;
		size_t n = strlen(key);
		char *sep = strpbrk(key, "./");

		if (strpbrk(key, " \t\n") || strchr("./", key[0]) || strchr("./", key[n - 1]) || strstr(key, "..") ||
		    strstr(key, "//") || strstr(key, "/./"))
			return spec_fail(r, k, "'%s' is not a name of a kernel parameter", key);
		if (sep && *sep == '/')
			for (char *c = list->v[i].key = arena_strdup(r->arena, key); *c; c++)
				*c = *c == '/' ? '.' : *c == '.' ? '/' : *c;
	}
	return result;
}

static int read_cgroups_path(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	if (path_has_dotdot(node->u.string))
		return spec_fail(r, node, "'%s' has '..' in it", node->u.string);
	return read_string(r, f, node, at);
}

static const struct field linux_fields[] = {
	FIELD("namespaces", JSON_ARRAY, false, FIELD_BOTH, SPEC(ns), read_namespaces, .object = &ns_type),
	FIELD("uidMappings", JSON_ARRAY, false, FIELD_BOTH, SPEC(uid_maps), read_list, .object = &spec_type_id_map,
	  .size = sizeof(struct spec_id_map)),
	FIELD("gidMappings", JSON_ARRAY, false, FIELD_BOTH, SPEC(gid_maps), read_list, .object = &spec_type_id_map,
	  .size = sizeof(struct spec_id_map)),
	FIELD("timeOffsets", JSON_OBJECT, false, FIELD_BOTH, 0, read_time_offsets, .object = &time_type),
	FIELD("devices", JSON_ARRAY, false, FIELD_BOTH, SPEC(devices), read_list, .object = &device_type,
	  .size = sizeof(struct spec_device)),
	FIELD("netDevices", JSON_OBJECT, false, FIELD_NAMESPACES, 0, read_net_devices, .map = true,
	      .object = &net_device_type),
	FIELD("cgroupsPath", JSON_STRING, false, FIELD_BOTH, SPEC(cgroups_path), read_cgroups_path),
	FIELD("resources", JSON_OBJECT, false, FIELD_BOTH, SPEC(resources), read_object, .object = &spec_type_resources),
	FIELD("rootfsPropagation", JSON_STRING, false, FIELD_BOTH, SPEC(rootfs_propagation_text), read_propagation),
	FIELD("seccomp", JSON_OBJECT, false, FIELD_BOTH, SPEC(seccomp), read_object, .object = &spec_type_seccomp),
	FIELD("sysctl", JSON_OBJECT, false, FIELD_BOTH, SPEC(sysctl), read_sysctl),
	FIELD("maskedPaths", JSON_ARRAY, false, FIELD_BOTH, SPEC(masked_paths), read_abs_paths),
	FIELD("readonlyPaths", JSON_ARRAY, false, FIELD_BOTH, SPEC(readonly_paths), read_abs_paths),
	FIELD("mountLabel", JSON_STRING, false, FIELD_NAMESPACES, SPEC(mount_label), read_string, .label = true,
	      .note = "a warning where SELinux is not enabled"),
	FIELD("intelRdt", JSON_OBJECT, false, FIELD_BOTH, SPEC(intel_rdt), read_object, .object = &rdt_type),
	FIELD("memoryPolicy", JSON_OBJECT, false, FIELD_BOTH, SPEC(memory_policy), read_object, .object = &memory_policy_type),
	FIELD("personality", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &personality_type),
	FIELD_END,
};

/* What depends on which namespaces there are. */
static int check_user_ns(struct spec_reader *r, const struct json *node, const struct spec *s)
{
	const struct spec_namespace *user = &s->ns[NS_USER];
	bool maps = s->uid_maps.n || s->gid_maps.n;

	if (maps && !user->present)
		return spec_fail(r, spec_blame(node, s->uid_maps.n ? "uidMappings" : "gidMappings"),
				 "there is no user namespace in 'namespaces'");
	if (!s->uid_maps.n != !s->gid_maps.n)
		return spec_fail(r, spec_blame(node, s->uid_maps.n ? "uidMappings" : "gidMappings"),
				 "'uidMappings' and 'gidMappings' must be given together");
	if (user->present && !user->path && !maps)
		return spec_fail(r, spec_blame(node, "namespaces"), "a new user namespace needs 'uidMappings' and 'gidMappings'");
	return 0;
}

static int check_linux(struct spec_reader *r, const struct json *node, void *base)
{
	struct spec *s = base;
	bool offsets = s->time_monotonic.set || s->time_boottime.set;
	int result = check_user_ns(r, node, s);

	s->has_linux = true;
	if (result < 0)
		return result;
	if (offsets && !s->ns[NS_TIME].present)
		return spec_fail(r, spec_blame(node, "timeOffsets"), "there is no time namespace in 'namespaces'");
	if (offsets && s->ns[NS_TIME].path)
		return spec_fail(r, spec_blame(node, "timeOffsets"), "a time namespace that is joined by its path keeps its offsets");
	if (s->n_net_devices && !s->ns[NS_NET].present)
		return spec_fail(r, spec_blame(node, "netDevices"), "there is no network namespace in 'namespaces'");
	return 0;
}

const struct object_type spec_type_linux = { "config-linux.md", linux_fields, check_linux };
