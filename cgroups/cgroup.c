/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup.h"

#include "cgroups/internal.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* The interface: which layout, which manager, and what both share. */

struct cg_hier *cgroup_v2_hier(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->hier[i].v2)
			return &cg->hier[i];
	return NULL;
}

struct cg_hier *cgroup_hier_of(struct cgroup *cg, enum cg_ctl ctl)
{
	if (ctl >= CTL_COUNT)
		return cgroup_v2_hier(cg);
	for (size_t i = 0; i < cg->n; i++)
		if (cg->hier[i].controllers & CTL_BIT(ctl))
			return &cg->hier[i];
	return NULL;
}

int cg_hier_dir(struct cg_hier *h)
{
	if (h->dir_fd < 0 && h->path) {
		h->dir_fd = open(h->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (h->dir_fd < 0)
			return -errno;
	}
	return h->dir_fd >= 0 ? h->dir_fd : -ENOENT;
}

void cgroup_bind_path(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		struct cg_hier *h = &cg->hier[i];

		free(h->path);
		h->path = xasprintf("%s%s", str_eq(h->mountpoint, "/") ? "" : h->mountpoint, cg->path);
		cg->pub[i] = (struct cgroup_hierarchy){ h->name, h->mountpoint, h->path, h->v2 };
	}
}

