/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/spec.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/path.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <seccomp.h>
#include <linux/seccomp.h>

const char *const ns_names[NS_TYPES] = { "user", "cgroup", "ipc", "uts", "network", "pid", "mount", "time" };
const char *const ns_proc_names[NS_TYPES] = { "user", "cgroup", "ipc", "uts", "net", "pid", "mnt", "time" };
const uint64_t ns_clone_flags[NS_TYPES] = { CLONE_NEWUSER, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWUTS,
					    CLONE_NEWNET,  CLONE_NEWPID,    CLONE_NEWNS,  CLONE_NEWTIME };
const char *const hook_names[HOOK_KINDS] = { "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop" };
const struct name_value cap_names[] = {
	{ "CAP_CHOWN", 0 }, { "CAP_DAC_OVERRIDE", 1 }, { "CAP_DAC_READ_SEARCH", 2 }, { "CAP_FOWNER", 3 }, { "CAP_FSETID", 4 },
	{ "CAP_KILL", 5 }, { "CAP_SETGID", 6 }, { "CAP_SETUID", 7 }, { "CAP_SETPCAP", 8 }, { "CAP_LINUX_IMMUTABLE", 9 },
	{ "CAP_NET_BIND_SERVICE", 10 }, { "CAP_NET_BROADCAST", 11 }, { "CAP_NET_ADMIN", 12 }, { "CAP_NET_RAW", 13 },
	{ "CAP_IPC_LOCK", 14 }, { "CAP_IPC_OWNER", 15 }, { "CAP_SYS_MODULE", 16 }, { "CAP_SYS_RAWIO", 17 }, { "CAP_SYS_CHROOT", 18 },
	{ "CAP_SYS_PTRACE", 19 }, { "CAP_SYS_PACCT", 20 }, { "CAP_SYS_ADMIN", 21 }, { "CAP_SYS_BOOT", 22 }, { "CAP_SYS_NICE", 23 },
	{ "CAP_SYS_RESOURCE", 24 }, { "CAP_SYS_TIME", 25 }, { "CAP_SYS_TTY_CONFIG", 26 }, { "CAP_MKNOD", 27 }, { "CAP_LEASE", 28 },
	{ "CAP_AUDIT_WRITE", 29 }, { "CAP_AUDIT_CONTROL", 30 }, { "CAP_SETFCAP", 31 }, { "CAP_MAC_OVERRIDE", 32 }, { "CAP_MAC_ADMIN", 33 },
	{ "CAP_SYSLOG", 34 }, { "CAP_WAKE_ALARM", 35 }, { "CAP_BLOCK_SUSPEND", 36 }, { "CAP_AUDIT_READ", 37 }, { "CAP_PERFMON", 38 },
	{ "CAP_BPF", 39 }, { "CAP_CHECKPOINT_RESTORE", 40 }, { NULL, 0 },
};
static const struct name_value rlimits[] = {
	{ "RLIMIT_CPU", 0 }, { "RLIMIT_FSIZE", 1 }, { "RLIMIT_DATA", 2 }, { "RLIMIT_STACK", 3 }, { "RLIMIT_CORE", 4 }, { "RLIMIT_RSS", 5 },
	{ "RLIMIT_NPROC", 6 }, { "RLIMIT_NOFILE", 7 }, { "RLIMIT_MEMLOCK", 8 }, { "RLIMIT_AS", 9 }, { "RLIMIT_LOCKS", 10 },
	{ "RLIMIT_SIGPENDING", 11 }, { "RLIMIT_MSGQUEUE", 12 }, { "RLIMIT_NICE", 13 }, { "RLIMIT_RTPRIO", 14 }, { "RLIMIT_RTTIME", 15 }, { NULL, 0 },
};
#define STR(n) ((n) && (n)->type == JSON_STRING ? (n)->u.string : NULL)
struct rd { struct arena *a; const char *name; struct err *err; };
static int bad(struct rd *r, const struct json *n, const char *what) { return json_err(r->err, r->name, n, EINVAL, "%s", what); }
static const struct json *get(const struct json *o, const char *k) { const struct json *n = o ? json_get(o, k) : NULL; return n && n->type == JSON_NULL ? NULL : n; }
static int str(struct rd *r, const struct json *o, const char *k, char **ret) { const struct json *n = get(o, k); if (!n) return 0; if (n->type != JSON_STRING) return bad(r, n, "must be a string"); *ret = arena_strdup(r->a, n->u.string); return 0; }
static int boolean(struct rd *r, const struct json *o, const char *k, bool *ret) { const struct json *n = get(o, k); if (!n) return 0; if (n->type != JSON_BOOL) return bad(r, n, "must be a boolean"); *ret = n->u.boolean; return 0; }
static int list(struct rd *r, const struct json *o, const char *k, struct strlist *ret) { const struct json *n = get(o, k); if (!n) return 0; if (n->type != JSON_ARRAY) return bad(r, n, "must be an array"); if (!n->u.kids.n) return 0; ret->v = arena_alloc(r->a, (n->u.kids.n + 1) * sizeof(char *)); for (const struct json *e = n->u.kids.first; e; e = e->next) { if (e->type != JSON_STRING) return bad(r, e, "must be a string"); ret->v[ret->n++] = arena_strdup(r->a, e->u.string); } return 0; }
static int kvs(struct rd *r, const struct json *o, const char *k, struct kvlist *ret) { const struct json *n = get(o, k); if (!n) return 0; if (n->type != JSON_OBJECT) return bad(r, n, "must be an object"); if (!n->u.kids.n) return 0; ret->v = arena_alloc(r->a, n->u.kids.n * sizeof(*ret->v)); for (const struct json *e = n->u.kids.first; e; e = e->next) { if (e->type != JSON_STRING) return bad(r, e, "must be a string"); ret->v[ret->n++] = (struct kv){ arena_strdup(r->a, e->key), arena_strdup(r->a, e->u.string) }; } return 0; }
static int u64(struct rd *r, const struct json *o, const char *k, uint64_t max, uint64_t *v, bool *set) { const struct json *n = get(o, k); int x; if (!n) return 0; x = json_to_u64(n, r->name, max, v, r->err); if (!x && set) *set = true; return x; }
static int i64(struct rd *r, const struct json *o, const char *k, int64_t *v, bool *set) { const struct json *n = get(o, k); int x; if (!n) return 0; x = json_to_i64(n, r->name, INT64_MIN, INT64_MAX, v, r->err); if (!x && set) *set = true; return x; }
static int u32(struct rd *r, const struct json *o, const char *k, uint32_t *v, bool *set) { uint64_t w = *v; int x = u64(r, o, k, UINT32_MAX, &w, set); *v = (uint32_t)w; return x; }
#define TRY(x) do { int try_ = (x); if (try_ < 0) return try_; } while (0)

