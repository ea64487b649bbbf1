/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/intel_rdt.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Mount point of resctrl: field 5 of the mountinfo line whose type, after " - ", is resctrl. */
static int find_root(char **ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	int r = fd_read_file(AT_FDCWD, "/proc/self/mountinfo", 16u << 20, &text, NULL);

	if (r < 0)
		return err_sys(err, r, "read /proc/self/mountinfo");
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		const char *dash = strstr(line, " - resctrl ");

		if (!dash)
			continue;
		for (int i = 0; i < 4 && line; i++)
			(void)strsep(&line, " ");
		*ret = xstrdup(line ? strsep(&line, " ") : "");
		return 0;
	}
	return err_set(err, ENODEV, "linux.intelRdt: no resctrl file system is mounted");
}

/* Schemata: l3CacheSchema first, memBwSchema, then schemata; a line each. */
static char *schema_text(const struct spec_intel_rdt *rdt)
{
	struct buf b = { 0 };

	if (rdt->l3_cache_schema)
		buf_addf(&b, "%s\n", rdt->l3_cache_schema);
	if (rdt->mem_bw_schema)
		buf_addf(&b, "%s\n", rdt->mem_bw_schema);
	for (size_t i = 0; i < rdt->schemata.n; i++)
		buf_addf(&b, "%s\n", rdt->schemata.v[i]);
	return buf_take(&b);
}

/* An existing class must already be what is asked for: each wanted line is one of its lines, blanks aside. */
static int compare_schemata(const char *dir, const char *want, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/schemata", dir);
	AUTO_FREE char *have = NULL;
	AUTO_FREE char *copy = xstrdup(want);
	char *rest = copy, *line;
	int r = fd_read_file(AT_FDCWD, path, 1 << 20, &have, NULL);

	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	while ((line = strsep(&rest, "\n")))
		if (*line && !strstr(have, line))
			return err_set(err, EEXIST, "linux.intelRdt: class '%s' exists with other schemata than '%s'", dir, line);
	return 0;
}

static int write_schemata(const char *dir, const char *text, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/schemata", dir);
	int r = fd_write_file(AT_FDCWD, path, text);

	return r < 0 ? err_sys(err, r, "linux.intelRdt: write '%s'", path) : 0;
}

static int add_task(const char *dir, pid_t pid, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/tasks", dir);
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d", (int)pid);
	r = fd_write_file(AT_FDCWD, path, text);
	return r < 0 ? err_sys(err, r, "linux.intelRdt: write '%s'", path) : 0;
}

static int make_class(struct container *c, const char *dir, struct err *err)
{
	const struct spec_intel_rdt *rdt = &c->spec->intel_rdt;
	bool has_schema = rdt->l3_cache_schema || rdt->mem_bw_schema || rdt->schemata.n;
	AUTO_FREE char *text = schema_text(rdt);

	if (access(dir, F_OK) == 0)
		return has_schema && !str_eq(rdt->clos_id, "/") ? compare_schemata(dir, text, err) :
		       has_schema				 ? write_schemata(dir, text, err) :
								   0;
	if (rdt->clos_id && !has_schema)
		return err_set(err, ENOENT, "linux.intelRdt.closID: class '%s' does not exist", rdt->clos_id);
	if (mkdir(dir, 0755) < 0)
		return err_sys(err, -errno, "linux.intelRdt: make '%s'", dir);
	/* A class of its own name is brig's to remove; one that was named is not. */
	if (!rdt->clos_id)
		c->intel_rdt_dir = arena_strdup(&c->arena, dir);
	return has_schema ? write_schemata(dir, text, err) : 0;
}

int intel_rdt_apply(struct container *c, struct err *err)
{
	const struct spec_intel_rdt *rdt = &c->spec->intel_rdt;
	AUTO_FREE char *root = NULL, *dir = NULL, *mon = NULL;
	int r;

	if (!rdt->set)
		return 0;
	r = find_root(&root, err);
	if (r < 0)
		return r;
	dir = str_eq(rdt->clos_id, "/") ? xstrdup(root) : xasprintf("%s/%s", root, rdt->clos_id ? rdt->clos_id : c->id);
	r = make_class(c, dir, err);
	if (!r)
		r = add_task(dir, c->pid, err);
	if (r < 0 || !rdt->enable_monitoring)
		return r;
	mon = xasprintf("%s/mon_groups/%s", dir, c->id);
	if (mkdir(mon, 0755) < 0)
		return err_sys(err, -errno, "linux.intelRdt.enableMonitoring: make '%s'", mon);
	c->intel_rdt_mon_dir = arena_strdup(&c->arena, mon);
	return add_task(mon, c->pid, err);
}

int intel_rdt_update(struct container *c, const char *l3_schema, const char *mb_schema, char **ret_old, struct err *err)
{
	AUTO_FREE char *root = NULL, *dir = NULL, *text = NULL, *file = NULL;
	int r = container_load_spec(c, err);

	if (!r && !c->spec->intel_rdt.set)
		r = err_set(err, EINVAL, "container '%s' was created without linux.intelRdt", c->id);
	if (!r)
		r = find_root(&root, err);
	if (r < 0)
		return r;
	dir = xasprintf("%s/%s", root, c->spec->intel_rdt.clos_id ? c->spec->intel_rdt.clos_id : c->id);
	file = xasprintf("%s/schemata", dir);
	r = fd_read_file(AT_FDCWD, file, 65536, ret_old, NULL);
	if (r < 0)
		return err_sys(err, r, "read '%s'", file);
	text = xasprintf("%s%s%s%s", l3_schema ? l3_schema : "", l3_schema ? "\n" : "", mb_schema ? mb_schema : "", mb_schema ? "\n" : "");
	return write_schemata(dir, text, err);
}

void intel_rdt_set_back(struct container *c, const char *old)
{
	AUTO_FREE char *root = NULL, *dir = NULL;
	struct err err = { 0 };

	if (find_root(&root, &err) == 0) {
		dir = xasprintf("%s/%s", root, c->spec->intel_rdt.clos_id ? c->spec->intel_rdt.clos_id : c->id);
		(void)!write_schemata(dir, old, &err); /* err has it */
	}
	if (err.code)
		log_warn("the schemata of intelRdt could not be set back after a failed update: %s", err.msg);
}

int intel_rdt_remove(struct container *c, struct err *err)
{
	const char *const dirs[] = { c->intel_rdt_mon_dir, c->intel_rdt_dir };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (dirs[i] && rmdir(dirs[i]) < 0 && errno != ENOENT)
			return err_sys(err, -errno, "remove '%s'", dirs[i]);
	return 0;
}
