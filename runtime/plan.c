/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan.h"

#include "runtime/base/fd.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

const char *const op_names[OP_KINDS] = {
	[OP_MOUNT] = "mount",	    [OP_BIND] = "bind",		  [OP_REMOUNT] = "remount",
	[OP_CGROUP] = "cgroup",	    [OP_DEVICE] = "device",	  [OP_SYMLINK] = "symlink",
	[OP_CONSOLE] = "console",   [OP_HOST_HOOKS] = "hooks",	  [OP_PIVOT] = "pivot",
	[OP_SYSCTL] = "sysctl",	    [OP_MOUNT_READONLY] = "read-only mount",
	[OP_ROOT_READONLY] = "read-only root",
	[OP_MASK] = "mask",	    [OP_READONLY_PATH] = "read-only path",
	[OP_ROOT_PROPAGATION] = "propagation",
};

/* runtime-spec "Default Devices". */
static const struct spec_device default_devices[] = {
	{ .type = 'c', .path = (char[]){ "/dev/null" }, .major = 1, .minor = 3, .mode = { 0666, true } },
	{ .type = 'c', .path = (char[]){ "/dev/zero" }, .major = 1, .minor = 5, .mode = { 0666, true } },
	{ .type = 'c', .path = (char[]){ "/dev/full" }, .major = 1, .minor = 7, .mode = { 0666, true } },
	{ .type = 'c', .path = (char[]){ "/dev/random" }, .major = 1, .minor = 8, .mode = { 0666, true } },
	{ .type = 'c', .path = (char[]){ "/dev/urandom" }, .major = 1, .minor = 9, .mode = { 0666, true } },
	{ .type = 'c', .path = (char[]){ "/dev/tty" }, .major = 5, .minor = 0, .mode = { 0666, true } },
};

static const struct {
	const char *dst, *src;
} default_links[] = {
	{ "/dev/fd", "/proc/self/fd" },	       { "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },  { "/dev/stderr", "/proc/self/fd/2" },
	{ "/dev/ptmx", "pts/ptmx" },	       { "/dev/core", "/proc/kcore" },
};

static struct op *add_op(struct plan *p, enum op_kind kind, const char *dst, const char *src)
{
	struct op *op = &p->ops[p->n_ops++];

	*op = (struct op){ .kind = kind, .dst = dst, .src = src, .src_fd = -1 };
	return op;
}

static size_t count_ops(const struct spec *s)
{
	return 2 * s->n_mounts + s->n_devices + ARRAY_SIZE(default_devices) + ARRAY_SIZE(default_links) + s->sysctl.n +
	       s->masked_paths.n + s->readonly_paths.n + OP_KINDS;
}

/* Which namespaces are made where: the one place that decides it. */
static int plan_namespaces(struct plan *p, const struct spec *s, const struct plan_env *env, struct err *err)
{
	bool joins = false;

	for (int t = 0; t < NS_TYPES; t++) {
		if (!s->ns[t].present)
			continue;
		if (s->ns[t].path) {
			joins |= t != NS_USER && t != NS_PID;
			continue;
		}
		/* The root of a cgroup namespace is where its maker is: it is made after the cgroup was entered. Offsets of
		 * a time namespace must be written before anybody is in it. */
		if (t == NS_CGROUP || t == NS_TIME)
			p->unshare_flags |= ns_clone_flags[t];
		else
			p->clone_flags |= ns_clone_flags[t];
	}
	p->auto_userns = env->euid != 0 && !s->ns[NS_USER].present;
	if (p->auto_userns)
		p->clone_flags |= CLONE_NEWUSER;
	p->new_userns = p->clone_flags & CLONE_NEWUSER;
	p->any_userns = p->new_userns || s->ns[NS_USER].present;
	/* setns() of an existing namespace needs privilege over its owner, which the init child gives up when it is born
	 * in a new user namespace; and a joined user namespace must own what is made after it. */
	p->needs_middle = (p->new_userns && joins) || (s->ns[NS_USER].present && s->ns[NS_USER].path);
	if (!s->ns[NS_MNT].present)
		return err_set(err, EINVAL, "linux.namespaces: a mount namespace is required");
	if (s->hostname && *s->hostname && !s->ns[NS_UTS].present)
		return err_set(err, EINVAL, "hostname: needs a uts namespace in linux.namespaces");
	return 0;
}

static void plan_mounts(struct plan *p, const struct spec *s)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];
		enum op_kind kind = OP_MOUNT;

		if (m->flags & MS_REMOUNT)
			kind = OP_REMOUNT;
		else if (m->flags & MS_BIND)
			kind = OP_BIND;
		else if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2"))
			kind = OP_CGROUP;
		if (kind == OP_BIND && strcmp(m->destination, "/dev") == 0)
			p->bind_dev = true;
		if (kind == OP_CGROUP && strcmp(m->destination, "/sys/fs/cgroup") == 0 && !(m->flags & MS_RDONLY))
			p->rw_cgroup_mount = true;
		struct op *op = add_op(p, kind, m->destination, m->source);
		op->mount = m;
		op->flags = m->flags;
	}
}

bool plan_is_late_readonly(const struct spec_mount *m)
{
	return m->flags & MS_RDONLY && (m->tmpcopyup || str_eq(m->type, "tmpfs"));
}

