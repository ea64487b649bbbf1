/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/container_net.h"
#include "runtime/cli/select.h"
#include "runtime/cli/status.h"
#include "runtime/cli/table.h"
#include "runtime/cli/volume.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <time.h>

struct ps_options {
	bool all, no_trunc, quiet, latest, size, no_heading, sync;
	struct option_list filter;
	struct opt_i64 last;
	const char *format, *sort;
};
#define T struct ps_options
static const struct option_row rows[] = {
	OPT_FLAG(T, all, "all", 'a', "also those that do not run"),
	OPT_LIST(T, filter, "filter", 'f', "KEY=VALUE", "those that match: id, name, label, ancestor, status, exited, network, volume, health ..."),
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, table, or a Go template"),
	OPT_I64(T, last, "last", 'n', "N", "the N newest, whatever their state"),
	OPT_FLAG(T, latest, "latest", 'l', "the newest one, whatever its state"),
	OPT_FLAG(T, no_trunc, "no-trunc", 0, "show everything at its full length"),
	OPT_FLAG(T, no_heading, "noheading", 0, "without the line of headings"),
	OPT_FLAG(T, quiet, "quiet", 'q', "IDs only"),
	OPT_FLAG(T, size, "size", 's', "how much each has written"),
	OPT_FLAG(T, sync, "sync", 0, NULL), /* the state is always that of the processes */
	OPT_FLAG(T, sync, "external", 0, NULL), /* containers of other programs are not in the store */
	OPT_STRING(T, sort, "sort", 0, "KEY", "command, created, id, image, names, runningfor, size or status (created)"),
	OPT_END,
};
#undef T

struct row {
	struct record *r;
	enum record_state state;
	pid_t pid;
	uint64_t bytes;
};

static char *ports_of(struct record *r, enum record_state s)
{
	struct net_result net = { .ns_fd = -1 };
	struct err ignored;
	char *text;

	if (s != RECORD_RUNNING && s != RECORD_PAUSED)
		return xstrdup("");
	if (container_net_load(r, &net, &ignored) < 0)
		return xstrdup("");
	text = net_ports_text(net.ports, net.n_ports);
	net_result_done(&net);
	return text;
}

static char *command_of(const struct record *r, bool full)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < r->args.n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", r->args.v[i]);
	for (char *c = b.p; c && *c; c++) {
		if (*c == '\n' || *c == '\t' || *c == '\r')
			*c = ' ';
	}
	if (!full && b.len > 20) {
		b.len = 17;
		/* not within a character */
		while (b.len && ((unsigned char)b.p[b.len] & 0xc0) == 0x80)
			b.len--;
		buf_add(&b, "...");
	}
	return buf_take(&b);
}

static void write_labels(const struct record *r, struct json_writer *w)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < r->labels.n; i++)
		buf_addf(&b, "%s%s=%s", i ? "," : "", r->labels.v[i].key, r->labels.v[i].value);
	json_kv_string(w, "Labels", b.p ? b.p : "");
}

/* What was mounted, by volume_list_load(); an empty list when that cannot be read. */
static void load_mounts(const struct record *r, struct volume_list *ret)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct json *root;
	struct err ignored;

	if (!r->mounts || json_parse(&a, "record.json", r->mounts, strlen(r->mounts), &root, &ignored) < 0 ||
	    volume_list_load(ret, root, "record.json", &ignored) < 0)
		ret->n = 0;
}

/* docker's: the volumes' names and the paths of the host */
static char *mounts_text(const struct record *r)
{
	CLEANUP(volume_list_done) struct volume_list l = { 0 };
	struct buf b = { 0 };

	load_mounts(r, &l);
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].source)
			buf_addf(&b, "%s%s", b.len ? "," : "", l.v[i].source);
	return b.p ? buf_take(&b) : xstrdup("");
}

static size_t count_volumes(const struct record *r)
{
	CLEANUP(volume_list_done) struct volume_list l = { 0 };
	size_t n = 0;

	load_mounts(r, &l);
	for (size_t i = 0; i < l.n; i++)
		n += l.v[i].kind == VOLUME_VOLUME;
	return n;
}

