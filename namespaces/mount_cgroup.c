/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * DOC: mounts of type "cgroup"
 *
 * v2: a cgroup2 mount (it shows the root of our cgroup namespace), or without a namespace of our own a bind of the
 * container's directory. v1 and hybrid: a tmpfs with one directory a hierarchy, each a cgroup mount of that hierarchy or, cheaper, a
 * bind of the container's directory in it, and links for the names of co-mounted controllers ("cpu" -> "cpu,cpuacct").
 */
static bool own_cgroup_ns(const struct init_ctx *ctx)
{
	return ctx->spec->ns[NS_CGROUP].present;
}

/* A new cgroup namespace begins at the container's directory: the cgroup mount of a hierarchy of v1 is that directory of the very same
 * file system then, and a bind of it is had for a third of the calls. In a user namespace it would be a mount of the host's. */
static bool bind_is_same(const struct init_ctx *ctx, const struct cgroup_hierarchy *h)
{
	return !h->v2 && !ctx->spec->ns[NS_CGROUP].path && !ctx->spec->ns[NS_USER].present;
}

static int bind_hierarchy(struct init_ctx *ctx, const struct cgroup_hierarchy *h, uint64_t flags, struct err *err)
{
	struct mount_attr attr = { .attr_set = mount_attr_from_flags(flags) & ~(uint64_t)MOUNT_ATTR__ATIME, .propagation = MS_PRIVATE };
	int fd = mount_clone(ctx, AT_FDCWD, h->path, 0);
	int r;

	if (fd < 0)
		return err_sys(err, fd, "open cgroup '%s'", h->path);
	r = mount_change(fd, 0, &attr);
	if (r < 0) {
		close(fd);
		return err_sys(err, r, "cgroup mount attributes");
	}
	return fd;
}

static int hierarchy_mount(struct init_ctx *ctx, const struct cgroup_hierarchy *h, uint64_t flags, struct err *err)
{
	int fd = -EPERM;

	if (own_cgroup_ns(ctx) && !bind_is_same(ctx, h)) {
		if (h->v2)
			fd = mount_new(ctx, "cgroup2", "cgroup", NULL, flags, err);
		else if (str_starts(h->name, "name=")) {
			AUTO_FREE char *options = xasprintf("none,%s", h->name);

			fd = mount_new(ctx, "cgroup", "cgroup", options, flags, err);
		} else
			fd = mount_new(ctx, "cgroup", "cgroup", h->name, flags, err);
	}
	/* Not ours to mount (a user namespace that does not own it): its directory, bound. */
	return fd < 0 ? bind_hierarchy(ctx, h, flags, err) : fd;
}

static int mount_unified(struct init_ctx *ctx, struct op *op, const struct cgroup_hierarchy *h, struct err *err)
{
	AUTO_CLOSE int tree = hierarchy_mount(ctx, h, op->flags, err);
	AUTO_CLOSE int target = -1;

	if (tree < 0)
		return tree;
	target = mount_open_target(ctx, op->dst, true, err);
	return target < 0 ? target : mount_attach(tree, target, op->dst, err);
}

static const char *dir_name(const struct cgroup_hierarchy *h)
{
	if (h->v2)
		return "unified";
	return str_starts(h->name, "name=") ? h->name + 5 : h->name;
}

static void link_controllers(int dir_fd, const char *names)
{
	AUTO_FREE char *copy = xstrdup(names);
	char *rest = copy, *name;

	if (!strchr(names, ','))
		return;
	while ((name = strsep(&rest, ",")))
		(void)!symlinkat(names, dir_fd, name); /* convenience names; the directory itself is there */
}

static int mount_v1_tree(struct init_ctx *ctx, struct op *op, const struct cgroup_hierarchy *list, size_t n, struct err *err)
{
	uint64_t flags = op->flags & ~(uint64_t)MS_RDONLY;
	AUTO_CLOSE int top = mount_new(ctx, "tmpfs", "tmpfs", "mode=755", flags, err);
	AUTO_CLOSE int target = -1;
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	int r;

	if (top < 0)
		return top;
	target = mount_open_target(ctx, op->dst, true, err);
	if (target < 0)
		return target;
	r = mount_attach(top, target, op->dst, err);
	for (size_t i = 0; i < n && !r; i++) {
		const char *name = dir_name(&list[i]);
		AUTO_CLOSE int tree = hierarchy_mount(ctx, &list[i], op->flags, err);
		AUTO_CLOSE int dir = -1;

		if (tree < 0)
			return tree;
		if (mkdirat(top, name, 0755) < 0)
			return err_sys(err, -errno, "make '%s/%s'", op->dst, name);
		dir = openat(top, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = dir < 0 ? err_sys(err, -errno, "open '%s/%s'", op->dst, name) : mount_attach(tree, dir, op->dst, err);
		link_controllers(top, name);
	}
	if (r < 0 || !(op->flags & MS_RDONLY))
		return r;
	r = mount_change(top, 0, &ro);
	return r < 0 ? err_sys(err, r, "make '%s' read-only", op->dst) : 0;
}

/* The host's view, read-only. Where that cannot be said of all mounts of a tree at once, without the hierarchies of v1 in it. */
static int readonly_view(struct init_ctx *ctx)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	AUTO_CLOSE int tree = mount_clone(ctx, AT_FDCWD, "/sys/fs/cgroup", AT_RECURSIVE);
	int r = tree < 0 ? tree : mount_change(tree, AT_RECURSIVE, &ro);

	if (r == -ENOENT || r == 0)
		return r < 0 ? r : TAKE_FD(tree);
	fd_close(&tree);
	tree = mount_clone(ctx, AT_FDCWD, "/sys/fs/cgroup", 0);
	r = tree < 0 ? tree : mount_change(tree, 0, &ro);
	return r < 0 ? r : TAKE_FD(tree);
}

/* No cgroup of its own (rootless, or disabled): the cgroup namespace's view or else the host's, read-only. */
static int mount_foreign(struct init_ctx *ctx, struct op *op, struct err *err)
{
	AUTO_CLOSE int tree = -1;
	AUTO_CLOSE int target = -1;

	if (own_cgroup_ns(ctx) && cgroup_detect() == CGROUP_LAYOUT_V2)
		tree = mount_new(ctx, "cgroup2", "cgroup", NULL, op->flags | MS_RDONLY, NULL);
	if (tree < 0)
		tree = readonly_view(ctx);
	if (tree == -ENOENT)
		return 0;
	if (tree < 0)
		return err_sys(err, tree, "bind /sys/fs/cgroup");
	target = mount_open_target(ctx, op->dst, true, err);
	return target < 0 ? target : mount_attach(tree, target, op->dst, err);
}

int mount_cgroup(struct init_ctx *ctx, struct op *op, struct err *err)
{
	const struct cgroup_hierarchy *list = NULL;
	size_t n = ctx->container->cgroup ? cgroup_hierarchies(ctx->container->cgroup, &list) : 0;

	if (!n)
		return mount_foreign(ctx, op, err);
	if (n == 1 && list[0].v2)
		return mount_unified(ctx, op, &list[0], err);
	return mount_v1_tree(ctx, op, list, n, err);
}
