/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/mount_tree.h"

#include "runtime/base/fd.h"
#include "runtime/base/sys.h"
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const struct {
	uint64_t ms, attr;
} attr_map[] = {
	{ MS_RDONLY, MOUNT_ATTR_RDONLY },	  { MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ MS_NODEV, MOUNT_ATTR_NODEV },		  { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME }, { MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
};

#define ATIME_FLAGS (MS_NOATIME | MS_STRICTATIME | MS_RELATIME)

static uint64_t atime_attr(uint64_t ms)
{
	if (ms & MS_NOATIME)
		return MOUNT_ATTR_NOATIME;
	return ms & MS_STRICTATIME ? MOUNT_ATTR_STRICTATIME : MOUNT_ATTR_RELATIME;
}

uint64_t mount_attr_from_flags(uint64_t ms)
{
	uint64_t attr = atime_attr(ms);

	for (size_t i = 0; i < ARRAY_SIZE(attr_map); i++)
		if (ms & attr_map[i].ms)
			attr |= attr_map[i].attr;
	return attr;
}

bool mount_call_denied(int r)
{
	return r == -ENOSYS || r == -EPERM || r == -EACCES;
}

uint64_t mount_flags_of(const struct statfs *fs)
{
	static const struct {
		long st;
		uint64_t ms;
	} map[] = {
		{ ST_RDONLY, MS_RDONLY },   { ST_NOSUID, MS_NOSUID },	      { ST_NODEV, MS_NODEV },	  { ST_NOEXEC, MS_NOEXEC },
		{ ST_NOATIME, MS_NOATIME }, { ST_NODIRATIME, MS_NODIRATIME }, { ST_RELATIME, MS_RELATIME }, { 0x2000, MS_NOSYMFOLLOW },
	};
	uint64_t ms = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (fs->f_flags & map[i].st)
			ms |= map[i].ms;
	return ms & (MS_NOATIME | MS_RELATIME) ? ms : ms | MS_STRICTATIME;
}

static uint64_t change_flags(uint64_t ms, const struct mount_attr *attr)
{
	for (size_t i = 0; i < ARRAY_SIZE(attr_map); i++) {
		if (attr->attr_clr & attr_map[i].attr)
			ms &= ~attr_map[i].ms;
		if (attr->attr_set & attr_map[i].attr)
			ms |= attr_map[i].ms;
	}
	if (attr->attr_clr & MOUNT_ATTR__ATIME) {
		ms &= ~(uint64_t)ATIME_FLAGS;
		ms |= attr->attr_set & MOUNT_ATTR_NOATIME ? MS_NOATIME : attr->attr_set & MOUNT_ATTR_STRICTATIME ? MS_STRICTATIME : MS_RELATIME;
	}
	return ms;
}

static int change_by_mount(int fd, unsigned at_flags, const struct mount_attr *attr)
{
	char path[FD_PROC_PATH_LEN];
	struct statfs fs;

	fd_proc_path(fd, path);
	if (attr->attr_set || attr->attr_clr) {
		if (at_flags & AT_RECURSIVE || attr->attr_set & MOUNT_ATTR_IDMAP)
			return -EOPNOTSUPP;
		if (fstatfs(fd, &fs) < 0 ||
		    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | change_flags(mount_flags_of(&fs), attr), NULL) < 0)
			return -errno;
	}
	if (attr->propagation && mount(NULL, path, NULL, attr->propagation | (at_flags & AT_RECURSIVE ? MS_REC : 0), NULL) < 0)
		return -errno;
	return 0;
}

int mount_change(int fd, unsigned at_flags, struct mount_attr *attr)
{
	int r = sys_mount_setattr(fd, "", AT_EMPTY_PATH | at_flags, attr), again;

	if (!mount_call_denied(r))
		return r;
	again = change_by_mount(fd, at_flags, attr);
	return again < 0 ? r : 0; /* EINVAL of a detached mount says less than the first error */
}

int mount_set_attr(int fd, unsigned at_flags, struct mount_attr *attr, const char *dst, struct err *err)
{
	int r;

	if (!attr->attr_set && !attr->attr_clr && !attr->propagation)
		return 0;
	r = mount_change(fd, at_flags, attr);
	return r < 0 ? err_sys(err, r, "set mount attributes of '%s'", dst) : 0;
}

