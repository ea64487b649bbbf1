/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/console.h"
#include "runtime/container_internal.h"
#include "runtime/hooks.h"
#include "runtime/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The text of config.json. */
struct config {
	const char *p;
	size_t n;
	char *owned; /* or NULL: the caller of create has it */
};

static void config_done(struct config *t)
{
	free(t->owned);
}

static int read_config(struct container *c, const struct create_opts *o, struct config *ret, struct err *err)
{
	AUTO_FREE char *path = o->config ? xstrdup(o->config) : xasprintf("%s/config.json", c->bundle);
	int r = o->config_text ? 0 : fd_read_file(AT_FDCWD, path, SPEC_MAX_BYTES, &ret->owned, &ret->n);

	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	ret->p = o->config_text ? o->config_text : ret->owned;
	ret->n = o->config_text ? strlen(o->config_text) : ret->n;
	c->spec = xcalloc(1, sizeof(*c->spec));
	return spec_parse(c->spec, "config.json", ret->p, ret->n, c->opts->strict, err);
}

/* The identity of the container, from the spec and the command line. */
static int fill(struct container *c, struct err *err)
{
	char now[STR_TIME_LEN], real[PATH_MAX];
	AUTO_FREE char *rootfs = NULL;
	const struct spec *s = c->spec;

	str_time_now(now);
	c->created = arena_strdup(&c->arena, now);
	c->oci_version = arena_strdup(&c->arena, s->oci_version);
	c->owner_uid = geteuid();
	c->annotations = s->annotations;
	rootfs = s->root_path[0] == '/' ? xstrdup(s->root_path) : xasprintf("%s/%s", c->bundle, s->root_path);
	if (!realpath(rootfs, real))
		return err_sys(err, -errno, "root.path '%s'", s->root_path);
	c->rootfs = arena_strdup(&c->arena, real);
	return 0;
}

static int set_bundle(struct container *c, const char *bundle, struct err *err)
{
	char real[PATH_MAX];

	if (!realpath(bundle ? bundle : ".", real))
		return err_sys(err, -errno, "bundle '%s'", bundle ? bundle : ".");
	c->bundle = arena_strdup(&c->arena, real);
	return 0;
}

static int make_root(char *root, struct err *err)
{
	for (char *p = root + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)!mkdir(root, 0755); /* the last mkdir tells */
		*p = '/';
	}
	return mkdir(root, 0700) < 0 && errno != EEXIST ? err_sys(err, -errno, "make '%s'", root) : 0;
}

static int make_dir(struct container *c, const struct config *config, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", c->opts->root, c->id);
	int r = mkdir(path, 0700) < 0 ? -errno : 0;

	if (r == -ENOENT) {
		r = make_root(c->opts->root, err);
		if (r < 0)
			return r;
		r = mkdir(path, 0700) < 0 ? -errno : 0;
	}
	if (r < 0)
		return r == -EEXIST ? err_set(err, EEXIST, "container with given ID already exists: %s", c->id) :
				      err_sys(err, r, "make '%s'", path);
	r = container_open_dir(c, true, err);
	if (r < 0)
		return r;
	/* Nobody reads it before there is a state.json. */
	r = fd_write_new_file(c->dir_fd, "config.json", config->p, config->n, 0600);
	return r < 0 ? err_sys(err, r, "copy config.json") : 0;
}

int container_write_pid_file(const char *path, pid_t pid, struct err *err)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)pid);
	int r = fd_write_file_atomic(AT_FDCWD, path, text, (size_t)n, 0644, false);

	return r < 0 ? err_sys(err, r, "--pid-file '%s'", path) : 0;
}

static struct cgroup_opts cgroup_options(struct container *c)
{
	const struct spec *s = c->spec;

	return (struct cgroup_opts){
		.id = c->id,
		.path = s->cgroups_path,
		.manager = c->opts->manager,
		.rootless = c->opts->rootless,
		.new_cgroup_ns = s->ns[NS_CGROUP].present && !s->ns[NS_CGROUP].path,
		.rw_mount = c->cgroup_rw,
		.owner_uid = c->cgroup_uid,
		.annotations = &s->annotations,
	};
}

static uint32_t host_uid(const struct spec_id_maps *maps, uint32_t uid)
{
	for (size_t i = 0; i < maps->n; i++) {
		const struct spec_id_map *m = &maps->v[i];

		if (uid >= m->container_id && uid - m->container_id < m->size)
			return m->host_id + (uid - m->container_id);
	}
	return uid;
}

/* The state names the cgroup before it is there: whoever is killed in between leaves nothing that delete cannot find. */
static int save_pending(const struct cgroup *cg, void *arg, struct err *err)
{
	struct container *c = arg;
	int r;

	memcpy(&c->cgroup, &cg, sizeof(cg)); /* lent for the time of the call */
	c->cgroup_pending = true;
	r = container_save(c, err);
	c->cgroup = NULL;
	c->cgroup_pending = false;
	return r;
}

int container_make_cgroup(struct container *c, bool rw_mount, const struct spec_id_maps *uid_maps, struct err *err)
{
	const struct cgroup_hierarchy *none;
	struct cgroup_opts o;
	int r;

	c->cgroup_rw = rw_mount;
	c->cgroup_uid = c->spec->has_process ? host_uid(uid_maps, c->spec->process.user.uid) : 0;
	o = cgroup_options(c);
	if (o.manager == CGROUP_DISABLED)
		return 0;
	if (o.manager == CGROUP_SYSTEMD)
		return 0; /* the scope is made around the init process */
	o.before_make = save_pending;
	o.before_make_arg = c;
	r = cgroup_create(&c->cgroup, &o, &c->spec->resources, 0, err);
	if (r < 0)
		return r;
	/* Rootless, and nothing is delegated to this user: there is no cgroup to speak of. */
	if (cgroup_hierarchies(c->cgroup, &none) == 0) {
		if (c->spec->resources.set)
			log_info("no cgroup is delegated to this user: the limits of linux.resources are not in force");
		cgroup_free(c->cgroup);
		c->cgroup = NULL;
	}
	return 0;
}