static int caps(struct rd *r, const struct json *o, const char *k, uint64_t *ret)
{
	struct strlist l = { 0 };

	TRY(list(r, o, k, &l));
	for (size_t i = 0; i < l.n; i++) {
		const struct name_value *nv = name_find(cap_names, l.v[i]);

		if (nv)
			*ret |= 1ull << nv->value;
		else
			log_warn("unknown capability '%s' is ignored", l.v[i]);
	}
	return 0;
}

static int process(struct rd *r, const struct json *o, struct spec_process *p)
{
	const struct json *n, *u = get(o, "user"), *c = get(o, "capabilities");

	if (o->type != JSON_OBJECT)
		return bad(r, o, "must be an object");
	TRY(boolean(r, o, "terminal", &p->terminal));
	TRY(boolean(r, o, "noNewPrivileges", &p->no_new_privileges));
	TRY(str(r, o, "cwd", &p->cwd));
	TRY(list(r, o, "args", &p->args));
	TRY(list(r, o, "env", &p->env));
	TRY(str(r, o, "apparmorProfile", &p->apparmor_profile));
	TRY(str(r, o, "selinuxLabel", &p->selinux_label));
	TRY(i64(r, o, "oomScoreAdj", &p->oom_score_adj.v, &p->oom_score_adj.set));
	if (!p->cwd || p->cwd[0] != '/')
		return json_err(r->err, r->name, o, EINVAL, "cwd: must be an absolute path");
	if (!p->args.n)
		return json_err(r->err, r->name, o, EINVAL, "args: must not be empty");
	TRY(u32(r, u, "uid", &p->user.uid, NULL));
	TRY(u32(r, u, "gid", &p->user.gid, NULL));
	TRY(u32(r, u, "umask", &p->user.umask.v, &p->user.umask.set));
	n = get(u, "additionalGids");
	if (n && n->u.kids.n) {
		p->user.additional_gids = arena_alloc(r->a, n->u.kids.n * sizeof(uint32_t));
		for (const struct json *e = n->u.kids.first; e; e = e->next) {
			uint64_t v;

			TRY(json_to_u64(e, r->name, UINT32_MAX, &v, r->err));
			p->user.additional_gids[p->user.n_additional_gids++] = (uint32_t)v;
		}
	}
	if (c) {
		p->caps.set = true;
		TRY(caps(r, c, "bounding", &p->caps.bounding));
		TRY(caps(r, c, "effective", &p->caps.effective));
		TRY(caps(r, c, "inheritable", &p->caps.inheritable));
		TRY(caps(r, c, "permitted", &p->caps.permitted));
		TRY(caps(r, c, "ambient", &p->caps.ambient));
	}
	n = get(o, "rlimits");
	if (n && n->u.kids.n) {
		p->rlimits = arena_alloc(r->a, n->u.kids.n * sizeof(*p->rlimits));
		for (const struct json *e = n->u.kids.first; e; e = e->next) {
			char *type = NULL;
			const struct name_value *nv;
			struct spec_rlimit *l = &p->rlimits[p->n_rlimits++];

			TRY(str(r, e, "type", &type));
			nv = name_find(rlimits, type ? type : "");
			if (!nv)
				return bad(r, e, "unknown rlimit");
			l->resource = (int)nv->value;
			TRY(u64(r, e, "soft", UINT64_MAX, &l->soft, NULL));
			TRY(u64(r, e, "hard", UINT64_MAX, &l->hard, NULL));
		}
	}
	return 0;
}

