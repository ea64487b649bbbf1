/* SPDX-License-Identifier: Apache-2.0 */
#include "images/dirsink.h"

#include "runtime/base/fd.h"
#include "runtime/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * DOC: writing a tree of files
 *
 * All work is done on the fd of the directory at hand, on names that the tree has checked, never following a link.
 * Names exist only once, so everything is created exclusively. Order for one node: contents, owner, mode (chown takes
 * set-uid away), attributes (chown takes file capabilities away), times; a directory gets its own after its children.
 */
struct sink {
	const struct dirsink_options *o;
	struct dirsink_result res;
	char *copy_buf; /* owned */
};

enum { COPY_BYTES = 256 << 10 };

static int node_err(const struct tree_node *n, int code, const char *what, struct err *err)
{
	AUTO_FREE char *path = tree_path(n);

	return err_set(err, code, "%s '%.300s': %s", what, path, strerror(code));
}

static int copy_range(struct sink *s, int in, uint64_t in_at, int out, uint64_t out_at, uint64_t n)
{
	while (n) {
		loff_t from = (loff_t)in_at, to = (loff_t)out_at;
		ssize_t m = copy_file_range(in, &from, out, &to, n, 0);

		if (m < 0 && errno == EINTR)
			continue;
		/* Other file system, old kernel, or a kind of file that cannot do it. */
		if (m < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
			return -errno;
		if (m < 0) {
			m = pread(in, s->copy_buf, n < COPY_BYTES ? n : COPY_BYTES, (off_t)in_at);
			if (m > 0)
				m = pwrite(out, s->copy_buf, (size_t)m, (off_t)out_at);
			if (m < 0)
				return -errno;
		}
		if (m == 0)
			return -ENODATA; /* the data file is shorter than the table says */
		in_at += (uint64_t)m;
		out_at += (uint64_t)m;
		n -= (uint64_t)m;
	}
	return 0;
}

static int fill(struct sink *s, const struct tree_inode *i, int fd)
{
	struct entry e = { .extents = i->extents };
	int in = s->o->data_fds[i->layer], r = 0;

	if (i->inline_data)
		return fd_write_all(fd, i->inline_data, (size_t)i->size);
	if (!i->n_extents)
		return copy_range(s, in, i->data_offset, fd, 0, i->size);
	for (size_t k = 0; r == 0 && k < i->n_extents; k++) {
		struct entry_extent x = entry_extent_at(&e, k);

		r = copy_range(s, in, i->data_offset + x.offset, fd, x.offset, x.len);
	}
	if (r == 0 && ftruncate(fd, (off_t)i->size) < 0)
		r = -errno;
	return r;
}

static bool may_skip(const struct sink *s, int code)
{
	return s->o->keep_going_on_eperm && (code == EPERM || code == EINVAL || code == ENOTSUP);
}

/* Attributes by the path in /proc/self/fd: it works on an O_PATH fd of any type of file, and follows nothing else. */
static int set_xattrs(struct sink *s, const struct tree_node *n, int fd, struct err *err)
{
	const struct tree_inode *i = n->inode;
	char path[FD_PROC_PATH_LEN];

	/* No way leads to a symlink's own attributes through an fd before Linux 6.13; images have none in practice. */
	if (i->type == ENTRY_SYMLINK && i->n_xattrs) {
		s->res.skipped_xattrs += i->n_xattrs;
		return 0;
	}
	for (size_t k = 0; k < i->n_xattrs; k++) {
		const struct entry_xattr *x = &i->xattrs[k];

		if (setxattr(fd_proc_path(fd, path), x->name, x->value, x->value_len, 0) == 0)
			continue;
		if (!may_skip(s, errno))
			return node_err(n, errno, "set attributes of", err);
		s->res.skipped_xattrs++;
	}
	return 0;
}

static bool map_id(const struct dirsink_ids *v, size_t n, uint32_t *id)
{
	for (size_t i = 0; i < n; i++) {
		if (*id < v[i].inside || *id - v[i].inside >= v[i].n)
			continue;
		*id = v[i].outside + (*id - v[i].inside);
		return true;
	}
	return n == 0;
}

static int set_owner(struct sink *s, const struct tree_node *n, int fd, struct err *err)
{
	uint32_t uid = n->inode->uid, gid = n->inode->gid;
	const struct dirsink_options *o = s->o;

	if (!map_id(o->uids, o->n_uids, &uid) || !map_id(o->gids, o->n_gids, &gid)) {
		AUTO_FREE char *path = tree_path(n);

		return err_set(err, EOVERFLOW, "owner %u:%u of '%.300s' has no place in the map of ids", n->inode->uid, n->inode->gid, path);
	}
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0)
		return 0;
	if (!may_skip(s, errno))
		return node_err(n, errno, "set owner of", err);
	s->res.skipped_owners++;
	return 0;
}

