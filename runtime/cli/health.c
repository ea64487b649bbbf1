/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/health.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/cli/events.h"
#include "runtime/cli/launch.h"
#include "runtime/cli/template.h"
#include "runtime/net/helper.h"
#include "runtime/net/network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX  4096
#define LOG_ENTRIES 5
#define STATE_MAX   (1u << 20)

void health_done(struct health *h)
{
	strings_free(h->command);
	*h = (struct health){ 0 };
}

/* ---- what is to be done ---- */

/* "1m30s", "500ms": milliseconds. A bare number is seconds, as podman has it. */
static int parse_duration(const char *flag, const char *text, int64_t *ret, struct err *err)
{
	static const struct name_value units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { NULL, 0 } };
	const char *s = text;
	int64_t sum = 0;

	if (!text)
		return 0;
	while (*s) {
		char *end, unit[3] = "";
		double v = strtod(s, &end);
		const struct name_value *u;

		if (end == s || v < 0 || v > 1e9)
			break;
		snprintf(unit, sizeof(unit), "%.*s", str_starts(end, "ms") ? 2 : 1, end);
		u = name_find(units, *unit ? unit : "s");
		if (!u)
			break;
		sum += (int64_t)(v * (double)u->value);
		s = end + strlen(unit);
	}
	if (!*text || *s)
		return err_set(err, EINVAL, "--%s '%s': not a duration, such as 30s or 1m30s", flag, text);
	*ret = sum;
	return 0;
}

static void add_shell(struct health *h, const char *command)
{
	strings_add(&h->command, "/bin/sh");
	strings_add(&h->command, "-c");
	strings_add(&h->command, command);
}

/* ["NONE"], ["CMD", ...] or ["CMD-SHELL", "..."] */
static void take_test(struct health *h, const char *const *v, size_t n)
{
	if (n >= 2 && str_eq(v[0], "CMD-SHELL"))
		add_shell(h, v[1]);
	for (size_t i = 1; n >= 2 && str_eq(v[0], "CMD") && i < n; i++)
		strings_add(&h->command, v[i]);
}

/* --health-cmd is a shell command, "none", or a JSON array of words. */
static int take_command(struct health *h, const char *text, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct json *root;

	if (str_eq(text, "none"))
		return 0;
	if (text[0] != '[') {
		add_shell(h, text);
		return 0;
	}
	if (json_parse(&a, "--health-cmd", text, strlen(text), &root, err) < 0)
		return -EINVAL;
	for (const struct json *k = root->u.kids.first; k; k = k->next) {
		bool keyword = k == root->u.kids.first && k->type == JSON_STRING && str_eq(k->u.string, "CMD");

		if (k->type == JSON_STRING && !keyword)
			strings_add(&h->command, k->u.string);
	}
	return 0;
}

static const struct name_value actions[] = {
	{ "none", HEALTH_NONE }, { "kill", HEALTH_KILL }, { "restart", HEALTH_RESTART }, { "stop", HEALTH_STOP }, { NULL, 0 },
};

static int take_flags(const struct run_options *o, struct health *h, struct err *err)
{
	if (parse_duration("health-interval", str_eq(o->health_interval, "disable") ? "0" : o->health_interval, &h->interval_ms, err) < 0 ||
	    parse_duration("health-timeout", o->health_timeout, &h->timeout_ms, err) < 0 ||
	    parse_duration("health-start-period", o->health_start_period, &h->start_period_ms, err) < 0)
		return -EINVAL;
	if (o->health_retries && (str_to_i64(o->health_retries, &h->retries) < 0 || h->retries < 1))
		return err_set(err, EINVAL, "--health-retries '%s': not a number from 1 on", o->health_retries);
	if (o->health_on_failure && *o->health_on_failure) /* was checked with the other words */
		h->on_failure = name_find(actions, o->health_on_failure)->value;
	return 0;
}

