/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"
#include "runtime/cli/notify.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/cli/events.h"
#include "runtime/cli/health.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * DOC: the monitor
 *
 *   brig ── conmon ── brig monitor create		conmon holds the container's streams: log, attach socket, exit code
 *     │      │             └─ the container's init, which waits at the gate; becomes conmon's child
 *     │      └─ says the pid, or that it failed, over a pipe (its "sync pipe")
 *     └─ opens the gate; goes away or attaches
 *
 *   conmon ── at the end ── brig cleanup ID		finish_container(), and a new start when the restart policy says so
 *
 * Why a create failed does not fit through conmon: `brig monitor create` leaves its struct err in run_dir/create-error.
 */
static const char *const places[] = { "/usr/bin/conmon", "/usr/local/bin/conmon", "/usr/libexec/podman/conmon", "/usr/lib/podman/conmon",
				      "/usr/local/libexec/podman/conmon" };

static char *find_in_path(const char *name)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t n = strcspn(path, ":");
		AUTO_FREE char *file = xasprintf("%.*s/%s", (int)n, path, name);

		if (n && file[0] == '/' && access(file, X_OK) == 0)
			return TAKE_PTR(file);
		path += n + (path[n] != '\0');
	}
	return NULL;
}

static char *find_conmon(void)
{
	char *found = find_in_path("conmon");

	for (size_t i = 0; i < ARRAY_SIZE(places) && !found; i++)
		found = access(places[i], X_OK) == 0 ? xstrdup(places[i]) : NULL;
	return found;
}

bool monitor_available(void)
{
	AUTO_FREE char *conmon = find_conmon();

	return conmon != NULL;
}

/* ---- its command line ---- */

struct words {
	char **v; /* owned, as the strings are */
	size_t n;
};

static void words_done(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
}

static void add(struct words *w, const char *s)
{
	w->v = xreallocarray(w->v, w->n + 2, sizeof(*w->v));
	w->v[w->n++] = xstrdup(s);
	w->v[w->n] = NULL;
}

static void add2(struct words *w, const char *option, const char *value)
{
	add(w, option);
	add(w, value);
}

static const char *log_option(const struct run_options *o, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = o->log_opt.n; i-- > 0;) {
		if (strncmp(o->log_opt.v[i], key, n) == 0 && o->log_opt.v[i][n] == '=')
			return o->log_opt.v[i] + n + 1;
	}
	return NULL;
}

static int add_log(struct words *w, const struct record *r, const struct run_options *o, struct err *err)
{
	const char *driver = o->log_driver ? o->log_driver : "k8s-file", *path = log_option(o, "path"), *size = log_option(o, "max-size");
	AUTO_FREE char *own = xasprintf("%s/ctr.log", r->dir), *log = NULL;
	char bytes[32];
	int64_t max;

	if (size) {
		if (option_size(size, &max) < 0 || max < 0)
			return err_set(err, EINVAL, "--log-opt max-size=%s: must be a size such as 10m", size);
		snprintf(bytes, sizeof(bytes), "%lld", (long long)max);
		add2(w, "--log-size-max", bytes);
	}
	if (str_eq(driver, "none"))
		log = xstrdup("off");
	else if (str_eq(driver, "journald"))
		log = xstrdup("journald");
	else
		log = xasprintf("k8s-file:%s", path ? path : own);
	add2(w, "-l", log);
	if (log_option(o, "tag") && str_eq(driver, "journald"))
		add2(w, "--log-tag", log_option(o, "tag"));
	return 0;
}

static int add_programs(struct words *w, const struct record *r, struct err *err)
{
	AUTO_FREE char *self = NULL;
	int x = cli_find_program("brig", &self, err);

	if (x < 0)
		return x;
	add2(w, "-r", self);
	for (char **g = r->cli->globals; *g; g++)
		add2(w, "--runtime-arg", *g);
	add2(w, "--runtime-arg", "monitor");
	add2(w, "--exit-command", self);
	for (char **g = r->cli->globals; *g; g++)
		add2(w, "--exit-command-arg", *g);
	add2(w, "--exit-command-arg", "cleanup");
	add2(w, "--exit-command-arg", r->id);
	return 0;
}

static int make_words(struct words *w, const struct record *r, const struct run_options *o, const char *conmon, struct err *err)
{
	AUTO_FREE char *pidfile = xasprintf("%s/pidfile", r->run_dir), *conmon_pidfile = xasprintf("%s/conmon.pid", r->run_dir);
	AUTO_FREE char *exits = xasprintf("%s/exits", r->cli->run_dir);
	char timeout[16];
	int x;

	add(w, conmon);
	add2(w, "--api-version", "1");
	add2(w, "-c", r->id);
	add2(w, "-u", r->id);
	add2(w, "-n", r->name);
	add2(w, "-b", r->run_dir);
	add2(w, "-p", o->pidfile ? o->pidfile : pidfile);
	add2(w, "-P", o->conmon_pidfile ? o->conmon_pidfile : conmon_pidfile);
	add2(w, "--exit-dir", exits);
	add2(w, "--persist-dir", r->run_dir);
	add2(w, "--log-level", "error");
	add(w, "--full-attach");
	if (o->tty)
		add(w, "-t");
	if (o->interactive) {
		add(w, "-i");
		if (o->detach)
			add(w, "--leave-stdin-open");
	}
	if (o->timeout) {
		snprintf(timeout, sizeof(timeout), "%u", o->timeout);
		add2(w, "-T", timeout);
	}
	x = add_log(w, r, o, err);
	return x < 0 ? x : add_programs(w, r, err);
}

