/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/events.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/table.h"
#include "runtime/cli/template.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_MAX (64u << 20)

struct events_options {
	const char *since, *until, *format;
	struct option_list filter;
	bool stream, no_trunc;
};
#define T struct events_options
static const struct option_row rows[] = {
	OPT_LIST(T, filter, "filter", 'f', "KEY=VALUE", "those that match: type, event, container, image, network, volume, label"),
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, or a Go template"),
	OPT_FLAG(T, no_trunc, "no-trunc", 0, "whole IDs (the default)"),
	OPT_STRING(T, since, "since", 0, "TIME", "from then on: RFC 3339, seconds since 1970, or how long ago (10m)"),
	OPT_FLAG(T, stream, "stream", 0, "go on with what happens from now on (true)"),
	OPT_STRING(T, until, "until", 0, "TIME", "until then"),
	OPT_END,
};
#undef T

struct events {
	const struct events_options *o;
	struct template *template;
	int64_t since, until; /* seconds; until 0: for ever */
};

/* "10m", "1h30m": seconds; -EINVAL. */
static int parse_duration(const char *s, int64_t *ret)
{
	static const struct name_value units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { NULL, 0 } };
	int64_t sum = 0;

	while (*s) {
		char *end;
		long v = strtol(s, &end, 10);
		char unit[2] = { *end, '\0' };
		const struct name_value *u = name_find(units, unit);

		if (end == s || v < 0 || !u || v > 1000000)
			return -EINVAL;
		sum += v * (int64_t)u->value;
		s = end + 1;
	}
	*ret = sum;
	return 0;
}

static int parse_when(const char *flag, const char *text, int64_t *ret, struct err *err)
{
	int64_t v;

	if (!text)
		return 0;
	if (str_to_i64(text, ret) == 0 || table_parse_time(text, ret) == 0)
		return 0;
	if (!*text || parse_duration(text, &v) < 0)
		return err_set(err, EINVAL, "--%s '%s': not a time (RFC 3339, seconds since 1970, or how long ago, such as 10m)", flag, text);
	*ret = time(NULL) - v;
	return 0;
}

static const char *text_of(const struct json *n, const char *key)
{
	const struct json *v = n && n->type == JSON_OBJECT ? json_get(n, key) : NULL;

	return v && v->type == JSON_STRING ? v->u.string : "";
}

static const struct json *attributes(const struct json *e)
{
	const struct json *actor = json_get(e, "Actor");

	return actor && actor->type == JSON_OBJECT ? json_get(actor, "Attributes") : NULL;
}

static bool match_label(const struct json *e, const char *want)
{
	const char *eq = strchr(want, '=');
	AUTO_FREE char *key = eq ? xstrndup(want, (size_t)(eq - want)) : xstrdup(want);
	const struct json *attrs = attributes(e), *v = attrs ? json_get(attrs, key) : NULL;

	return v && v->type == JSON_STRING && (!eq || str_eq(v->u.string, eq + 1));
}

static bool match_one(const struct json *e, const char *f)
{
	const char *id = text_of(e, "id"), *name = text_of(attributes(e), "name");

	if (str_starts(f, "type="))
		return str_eq(text_of(e, "Type"), f + 5);
	if (str_starts(f, "event="))
		return str_eq(text_of(e, "Action"), f + 6);
	if (str_starts(f, "container="))
		return str_eq(text_of(e, "Type"), "container") && (str_starts(id, f + 10) || str_eq(name, f + 10));
	if (str_starts(f, "image="))
		return strstr(text_of(attributes(e), "image"), f + 6) || (str_eq(text_of(e, "Type"), "image") && str_eq(name, f + 6));
	if (str_starts(f, "network=") || str_starts(f, "volume="))
		return strncmp(text_of(e, "Type"), f, strcspn(f, "=")) == 0 && str_eq(name, strchr(f, '=') + 1);
	return match_label(e, f + 6); /* label=: the keys were checked */
}