const char *health_action_name(const struct health *h)
{
	return name_of(actions, h->on_failure);
}

int health_config(const struct run_options *o, const struct image_config *image, struct health *ret, struct err *err)
{
	struct health h = { .interval_ms = 30000, .timeout_ms = 30000, .retries = 3 };
	const struct health_check *i = image ? &image->health : NULL;
	int r;

	if (i && i->test.n) {
		h.interval_ms = i->interval_ns > 0 ? i->interval_ns / 1000000 : h.interval_ms;
		h.timeout_ms = i->timeout_ns > 0 ? i->timeout_ns / 1000000 : h.timeout_ms;
		h.start_period_ms = i->start_period_ns / 1000000;
		h.retries = i->retries > 0 ? i->retries : h.retries;
	}
	r = take_flags(o, &h, err);
	if (r == 0 && !o->no_healthcheck && o->health_cmd && *o->health_cmd)
		r = take_command(&h, o->health_cmd, err);
	else if (r == 0 && !o->no_healthcheck && i)
		take_test(&h, (const char *const *)i->test.v, i->test.n);
	if (r < 0)
		health_done(&h);
	else
		*ret = h;
	return r;
}

/* ---- what came of it ---- */

struct state {
	struct arena arena;
	const char *status;
	int64_t streak;
	const struct json *log; /* array, or NULL */
};

static char *state_path(const struct record *r)
{
	return xasprintf("%s/health.json", r->run_dir);
}

static bool state_load(const struct record *r, struct state *s)
{
	AUTO_FREE char *path = state_path(r);
	AUTO_FREE char *text = NULL;
	const struct json *status, *streak;
	struct json *root;

	*s = (struct state){ .status = "starting" };
	if (fd_read_file(AT_FDCWD, path, STATE_MAX, &text, NULL) < 0 ||
	    json_parse(&s->arena, path, text, strlen(text), &root, NULL) < 0 || root->type != JSON_OBJECT)
		return false;
	status = json_get(root, "Status");
	streak = json_get(root, "FailingStreak");
	if (status && status->type == JSON_STRING)
		s->status = status->u.string;
	if (streak && json_to_i64(streak, path, 0, INT64_MAX, &s->streak, NULL) < 0)
		s->streak = 0;
	s->log = json_get(root, "Log");
	return true;
}

char *health_status(const struct record *r)
{
	struct state s;
	char *status = state_load(r, &s) ? xstrdup(s.status) : NULL;

	arena_done(&s.arena);
	return status;
}

void health_json(const struct record *r, struct json_writer *w)
{
	AUTO_FREE char *path = state_path(r);
	AUTO_FREE char *text = NULL;

	if (fd_read_file(AT_FDCWD, path, STATE_MAX, &text, NULL) < 0)
		json_null(w);
	else
		json_raw(w, text);
}

struct result {
	char start[STR_TIME_LEN], end[STR_TIME_LEN];
	int code;
	struct buf output;
};

static void put_log(struct json_writer *w, const struct state *old, const struct result *now)
{
	size_t n = old->log && old->log->type == JSON_ARRAY ? old->log->u.kids.n : 0, skip = n >= LOG_ENTRIES ? n - LOG_ENTRIES + 1 : 0;

	json_begin_array(w);
	for (const struct json *k = n ? old->log->u.kids.first : NULL; k; k = k->next) {
		AUTO_BUF struct buf one = { 0 };

		if (k->index < skip)
			continue;
		template_json(k, false, &one);
		json_raw(w, one.p);
	}
	if (now) {
		json_begin_object(w);
		json_kv_string(w, "Start", now->start);
		json_kv_string(w, "End", now->end);
		json_kv_i64(w, "ExitCode", now->code);
		json_kv_string(w, "Output", now->output.p ? now->output.p : "");
		json_end_object(w);
	}
	json_end_array(w);
}