static void plan_readonly_mounts(struct plan *p)
{
	for (size_t i = 0, n = p->n_ops; i < n; i++)
		if (p->ops[i].kind == OP_MOUNT && plan_is_late_readonly(p->ops[i].mount))
			add_op(p, OP_MOUNT_READONLY, p->ops[i].dst, NULL)->made = i;
}

static void add_device(struct plan *p, const struct spec_device *d)
{
	add_op(p, OP_DEVICE, d->path, NULL)->device = d;
}

static bool spec_names_device(const struct spec *s, const char *path)
{
	for (size_t i = 0; i < s->n_devices; i++)
		if (strcmp(s->devices[i].path, path) == 0)
			return true;
	return false;
}

static void plan_devices(struct plan *p, const struct spec *s)
{
	if (p->bind_dev)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++)
		if (!spec_names_device(s, default_devices[i].path))
			add_device(p, &default_devices[i]);
	for (size_t i = 0; i < s->n_devices; i++)
		add_device(p, &s->devices[i]);
	for (size_t i = 0; i < ARRAY_SIZE(default_links); i++)
		add_op(p, OP_SYMLINK, default_links[i].dst, default_links[i].src);
}

int plan_build(struct plan *ret, const struct spec *s, const struct plan_env *env, struct err *err)
{
	CLEANUP(plan_done) struct plan p = { 0 };
	AUTO_FREE char *joined = NULL, *clean = NULL;
	int r;

	p.ops = arena_alloc(&p.arena, count_ops(s) * sizeof(*p.ops));
	r = plan_namespaces(&p, s, env, err);
	if (r < 0)
		return r;
	joined = s->root_path[0] == '/' ? xstrdup(s->root_path) : xasprintf("%s/%s", env->bundle, s->root_path);
	clean = path_clean(joined);
	p.rootfs = arena_strdup(&p.arena, clean);
	p.uid_maps = s->uid_maps;
	p.gid_maps = s->gid_maps;

	plan_mounts(&p, s);
	plan_devices(&p, s);
	if (s->has_process && s->process.terminal)
		add_op(&p, OP_CONSOLE, p.bind_dev ? NULL : "/dev/console", NULL);
	p.has_host_hooks = s->hooks[HOOK_PRESTART].n || s->hooks[HOOK_CREATE_RUNTIME].n || s->hooks[HOOK_CREATE_CONTAINER].n;
	if (p.has_host_hooks)
		add_op(&p, OP_HOST_HOOKS, NULL, NULL);
	plan_readonly_mounts(&p);
	for (size_t i = 0; i < s->sysctl.n; i++)
		add_op(&p, OP_SYSCTL, s->sysctl.v[i].key, s->sysctl.v[i].value);
	for (size_t i = 0; i < s->readonly_paths.n; i++)
		add_op(&p, OP_READONLY_PATH, s->readonly_paths.v[i], NULL);
	for (size_t i = 0; i < s->masked_paths.n; i++)
		add_op(&p, OP_MASK, s->masked_paths.v[i], NULL);
	/* Everything that copies a mount of the host (masks) comes before: after the pivot the host's tree is not ours. */
	add_op(&p, OP_PIVOT, p.rootfs, env->no_pivot ? "no-pivot" : NULL);
	if (s->rootfs_propagation)
		add_op(&p, OP_ROOT_PROPAGATION, "/", s->rootfs_propagation_text)->flags = s->rootfs_propagation;
	if (s->root_readonly)
		add_op(&p, OP_ROOT_READONLY, "/", NULL);
	*ret = p;
	p = (struct plan){ 0 };
	return 0;
}

static void print_flags(const char *label, uint64_t flags, struct buf *out)
{
	buf_add(out, label);
	for (int t = 0; t < NS_TYPES; t++)
		if (flags & ns_clone_flags[t])
			buf_addf(out, " %s", ns_names[t]);
	buf_add(out, "\n");
}

void plan_print(const struct plan *p, struct buf *out)
{
	print_flags("clone:", p->clone_flags, out);
	print_flags("unshare:", p->unshare_flags, out);
	if (p->needs_middle)
		buf_add(out, "middle process: yes\n");
	buf_addf(out, "root: %s\n", p->rootfs);
	for (size_t i = 0; i < p->n_ops; i++) {
		const struct op *op = &p->ops[i];

		buf_addf(out, "%s", op_names[op->kind]);
		if (op->dst)
			buf_addf(out, " %s", op->dst);
		if (op->kind == OP_DEVICE)
			buf_addf(out, " %c %lld:%lld", op->device->type, (long long)op->device->major, (long long)op->device->minor);
		if (op->mount && op->mount->type)
			buf_addf(out, " type %s", op->mount->type);
		if (op->src)
			buf_addf(out, " from %s", op->src);
		if (op->flags)
			buf_addf(out, " flags 0x%llx", (unsigned long long)op->flags);
		if (op->mount && op->mount->data)
			buf_addf(out, " data %s", op->mount->data);
		buf_add(out, "\n");
	}
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n_ops; i++)
		fd_close(&p->ops[i].src_fd);
	p->n_ops = 0;
	arena_done(&p->arena);
}