static int check_filters(const struct option_list *l, struct err *err)
{
	static const char *const keys[] = { "type=", "event=", "container=", "image=", "label=", "network=", "volume=" };

	for (size_t i = 0; i < l->n; i++) {
		bool ok = false;

		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			ok = ok || str_starts(l->v[i], keys[k]);
		if (!ok)
			return err_set(err, EINVAL, "--filter '%s': must be KEY=VALUE with one of the keys type, event, container, image, network, volume, label",
				       l->v[i]);
	}
	return 0;
}

/* Different keys: all; one key several times: any. */
static bool matches(const struct json *e, const struct option_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t key = strcspn(l->v[i], "=") + 1;
		bool hit = false;

		for (size_t k = 0; k < l->n; k++)
			hit = hit || (strncmp(l->v[i], l->v[k], key) == 0 && match_one(e, l->v[k]));
		if (!hit)
			return false;
	}
	return true;
}

/* 2026-11-28T03:12:28.123456789Z container start ID (image=..., name=...) */
static void print_plain(const struct json *e, struct buf *out)
{
	const struct json *nano = json_get(e, "timeNano"), *attrs = attributes(e);
	int64_t v = 0;
	time_t s;
	struct tm tm;
	char when[32] = "";
	const char *between = "";

	if (nano && json_to_i64(nano, "event", 0, INT64_MAX, &v, NULL) < 0)
		v = 0;
	s = (time_t)(v / 1000000000);
	if (gmtime_r(&s, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_addf(out, "%s.%09lldZ %s %s %s (", when, (long long)(v % 1000000000), text_of(e, "Type"), text_of(e, "Action"), text_of(e, "id"));
	for (const struct json *k = attrs ? attrs->u.kids.first : NULL; k; k = k->next) {
		buf_addf(out, "%s%s=%s", between, k->key, k->type == JSON_STRING ? k->u.string : "");
		between = ", ";
	}
	buf_add(out, ")");
}

/* The event, and beside docker's names of its members podman's: Name, Image ... */
static int run_template(const struct template *t, const struct json *e, struct buf *out, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	const struct json *attrs = attributes(e);
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	struct json *all;
	int r;

	json_begin_object(&w);
	for (const struct json *k = e->u.kids.first; k; k = k->next) {
		json_key(&w, k->key);
		json_copy(&w, k);
	}
	json_kv_string(&w, "Name", text_of(attrs, "name"));
	json_kv_string(&w, "Image", text_of(attrs, "image"));
	json_kv_string(&w, "From", text_of(attrs, "image"));
	json_kv_string(&w, "ContainerExitCode", text_of(attrs, "exitCode"));
	json_end_object(&w);
	r = json_parse(&a, "event", text.p, text.len, &all, err);
	return r < 0 ? r : template_run(t, all, out, err);
}

static int print_event(const struct events *ev, const struct json *e, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	int r = 0;

	if (ev->template)
		r = run_template(ev->template, e, &out, err);
	else if (ev->o->format)
		template_json(e, false, &out);
	else
		print_plain(e, &out);
	if (r < 0)
		return r;
	buf_add(&out, "\n");
	r = cli_print(out.p, err);
	(void)fflush(stdout);
	return r;
}

/* 1: the end of the time asked for is reached. */
static int take_line(const struct events *ev, const char *line, size_t n, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct json *e;
	int64_t when;

	if (json_parse(&a, "events", line, n, &e, NULL) < 0 || e->type != JSON_OBJECT || !json_get(e, "time") ||
	    json_to_i64(json_get(e, "time"), "events", 0, INT64_MAX, &when, NULL) < 0)
		return 0; /* torn by a crash */
	if (when < ev->since)
		return 0;
	if (ev->until && when > ev->until)
		return 1;
	return matches(e, &ev->o->filter) ? print_event(ev, e, err) : 0;
}

static int take_lines(const struct events *ev, struct buf *pending, struct err *err)
{
	size_t at = 0;
	int r = 0;

	for (char *end; r == 0 && at < pending->len && (end = memchr(pending->p + at, '\n', pending->len - at)) != NULL;) {
		r = take_line(ev, pending->p + at, (size_t)(end - (pending->p + at)), err);
		at = (size_t)(end - pending->p) + 1;
	}
	if (at) {
		memmove(pending->p, pending->p + at, pending->len - at);
		pending->len -= at;
	}
	return r;
}

static int read_more(int fd, struct buf *pending, struct err *err)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "read the journal of events");
		if (n == 0)
			return 0;
		buf_add_n(pending, chunk, (size_t)n);
	}
}

