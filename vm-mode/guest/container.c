/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/container_internal.h"
#include "runtime/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <unistd.h>

struct guest_container *container_find(struct agent *a, const char *id)
{
	for (struct guest_container *g = a->containers; g; g = g->next)
		if (str_eq(g->c->id, id))
			return g;
	return NULL;
}

/* What the child does first. */
struct child_setup {
	struct agent *agent;
	int fds[3]; /* for 0, 1, 2 */
	int null_fd;
};

static void in_child(void *arg)
{
	struct child_setup *s = arg;

	agent_close_in_child(s->agent);
	if (s->agent->is_init) /* process 1 is not for the OOM killer; its children are */
		(void)!fd_write_file(AT_FDCWD, "/proc/self/oom_score_adj", "0");
	for (int i = 0; i < 3; i++)
		if (dup2(s->fds[i] >= 0 ? s->fds[i] : s->null_fd, i) < 0)
			_exit(1);
}

static void close_childs_ends(struct child_setup *s)
{
	for (int i = 0; i < 3; i++)
		fd_close(&s->fds[i]);
	fd_close(&s->null_fd);
}

/* Everything of a launch that create and exec share: streams, the dialogue, the child, GO. */
static int spawn(struct agent *a, struct guest_process *p, struct launch *l, uint32_t stdio, bool terminal, struct err *err)
{
	CLEANUP(close_childs_ends) struct child_setup setup = { .agent = a, .fds = { -1, -1, -1 } };
	int r;

	setup.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (setup.null_fd < 0)
		return err_sys(err, -errno, "open '/dev/null'");
	r = process_open_stdio(p, stdio, terminal, setup.fds, err);
	if (!r && terminal)
		r = launch_own_console(l, err);
	if (!r)
		r = launch_open_sync(l, err);
	if (r < 0)
		return r;
	l->in_child = in_child;
	l->in_child_arg = &setup;
	r = launch_spawn(l, &p->pid, &p->pidfd, err);
	l->in_child_arg = NULL;
	if (r < 0)
		return r;
	p->sync.fd = TAKE_FD(l->parent_sync_fd);
	p->console_fd = TAKE_FD(l->own_console_fd);
	return 0;
}

static int go(struct launch *l, struct guest_process *p, struct err *err)
{
	int r;

	l->parent_sync_fd = p->sync.fd; /* lent */
	r = launch_go(l, err);
	l->parent_sync_fd = -1;
	return r;
}

static int make_cgroup(struct guest_container *g, const struct launch *l, struct err *err)
{
	struct container *c = g->c;
	AUTO_FREE char *path = xasprintf("/brig/%s", c->id);
	struct cgroup_opts o = {
		.id = c->id,
		.path = path,
		.manager = CGROUP_CGROUPFS,
		.new_cgroup_ns = c->spec->ns[NS_CGROUP].present && !c->spec->ns[NS_CGROUP].path,
		.rw_mount = l->plan.rw_cgroup_mount,
		.annotations = &c->spec->annotations,
	};

	return cgroup_create(&c->cgroup, &o, &c->spec->resources, 0, err);
}

static void oom_ready(struct agent *a, struct source *s, uint32_t events)
{
	struct guest_container *g = s->owner;
	AUTO_BUF struct buf b = { 0 };
	uint64_t count = 0;
	char news[4096];

	(void)events;
	/* Reading from the start takes the event back (cgroup v2), or the counter down (v1). */
	(void)lseek(s->fd, 0, SEEK_SET);
	if (read(s->fd, news, sizeof(news)) < 0 && errno != EAGAIN) {
		source_close(a, s); /* the cgroup went away */
		return;
	}
	if (cgroup_oom_count(g->c->cgroup, &count) < 0 || count <= g->oom_count)
		return;
	g->oom_count = count;
	proto_pack_oom(&b, &(struct proto_oom){ .container = g->c->id, .count = count });
	agent_event(a, PROTO_OOM, 0, &b);
}

static void watch_oom(struct agent *a, struct guest_container *g)
{
	struct err err;

	g->oom.owner = g;
	g->oom.ready = oom_ready;
	g->oom.fd = cgroup_oom_fd(g->c->cgroup, &err);
	/* Files of cgroup v2 are always readable; a change is EPOLLPRI. */
	if (g->oom.fd < 0 || source_watch(a, &g->oom, cgroup_layout(g->c->cgroup) == CGROUP_LAYOUT_V2 ? EPOLLPRI : EPOLLIN) < 0)
		log_warn("container '%s': no news of memory running out", g->c->id);
}