int mount_set_recursive(int fd, const struct spec_mount *m, struct err *err)
{
	struct mount_attr attr = { .attr_set = m->rec_attr_set, .attr_clr = m->rec_attr_clear };

	return mount_set_attr(fd, AT_RECURSIVE, &attr, m->destination, err);
}

/* The flags of a bind: set what was asked for, clear what was asked away, keep the rest as the source has it. */
int mount_set_bind_flags(int fd, const struct spec_mount *m, struct err *err)
{
	struct mount_attr attr = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(attr_map); i++) {
		if (m->flags & attr_map[i].ms)
			attr.attr_set |= attr_map[i].attr;
		else if (m->flags_cleared & attr_map[i].ms)
			attr.attr_clr |= attr_map[i].attr;
	}
	if ((m->flags | m->flags_cleared) & ATIME_FLAGS) {
		attr.attr_clr |= MOUNT_ATTR__ATIME;
		attr.attr_set |= atime_attr(m->flags);
	}
	int r = mount_set_attr(fd, 0, &attr, m->destination, err);
	/* In a user namespace, flags that came from outside are locked: what cannot be cleared stays, which is stricter. */
	if (r == -EPERM && attr.attr_clr) {
		attr.attr_clr = attr.attr_set & (MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME) ? MOUNT_ATTR__ATIME : 0;
		attr.attr_set &= attr.attr_clr ? ~0ull : ~(uint64_t)MOUNT_ATTR__ATIME;
		r = mount_set_attr(fd, 0, &attr, m->destination, err);
	}
	return r;
}

unsigned mount_source_flags(const struct op *op)
{
	const struct spec_mount *m = op->mount;

	return OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m->flags & MS_REC ? AT_RECURSIVE : 0) |
	       (m->src_nofollow || m->copy_symlink ? AT_SYMLINK_NOFOLLOW : 0);
}

int mount_open_source(const struct op *op, int bundle_fd, bool root_shared, struct err *err)
{
	struct mount_attr slave = { .propagation = MS_SLAVE };
	int fd;

	if (!op->src || !*op->src)
		return err_set(err, EINVAL, "mount on '%s': a bind mount needs a source", op->dst);
	fd = sys_open_tree(bundle_fd, op->src, mount_source_flags(op));
	if (fd < 0)
		return err_sys(err, fd, "bind mount source '%s' on '%s'", op->src, op->dst);
	/* What is mounted in the container later must not appear on the host, unless the root is shared on purpose. */
	if (!root_shared)
		(void)!sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave);
	return fd;
}

int mount_idmap(const struct op *op, int tree_fd, int userns_fd, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd };
	int r = sys_mount_setattr(tree_fd, "", AT_EMPTY_PATH | (op->mount->idmap_recursive ? AT_RECURSIVE : 0), &attr);

	/* mount_setattr(2): EINVAL is the kernel's word for a file system without idmapped mounts (tmpfs before Linux 6.3), too. */
	if (r == -EINVAL)
		return err_set(err, EINVAL, "idmapped mount on '%s': invalid, or the file system of '%s' has no idmapped mounts on this kernel",
			       op->dst, op->src);
	return r < 0 ? err_sys(err, r, "idmapped mount on '%s'", op->dst) : 0;
}

int mount_idmap_all(struct plan *plan, int joined_userns_fd, pid_t pid, struct err *err)
{
	AUTO_CLOSE int own_ns = -1;
	char path[64];

	for (size_t i = 0; i < plan->n_ops; i++) {
		struct op *op = &plan->ops[i];
		int r;

		if (op->kind != OP_BIND || !op->mount->idmap)
			continue;
		if (op->src_fd < 0)
			return err_set(err, EPERM, "mounts '%s': idmapped mounts need privilege", op->dst);
		if (op->mount->uid_maps.n) {
			AUTO_CLOSE int ns = idmap_userns(&op->mount->uid_maps, &op->mount->gid_maps, err);

			if (ns < 0)
				return ns;
			r = mount_idmap(op, op->src_fd, ns, err);
		} else {
			if (!plan->any_userns)
				return err_set(err, EINVAL, "mounts '%s': idmap without mappings needs a user namespace", op->dst);
			snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
			if (own_ns < 0)
				own_ns = joined_userns_fd >= 0 ? fcntl(joined_userns_fd, F_DUPFD_CLOEXEC, 3) :
								       open(path, O_RDONLY | O_CLOEXEC);
			r = own_ns < 0 ? err_sys(err, -errno, "open the user namespace") : mount_idmap(op, op->src_fd, own_ns, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}