static int state_save(const struct record *r, const struct state *old, const char *status, int64_t streak, const struct result *now,
		      struct err *err)
{
	AUTO_FREE char *path = state_path(r);
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	int x;

	json_begin_object(&w);
	json_kv_string(&w, "Status", status);
	json_kv_i64(&w, "FailingStreak", streak);
	json_key(&w, "Log");
	put_log(&w, old, now);
	json_end_object(&w);
	x = fd_write_file_atomic(AT_FDCWD, path, out.p, out.len, 0600, false);
	return x < 0 ? err_sys(err, x, "write '%s'", path) : 0;
}

/* ---- doing it ---- */

static void check(const struct record *r, const struct health *h, struct result *ret)
{
	AUTO_FREE char *self = NULL;
	struct helper_io io = { .max = OUTPUT_MAX, .extra_fd = -1, .timeout_ms = (int)h->timeout_ms };
	struct err err = { 0 };
	char **argv = NULL;

	str_time_now(ret->start);
	ret->code = cli_find_program("brig", &self, &err);
	if (ret->code == 0) {
		argv = cli_argv(r->cli, self);
		strings_add(&argv, "exec");
		strings_add(&argv, r->id);
		for (char **c = h->command; *c; c++)
			strings_add(&argv, *c);
		io.argv = (const char *const *)argv;
		ret->code = helper_talk(self, &io);
	}
	str_time_now(ret->end);
	if (ret->code == -ETIMEDOUT)
		buf_addf(&ret->output, "Health check exceeded timeout (%lld ms)", (long long)h->timeout_ms);
	else
		buf_addf(&ret->output, "%s%s", io.out.p ? io.out.p : "", io.err.p ? io.err.p : err.msg);
	if (ret->code < 0)
		ret->code = -1;
	strings_free(argv);
	buf_done(&io.out);
	buf_done(&io.err);
}

/* brig [GROUP] VERB CONTAINER, as a process of its own that outlives this one. group: or NULL. */
static int spawn_verb(const struct record *r, const char *group, const char *verb, struct err *err)
{
	AUTO_FREE char *self = NULL;
	char **argv;
	int x = cli_find_program("brig", &self, err);

	if (x < 0)
		return x;
	argv = cli_argv(r->cli, self);
	if (group)
		strings_add(&argv, group);
	strings_add(&argv, verb);
	strings_add(&argv, r->id);
	x = helper_spawn((const char *const *)argv);
	if (x < 0)
		x = err_sys(err, x, "start '%s'", self);
	strings_free(argv);
	return x;
}

/* --health-on-failure. Killed here, it was not stopped by hand: a restart policy starts it again, which is what the two are for.
 * 1: the container is on its end. */
static int act(struct record *r, struct container *c, const struct health *h, struct err *err)
{
	AUTO_FREE char *status = health_status(r);
	int x = 0;

	if (!str_eq(status, "unhealthy"))
		return 0;
	switch (h->on_failure) {
	case HEALTH_NONE:
		return 0;
	case HEALTH_KILL:
		x = container_kill(c, SIGKILL, false, err);
		break;
	case HEALTH_RESTART:
		x = spawn_verb(r, NULL, "restart", err);
		break;
	case HEALTH_STOP:
		x = spawn_verb(r, NULL, "stop", err);
		break;
	}
	return x < 0 ? x : 1;
}

static bool in_start_period(const struct record *r, const struct health *h)
{
	int64_t since = record_since(r, RECORD_RUNNING);

	return since && time(NULL) * 1000 < since * 1000 + h->start_period_ms;
}