/* fd is an O_PATH fd, or the open file or directory itself. */
static int set_attributes(struct sink *s, const struct tree_node *n, int fd, struct err *err)
{
	const struct tree_inode *i = n->inode;
	struct timespec times[2] = { { .tv_sec = i->mtime_s, .tv_nsec = i->mtime_ns }, { .tv_sec = i->mtime_s, .tv_nsec = i->mtime_ns } };
	char path[FD_PROC_PATH_LEN];
	int r = set_owner(s, n, fd, err);

	if (r < 0)
		return r;
	if (i->type != ENTRY_SYMLINK && chmod(fd_proc_path(fd, path), i->mode) < 0)
		return node_err(n, errno, "set mode of", err);
	r = set_xattrs(s, n, fd, err);
	if (r < 0)
		return r;
	if (utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
		return node_err(n, errno, "set times of", err);
	return 0;
}

static int make_link(struct sink *s, int dir_fd, struct tree_node *n, struct err *err)
{
	AUTO_FREE char *path = tree_path(n->inode->first_seen);
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int parent_fd = path_open_parent_in_root(s->o->root_fd, path, false, 0, &name);

	if (parent_fd < 0 || linkat(parent_fd, name, dir_fd, n->name, 0) < 0)
		return node_err(n, parent_fd < 0 ? -parent_fd : errno, "link", err);
	return 0;
}

static int make_file(struct sink *s, int dir_fd, const struct tree_node *n, struct err *err)
{
	AUTO_CLOSE int fd = openat(dir_fd, n->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return node_err(n, errno, "create", err);
	r = fill(s, n->inode, fd);
	if (r < 0)
		return node_err(n, -r, "write", err);
	return set_attributes(s, n, fd, err);
}

static int make_special(struct sink *s, int dir_fd, const struct tree_node *n, struct err *err)
{
	const struct tree_inode *i = n->inode;
	mode_t type = i->type == ENTRY_CHAR ? S_IFCHR : i->type == ENTRY_BLOCK ? S_IFBLK : S_IFIFO;
	AUTO_CLOSE int fd = -1;
	int r;

	if (i->type == ENTRY_SYMLINK)
		r = symlinkat(i->link, dir_fd, n->name);
	else
		r = mknodat(dir_fd, n->name, type | 0600, makedev(i->rdev_major, i->rdev_minor));
	if (r < 0 && i->type != ENTRY_SYMLINK && i->type != ENTRY_FIFO && may_skip(s, errno)) {
		s->res.skipped_devices++;
		return 0;
	}
	if (r < 0)
		return node_err(n, errno, "create", err);
	fd = openat(dir_fd, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? node_err(n, errno, "open", err) : set_attributes(s, n, fd, err);
}

static int make_node(struct sink *s, int dir_fd, struct tree_node *n, struct err *err)
{
	s->res.n_files++;
	if (n->inode->first_seen)
		return make_link(s, dir_fd, n, err);
	/* A skipped device has no first name to link to: its other names are tried, and skipped, by themselves. */
	if (n->inode->type == ENTRY_CHAR || n->inode->type == ENTRY_BLOCK) {
		uint64_t before = s->res.skipped_devices;
		int r = make_special(s, dir_fd, n, err);

		if (r == 0 && s->res.skipped_devices == before)
			n->inode->first_seen = n;
		return r;
	}
	n->inode->first_seen = n;
	return n->inode->type == ENTRY_FILE ? make_file(s, dir_fd, n, err) : make_special(s, dir_fd, n, err);
}

/* A directory that is being filled. */
struct level {
	struct tree_node *dir;
	struct tree_node **kids; /* owned */
	size_t n, at;
	int fd; /* owned, but for the root's */
};

struct levels {
	struct level *p;
	size_t n, cap;
};

static void push_level(struct levels *l, struct tree_node *dir, int fd)
{
	struct level *top;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 32;
		l->p = xreallocarray(l->p, l->cap, sizeof(*l->p));
	}
	top = &l->p[l->n++];
	*top = (struct level){ .dir = dir, .fd = fd };
	top->kids = tree_sorted_children(dir, &top->n);
}

static int enter(struct sink *s, struct levels *l, struct tree_node *n, struct err *err)
{
	int dir_fd = l->p[l->n - 1].fd, fd;

	s->res.n_files++;
	if (mkdirat(dir_fd, n->name, 0700) < 0)
		return node_err(n, errno, "make directory", err);
	fd = openat(dir_fd, n->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return node_err(n, errno, "open", err);
	push_level(l, n, fd);
	return 0;
}

static int leave(struct sink *s, struct levels *l, struct err *err)
{
	struct level *top = &l->p[l->n - 1];
	int r = set_attributes(s, top->dir, top->fd, err);

	free(top->kids);
	if (top->fd != s->o->root_fd)
		close(top->fd);
	l->n--;
	return r;
}

int dirsink_write(struct tree *t, const struct dirsink_options *o, struct dirsink_result *ret, struct err *err)
{
	struct sink s = { .o = o, .copy_buf = xmalloc(COPY_BYTES) };
	struct levels l = { 0 };
	int r = 0;

	push_level(&l, t->root, o->root_fd);
	while (r == 0 && l.n) {
		struct level *top = &l.p[l.n - 1];

		if (top->at == top->n) {
			r = leave(&s, &l, err);
		} else {
			struct tree_node *n = top->kids[top->at++];

			r = n->inode->type == ENTRY_DIR ? enter(&s, &l, n, err) : make_node(&s, top->fd, n, err);
		}
	}
	while (l.n) {
		if (l.p[l.n - 1].fd != o->root_fd)
			close(l.p[l.n - 1].fd);
		free(l.p[--l.n].kids);
	}
	free(l.p);
	free(s.copy_buf);
	if (r == 0)
		*ret = s.res;
	return r;
}
