/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/str.h"

#include <errno.h>
#include <time.h>

/* A request whose answer is "done", or data in out. Those that answer later return LATER. */
#define LATER 1

static struct guest_container *find(struct agent *a, const char *id, struct err *err)
{
	struct guest_container *g = container_find(a, id);

	if (!g)
		(void)err_set(err, ENOENT, "container \"%s\" does not exist", id);
	return g;
}

static int check_number(struct agent *a, uint32_t id, struct err *err)
{
	unsigned n = 0;

	for (const struct guest_process *p = a->processes; p; p = p->next, n++)
		if (p->id == id)
			return err_set(err, EEXIST, "process number %u is in use", id);
	return n < PROTO_MAX_PROCESSES ? 0 : err_set(err, EAGAIN, "%u processes are too many", n);
}

static int on_create(struct agent *a, const struct frame *f, struct err *err)
{
	struct proto_create m;
	int r = proto_unpack_create(f->data, f->len, &m, err);

	if (!r)
		r = check_number(a, f->id, err);
	if (r < 0)
		return r;
	r = guest_create(a, &m, f->id, f->seq, err);
	return r ? r : LATER;
}

static int on_exec(struct agent *a, const struct frame *f, struct err *err)
{
	struct guest_container *g;
	struct proto_exec m;
	int r = proto_unpack_exec(f->data, f->len, &m, err);

	if (!r)
		r = check_number(a, f->id, err);
	if (r < 0)
		return r;
	g = find(a, m.container, err);
	if (!g)
		return -ENOENT;
	r = guest_exec(a, g, &m, f->id, f->seq, err);
	return r ? r : LATER;
}

static int on_kill(struct agent *a, const struct frame *f, struct err *err)
{
	struct guest_container *g;
	struct proto_kill m;
	int r = proto_unpack_kill(f->data, f->len, &m, err);

	if (r < 0)
		return r;
	g = find(a, m.container, err);
	return g ? guest_kill(a, g, f->id, (int)m.signal, err) : -ENOENT;
}

static int on_resize(struct agent *a, const struct frame *f, struct err *err)
{
	struct guest_process *p = process_find(a, f->id);
	struct proto_window_size size;
	int r = proto_unpack_resize(f->data, f->len, &size, err);

	if (r < 0)
		return r;
	if (!p)
		return err_set(err, ESRCH, "no process with number %u", f->id);
	process_resize(p, &size);
	return 0;
}

static int on_update(struct agent *a, const struct frame *f, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct guest_container *g;
	struct spec_resources res;
	struct proto_update m;
	int r = proto_unpack_update(f->data, f->len, &m, err);

	if (!r)
		r = spec_parse_resources(&arena, &res, "resources.json", m.resources, strlen(m.resources), err);
	if (r < 0)
		return r;
	g = find(a, m.container, err);
	if (!g)
		return -ENOENT;
	adapt_resources(&res);
	return cgroup_update(g->c->cgroup, &res, err);
}

static int on_time(const struct frame *f, struct err *err)
{
	struct proto_time m;
	int r = proto_unpack_time(f->data, f->len, &m, err);
	struct timespec now = { 0 };

	if (r < 0)
		return r;
	now.tv_sec = (time_t)m.sec;
	now.tv_nsec = (long)m.nsec;
	return clock_settime(CLOCK_REALTIME, &now) < 0 ? err_sys(err, -errno, "set the clock") : 0;
}

static int on_net(const struct frame *f, struct err *err)
{
	const char *text;
	int r = proto_unpack_text(f->type, f->data, f->len, &text, err);

	return r ? r : net_configure(text, err);
}

/* START, PAUSE, RESUME, STATS, PS, DELETE */
static int on_container(struct agent *a, const struct frame *f, struct buf *out, struct err *err)
{
	struct guest_container *g;
	const char *id;
	int r = proto_unpack_text(f->type, f->data, f->len, &id, err);

	if (r < 0)
		return r;
	g = find(a, id, err);
	if (!g)
		return -ENOENT;
	switch ((int)f->type) {
	case PROTO_START:
		r = guest_start(a, g, f->seq, err);
		return r ? r : LATER;
	case PROTO_PAUSE:
	case PROTO_RESUME:
		return cgroup_freeze(g->c->cgroup, f->type == PROTO_PAUSE, err);
	case PROTO_STATS:
		return report_stats(g, out, err);
	case PROTO_PS:
		return report_ps(g, out, err);
	default:
		if (g->delete_seq)
			return err_set(err, EALREADY, "container '%s' is being deleted", id);
		guest_delete(a, g, f->seq);
		return LATER;
	}
}

static int on_ping(struct buf *out)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	pack_u64(out, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	return 0;
}

static int handle(struct agent *a, const struct frame *f, struct buf *out, struct err *err)
{
	switch ((int)f->type) {
	case PROTO_CREATE:
		return on_create(a, f, err);
	case PROTO_EXEC:
		return on_exec(a, f, err);
	case PROTO_KILL:
		return on_kill(a, f, err);
	case PROTO_RESIZE:
		return on_resize(a, f, err);
	case PROTO_UPDATE:
		return on_update(a, f, err);
	case PROTO_TIME:
		return on_time(f, err);
	case PROTO_NET:
		return on_net(f, err);
	case PROTO_PING:
		return on_ping(out);
	case PROTO_SHUTDOWN:
		a->end = true;
		return 0;
	default:
		return on_container(a, f, out, err);
	}
}

/* Streams of a process that has gone are on their way while it goes: not an error. */
static int handle_stream(struct agent *a, const struct frame *f, struct err *err)
{
	struct guest_process *p = process_find(a, f->id);
	struct proto_window w;
	int r;

	if (f->type == PROTO_STDIN)
		return p ? stdio_input(a, p, f->data, f->len, f->flags & PROTO_EOF, err) : 0;
	r = proto_unpack_window(f->data, f->len, &w, err);
	return r || !p ? r : stdio_window(a, p, &w, f->flags & PROTO_EOF, err);
}

int request_handle(struct agent *a, const struct frame *f, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	int r;

	if (f->type == PROTO_STDIN || f->type == PROTO_WINDOW_UPDATE)
		return handle_stream(a, f, err);
	r = handle(a, f, &out, err);
	if (r < 0)
		agent_reply_error(a, f->id, f->seq, err);
	else if (r != LATER)
		agent_reply(a, f->id, f->seq, out.p, out.len);
	*err = (struct err){ 0 };
	return 0;
}
