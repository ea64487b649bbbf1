/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "runtime/base/user.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

struct list_options {
	const char *format;
	bool quiet;
};

#define T struct list_options
static const struct option_row rows[] = {
	OPT_STRING(T, format, "format", 'f', "FORMAT", "table or json (table)"),
	OPT_FLAG(T, quiet, "quiet", 'q', "print the ids only"),
	OPT_END,
};
#undef T

static void add_row(struct oci_table *t, struct container *c, enum container_status status)
{
	AUTO_FREE char *owner = user_name_of(c->owner_uid);
	char pid[16];
	const char *cells[6];

	snprintf(pid, sizeof(pid), "%d", status == CONTAINER_STOPPED ? 0 : (int)c->pid);
	cells[0] = c->id;
	cells[1] = pid;
	cells[2] = container_status_name(status);
	cells[3] = c->bundle;
	cells[4] = c->created;
	cells[5] = owner;
	oci_table_add(t, ARRAY_SIZE(cells), cells);
}

struct id_list {
	char **v;
	size_t n;
};
static void id_list_done(struct id_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

/* One container that cannot be read must not hide the others. */
static struct container *load_or_warn(const struct runtime_opts *global, const char *id)
{
	struct container *c = NULL;
	struct err err = { 0 };

	if (container_load(&c, global, id, false, &err) < 0) {
		if (err.code != ENOENT) /* deleted meanwhile */
			log_warn("container '%s': %s", id, err.msg);
		return NULL;
	}
	return c;
}

static void list_all(const struct runtime_opts *global, const struct id_list *ids, bool json, struct buf *out)
{
	static const char *const head[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
	CLEANUP(oci_table_done) struct oci_table table = { 0 };
	struct json_writer w = { .out = out };
	size_t n = 0;

	oci_table_add(&table, ARRAY_SIZE(head), head);
	for (size_t i = 0; i < ids->n; i++) {
		AUTO_CONTAINER struct container *c = load_or_warn(global, ids->v[i]);

		if (!c)
			continue;
		if (!json) {
			add_row(&table, c, container_status(c));
			continue;
		}
		if (n++ == 0)
			json_begin_array(&w);
		container_state_json(c, container_status(c), true, &w);
	}
	if (!json)
		oci_table_print(&table, out);
	else if (n)
		json_end_array(&w);
	else
		json_null(&w); /* what callers of the other runtimes get for an empty list */
	if (json)
		buf_add(out, "\n");
}

static int run(const struct runtime_opts *global, void *target, char **operands UNUSED, struct err *err)
{
	const struct list_options *o = target;
	CLEANUP(id_list_done) struct id_list ids = { 0 };
	AUTO_BUF struct buf out = { 0 };
	bool json = str_eq(o->format, "json");
	int r;

	if (!json && !str_eq(o->format, "table"))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --format: must be table or json", o->format);
	r = container_list_ids(global->root, &ids.v, &ids.n, err);
	if (r < 0)
		return r;
	if (!o->quiet)
		list_all(global, &ids, json, &out);
	for (size_t i = 0; o->quiet && i < ids.n; i++)
		buf_addf(&out, "%s\n", ids.v[i]);
	return oci_print(&out, err);
}

const struct oci_command cmd_list = {
	.name = "list",
	.operands = "",
	.help = "list the containers below the root directory",
	.options = rows,
	.target_size = sizeof(struct list_options),
	.defaults = &(const struct list_options){ .format = "table" },
	.max_operands = 0,
	.run = run,
};
