/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/event_line.h"
#include "runtime/cli/events.h"

void event_container_with(const struct record *r, const char *action, const char *key, const char *value)
{
	struct event_line l;

	event_line_begin(&l, "container", action, r->id);
	json_kv_string(&l.w, "name", r->name);
	json_kv_string(&l.w, "image", r->image);
	if (key)
		json_kv_string(&l.w, key, value);
	for (size_t i = 0; i < r->labels.n; i++)
		if (!str_eq(r->labels.v[i].key, "name") && !str_eq(r->labels.v[i].key, "image") && !str_eq(r->labels.v[i].key, key))
			json_kv_string(&l.w, r->labels.v[i].key, r->labels.v[i].value);
	event_line_append(&l, r->cli->run_dir);
}

void event_container(const struct record *r, const char *action)
{
	event_container_with(r, action, NULL, NULL);
}

void event_other(struct cli *cli, const char *type, const char *action, const char *id, const char *name)
{
	struct event_line l;

	event_line_begin(&l, type, action, id);
	json_kv_string(&l.w, "name", name);
	event_line_append(&l, cli->run_dir);
}