static void write_row(const struct row *row, const struct ps_options *o, struct json_writer *w)
{
	struct record *r = row->r;
	AUTO_FREE char *ports = ports_of(r, row->state), *command = command_of(r, o->no_trunc), *age = NULL, *status = NULL, *size = NULL;
	AUTO_FREE char *mounts = mounts_text(r), *created_at = table_time(record_since(r, RECORD_CREATED));
	AUTO_FREE char *ago = NULL, *id = xstrndup(r->id, o->no_trunc ? RECORD_ID_LEN : RECORD_SHORT_LEN);
	int64_t created = record_since(r, RECORD_CREATED);

	age = table_age(time(NULL) - created);
	ago = xasprintf("%s ago", age);
	status = status_text(r, row->state);
	size = table_size(row->bytes, "");
	json_begin_object(w);
	json_kv_string(w, "ID", id);
	json_kv_string(w, "Id", r->id);
	json_kv_string(w, "Names", r->name);
	json_kv_string(w, "Image", r->image);
	json_kv_string(w, "ImageID", r->image_id);
	json_kv_string(w, "Command", command);
	json_kv_string(w, "CreatedAt", created_at);
	json_kv_i64(w, "Created", created);
	json_kv_string(w, "RunningFor", ago);
	json_kv_string(w, "CreatedHuman", ago);
	json_kv_string(w, "Status", status);
	json_kv_string(w, "State", record_state_name(row->state));
	json_kv_string(w, "Ports", ports);
	json_kv_string(w, "Networks", record_network(r));
	json_kv_string(w, "Mounts", mounts);
	json_kv_u64(w, "LocalVolumes", count_volumes(r));
	json_kv_string(w, "Pod", "");
	json_kv_string(w, "PodName", "");
	json_kv_string(w, "Size", size);
	write_labels(r, w);
	json_kv_i64(w, "Pid", row->pid);
	json_kv_i64(w, "ExitCode", r->exit_code);
	json_kv_bool(w, "Exited", row->state == RECORD_EXITED);
	json_kv_i64(w, "ExitedAt", record_since(r, RECORD_EXITED));
	json_kv_i64(w, "StartedAt", r->started ? record_since(r, RECORD_RUNNING) : 0);
	json_kv_i64(w, "Restarts", r->restarts);
	json_kv_bool(w, "AutoRemove", r->auto_remove);
	json_end_object(w);
}

/* ---- --format json: podman's members ---- */

static void list_of(struct json_writer *w, const char *key, const struct strlist *words)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < words->n; i++)
		json_string(w, words->v[i]);
	json_end_array(w);
}

/* The parts of a comma-separated word. */
static void split_list(struct json_writer *w, const char *key, const char *word)
{
	AUTO_FREE char *copy = xstrdup(word);
	char *rest = copy, *one;

	json_key(w, key);
	json_begin_array(w);
	while ((one = strsep(&rest, ",")))
		if (*one && !str_eq(one, "none"))
			json_string(w, one);
	json_end_array(w);
}

static void ports_list(const struct row *row, struct json_writer *w)
{
	struct net_result net = { .ns_fd = -1 };
	struct err ignored;

	json_key(w, "Ports");
	if ((row->state != RECORD_RUNNING && row->state != RECORD_PAUSED) || container_net_load(row->r, &net, &ignored) < 0 || !net.n_ports)
		json_null(w);
	else
		net_ports_json(net.ports, net.n_ports, w);
	net_result_done(&net);
}

static void write_object(const struct row *row, const struct ps_options *o, struct json_writer *w)
{
	struct record *r = row->r;
	CLEANUP(volume_list_done) struct volume_list l = { 0 };
	AUTO_FREE char *age = table_age(time(NULL) - record_since(r, RECORD_CREATED)), *status = status_text(r, row->state);
	AUTO_FREE char *ago = xasprintf("%s ago", age);

	json_begin_object(w);
	json_kv_bool(w, "AutoRemove", r->auto_remove);
	list_of(w, "Command", &r->args);
	json_kv_string(w, "CreatedAt", ago);
	json_kv_bool(w, "Exited", row->state == RECORD_EXITED);
	json_kv_i64(w, "ExitedAt", record_since(r, RECORD_EXITED));
	json_kv_i64(w, "ExitCode", r->exit_code);
	json_kv_string(w, "Id", r->id);
	json_kv_string(w, "Image", r->image);
	json_kv_string(w, "ImageID", r->image_id);
	json_kv_bool(w, "IsInfra", false);
	json_key(w, "Labels");
	json_begin_object(w);
	for (size_t i = 0; i < r->labels.n; i++)
		json_kv_string(w, r->labels.v[i].key, r->labels.v[i].value);
	json_end_object(w);
	load_mounts(r, &l);
	json_key(w, "Mounts");
	json_begin_array(w);
	for (size_t i = 0; i < l.n; i++)
		json_string(w, l.v[i].target);
	json_end_array(w);
	split_list(w, "Names", r->name);
	split_list(w, "Networks", record_network(r));
	json_kv_i64(w, "Pid", row->pid);
	json_kv_string(w, "Pod", "");
	json_kv_string(w, "PodName", "");
	ports_list(row, w);
	json_kv_i64(w, "Restarts", r->restarts);
	json_key(w, "Size");
	if (o->size)
		json_u64(w, row->bytes);
	else
		json_null(w);
	json_kv_i64(w, "StartedAt", r->started ? record_since(r, RECORD_RUNNING) : 0);
	json_kv_string(w, "State", record_state_name(row->state));
	json_kv_string(w, "Status", status);
	json_kv_i64(w, "Created", record_since(r, RECORD_CREATED));
	json_end_object(w);
}