/* A listener would be a descriptor of the guest on the host; without one each such call would fail with ENOSYS, unasked for. */
static int check_filter(const struct seccomp_prog *p, struct err *err)
{
	for (size_t i = 0; i < p->n; i++)
		if (BPF_CLASS(p->v[i].code) == BPF_RET && (p->v[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF)
			return err_set(err, ENOTSUP, "linux.seccomp: SCMP_ACT_NOTIFY cannot be used in a virtual machine");
	return 0;
}

static int parse(struct agent *a, struct guest_container *g, const struct proto_create *m, struct err *err)
{
	struct container *c = g->c;
	char now[STR_TIME_LEN];
	int r;

	r = container_check_id(m->container, err);
	if (r < 0)
		return r;
	c->spec = xcalloc(1, sizeof(*c->spec));
	r = spec_parse(c->spec, "config.json", m->config, strlen(m->config), false, err);
	if (r < 0) {
		free(c->spec);
		c->spec = NULL;
		return r;
	}
	str_time_now(now);
	c->created = arena_strdup(&c->arena, now);
	c->bundle = arena_strdup(&c->arena, *m->bundle ? m->bundle : "/");
	c->oci_version = arena_strdup(&c->arena, c->spec->oci_version);
	c->annotations = c->spec->annotations;
	if (m->seccomp_n) {
		g->seccomp = (struct seccomp_prog){ .v = xmalloc(m->seccomp_n), .n = m->seccomp_n / sizeof(struct sock_filter),
						    .flags = m->seccomp_flags };
		memcpy(g->seccomp.v, m->seccomp, m->seccomp_n);
	}
	r = check_filter(&g->seccomp, err);
	return r ? r : adapt_spec(a, c, m, err);
}

static int launch_create(struct agent *a, struct guest_container *g, const struct proto_create *m, struct err *err)
{
	CLEANUP(launch_done) struct launch l;
	struct guest_process *p = g->init;
	bool terminal = g->c->spec->has_process && g->c->spec->process.terminal;
	int r;

	launch_init(&l, g->c, NULL);
	r = launch_plan(&l, m->flags & PROTO_CREATE_NO_PIVOT, err);
	if (!r)
		r = launch_open_sources(&l, &(struct create_opts){ 0 }, err);
	if (r < 0)
		return r;
	launch_init_process(&l, m->flags & PROTO_CREATE_NO_PIVOT, !(m->flags & PROTO_CREATE_NO_KEYRING));
	l.ctx.process.seccomp = &g->seccomp;
	r = make_cgroup(g, &l, err);
	if (!r)
		r = spawn(a, p, &l, m->stdio, terminal, err);
	if (r < 0)
		return r;
	g->c->pid = p->pid;
	g->c->pidfd = fcntl(p->pidfd, F_DUPFD_CLOEXEC, 3);
	p->container_pid = report_container_pid(p->pid);
	r = process_watch(a, p, err);
	return r ? r : go(&l, p, err);
}

static void container_release(struct agent *a, struct guest_container *g)
{
	struct guest_container **link = &a->containers;
	struct err err;

	while (*link && *link != g)
		link = &(*link)->next;
	if (*link)
		*link = g->next;
	source_close(a, &g->oom);
	if (g->c->cgroup && cgroup_destroy(g->c->cgroup, &err) < 0)
		log_warn("%s", err.msg);
	seccomp_prog_done(&g->seccomp);
	container_free(g->c);
	agent_defer_free(a, g);
}

/* Let go of all processes, whatever their state. */
static void release_processes(struct agent *a, struct guest_container *g)
{
	struct guest_process *next;

	for (struct guest_process *p = a->processes; p; p = next) {
		next = p->next;
		if (p->container == g)
			process_free(a, p);
	}
}

/* The child is there: its request is answered when it is reaped. */
static void fail_later(struct guest_process *p, const struct err *err)
{
	p->start_error = *err;
	(void)!sys_pidfd_send_signal(p->pidfd, SIGKILL); /* it may be dead by now */
}

int guest_create(struct agent *a, const struct proto_create *m, uint32_t id, uint32_t seq, struct err *err)
{
	struct guest_container *g;
	int r;

	if (container_find(a, m->container))
		return err_set(err, EEXIST, "container with id exists: %s", m->container);
	r = boot_mount_share(a, err);
	if (r < 0)
		return r;
	boot_mark(STAGE_CREATE);
	g = xcalloc(1, sizeof(*g));
	g->oom.fd = -1;
	g->init_id = id;
	g->c = container_new(&a->opts, m->container);
	g->next = a->containers;
	a->containers = g;
	g->init = process_new(a, g, id, &m->size);
	g->init->seq = seq;
	r = parse(a, g, m, err);
	if (!r)
		r = launch_create(a, g, m, err);
	if (r == 0) {
		watch_oom(a, g);
		return 0;
	}
	if (g->init->pid > 0) {
		fail_later(g->init, err);
		return 0;
	}
	release_processes(a, g);
	container_release(a, g);
	return r;
}

int guest_start(struct agent *a, struct guest_container *g, uint32_t seq, struct err *err)
{
	struct guest_process *p = g->init;
	int r;

	(void)a;
	if (g->init_dead || !p)
		return err_set(err, ESRCH, "container not running");
	if (p->state != PROCESS_AT_GATE)
		return err_set(err, EINVAL, "container '%s' was started already", g->c->id);
	boot_mark(STAGE_START);
	r = sync_send(p->sync.fd, SYNC_START, NULL, 0, -1);
	if (r < 0)
		return err_sys(err, r, "start container init");
	p->state = PROCESS_STARTING;
	p->seq = seq;
	return 0;
}

/* From a number to a child that has GO; what was made when it fails tells p->pid. */
static int launch_exec(struct agent *a, struct guest_process *p, const struct proto_exec *m, const struct spec_process *spec, struct err *err)
{
	CLEANUP(launch_done) struct launch l;
	struct guest_container *g = p->container;
	AUTO_FREE char *cgroup = xstrdup(m->cgroup);
	const struct strlist cgroups = { .v = &cgroup, .n = *cgroup != 0 };
	int r;

	launch_init(&l, g->c, spec);
	l.ctx.process.seccomp = &g->seccomp;
	r = launch_exec_namespaces(&l, err);
	if (!r)
		r = cgroup_open_enter(g->c->cgroup, &cgroups, g->c->pid, err);
	if (!r)
		r = spawn(a, p, &l, m->stdio, spec->terminal, err);
	if (r < 0)
		return r;
	p->container_pid = report_container_pid(p->pid);
	r = process_watch(a, p, err);
	return r ? r : go(&l, p, err);
}

int guest_exec(struct agent *a, struct guest_container *g, const struct proto_exec *m, uint32_t id, uint32_t seq, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct spec_process spec;
	struct guest_process *p;
	int r;

	if (g->init_dead || !g->init)
		return err_set(err, ESRCH, "container not running");
	r = spec_parse_process(&arena, &spec, "process.json", m->process, strlen(m->process), err);
	if (r < 0)
		return r;
	adapt_process(&spec);
	p = process_new(a, g, id, &m->size);
	p->is_exec = true;
	p->seq = seq;
	r = launch_exec(a, p, m, &spec, err);
	if (r < 0 && p->pid > 0)
		fail_later(p, err);
	else if (r < 0)
		process_free(a, p);
	return r < 0 && p->pid <= 0 ? r : 0;
}

int guest_kill(struct agent *a, struct guest_container *g, uint32_t id, int sig, struct err *err)
{
	struct guest_process *p = id ? process_find(a, id) : NULL;
	int r;

	if (!id) {
		r = cgroup_kill_all(g->c->cgroup, sig, err);
		return r < 0 ? r : 0;
	}
	if (!p || p->container != g || p->state == PROCESS_DEAD)
		return err_set(err, ESRCH, "container not running");
	r = sys_pidfd_send_signal(p->pidfd, sig);
	return r < 0 ? err_sys(err, r, "send signal %d", sig) : 0;
}

static void kill_everything(struct agent *a, struct guest_container *g)
{
	struct err err;

	for (struct guest_process *p = a->processes; p; p = p->next)
		if (p->container == g && p->state != PROCESS_DEAD && p->pidfd >= 0)
			(void)!sys_pidfd_send_signal(p->pidfd, SIGKILL); /* it may be dead by now */
	if (g->c->cgroup) {
		if (cgroup_is_frozen(g->c->cgroup) == 1)
			(void)!cgroup_freeze(g->c->cgroup, false, &err); /* a kill is not stopped by it on v2 */
		if (cgroup_kill_all(g->c->cgroup, SIGKILL, &err) < 0)
			log_warn("%s", err.msg);
	}
}

void guest_delete(struct agent *a, struct guest_container *g, uint32_t seq)
{
	g->delete_seq = seq;
	kill_everything(a, g);
	guest_check_deleted(a, g);
}

static bool all_dead(const struct agent *a, const struct guest_container *g)
{
	for (const struct guest_process *p = a->processes; p; p = p->next)
		if (p->container == g && p->state != PROCESS_DEAD)
			return false;
	return true;
}

void guest_check_deleted(struct agent *a, struct guest_container *g)
{
	bool failed = g->init && !g->init->announced && g->init->state == PROCESS_DEAD;
	uint32_t seq = failed ? g->init->seq : g->delete_seq, id = failed ? g->init_id : 0;
	struct err err = { 0 };

	if ((!failed && !g->delete_seq) || !all_dead(a, g))
		return;
	if (failed)
		err = g->init->start_error;
	if (failed && !err.code)
		(void)err_set(&err, ECHILD, "container init died (killed, or out of its memory limit?)");
	release_processes(a, g);
	container_release(a, g);
	if (failed)
		agent_reply_error(a, id, seq, &err);
	else
		agent_reply(a, 0, seq, NULL, 0);
}

void guest_destroy_all(struct agent *a)
{
	while (a->containers) {
		struct guest_container *g = a->containers;

		kill_everything(a, g);
		for (struct guest_process *p = a->processes; p; p = p->next)
			if (p->container == g && p->state != PROCESS_DEAD && p->pid > 0)
				(void)!sys_wait_pid(p->pid); /* it is killed */
		release_processes(a, g);
		container_release(a, g);
	}
}
