/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/verbs.h"

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "vm-mode/host/client.h"
#include "vm-mode/host/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>

#define KILL_MS	  1000

/* ---- kill ---- */

/* The guest's word first, so that its init dies as any other; the machine's process does not outlive SIGKILL for long. */
int vm_verb_kill(struct container *c, int sig, bool all, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	int r;

	proto_pack_kill(&b, &(struct proto_kill){ .container = c->id, .signal = (uint32_t)sig });
	r = client_call(c, PROTO_KILL, all ? 0 : KEEPER_INIT_ID, &b, sig == SIGKILL ? KILL_MS : VM_ANSWER_MS, NULL, err);
	if (sig != SIGKILL)
		return r;
	if (c->cgroup && cgroup_is_frozen(c->cgroup) == 1) {
		struct err ignored;

		(void)!cgroup_freeze(c->cgroup, false, &ignored); /* what is frozen does not die */
		r = -EAGAIN;
	}
	if (r >= 0)
		return 0;
	r = sys_pidfd_send_signal(c->pidfd, SIGKILL);
	return r < 0 && r != -ESRCH ? err_sys(err, r, "kill container '%s'", c->id) : 0;
}

/* ---- pause, resume ---- */

int vm_ask_container(struct container *c, uint16_t type, struct buf *ret, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };

	proto_pack_text(&b, c->id);
	return client_call(c, type, 0, &b, VM_ANSWER_MS, ret, err);
}

static int freeze_host(struct container *c, bool on, struct err *err)
{
	if (!c->cgroup)
		return err_set(err, ENOTSUP, "container '%s' has no cgroup: cannot pause or resume it", c->id);
	return cgroup_freeze(c->cgroup, on, err);
}

/* Frozen inside, its processes do not notice that the machine stood still; frozen outside, it costs no time. */
int vm_verb_pause(struct container *c, struct err *err)
{
	int r = vm_ask_container(c, PROTO_PAUSE, NULL, err);
	struct err ignored;

	if (r < 0)
		return r;
	r = freeze_host(c, true, err);
	if (r < 0 && vm_ask_container(c, PROTO_RESUME, NULL, &ignored) < 0)
		log_warn("container '%s' stays paused in its machine: %s", c->id, ignored.msg);
	return r;
}

int vm_verb_resume(struct container *c, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	struct timespec now;
	struct err ignored;
	int r = freeze_host(c, false, err);

	if (r < 0)
		return r;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	proto_pack_time(&b, &(struct proto_time){ .sec = (uint64_t)now.tv_sec, .nsec = (uint32_t)now.tv_nsec });
	if (client_call(c, PROTO_TIME, 0, &b, VM_ANSWER_MS, NULL, &ignored) < 0)
		log_warn("cannot set the clock of the container's machine: %s", ignored.msg);
	return vm_ask_container(c, PROTO_RESUME, NULL, err);
}

/* ---- stats, ps ---- */

/* Ask the guest something whose answer is JSON: the tree lives in *arena. */
static int ask_json(struct container *c, uint16_t type, struct arena *arena, struct json **ret, struct err *err)
{
	AUTO_BUF struct buf reply = { 0 };
	int r = vm_ask_container(c, type, &reply, err);

	*ret = NULL;
	if (r < 0)
		return r;
	return json_parse(arena, "guest", reply.p ? reply.p : "", reply.len, ret, err);
}

/* What the container's processes use, as in namespaces mode; then, apart, the machine as the host sees it, and the guest's memory. */
int vm_verb_stats(struct container *c, struct json_writer *w, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	const struct json *cgroup, *guest;
	struct json *root;
	int r = ask_json(c, PROTO_STATS, &arena, &root, err);

	if (r)
		return r;
	cgroup = json_get(root, "cgroup");
	guest = json_get(root, "guest");
	json_begin_object(w);
	if (cgroup && cgroup->type == JSON_OBJECT)
		for (const struct json *kid = cgroup->u.kids.first; kid; kid = kid->next) {
			json_key(w, kid->key);
			json_copy(w, kid);
		}
	json_key(w, "machine");
	json_begin_object(w);
	if (guest) {
		json_key(w, "guest");
		json_copy(w, guest);
	}
	if (c->cgroup) {
		json_key(w, "host");
		r = cgroup_stats_json(c->cgroup, w, err);
		if (r < 0)
			return r;
	}
	json_end_object(w);
	json_end_object(w);
	return 0;
}

static const char *text_of(const struct json *object, const char *key)
{
	const struct json *n = json_get(object, key);

	return n && (n->type == JSON_STRING || n->type == JSON_NUMBER) ? n->u.string : "?";
}

static void print_process(const struct json *p, struct buf *out)
{
	uint64_t cpu = 0, start = 0;
	char when[16] = "?";
	struct tm tm;
	time_t t;

	if (str_to_u64(text_of(p, "startTime"), &start) == 0 && start < UINT32_MAX) {
		t = (time_t)start;
		if (localtime_r(&t, &tm))
			(void)strftime(when, sizeof(when), "%H:%M", &tm);
	}
	(void)!str_to_u64(text_of(p, "cpuSeconds"), &cpu); /* 0 when it is no number */
	buf_addf(out, "%-8s %7s %7s %5s %-8s %02u:%02u:%02u %s\n", str_eq(text_of(p, "uid"), "0") ? "root" : text_of(p, "uid"), text_of(p, "pid"), text_of(p, "ppid"), when,
		 text_of(p, "tty"), (unsigned)(cpu / 3600), (unsigned)(cpu / 60 % 60), (unsigned)(cpu % 60), text_of(p, "command"));
}

int vm_verb_ps_table(struct container *c, struct buf *out, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct json *root;
	int r = ask_json(c, PROTO_PS, &arena, &root, err);

	if (r)
		return r;
	if (root->type != JSON_ARRAY)
		return err_set(err, EPROTO, "guest: ps is no list");
	buf_addf(out, "%-8s %7s %7s %5s %-8s %8s %s\n", "USER", "PID", "PPID", "STIME", "TTY", "TIME", "CMD");
	for (const struct json *kid = root->u.kids.first; kid; kid = kid->next)
		if (kid->type == JSON_OBJECT)
			print_process(kid, out);
	return 0;
}

/* The container's root lies over the machine's own (export.h); going up from there ends on top. */
int vm_verb_open_root(const struct container *c, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root/..", (int)c->pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, -errno, "open the container's root") : fd;
}

/* ---- not yet ---- */

int vm_verb_checkpoint(struct container *c, const struct checkpoint_opts *o, struct err *err)
{
	(void)o;
	return err_set(err, ENOTSUP, "container '%s': vm-mode has no checkpoints", c->id);
}

int vm_verb_restore(struct container *c, const struct create_opts *o, const struct checkpoint_opts *k, struct err *err)
{
	(void)o;
	(void)k;
	return err_set(err, ENOTSUP, "container '%s': vm-mode has no checkpoints", c->id);
}