static int maps(struct rd *r, const struct json *o, const char *k, struct spec_id_maps *ret)
{
	const struct json *n = get(o, k);

	if (!n || !n->u.kids.n)
		return 0;
	ret->v = arena_alloc(r->a, n->u.kids.n * sizeof(*ret->v));
	for (const struct json *e = n->u.kids.first; e; e = e->next) {
		struct spec_id_map *m = &ret->v[ret->n++];

		TRY(u32(r, e, "containerID", &m->container_id, NULL));
		TRY(u32(r, e, "hostID", &m->host_id, NULL));
		TRY(u32(r, e, "size", &m->size, NULL));
	}
	return 0;
}

static const struct { const char *name; uint64_t set, clear, prop; } opts[] = {
	{ "ro", MS_RDONLY, 0, 0 }, { "rw", 0, MS_RDONLY, 0 }, { "nosuid", MS_NOSUID, 0, 0 }, { "suid", 0, MS_NOSUID, 0 },
	{ "nodev", MS_NODEV, 0, 0 }, { "dev", 0, MS_NODEV, 0 }, { "noexec", MS_NOEXEC, 0, 0 }, { "exec", 0, MS_NOEXEC, 0 },
	{ "bind", MS_BIND, 0, 0 }, { "rbind", MS_BIND | MS_REC, 0, 0 }, { "remount", MS_REMOUNT, 0, 0 }, { "defaults", 0, 0, 0 },
	{ "relatime", MS_RELATIME, 0, 0 }, { "noatime", MS_NOATIME, 0, 0 }, { "strictatime", MS_STRICTATIME, 0, 0 }, { "atime", 0, MS_NOATIME, 0 },
	{ "private", 0, 0, MS_PRIVATE }, { "rprivate", 0, 0, MS_PRIVATE | MS_REC }, { "slave", 0, 0, MS_SLAVE }, { "rslave", 0, 0, MS_SLAVE | MS_REC },
	{ "shared", 0, 0, MS_SHARED }, { "rshared", 0, 0, MS_SHARED | MS_REC },
};