static int read_old(const struct events *ev, const char *path, struct err *err)
{
	AUTO_FREE char *old = xasprintf("%s.1", path);
	AUTO_CLOSE int fd = open(old, O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf pending = { 0 };
	int r = fd < 0 ? 0 : read_more(fd, &pending, err);

	return r < 0 ? r : take_lines(ev, &pending, err);
}

/* Wait for the file to grow, or for the time to be over. */
static int wait_more(const struct events *ev, int watch)
{
	struct pollfd p = { .fd = watch, .events = POLLIN };
	int64_t left = ev->until ? ev->until - time(NULL) : 3600;
	char drop[4096];

	if (left <= 0)
		return 1;
	if (poll(&p, 1, (int)(left < 3600 ? left * 1000 : 3600000)) > 0)
		(void)!read(watch, drop, sizeof(drop)); /* only that something happened */
	return 0;
}

static int follow(const struct events *ev, const char *path, struct err *err)
{
	AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC);
	AUTO_BUF struct buf pending = { 0 };
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0 || watch < 0 || inotify_add_watch(watch, path, IN_MODIFY | IN_MOVE_SELF) < 0)
		return err_sys(err, -errno, "follow '%s'", path);
	while (r == 0) {
		struct stat here, there;

		r = read_more(fd, &pending, err);
		if (r == 0)
			r = take_lines(ev, &pending, err);
		if (r != 0 || (!ev->o->stream && !ev->until) || (ev->until && ev->until <= time(NULL)))
			break;
		r = wait_more(ev, watch);
		/* the journal was put aside for a new one, which is read from its beginning */
		if (r == 0 && fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino != there.st_ino) {
			r = read_more(fd, &pending, err);
			fd_close(&fd);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd < 0 || inotify_add_watch(watch, path, IN_MODIFY | IN_MOVE_SELF) < 0)
				r = err_sys(err, -errno, "follow '%s'", path);
		}
	}
	return r < 0 ? r : 0;
}

static int run(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/events", cli->run_dir);
	AUTO_TEMPLATE struct template *t = NULL;
	struct events ev = { .o = target };
	int r = check_filters(&ev.o->filter, err);

	/* Without --since: only what happens from now on, or with --stream=false all there is. */
	ev.since = ev.o->since || !ev.o->stream ? 0 : time(NULL);
	if (r == 0)
		r = parse_when("since", ev.o->since, &ev.since, err);
	if (r == 0)
		r = parse_when("until", ev.o->until, &ev.until, err);
	if (r == 0 && ev.o->format && !str_eq(ev.o->format, "json"))
		r = template_parse(ev.o->format, &t, err);
	ev.template = t;
	if (r == 0 && mkdir(cli->run_dir, 0700) < 0 && errno != EEXIST)
		r = err_sys(err, -errno, "make '%s'", cli->run_dir);
	if (r == 0 && (ev.o->since || !ev.o->stream))
		r = read_old(&ev, path, err);
	return r < 0 ? r : r > 0 ? 0 : follow(&ev, path, err);
}

const struct cli_command cli_events = {
	.name = "events",
	.operands = "[OPTIONS]",
	.help = "show what happens to containers",
	.options = rows,
	.target_size = sizeof(struct events_options),
	.defaults = &(const struct events_options){ .stream = true },
	.max_operands = 0,
	.run = run,
};
