/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>

/* What a later command needs is kept in state.json: no command but create looks for hierarchies. */

static const char *const layout_names[] = {
	[CGROUP_LAYOUT_NONE] = "none",
	[CGROUP_LAYOUT_V1] = "v1",
	[CGROUP_LAYOUT_HYBRID] = "hybrid",
	[CGROUP_LAYOUT_V2] = "v2",
};
static const char *const manager_names[] = {
	[CGROUP_CGROUPFS] = "cgroupfs",
	[CGROUP_SYSTEMD] = "systemd",
	[CGROUP_DISABLED] = "disabled",
};

void cgroup_save(const struct cgroup *cg, struct json_writer *w)
{
	json_kv_string(w, "layout", layout_names[cg->layout]);
	json_kv_string(w, "manager", manager_names[cg->manager]);
	json_kv_string(w, "path", cg->path);
	json_kv_bool(w, "rootless", cg->rootless);
	json_kv_string(w, "id", cg->id);
	if (cg->unit)
		json_kv_string(w, "unit", cg->unit);
	json_key(w, "hierarchies");
	json_begin_array(w);
	for (size_t i = 0; i < cg->n; i++) {
		char bits[16];

		(void)snprintf(bits, sizeof(bits), "%u", cg->hier[i].controllers);
		json_begin_object(w);
		json_kv_string(w, "name", cg->hier[i].name);
		json_kv_string(w, "mountpoint", cg->hier[i].mountpoint);
		json_kv_string(w, "controllers", bits);
		json_end_object(w);
	}
	json_end_array(w);
}

static const char *get_string(const struct json *o, const char *key)
{
	const struct json *n = o ? json_get(o, key) : NULL;

	return n && n->type == JSON_STRING ? n->u.string : NULL;
}

static int find_name(const char *const *names, size_t n, const char *s)
{
	for (size_t i = 0; s && i < n; i++)
		if (str_eq(names[i], s))
			return (int)i;
	return -EINVAL;
}

static int load_hier(struct cgroup *cg, const struct json *o, struct err *err)
{
	const char *name = get_string(o, "name"), *mountpoint = get_string(o, "mountpoint");
	const char *bits = get_string(o, "controllers");
	struct cg_hier *h = &cg->hier[cg->n];
	uint32_t controllers;

	if (!name || !mountpoint || *mountpoint != '/' || !bits || str_to_u32(bits, &controllers) < 0 || cg->n == CG_MAX_HIER)
		return err_set(err, EINVAL, "state of the container: cgroup.hierarchies[%zu] is damaged", cg->n);
	*h = (struct cg_hier){
		.name = xstrdup(name), .mountpoint = xstrdup(mountpoint), .controllers = controllers, .v2 = !*name
	};
	h->mount_fd = h->dir_fd = h->enter_fd = -1;
	cg->n++;
	return 0;
}

int cgroup_load(struct cgroup **ret, const struct json *object, struct err *err)
{
	CLEANUP(cleanup_cgroup) struct cgroup *cg = xcalloc(1, sizeof(*cg));
	int layout = find_name(layout_names, ARRAY_SIZE(layout_names), get_string(object, "layout"));
	int manager = find_name(manager_names, ARRAY_SIZE(manager_names), get_string(object, "manager"));
	const char *path = get_string(object, "path"), *id = get_string(object, "id"), *unit = get_string(object, "unit");
	const struct json *list = json_get(object, "hierarchies"), *rootless = json_get(object, "rootless");
	int r;

	cg->exec_fd = -1;
	if (layout < 0 || manager < 0 || !path || !id || !list || list->type != JSON_ARRAY)
		return err_set(err, EINVAL, "state of the container: its cgroup is damaged");
	r = cgroup_check_path(path, "state of the container: cgroup.path", err);
	if (r < 0)
		return r;
	cg->layout = (enum cgroup_layout)layout;
	cg->manager = (enum cgroup_manager)manager;
	cg->path = xstrdup(path);
	cg->id = xstrdup(id);
	cg->unit = unit ? xstrdup(unit) : NULL;
	cg->rootless = rootless && rootless->type == JSON_BOOL && rootless->u.boolean;
	for (const struct json *o = list->u.kids.first; o; o = o->next) {
		r = load_hier(cg, o, err);
		if (r < 0)
			return r;
	}
	cgroup_bind_path(cg);
	*ret = TAKE_PTR(cg);
	return 0;
}