int cgroup_check_path(const char *path, const char *what, struct err *err)
{
	const char *p = path;

	while (*p) {
		size_t n = strcspn(p, "/");

		if ((n == 2 && p[0] == '.' && p[1] == '.') || (n == 1 && p[0] == '.'))
			return err_set(err, EINVAL, "%s: '%s' has a '%.*s' in it", what, path, (int)n, p);
		if (n > 255)
			return err_set(err, ENAMETOOLONG, "%s: a part of '%.32s...' is longer than 255 bytes", what, path);
		p += n + (p[n] == '/');
	}
	for (p = path; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(err, EINVAL, "%s has a control character in it", what);
	if (strlen(path) > 3500)
		return err_set(err, ENAMETOOLONG, "%s is too long", what);
	return 0;
}

/* An unprivileged caller may work below its delegated cgroup: the topmost ancestor that it may write. New string. */
static char *rootless_parent(struct cgroup *cg)
{
	struct cg_hier *h = cgroup_v2_hier(cg);
	AUTO_FREE char *own = h && cg->layout == CGROUP_LAYOUT_V2 && geteuid() != 0 ? layout_own_v2_path() : NULL;

	if (!own)
		return xstrdup("");
	for (char *p = strchr(own + 1, '/');; p = strchr(p + 1, '/')) {
		if (p)
			*p = '\0';
		if (own[1] && faccessat(h->mount_fd, own + 1, W_OK, AT_EACCESS) == 0)
			return xstrdup(own);
		if (!p)
			return xstrdup("");
		*p = '/';
	}
}

/* Absolute and relative paths both start at the mount point; without one, a directory of the container's own name. */
static int choose_path(struct cgroup *cg, const struct cgroup_opts *o, struct err *err)
{
	AUTO_FREE char *joined = NULL, *parent = NULL;
	int r;

	if (o->path && *o->path) {
		r = cgroup_check_path(o->path, "linux.cgroupsPath", err);
		if (r < 0)
			return r;
		joined = xasprintf("/%s", o->path);
		cg->path = path_clean(joined);
		if (str_eq(cg->path, "/"))
			return err_set(err, EINVAL, "linux.cgroupsPath: '%s' is the root of every cgroup", o->path);
		return 0;
	}
	parent = rootless_parent(cg);
	cg->path = xasprintf("%s/brig-%s", parent, o->id);
	return 0;
}

/* Count the lines of cgroup.procs, and see whether somebody froze it: neither can be our container's. */
static int check_unused(struct cg_hier *h, struct err *err)
{
	AUTO_FREE char *procs = NULL;
	char state[32] = "";
	size_t n = 0;

	if (fd_read_file(h->dir_fd, "cgroup.procs", 1 << 22, &procs, NULL) == 0)
		for (const char *p = procs; (p = strchr(p, '\n')); p++)
			n++;
	if (n)
		return err_set(err, EBUSY, "container's cgroup is not empty: %zu process(es) found", n);
	if (h->v2)
		ignore(cg_read(h->dir_fd, "cgroup.freeze", state, sizeof(state)));
	else if (h->controllers & CTL_BIT(CTL_FREEZER))
		ignore(cg_read(h->dir_fd, "freezer.state", state, sizeof(state)));
	if (str_eq(state, "1") || (*state && !h->v2 && !str_eq(state, "THAWED")))
		return err_set(err, EBUSY, "container's cgroup unexpectedly frozen");
	return 0;
}

static bool forgivable(const struct cgroup *cg, int r)
{
	return cg->rootless && (r == -EACCES || r == -EPERM || r == -EROFS || r == -ENOENT);
}

static int make_one(struct cgroup *cg, struct cg_hier *h, const struct spec_resources *res, struct err *err)
{
	uint32_t want = cg->layout == CGROUP_LAYOUT_V2 ? UINT32_MAX : 0;
	AUTO_FREE char *tasks = xasprintf("./%s/tasks", cg->path + 1);
	int r = fs_make_dir(h, cg->path, err);

	if (r < 0)
		return r;
	if (!h->made && cg->manager == CGROUP_CGROUPFS) {
		r = check_unused(h, err);
		if (r < 0)
			return r;
	}
	if (!h->v2) {
		r = fs_v1_prepare(h, cg->path, err);
	} else if (cg->manager == CGROUP_CGROUPFS) { /* systemd does it by Delegate= */
		/* Hybrid: switching a controller on touches every cgroup of the machine, so only for who asks. */
		if (res && res->n_hugepages)
			want |= CTL_BIT(CTL_HUGETLB);
		if (res && res->n_rdma)
			want |= CTL_BIT(CTL_RDMA);
		ignore(fs_v2_prepare(h, cg->path, want, &cg->enable_err)); /* fails where a limit needs it */
	}
	if (r < 0)
		return r;
	if (h->v2)
		h->enter_fd = openat(h->dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	else
		h->enter_fd = openat(h->mount_fd, tasks, O_WRONLY | O_CLOEXEC);
	return h->enter_fd < 0 ? err_sys(err, -errno, "open '%s' of cgroup '%s'", h->v2 ? "cgroup.procs" : "tasks", h->path) : 0;
}

static int make_dirs(struct cgroup *cg, const struct spec_resources *res, struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < cg->n; i++) {
		struct cg_hier *h = &cg->hier[i];
		int r = make_one(cg, h, res, err);

		if (r < 0 && !forgivable(cg, r))
			return r;
		if (r < 0) {
			log_debug("rootless: no cgroup in '%s': %s", h->mountpoint, err ? err->msg : "");
			if (h->made)
				ignore(fs_remove_dir(h, NULL));
			cg_hier_done(h);
			*h = (struct cg_hier){ .mount_fd = -1, .dir_fd = -1, .enter_fd = -1 };
			continue;
		}
		if (kept != i) {
			cg->hier[kept] = *h;
			*h = (struct cg_hier){ .mount_fd = -1, .dir_fd = -1, .enter_fd = -1 };
		}
		kept++;
	}
	cg->n = kept;
	cgroup_bind_path(cg);
	if (err)
		err->code = 0;
	return 0;
}

static void undo_create(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->hier[i].made)
			ignore(fs_remove_dir(&cg->hier[i], NULL)); /* the first error is the one to report */
}

