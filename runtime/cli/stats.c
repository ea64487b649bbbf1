/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/output.h"
#include "runtime/cli/record.h"
#include "runtime/cli/select.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_MS 500 /* between the two looks that give a share of the processors */

struct stats_options {
	bool all, no_stream, no_trunc, no_reset;
	const char *format;
	unsigned interval;
};
#define T struct stats_options
static const struct option_row rows[] = {
	OPT_FLAG(T, all, "all", 'a', "also those that do not run"),
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, table, or a Go template"),
	OPT_UINT(T, interval, "interval", 'i', "SECONDS", "how often to look (1)"),
	OPT_FLAG(T, no_reset, "no-reset", 0, "do not clear the screen between two tables"),
	OPT_FLAG(T, no_stream, "no-stream", 0, "once only"),
	OPT_FLAG(T, no_trunc, "no-trunc", 0, "whole IDs"),
	OPT_END,
};
#undef T

struct sample {
	char id[RECORD_ID_LEN + 1], *name; /* name owned */
	bool running;
	int64_t at_ns;
	uint64_t cpu_ns, mem, mem_limit, rx, tx, read, written, pids;
};

struct samples {
	struct sample *v;
	size_t n;
};

static void samples_done(struct samples *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].name);
	free(s->v);
	*s = (struct samples){ 0 };
}

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A number at a path of members; 0 when it is not there. */
static uint64_t number(const struct json *n, const char *const *path)
{
	uint64_t v = 0;

	for (; n && *path; path++)
		n = n->type == JSON_OBJECT ? json_get(n, *path) : NULL;
	if (!n || n->type != JSON_NUMBER || json_to_u64(n, "stats", UINT64_MAX, &v, NULL) < 0)
		return 0;
	return v;
}
#define NUMBER(n, ...) number(n, (const char *const[]){ __VA_ARGS__, NULL })

static void take_io(const struct json *root, struct sample *s)
{
	const struct json *blkio = json_get(root, "blkio");
	const struct json *list = blkio && blkio->type == JSON_OBJECT ? json_get(blkio, "ioServiceBytesRecursive") : NULL;

	for (const struct json *k = list && list->type == JSON_ARRAY ? list->u.kids.first : NULL; k; k = k->next) {
		const struct json *op = k->type == JSON_OBJECT ? json_get(k, "op") : NULL;

		if (!op || op->type != JSON_STRING)
			continue;
		if (op->u.string[0] == 'r' || op->u.string[0] == 'R')
			s->read += NUMBER(k, "value");
		else if (op->u.string[0] == 'w' || op->u.string[0] == 'W')
			s->written += NUMBER(k, "value");
	}
}

static void take_memory(const struct json *root, struct sample *s)
{
	struct sysinfo host;
	uint64_t inactive = NUMBER(root, "memory", "raw", "total_inactive_file");

	inactive = inactive ? inactive : NUMBER(root, "memory", "raw", "inactive_file");
	s->mem = NUMBER(root, "memory", "usage", "usage");
	s->mem -= inactive < s->mem ? inactive : 0; /* what can be dropped at any time is not counted, as elsewhere */
	s->mem_limit = NUMBER(root, "memory", "usage", "limit");
	if (sysinfo(&host) == 0) {
		uint64_t all = (uint64_t)host.totalram * host.mem_unit;

		if (!s->mem_limit || s->mem_limit > all)
			s->mem_limit = all;
	}
}

/* /proc/PID/net/dev: all interfaces but loopback. */
static void take_net(pid_t pid, struct sample *s)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/net/dev", pid);
	AUTO_FREE char *text = NULL;
	char *save = NULL;

	if (fd_read_file(AT_FDCWD, path, 1 << 20, &text, NULL) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[32];
		unsigned long long rx, tx;

		if (sscanf(line, " %31[^:]: %llu %*u %*u %*u %*u %*u %*u %*u %llu", name, &rx, &tx) != 3 || str_eq(name, "lo"))
			continue;
		s->rx += rx;
		s->tx += tx;
	}
}

static int take(struct container *c, struct sample *s, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	struct json *root;
	int r = container_stats_json(c, &w, err);

	s->at_ns = now_ns();
	if (r < 0)
		return r;
	r = json_parse(&a, "stats", text.p, text.len, &root, err);
	if (r < 0)
		return r;
	s->cpu_ns = NUMBER(root, "cpu", "usage", "total");
	s->pids = NUMBER(root, "pids", "current");
	take_memory(root, s);
	take_io(root, s);
	take_net(c->pid, s);
	return 0;
}

static int add_sample(struct record *r, struct samples *list, bool all, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	enum record_state state = record_state(r, &c);
	struct sample s = { .running = c && (state == RECORD_RUNNING || state == RECORD_PAUSED) };

	if (!s.running && !all)
		return 0;
	if (s.running && take(c, &s, err) < 0)
		s.running = false; /* it ended in between */
	snprintf(s.id, sizeof(s.id), "%s", r->id);
	s.name = xstrdup(r->name);
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = s;
	return 0;
}

