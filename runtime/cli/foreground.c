/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/cli/events.h"
#include "runtime/cli/relay.h"
#include "runtime/console.h"

#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Output is logged unless nobody could ask for it later, or the flags say so. */
static int open_log(const struct foreground *f, struct err *err)
{
	const char *driver = f->o->log_driver;
	int fd;

	if (driver ? str_eq(driver, "none") || str_eq(driver, "passthrough") : f->o->rm)
		return -1;
	fd = openat(f->record->dir_fd, "ctr.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		log_warn("no log: open '%s/ctr.log': %s", f->record->dir, strerror(errno));
	(void)err;
	return fd;
}

static bool attached(const struct run_options *o, const char *stream)
{
	for (size_t i = 0; i < o->attach.n; i++) {
		if (strcasecmp(o->attach.v[i], stream) == 0)
			return true;
	}
	return o->attach.n == 0;
}

static int note_start(struct record *r, struct err *err)
{
	char now[STR_TIME_LEN];

	event_container(r, "start");
	/* One file less to write: a container that removes itself is running, or it is not there. */
	if (r->auto_remove)
		return 0;
	str_time_now(now);
	r->started = arena_strdup(&r->arena, now);
	r->finished = r->error = NULL;
	return record_save(r, err);
}

/* A terminal: the OCI layer's own relay does it all. */
static int run_terminal(struct container *c, struct err *err)
{
	AUTO_CLOSE int socket_fd = c->backend->console ? c->backend->console(c) : -1;
	AUTO_CLOSE int master = -1;
	struct relay_opts o = { .pidfd = c->pidfd, .pid = c->pid, .is_child = true, .status_fd = -1, .forward_signals = true };
	int r;

	master = console_receive_master(socket_fd, err);
	if (master < 0)
		return master;
	r = container_start(c, err);
	if (r < 0)
		return r;
	o.master_fd = master;
	return console_relay(&o, err);
}

struct session {
	const struct foreground *f;
	struct relay relay;
	int keeper_fd; /* tells others that somebody will write the end down */
	struct container *c;
};

static int create(struct session *s, struct err *err)
{
	struct launch l = { .record = s->f->record, .o = s->f->o, .pid_file = s->f->o->pidfile, .foreground = true };
	int r = record_make_run_dir(s->f->record, err);

	if (r < 0)
		return r;
	s->keeper_fd = keep_container(s->f->record);
	r = relay_enter(&s->relay, err);
	if (r < 0)
		return r;
	r = launch_create(&l, &s->c, err);
	relay_leave(&s->relay);
	return r;
}

static int run(struct session *s, struct err *err)
{
	struct record *rec = s->f->record;
	int r = create(s, err);

	if (r < 0)
		return r;
	container_unlock(s->c);
	if (s->f->o->tty) {
		r = note_start(rec, err);
		record_unlock(rec);
		return r < 0 ? r : run_terminal(s->c, err);
	}
	r = container_start(s->c, err);
	if (r == 0)
		r = note_start(rec, err);
	record_unlock(rec);
	return r < 0 ? r : relay_run(&s->relay, s->c->pid, s->c->pidfd, s->f->o->sig_proxy, s->f->o->timeout, err);
}

int run_foreground(const struct foreground *f, struct err *err)
{
	struct session s = { .f = f, .keeper_fd = -1 };
	struct relay_wants w = {
		.interactive = f->o->interactive && attached(f->o, "stdin"),
		.attach_out = attached(f->o, "stdout"),
		.attach_err = attached(f->o, "stderr"),
		.log_fd = f->o->tty ? -1 : open_log(f, err),
	};
	struct err later = { 0 };
	int code = relay_open(&s.relay, &w, err);

	if (code < 0)
		return code;
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* old kernels: orphans go to init instead */
	code = run(&s, err);
	container_free(s.c);
	relay_close(&s.relay);
	/* Whoever removes a container that we run takes our record away: nothing is left to finish. */
	if (record_lock(f->record, &later) == 0 && finish_container(f->record, code < 0 ? launch_exit_code(err) : code, &later) < 0)
		log_warn("clean up container %s: %s", f->record->name, later.msg);
	fd_close(&s.keeper_fd);
	return code;
}
