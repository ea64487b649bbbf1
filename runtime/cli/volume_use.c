/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of a container: made, filled and noted before a start, given back after its removal. */
#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/path.h"
#include "runtime/cli/tree_copy.h"
#include "runtime/cli/volume_priv.h"
#include "runtime/net/netrec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_empty(int fd)
{
	AUTO_DIR DIR *d = dir_open(fd, ".");

	return d && !dir_next(d);
}

/* An empty volume takes what the image has at its place, with the owner and mode of that directory. */
static int seed(const char *dir, const struct volume_mount *m, const struct volume_container *c, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s/_data", dir, m->source);
	AUTO_CLOSE int to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int from = c->rootfs_fd < 0 ? -1 : path_open_in_root(c->rootfs_fd, m->target, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	if (to < 0)
		return err_sys(err, -errno, "open '%s'", path);
	if (from < 0 || !is_empty(to) || fstat(from, &st) < 0)
		return 0;
	if (tree_copy(from, ".", to, ".", COPY_ONE_FS, err) < 0)
		return err_wrap(err, "fill the volume '%s' from the image's '%s'", m->source, m->target);
	if (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return err_sys(err, -errno, "set owner and mode of the volume '%s'", m->source);
	return 0;
}

static int note_user(const char *dir, const char *name, const char *id, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s/users/%s", dir, name, id);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, -errno, "note the user of the volume '%s'", name) : 0;
}

static int check_subpath(const char *dir, const struct volume_mount *m, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s/_data", dir, m->source);
	AUTO_CLOSE int data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = data < 0 ? -1 : path_open_in_root(data, m->subpath, O_PATH | O_NOFOLLOW, 0);
	AUTO_FREE char *clean = NULL;
	AUTO_FREE char *absolute = xasprintf("/%s", m->subpath);
	char link[FD_PROC_PATH_LEN], at[4097];
	ssize_t n;

	if (fd < 0)
		return err_set(err, ENOENT, "volume '%s' has no '%s'", m->source, m->subpath);
	/* A symlink on the way could be changed after the check: only plain paths will do. */
	clean = path_clean(absolute);
	n = readlink(fd_proc_path(fd, link), at, sizeof(at) - 1);
	at[n > 0 ? n : 0] = '\0';
	return str_ends(at, clean) ? 0 : err_set(err, ELOOP, "volume '%s': '%s' leads over a symbolic link", m->source, m->subpath);
}

static int prepare_volume(const char *dir, struct volume_mount *m, const struct volume_container *c, struct err *err)
{
	struct volume v = { 0 };
	bool described;
	int r = m->source ? volume_load_exact(dir, m->source, &v, err) : -ENOENT;

	if (r == -ENOENT) {
		r = volume_create_locked(dir, m->source, NULL, NULL, m->anonymous, &v, err);
		if (r == 0 && !m->source)
			m->source = xstrdup(v.name);
	}
	described = r == 0 && v.options;
	volume_done(&v);
	if (r == 0)
		r = note_user(dir, m->source, c->id, err);
	if (r == 0 && !m->nocopy && !m->subpath && !described)
		r = seed(dir, m, c, err);
	if (r == 0 && m->subpath)
		r = check_subpath(dir, m, err);
	return r;
}

static int prepare_bind(const struct volume_mount *m, struct err *err)
{
	if (access(m->source, F_OK) == 0)
		return 0;
	if (!m->create_source || errno != ENOENT)
		return err_sys(err, -errno, "bind mount source '%s'", m->source);
	return netrec_mkdir(m->source) < 0 ? err_sys(err, -errno, "make the bind mount source '%s'", m->source) : 0;
}

static int give(const char *dir, const struct volume_mount *m, const struct volume_container *c, struct err *err)
{
	AUTO_FREE char *path = m->kind == VOLUME_VOLUME ? xasprintf("%s/%s/_data", dir, m->source) : xstrdup(m->source);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, -errno, "open '%s'", path);
	return tree_chown(fd, c->uid, c->gid, err) < 0 ? err_wrap(err, "'%s'", path) : 0;
}

/* :O. Two directories of the container's, which go with it. */
static int prepare_overlay(struct volume_mount *m, const char *source, const struct volume_container *c, size_t i, struct err *err)
{
	AUTO_FREE char *layers = xasprintf("%s/overlay/%zu", c->dir, i), *upper = xasprintf("%s/upper", layers);
	AUTO_FREE char *work = xasprintf("%s/work", layers);

	if (strpbrk(source, ",:\\") || strpbrk(layers, ",:\\"))
		return err_set(err, EINVAL, "'%s': an overlay (:O) cannot be made of a path with ',', ':' or '\\'", source);
	if (netrec_mkdir(upper) < 0 || netrec_mkdir(work) < 0)
		return err_sys(err, -errno, "make '%s'", layers);
	free(m->layers);
	m->layers = TAKE_PTR(layers);
	return 0;
}

static int prepare_layers(const char *dir, struct volume_mount *m, const struct volume_container *c, size_t i, struct err *err)
{
	AUTO_FREE char *data = m->kind == VOLUME_VOLUME ? xasprintf("%s/%s/_data", dir, m->source) : xstrdup(m->source);

	return prepare_overlay(m, data, c, i, err);
}

int volume_prepare(const char *dir, struct volume_list *l, const struct volume_container *c, struct err *err)
{
	AUTO_CLOSE int lock = -1;

	for (size_t i = 0; i < l->n; i++) {
		struct volume_mount *m = &l->v[i];
		int r = 0;

		if (m->kind == VOLUME_VOLUME && lock < 0) {
			lock = netrec_lock_dir(dir, err);
			if (lock < 0)
				return lock;
		}
		if (m->kind == VOLUME_VOLUME)
			r = prepare_volume(dir, m, c, err);
		else if (m->kind == VOLUME_BIND)
			r = prepare_bind(m, err);
		if (r == 0 && m->chown && (m->kind == VOLUME_VOLUME || m->kind == VOLUME_BIND))
			r = give(dir, m, c, err);
		if (r == 0 && m->overlay)
			r = prepare_layers(dir, m, c, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int release(const char *dir, const struct volume_mount *m, const char *id, bool with_anonymous, struct err *err)
{
	AUTO_FREE char *user = xasprintf("%s/%s/users/%s", dir, m->source, id);
	struct volume v = { 0 };
	bool unused;

	(void)unlink(user);
	if (!with_anonymous || volume_load_exact(dir, m->source, &v, NULL) < 0)
		return 0;
	unused = v.anonymous && !v.users;
	volume_done(&v);
	return unused ? volume_remove_locked(dir, m->source, err) : 0;
}

int volume_release(const char *dir, const struct volume_list *l, const char *id, bool with_anonymous, struct err *err)
{
	AUTO_CLOSE int lock = -1;
	int result = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct volume_mount *m = &l->v[i];
		int r;

		if (m->kind != VOLUME_VOLUME || !m->source)
			continue;
		if (lock < 0)
			lock = netrec_lock_dir(dir, err);
		if (lock < 0)
			return lock;
		r = release(dir, m, id, with_anonymous, err);
		result = result < 0 ? result : r;
	}
	return result;
}