/* ---- talking to it ---- */

/* It becomes a daemon of its own: nothing of our terminal or session may stay with it. */
static int spawn(char *const argv[], int sync_fd, int null_fd, pid_t *ret)
{
	extern char **environ;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	for (int fd = 0; fd <= 2; fd++)
		posix_spawn_file_actions_adddup2(&actions, null_fd, fd);
	posix_spawn_file_actions_adddup2(&actions, sync_fd, 3);
	(void)setenv("_OCI_SYNCPIPE", "3", 1);
	r = -posix_spawn(ret, argv[0], &actions, &attr, argv, environ);
	(void)unsetenv("_OCI_SYNCPIPE");
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return r;
}

static int read_create_error(const struct record *r, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/create-error", r->run_dir);
	AUTO_FREE char *text = NULL;
	size_t n;

	if (fd_read_file(AT_FDCWD, path, sizeof(*err), &text, &n) < 0 || n != sizeof(*err))
		return err_set(err, EIO, "container %s could not be created, and conmon does not say why", r->name);
	memcpy(err, text, sizeof(*err));
	err_sanitize(err);
	return -err->code;
}

/* One line; conmon keeps its end open. */
static ssize_t read_line(int fd, char *text, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && !memchr(text, '\n', n)) {
		ssize_t r = read(fd, text + n, size - 1 - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : (ssize_t)n;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

/* {"data": PID}, or {"data": -1, "message": ...} */
static int read_sync(const struct record *r, int fd, struct err *err)
{
	char text[16384];
	ssize_t n = read_line(fd, text, sizeof(text));
	const char *data;

	if (n < 0)
		return err_sys(err, (int)n, "read from conmon");
	text[n] = '\0';
	data = strstr(text, "\"data\":");
	if (!data || strtol(data + 7, NULL, 10) <= 0)
		return read_create_error(r, err);
	return 0;
}

static int run_conmon(struct record *r, char *const argv[], struct err *err)
{
	AUTO_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int read_fd = -1, write_fd = -1;
	int p[2], x;
	pid_t pid;

	if (null_fd < 0 || pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe for conmon");
	read_fd = p[0];
	write_fd = p[1];
	/* adddup2 of a descriptor onto itself would leave it CLOEXEC */
	if (write_fd == 3) {
		write_fd = fcntl(3, F_DUPFD_CLOEXEC, 10);
		close(3);
	}
	x = spawn(argv, write_fd, null_fd, &pid);
	if (x < 0)
		return err_sys(err, x, "execute '%s'", argv[0]);
	fd_close(&write_fd);
	(void)!sys_wait_pid(pid); /* it forks and goes on in the background; how it fares comes through the pipe */
	return read_sync(r, read_fd, err);
}

static int make_exits(struct record *r, struct err *err)
{
	AUTO_FREE char *exits = xasprintf("%s/exits", r->cli->run_dir);

	return mkdir(exits, 0700) < 0 && errno != EEXIST ? err_sys(err, -errno, "make '%s'", exits) : 0;
}

int monitor_create(struct record *r, const struct run_options *o, struct err *err)
{
	CLEANUP(words_done) struct words w = { 0 };
	AUTO_FREE char *conmon = find_conmon();
	int x;

	if (!conmon)
		return err_set(err, ENOENT, "conmon not found: install the package conmon, which containers in the background need");
	x = record_make_run_dir(r, err);
	if (x == 0)
		x = make_exits(r, err);
	if (x == 0)
		x = make_words(&w, r, o, conmon, err);
	if (x < 0)
		return x;
	r->detached = true;
	/* `brig monitor create` reads the record, which we hold locked for it */
	x = record_save(r, err);
	if (x == 0)
		x = run_conmon(r, w.v, err);
	/* it may have given names to anonymous volumes: read the record again */
	return x < 0 ? x : record_lock(r, err);
}

int start_created(struct record *r, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	char now[STR_TIME_LEN];
	int x = container_load(&c, &r->cli->oci, r->id, true, err);

	if (x == 0)
		x = container_start(c, err);
	if (x < 0)
		return x;
	str_time_now(now);
	r->started = arena_strdup(&r->arena, now);
	r->finished = r->error = NULL;
	r->stopped = r->oom_killed = false;
	x = record_save(r, err);
	if (x == 0) {
		event_container(r, "start");
		health_start_monitor(r);
	}
	return x;
}

int start_detached(struct record *r, const struct run_options *o, struct err *err)
{
	struct err ignored = { 0 };
	int x = monitor_create(r, o, err);

	if (x == 0)
		x = start_created(r, err);
	if (x == 0) {
		notify_manager(r, o);
		return 0;
	}
	r->error = arena_strdup(&r->arena, err->msg);
	if (finish_container(r, launch_exit_code(err), &ignored) < 0)
		log_warn("clean up container %s: %s", r->name, ignored.msg);
	return x;
}