static int set_all(struct cgroup *cg, const struct cgroup_opts *o, const struct spec_resources *res, struct err *err)
{
	struct cg_hier *v2 = cgroup_v2_hier(cg);
	int r = limits_set(cg, res, err);

	if (r == 0)
		r = devices_set(cg, res, err);
	if (r == 0 && v2 && cg->layout == CGROUP_LAYOUT_V2 && o->new_cgroup_ns && o->rw_mount)
		r = fs_v2_delegate(v2, o->owner_uid, err);
	return r;
}

static int create_cgroupfs(struct cgroup *cg, const struct cgroup_opts *o, const struct spec_resources *res, struct err *err)
{
	int r = choose_path(cg, o, err);

	if (r < 0)
		return r;
	cgroup_bind_path(cg);
	r = o->before_make ? o->before_make(cg, o->before_make_arg, err) : 0;
	if (r < 0)
		return r;
	r = make_dirs(cg, res, err);
	if (r == 0)
		r = set_all(cg, o, res, err);
	if (r < 0)
		undo_create(cg);
	return r;
}

int cgroup_use_path(struct cgroup *cg, const struct cgroup_opts *o, const struct spec_resources *res, pid_t pid, struct err *err)
{
	int r;

	cgroup_bind_path(cg);
	r = make_dirs(cg, res, err);
	if (r == 0 && cg->layout != CGROUP_LAYOUT_V2)
		r = cgroup_attach(cg, pid, err);
	if (r == 0)
		r = set_all(cg, o, res, err);
	if (r < 0) {
		(void)kill(pid, SIGKILL); /* in v1 directories that systemd knows nothing of, which would stay with it */
		undo_create(cg);
	}
	return r;
}

static struct cgroup *cgroup_new(void)
{
	struct cgroup *cg = xcalloc(1, sizeof(*cg));

	cg->exec_fd = -1;
	return cg;
}

void cleanup_cgroup(struct cgroup **cg)
{
	cgroup_free(*cg);
}

int cgroup_create(struct cgroup **ret, const struct cgroup_opts *o, const struct spec_resources *res, pid_t pid, struct err *err)
{
	CLEANUP(cleanup_cgroup) struct cgroup *cg = cgroup_new();
	int r = layout_find(cg, err);

	if (r < 0)
		return r;
	cg->manager = o->manager;
	cg->rootless = o->rootless;
	cg->id = xstrdup(o->id);
	if (cg->layout == CGROUP_LAYOUT_NONE && cg->manager != CGROUP_DISABLED) {
		if (!o->rootless)
			return err_set(err, ENODEV, "no cgroup file system is mounted at '/sys/fs/cgroup'");
		log_warn("no cgroup file system is mounted: the container has no cgroup, and limits are not in force");
		cg->manager = CGROUP_DISABLED;
	}
	switch (cg->manager) {
	case CGROUP_CGROUPFS:
		r = create_cgroupfs(cg, o, res, err);
		break;
	case CGROUP_SYSTEMD:
		r = systemd_create(cg, o, res, pid, err);
		break;
	case CGROUP_DISABLED:
		for (size_t i = 0; i < cg->n; i++)
			cg_hier_done(&cg->hier[i]);
		cg->n = 0;
		cg->path = xstrdup("");
		break;
	}
	if (r < 0)
		return r;
	/* A fork into pids.max 0 is refused by v2; to move in is not. */
	cg->no_clone_into = cg->layout == CGROUP_LAYOUT_V2 && res && res->pids_limit.set && res->pids_limit.v == 0;
	*ret = TAKE_PTR(cg);
	return 0;
}

int cgroup_clone_fd(const struct cgroup *cg)
{
	if (cg->no_clone_into)
		return -1;
	if (cg->exec_fd >= 0)
		return cg->exec_fd;
	for (size_t i = 0; i < cg->n; i++)
		if (cg->hier[i].v2)
			return cg->hier[i].dir_fd;
	return -1;
}

/* v1: "0" to tasks moves the writing thread alone, which spares the kernel the lock that holds up every fork of the
 * machine and the RCU grace period that taking it costs. v2 has no such file for a whole process. */