static int collect(struct cli *cli, const struct stats_options *o, char **operands, struct samples *ret, struct err *err)
{
	struct record **list = NULL;
	size_t n = 0;
	int r = 0;

	for (char **name = operands; r == 0 && *name; name++) {
		AUTO_RECORD struct record *one = NULL;

		r = record_load(cli, *name, false, &one, err);
		if (r == 0)
			r = add_sample(one, ret, true, err);
	}
	if (r < 0 || *operands)
		return r;
	r = record_list(cli, &list, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_sample(list[i], ret, o->all, err);
	record_list_free(list, n);
	return r;
}

static double cpu_percent(const struct sample *s, const struct samples *before)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct sample *b = &before->v[i];

		if (str_eq(b->id, s->id) && s->at_ns > b->at_ns && s->cpu_ns >= b->cpu_ns)
			return 100.0 * (double)(s->cpu_ns - b->cpu_ns) / (double)(s->at_ns - b->at_ns);
	}
	return 0;
}

/* "1.5MiB": powers of 1024, as docker shows memory. New string. */
static char *binary_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t u = 0;

	for (; v >= 1024 && u + 1 < ARRAY_SIZE(units); u++)
		v /= 1024;
	return v >= 100 ? xasprintf("%.0f%s", v, units[u]) : v >= 10 ? xasprintf("%.4g%s", v, units[u]) : xasprintf("%.3g%s", v, units[u]);
}

/* Under docker's name for templates, and that of podman's JSON. */
static void put_text(struct json_writer *w, const char *key, const char *podman_key, char *owned)
{
	json_kv_string(w, key, owned);
	json_kv_string(w, podman_key, owned);
	free(owned);
}

static char *pair(char *a, char *b)
{
	char *both = xasprintf("%s / %s", a, b);

	free(a);
	free(b);
	return both;
}

static void put_row(struct json_writer *w, const struct sample *s, const struct samples *before, bool whole)
{
	AUTO_FREE char *id = xstrndup(s->id, whole ? RECORD_ID_LEN : RECORD_SHORT_LEN);

	const bool on = s->running;

	json_begin_object(w);
	json_kv_string(w, "Container", id);
	put_text(w, "ID", "id", xstrdup(id));
	put_text(w, "Name", "name", xstrdup(s->name));
	put_text(w, "CPUPerc", "cpu_percent", on ? xasprintf("%.2f%%", cpu_percent(s, before)) : xstrdup("--"));
	put_text(w, "MemUsage", "mem_usage", on ? pair(binary_size(s->mem), binary_size(s->mem_limit)) : xstrdup("-- / --"));
	put_text(w, "MemPerc", "mem_percent",
		 on ? xasprintf("%.2f%%", s->mem_limit ? 100.0 * (double)s->mem / (double)s->mem_limit : 0.0) : xstrdup("--"));
	put_text(w, "NetIO", "net_io", on ? pair(table_size(s->rx, ""), table_size(s->tx, "")) : xstrdup("-- / --"));
	put_text(w, "BlockIO", "block_io", on ? pair(table_size(s->read, ""), table_size(s->written, "")) : xstrdup("-- / --"));
	put_text(w, "PIDs", "pids", on ? xasprintf("%llu", (unsigned long long)s->pids) : xstrdup("--"));
	json_end_object(w);
}

static int print(const struct stats_options *o, const struct samples *now, const struct samples *before, struct err *err)
{
	static const struct table_heading headings[] = {
		{ "ID", "CONTAINER ID" }, { "CPUPerc", "CPU %" },   { "MemUsage", "MEM USAGE / LIMIT" }, { "MemPerc", "MEM %" },
		{ "NetIO", "NET I/O" },	  { "BlockIO", "BLOCK I/O" }, { NULL, NULL },
	};
	static const struct table_style style = {
		.columns = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
		.headings = headings,
	};
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };

	json_begin_array(&w);
	for (size_t i = 0; i < now->n; i++)
		put_row(&w, &now->v[i], before, o->no_trunc);
	json_end_array(&w);
	if (!o->no_stream && !o->no_reset && isatty(STDOUT_FILENO))
		(void)fputs("\033[H\033[2J", stdout);
	return output_rows(&style, o->format, &out, err);
}

static void sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct stats_options *o = target;
	struct samples before = { 0 };
	int r = collect(cli, o, operands, &before, err);

	for (bool first = true; r == 0; first = false) {
		struct samples now = { 0 };

		sleep_ms(first ? SAMPLE_MS : o->interval * 1000);
		r = collect(cli, o, operands, &now, err);
		if (r == 0)
			r = print(o, &now, &before, err);
		(void)fflush(stdout);
		samples_done(&before);
		before = now;
		if (o->no_stream)
			break;
	}
	samples_done(&before);
	return r;
}

const struct cli_command cli_stats = {
	.name = "stats",
	.operands = "[OPTIONS] [CONTAINER...]",
	.help = "show what containers use of the machine",
	.options = rows,
	.target_size = sizeof(struct stats_options),
	.defaults = &(const struct stats_options){ .interval = 1 },
	.max_operands = -1,
	.container = true,
	.run = run,
};