int container_cgroup_with_pid(struct container *c, pid_t pid, struct err *err)
{
	struct cgroup_opts o = cgroup_options(c);

	if (c->opts->manager != CGROUP_SYSTEMD)
		return 0;
	return cgroup_create(&c->cgroup, &o, &c->spec->resources, pid, err);
}

int container_run_create_hooks(struct container *c, struct err *err)
{
	AUTO_BUF struct buf state = { 0 };
	struct json_writer w = { .out = &state };
	int r;

	container_state_json(c, CONTAINER_CREATING, false, &w);
	r = hooks_run(&c->spec->hooks[HOOK_PRESTART], HOOK_PRESTART, state.p, state.len, -1, -1, false, err);
	if (!r)
		r = hooks_run(&c->spec->hooks[HOOK_CREATE_RUNTIME], HOOK_CREATE_RUNTIME, state.p, state.len, -1, -1, false, err);
	return r;
}

/*
 * One cache for all state directories of a user, hidden in the default one: nothing of it stays where an engine keeps its
 * containers. -1: none, which only costs time.
 */
static int open_seccomp_cache(void)
{
	const char *runtime_dir = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
	AUTO_FREE char *top = NULL, *path = NULL;

	if (!runtime_dir || runtime_dir[0] != '/')
		return -1;
	top = xasprintf("%s/brig", runtime_dir);
	path = xasprintf("%s/.seccomp", top);
	if ((mkdir(top, 0700) < 0 && errno != EEXIST) || (mkdir(path, 0700) < 0 && errno != EEXIST))
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int container_compile_seccomp(struct container *c, struct seccomp_prog *ret, struct err *err)
{
	const struct spec *s = c->spec;
	AUTO_CLOSE int cache_fd = -1;
	int r;

	if (!s->seccomp.set)
		return 0;
	cache_fd = open_seccomp_cache();
	r = seccomp_compile_cached(&s->seccomp, &s->annotations, cache_fd, ret, err);
	if (r < 0)
		return r;
	r = seccomp_prog_save(ret, c->dir_fd, "seccomp.bpf");
	return r < 0 ? err_sys(err, r, "write seccomp.bpf") : 0;
}

static int finish_create(struct container *c, const struct create_opts *o, struct err *err)
{
	int r;

	if (c->started)
		return 0;
	r = sys_pid_start_time(c->pid, &c->start_time);
	if (r < 0)
		return err_sys(err, r, "container init");
	r = container_save(c, err);
	if (!r && o->pidfd_socket)
		r = console_send_pidfd(o->pidfd_socket, c->pidfd, err);
	if (!r && o->pid_file)
		r = container_write_pid_file(o->pid_file, c->pid, err);
	if (!r && !o->run && c->backend->committed)
		r = c->backend->committed(c, err);
	return r;
}

static int create_locked(struct container *c, const struct create_opts *o, struct err *err)
{
	/* With a cgroup of ours the state is written when its name is known. */
	int r = c->opts->manager == CGROUP_CGROUPFS ? 0 : container_save(c, err);

	if (!r)
		r = c->backend->create(c, o, err);
	return r < 0 ? r : finish_create(c, o, err);
}

static int print_plan(struct container *c, const struct create_opts *o, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	int r = c->backend->plan_text(c, o, &b, err);

	if (!r && fputs(b.p ? b.p : "", stdout) == EOF)
		r = err_sys(err, -errno, "write to stdout");
	return r;
}

/* Everything of create that reads: nothing is made yet. */
static int prepare(struct container *c, const struct create_opts *o, struct config *config, struct err *err)
{
	int r = set_bundle(c, o->bundle, err);

	if (!r)
		r = read_config(c, o, config, err);
	if (!r)
		r = fill(c, err);
	if (!r)
		r = spec_check_backend(c->spec, c->backend != &namespaces_backend, err);
	if (!r && c->backend->check)
		r = c->backend->check(c->spec, err);
	return r;
}

int container_prepare(struct container **ret, const struct runtime_opts *opts, const struct create_opts *o, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	CLEANUP(config_done) struct config config = { 0 };
	int r = container_check_id(o->id, err);

	if (r < 0)
		return r;
	c = container_new(opts, o->id);
	r = prepare(c, o, &config, err);
	if (!r)
		r = make_dir(c, &config, err);
	if (!r)
		*ret = TAKE_PTR(c);
	return r;
}

int container_create(struct container **ret, const struct runtime_opts *opts, const struct create_opts *o, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	CLEANUP(config_done) struct config config = { 0 };
	int r = container_check_id(o->id, err);

	if (r < 0)
		return r;
	c = container_new(opts, o->id);
	r = prepare(c, o, &config, err);
	if (r < 0)
		return r;
	if (o->dry_run) {
		r = print_plan(c, o, err);
		if (!r)
			*ret = NULL;
		return r;
	}
	r = make_dir(c, &config, err);
	if (r < 0)
		return r;
	r = create_locked(c, o, err);
	if (r < 0) {
		struct err ignored;

		/* One clean-up path: the one that delete takes. The first error is the one to tell. */
		if (container_destroy(c, &ignored) < 0)
			log_warn("clean up after a failed create: %s", ignored.msg);
		return r;
	}
	*ret = TAKE_PTR(c);
	return 0;
}