int spec_mount_split_options(struct arena *a, struct spec_mount *m, struct err *err)
{
	(void)err;
	for (size_t i = 0; i < m->options.n; i++) {
		size_t k;

		for (k = 0; k < ARRAY_SIZE(opts) && strcmp(opts[k].name, m->options.v[i]) != 0; k++)
			;
		if (k < ARRAY_SIZE(opts)) {
			m->flags = (m->flags & ~opts[k].clear) | opts[k].set;
			m->flags_cleared |= opts[k].clear;
			m->propagation |= opts[k].prop;
		} else
			m->data = m->data ? arena_printf(a, "%s,%s", m->data, m->options.v[i]) : m->options.v[i];
	}
	return 0;
}

static int mounts(struct rd *r, const struct json *n, struct spec *s)
{
	if (!n || !n->u.kids.n)
		return 0;
	s->mounts = arena_alloc(r->a, n->u.kids.n * sizeof(*s->mounts));
	for (const struct json *e = n->u.kids.first; e; e = e->next) {
		struct spec_mount *m = &s->mounts[s->n_mounts++];

		TRY(str(r, e, "destination", &m->destination));
		if (!m->destination)
			return bad(r, e, "destination: required");
		AUTO_FREE char *clean = path_clean(m->destination);
		m->destination = arena_strdup(r->a, clean);
		TRY(str(r, e, "type", &m->type));
		TRY(str(r, e, "source", &m->source));
		TRY(list(r, e, "options", &m->options));
		TRY(spec_mount_split_options(r->a, m, r->err));
	}
	return 0;
}

static int resources(struct rd *r, const struct json *o, struct spec_resources *x)
{
	const struct json *m = get(o, "memory"), *c = get(o, "cpu"), *p = get(o, "pids"), *d = get(o, "devices");

	if (!o)
		return 0;
	x->set = true;
	TRY(i64(r, m, "limit", &x->mem_limit.v, &x->mem_limit.set));
	TRY(i64(r, m, "swap", &x->mem_swap.v, &x->mem_swap.set));
	TRY(i64(r, m, "reservation", &x->mem_reservation.v, &x->mem_reservation.set));
	TRY(u64(r, c, "shares", UINT64_MAX, &x->cpu_shares.v, &x->cpu_shares.set));
	TRY(i64(r, c, "quota", &x->cpu_quota.v, &x->cpu_quota.set));
	TRY(u64(r, c, "period", UINT64_MAX, &x->cpu_period.v, &x->cpu_period.set));
	TRY(str(r, c, "cpus", &x->cpus));
	TRY(i64(r, p, "limit", &x->pids_limit.v, &x->pids_limit.set));
	if (d && d->u.kids.n) {
		x->devices = arena_alloc(r->a, d->u.kids.n * sizeof(*x->devices));
		for (const struct json *e = d->u.kids.first; e; e = e->next) {
			struct spec_device_rule *v = &x->devices[x->n_devices++];
			char *t = NULL, *acc = NULL;

			v->major = v->minor = -1;
			TRY(boolean(r, e, "allow", &v->allow));
			TRY(str(r, e, "type", &t));
			TRY(str(r, e, "access", &acc));
			TRY(i64(r, e, "major", &v->major, NULL));
			TRY(i64(r, e, "minor", &v->minor, NULL));
			v->type = t && *t ? t[0] : 'a';
			v->access = acc ? (strchr(acc, 'r') ? 1 : 0) | (strchr(acc, 'w') ? 2 : 0) | (strchr(acc, 'm') ? 4 : 0) : 7;
		}
	}
	return 0;
}