/* ---- which, in which order ---- */

typedef int (*compare_fn)(const void *, const void *);
#define COMPARE(name, expression)                                        \
	static int name(const void *va, const void *vb)                  \
	{                                                                \
		const struct row *a = va, *b = vb;                       \
		return expression;                                       \
	}
COMPARE(by_command, strcmp(a->r->args.n ? a->r->args.v[0] : "", b->r->args.n ? b->r->args.v[0] : ""))
COMPARE(by_created, strcmp(b->r->created, a->r->created))
COMPARE(by_id, strcmp(a->r->id, b->r->id))
COMPARE(by_image, strcmp(a->r->image, b->r->image))
COMPARE(by_name, strcmp(a->r->name, b->r->name))
COMPARE(by_size, (a->bytes < b->bytes) - (a->bytes > b->bytes))
COMPARE(by_status, strcmp(record_state_name(a->state), record_state_name(b->state)))

static const struct {
	const char *key;
	compare_fn compare;
} orders[] = {
	{ "command", by_command }, { "created", by_created }, { "id", by_id },	   { "image", by_image },
	{ "names", by_name },	   { "name", by_name },	      { "runningfor", by_created }, { "size", by_size },
	{ "status", by_status },
};

static int sort_rows(struct row *v, size_t n, const char *key, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		if (!str_eq(orders[i].key, key))
			continue;
		if (n)
			qsort(v, n, sizeof(*v), orders[i].compare);
		return 0;
	}
	return err_set(err, EINVAL, "--sort '%s': must be one of command, created, id, image, names, runningfor, size, status", key);
}

static bool filters_state(const struct ps_options *o)
{
	for (size_t i = 0; i < o->filter.n; i++) {
		if (str_starts(o->filter.v[i], "status=") || str_starts(o->filter.v[i], "exited="))
			return true;
	}
	return false;
}

static size_t choose(const struct ps_options *o, struct record *const *list, size_t n, struct row *out)
{
	bool any_state = o->all || o->latest || o->last.set || filters_state(o);
	size_t limit = o->latest ? 1 : o->last.set && o->last.v >= 0 ? (size_t)o->last.v : n, found = 0;

	for (size_t i = 0; i < n && found < limit; i++) {
		struct container *c = NULL;
		struct row row = { .r = list[i], .state = record_state(list[i], &c) };
		bool alive = row.state == RECORD_RUNNING || row.state == RECORD_PAUSED;

		row.pid = c && alive ? c->pid : 0;
		container_free(c);
		if ((!any_state && !alive) || !filters_match(&o->filter, list[i], row.state, list, n))
			continue;
		row.bytes = o->size ? status_size(list[i]) : 0;
		out[found++] = row;
	}
	return found;
}

static int print(const struct ps_options *o, const struct row *v, size_t n, struct err *err)
{
	static const struct table_heading headings[] = {
		{ "ID", "CONTAINER ID" }, { "RunningFor", "CREATED" }, { "CreatedHuman", "CREATED" }, { "CreatedAt", "CREATED AT" }, { NULL, NULL },
	};
	struct table_style style = { .headings = headings, .no_heading = o->no_heading };
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_BUF struct buf text = { 0 }, out = { 0 };
	struct json_writer w = { .out = &text };
	bool as_json = o->format && str_eq(o->format, "json") && !o->quiet;
	struct json *root;
	int r;

	style.columns = o->size ? "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}" :
				  "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
	json_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		(as_json ? write_object : write_row)(&v[i], o, &w);
	json_end_array(&w);
	r = json_parse(&a, "ps", text.p, text.len, &root, err);
	if (r == 0)
		r = table_format(&style, o->quiet ? "{{.ID}}" : o->format, root, &out, err);
	return r < 0 ? r : cli_print(out.p, err);
}

static int run(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	const struct ps_options *o = target;
	AUTO_FREE struct row *v = NULL;
	struct record **list = NULL;
	size_t n = 0, found;
	int r = filters_check(&o->filter, err);

	if (r == 0)
		r = record_list(cli, &list, &n, err);
	if (r < 0)
		return r;
	v = xcalloc(n + 1, sizeof(*v));
	found = choose(o, list, n, v);
	r = sort_rows(v, found, o->sort ? o->sort : "created", err);
	if (r == 0)
		r = print(o, v, found, err);
	record_list_free(list, n);
	return r;
}

const struct cli_command cli_ps = {
	.name = "ps",
	.operands = "[OPTIONS]",
	.help = "list containers",
	.options = rows,
	.target_size = sizeof(struct ps_options),
	.max_operands = 0,
	.container = true,
	.run = run,
};