int cgroup_enter_self(const struct cgroup *cg, bool in_v2, struct err *err)
{
	for (size_t i = 0; i < cg->n; i++) {
		const struct cg_hier *h = &cg->hier[i];
		ssize_t n;

		if (h->enter_fd < 0 || (h->v2 && in_v2))
			continue;
		do {
			n = write(h->enter_fd, "0", 1);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return err_sys(err, -errno, "join cgroup '%s'", h->path);
		close(h->enter_fd); /* in this process; in a lent memory the variable is the parent's */
	}
	return 0;
}

int cgroup_attach(struct cgroup *cg, pid_t pid, struct err *err)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", pid);
	for (size_t i = 0; i < cg->n; i++) {
		struct cg_hier *h = &cg->hier[i];
		int dir_fd = cg_hier_dir(h);
		int r = dir_fd < 0 ? dir_fd : fd_write_file(dir_fd, "cgroup.procs", text);

		if (r < 0)
			return err_sys(err, r, "move process %d to cgroup '%s'", pid, h->path);
	}
	return 0;
}

int cgroup_update_also(struct cgroup *cg, const struct spec_resources *res, cgroup_also *also, void *arg, struct err *err)
{
	if (cg->manager == CGROUP_DISABLED)
		return err_set(err, EINVAL, "update: the container was made without a cgroup");
	return limits_update(cg, res, cg->manager == CGROUP_SYSTEMD ? systemd_update : NULL, also, arg, err);
}

int cgroup_update(struct cgroup *cg, const struct spec_resources *res, struct err *err)
{
	return cgroup_update_also(cg, res, NULL, NULL, err);
}

int cgroup_destroy(struct cgroup *cg, struct err *err)
{
	int r = 0;

	if (cg->manager == CGROUP_SYSTEMD)
		r = systemd_destroy(cg, err);
	for (size_t i = 0; i < cg->n; i++) {
		int one;

		fd_close(&cg->hier[i].dir_fd);
		one = fs_remove_dir(&cg->hier[i], r < 0 ? NULL : err);
		r = r < 0 ? r : one;
	}
	return r;
}

size_t cgroup_hierarchies(const struct cgroup *cg, const struct cgroup_hierarchy **ret)
{
	*ret = cg->pub;
	return cg->n;
}

int cgroup_of_self(struct cgroup **ret, struct err *err)
{
	CLEANUP(cleanup_cgroup) struct cgroup *cg = cgroup_new();
	size_t kept = 0;
	int r = layout_find(cg, err);

	if (r < 0)
		return r;
	cg->manager = CGROUP_SYSTEMD;
	r = layout_path_of(0, cg->layout == CGROUP_LAYOUT_V2 ? "" : "name=systemd", &cg->path);
	if (r < 0)
		return err_sys(err, r, "find the container's cgroup");
	for (size_t i = 0; i < cg->n; i++) { /* those that it was moved to, and not left out of */
		AUTO_FREE char *path = NULL;
		struct cg_hier h = cg->hier[i];

		cg->hier[i] = (struct cg_hier){ .mount_fd = -1, .dir_fd = -1, .enter_fd = -1 };
		fd_close(&h.mount_fd);
		if (layout_path_of(0, h.name, &path) == 0 && str_eq(path, cg->path))
			cg->hier[kept++] = h;
		else
			cg_hier_done(&h);
	}
	cg->n = kept;
	cgroup_bind_path(cg);
	*ret = TAKE_PTR(cg);
	return 0;
}

enum cgroup_layout cgroup_layout(const struct cgroup *cg)
{
	return cg->layout;
}

enum cgroup_manager cgroup_get_manager(const struct cgroup *cg)
{
	return cg->manager;
}

const char *cgroup_path(const struct cgroup *cg)
{
	return cg->path;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < cg->n; i++)
		cg_hier_done(&cg->hier[i]);
	fd_close(&cg->exec_fd);
	free(cg->id);
	free(cg->path);
	free(cg->unit);
	free(cg);
}