static int hooks(struct rd *r, const struct json *o, struct spec *s)
{
	for (int k = 0; o && k < HOOK_KINDS; k++) {
		const struct json *n = get(o, hook_names[k]);

		if (!n || !n->u.kids.n)
			continue;
		s->hooks[k].v = arena_alloc(r->a, n->u.kids.n * sizeof(struct spec_hook));
		for (const struct json *e = n->u.kids.first; e; e = e->next) {
			struct spec_hook *h = &s->hooks[k].v[s->hooks[k].n++];

			TRY(str(r, e, "path", &h->path));
			TRY(list(r, e, "args", &h->args));
			TRY(list(r, e, "env", &h->env));
			TRY(i64(r, e, "timeout", &h->timeout_s.v, &h->timeout_s.set));
		}
	}
	return 0;
}

static int parse_linux(struct rd *r, const struct json *o, struct spec *s)
{
	const struct json *n = get(o, "namespaces");

	for (const struct json *e = n ? n->u.kids.first : NULL; e; e = e->next) {
		const char *t = STR(get(e, "type"));
		int k;

		for (k = 0; t && k < NS_TYPES && strcmp(ns_names[k], t) != 0; k++)
			;
		if (!t || k == NS_TYPES)
			return bad(r, e, "unknown namespace type");
		s->ns[k].present = true;
		TRY(str(r, e, "path", &s->ns[k].path));
		if (s->ns[k].path && !*s->ns[k].path)
			s->ns[k].path = NULL;
	}
	TRY(maps(r, o, "uidMappings", &s->uid_maps));
	TRY(maps(r, o, "gidMappings", &s->gid_maps));
	TRY(str(r, o, "cgroupsPath", &s->cgroups_path));
	TRY(list(r, o, "maskedPaths", &s->masked_paths));
	TRY(list(r, o, "readonlyPaths", &s->readonly_paths));
	TRY(kvs(r, o, "sysctl", &s->sysctl));
	return resources(r, get(o, "resources"), &s->resources);
}

int spec_parse(struct spec *ret, const char *name, const char *text, size_t n, bool strict, struct err *err)
{
	struct spec s = { 0 };
	struct rd r = { &s.arena, name, err };
	CLEANUP(arena_done) struct arena tmp = { 0 };
	struct json *root;

	(void)strict;
	TRY(json_parse(&tmp, name, text, n, &root, err));
	TRY(str(&r, root, "ociVersion", &s.oci_version));
	TRY(str(&r, get(root, "root"), "path", &s.root_path));
	TRY(boolean(&r, get(root, "root"), "readonly", &s.root_readonly));
	TRY(str(&r, root, "hostname", &s.hostname));
	TRY(kvs(&r, root, "annotations", &s.annotations));
	if (!s.oci_version)
		return json_err(err, name, root, EINVAL, "ociVersion: required");
	if (!s.root_path)
		return json_err(err, name, root, EINVAL, "root: required");
	if (get(root, "process")) {
		s.has_process = true;
		TRY(process(&r, get(root, "process"), &s.process));
	}
	TRY(mounts(&r, get(root, "mounts"), &s));
	TRY(hooks(&r, get(root, "hooks"), &s));
	if (get(root, "linux"))
		TRY(parse_linux(&r, get(root, "linux"), &s));
	*ret = s;
	return 0;
}

int spec_parse_process(struct arena *arena, struct spec_process *ret, const char *name, const char *text, size_t n, struct err *err)
{
	struct rd r = { arena, name, err };
	struct json *root;

	*ret = (struct spec_process){ 0 };
	TRY(json_parse(arena, name, text, n, &root, err));
	return process(&r, root, ret);
}

int spec_parse_resources(struct arena *arena, struct spec_resources *ret, const char *name, const char *text, size_t n, struct err *err)
{
	struct rd r = { arena, name, err };
	struct json *root;

	*ret = (struct spec_resources){ 0 };
	TRY(json_parse(arena, name, text, n, &root, err));
	return resources(&r, root, ret);
}

void spec_done(struct spec *spec)
{
	arena_done(&spec->arena);
}

const char *spec_annotation(const struct spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->annotations.n; i++)
		if (strcmp(spec->annotations.v[i].key, key) == 0)
			return spec->annotations.v[i].value;
	return NULL;
}