/* One check and its consequences. Returns its exit code, or negative with err. */
static int check_and_note(const struct record *r, const struct health *h, struct err *err)
{
	struct result now = { 0 };
	struct state old;
	const char *status;
	int64_t streak;
	int x;

	check(r, h, &now);
	(void)state_load(r, &old);
	status = now.code == 0 ? "healthy" : old.status;
	streak = now.code == 0 ? 0 : old.streak;
	if (now.code != 0 && !(str_eq(old.status, "starting") && in_start_period(r, h)) && ++streak >= h->retries)
		status = "unhealthy";
	x = state_save(r, &old, status, streak, &now, err);
	if (x == 0 && !str_eq(status, old.status))
		event_container_with(r, "health_status", "health_status", status);
	arena_done(&old.arena);
	buf_done(&now.output);
	return x < 0 ? x : now.code == 0 ? 0 : 1;
}

static int config_of(struct record *r, struct health *ret, struct err *err)
{
	AUTO_RUN_OPTIONS struct run_options o = { 0 };
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_IMAGE_CONFIG struct image_config config = { 0 };
	int x = cli_open_store(r->cli, err);

	if (x == 0)
		x = run_options_thaw(&r->flags, &o, err);
	if (x == 0)
		x = launch_image(r, &image, &config, err);
	return x < 0 ? x : health_config(&o, &config, ret, err);
}

void health_start_monitor(struct record *r)
{
	AUTO_HEALTH struct health h = { 0 };
	struct state nothing = { 0 };
	struct err err = { 0 };
	int x = config_of(r, &h, &err);

	if (x == 0 && !h.command)
		return;
	if (x == 0)
		x = state_save(r, &nothing, "starting", 0, NULL, &err);
	if (x == 0)
		x = spawn_verb(r, "healthcheck", "monitor", &err);
	if (x < 0)
		log_warn("health check of container %s: %s", r->name, err.msg);
}

/* ---- the verbs ---- */

static const struct option_row rows[] = { OPT_END };

static int load_running(struct cli *cli, const char *name, struct record **r, struct container **c, struct health *h, struct err *err)
{
	int x = record_load(cli, name, false, r, err);
	enum record_state s;

	if (x < 0)
		return x;
	s = record_state(*r, c);
	if (s != RECORD_RUNNING && s != RECORD_PAUSED)
		return err_set(err, ESRCH, "container %s is not running, but %s", (*r)->name, record_state_name(s));
	x = config_of(*r, h, err);
	if (x == 0 && !h->command)
		x = err_set(err, ENOENT, "container %s has no health check", (*r)->name);
	return x;
}

static int run_once(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	AUTO_RECORD struct record *r = NULL;
	AUTO_HEALTH struct health h = { 0 };
	int x = load_running(cli, operands[0], &r, &c, &h, err);

	if (x == 0)
		x = check_and_note(r, &h, err);
	if (x <= 0)
		return x;
	printf("unhealthy\n");
	x = act(r, c, &h, err);
	return x < 0 ? x : 1;
}

const struct cli_command cli_healthcheck_run = {
	.name = "healthcheck run",
	.operands = "CONTAINER",
	.help = "run a container's health check once",
	.options = rows,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_once,
};

static int run_monitor(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	AUTO_RECORD struct record *r = NULL;
	AUTO_HEALTH struct health h = { 0 };
	int x = load_running(cli, operands[0], &r, &c, &h, err);

	if (x < 0 || !h.interval_ms || c->pidfd < 0)
		return x;
	while (x >= 0) {
		struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
		int n = poll(&p, 1, (int)h.interval_ms);

		if (n > 0)
			return 0; /* it has ended */
		if (n == 0 && container_status(c) == CONTAINER_RUNNING)
			x = check_and_note(r, &h, err);
		if (n == 0 && x > 0) {
			x = act(r, c, &h, err);
			if (x > 0)
				return 0;
		}
	}
	return x;
}

const struct cli_command cli_healthcheck_monitor = {
	.name = "healthcheck monitor",
	.operands = "CONTAINER",
	.help = "run a container's health check until it ends; started by `run -d`",
	.options = rows,
	.min_operands = 1,
	.max_operands = 1,
	.hidden = true,
	.run = run_monitor,
};
