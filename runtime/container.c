/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container_internal.h"

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/base/user.h"
#include "runtime/container_internal.h"
#include "runtime/version.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define MAX_ID 1024
#define MAX_STATE_BYTES (64u << 20)

const char *container_status_name(enum container_status s)
{
	static const char *const names[] = {
		[CONTAINER_CREATING] = "creating", [CONTAINER_CREATED] = "created", [CONTAINER_RUNNING] = "running",
		[CONTAINER_PAUSED] = "paused",	   [CONTAINER_STOPPED] = "stopped",
	};

	return names[s];
}

int container_check_id(const char *id, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-";
	size_t n = strlen(id);

	if (!n || n > MAX_ID || strspn(id, allowed) != n || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return err_set(err, EINVAL, "invalid container id '%.64s': letters, digits and _+.- are allowed", id);
	return 0;
}

struct container *container_new(const struct runtime_opts *opts, const char *id)
{
	struct container *c = xcalloc(1, sizeof(*c));

	c->opts = opts;
	c->id = xstrdup(id);
	c->dir_fd = c->lock_fd = c->pidfd = -1;
	c->backend = opts->backend;
	return c;
}

void container_free(struct container *c)
{
	if (!c)
		return;
	if (c->backend && c->backend->free_data)
		c->backend->free_data(c->backend_data);
	if (c->spec) {
		spec_done(c->spec);
		free(c->spec);
	}
	cgroup_free(c->cgroup);
	fd_close(&c->dir_fd);
	fd_close(&c->lock_fd);
	fd_close(&c->pidfd);
	free(c->id);
	arena_done(&c->arena);
	free(c);
}

void container_unlock(struct container *c)
{
	if (c->dir_fd >= 0)
		(void)flock(c->dir_fd, LOCK_UN); /* closing it would do the same */
}

/* ---- state.json ---- */

static void save_annotations(const struct kvlist *list, struct json_writer *w)
{
	json_key(w, "annotations");
	json_begin_object(w);
	for (size_t i = 0; i < list->n; i++)
		json_kv_string(w, list->v[i].key, list->v[i].value);
	json_end_object(w);
}

int container_save(struct container *c, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	struct json_writer w = { .out = &b };
	int r;

	json_begin_object(&w);
	json_kv_string(&w, "ociVersion", c->oci_version);
	json_kv_string(&w, "id", c->id);
	json_kv_string(&w, "bundle", c->bundle);
	json_kv_string(&w, "rootfs", c->rootfs);
	json_kv_string(&w, "created", c->created);
	json_kv_u64(&w, "owner", c->owner_uid);
	json_kv_i64(&w, "pid", c->pid);
	json_kv_u64(&w, "startTime", c->start_time);
	json_kv_bool(&w, "restored", c->restored);
	json_kv_bool(&w, "poststop", c->spec ? c->spec->hooks[HOOK_POSTSTOP].n > 0 : !c->no_poststop);
	if (c->intel_rdt_dir)
		json_kv_string(&w, "intelRdtDir", c->intel_rdt_dir);
	if (c->intel_rdt_mon_dir)
		json_kv_string(&w, "intelRdtMonDir", c->intel_rdt_mon_dir);
	save_annotations(&c->annotations, &w);
	json_kv_bool(&w, "cgroupPending", c->cgroup_pending);
	if (c->cgroup) {
		json_key(&w, "cgroup");
		json_begin_object(&w);
		cgroup_save(c->cgroup, &w);
		json_end_object(&w);
	}
	json_kv_string(&w, "backend", c->backend->name);
	if (c->backend->save)
		c->backend->save(c, &w);
	json_end_object(&w);
	r = fd_write_file_atomic(c->dir_fd, "state.json", b.p, b.len, 0600, false);
	return r < 0 ? err_sys(err, r, "write the state of container '%s'", c->id) : 0;
}

static char *get_text(struct container *c, const struct json *root, const char *key)
{
	const struct json *n = json_get(root, key);

	return n && n->type == JSON_STRING ? arena_strdup(&c->arena, n->u.string) : NULL;
}

static int get_number(const struct json *root, const char *key, uint64_t max, uint64_t *ret, struct err *err)
{
	const struct json *n = json_get(root, key);

	return n ? json_to_u64(n, "state.json", max, ret, err) : err_set(err, EINVAL, "state.json: no '%s'", key);
}

static void load_annotations(struct container *c, const struct json *list)
{
	if (!list || list->type != JSON_OBJECT || !list->u.kids.n)
		return;
	c->annotations.v = arena_alloc(&c->arena, list->u.kids.n * sizeof(*c->annotations.v));
	for (const struct json *n = list->u.kids.first; n; n = n->next)
		if (n->type == JSON_STRING)
			c->annotations.v[c->annotations.n++] =
				(struct kv){ arena_strdup(&c->arena, n->key), arena_strdup(&c->arena, n->u.string) };
}

static int parse_state(struct container *c, const struct json *root, struct err *err)
{
	const struct json *cg = json_get(root, "cgroup"), *pending = json_get(root, "cgroupPending"), *restored = json_get(root, "restored");
	const struct json *poststop = json_get(root, "poststop");
	const char *backend;
	uint64_t pid = 0, owner = 0;
	int r;

	c->oci_version = get_text(c, root, "ociVersion");
	c->bundle = get_text(c, root, "bundle");
	c->rootfs = get_text(c, root, "rootfs");
	c->created = get_text(c, root, "created");
	c->intel_rdt_dir = get_text(c, root, "intelRdtDir");
	c->intel_rdt_mon_dir = get_text(c, root, "intelRdtMonDir");
	c->cgroup_pending = pending && pending->type == JSON_BOOL && pending->u.boolean;
	c->no_poststop = poststop && poststop->type == JSON_BOOL && !poststop->u.boolean;
	c->restored = restored && restored->type == JSON_BOOL && restored->u.boolean;
	backend = get_text(c, root, "backend");
	if (!c->bundle || !c->created || !backend)
		return err_set(err, EINVAL, "state.json: a field is missing");
	r = get_number(root, "pid", INT32_MAX, &pid, err);
	if (!r)
		r = get_number(root, "startTime", UINT64_MAX, &c->start_time, err);
	if (!r)
		r = get_number(root, "owner", UINT32_MAX, &owner, err);
	if (r < 0)
		return r;
	c->pid = (pid_t)pid;
	c->owner_uid = (uint32_t)owner;
	load_annotations(c, json_get(root, "annotations"));
	if (cg)
		r = cgroup_load(&c->cgroup, cg, err);
	c->backend = backend_by_name(backend);
	if (!r && !c->backend)
		r = err_set(err, EINVAL, "state.json: backend '%s' is not part of this program", backend);
	if (!r && c->backend->load)
		r = c->backend->load(c, root, err);
	return r;
}

static int load_state(struct container *c, struct err *err)
{
	AUTO_FREE char *text = NULL;
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct json *root;
	size_t n;
	int r = fd_read_file(c->dir_fd, "state.json", MAX_STATE_BYTES, &text, &n);

	if (r < 0)
		return err_sys(err, r, "read the state of container '%s'", c->id);
	r = json_parse(&arena, "state.json", text, n, &root, err);
	if (!r)
		r = parse_state(c, root, err);
	return r < 0 ? err_wrap(err, "container '%s'", c->id) : 0;
}

int container_open_dir(struct container *c, bool lock, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", c->opts->root, c->id);

	c->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir_fd < 0 && errno == ENOENT)
		return err_set(err, ENOENT, "container \"%s\" does not exist", c->id);
	if (c->dir_fd < 0)
		return err_sys(err, -errno, "open '%s'", path);
	if (lock && flock(c->dir_fd, LOCK_EX) < 0)
		return err_sys(err, -errno, "lock '%s'", path);
	return 0;
}

void cleanup_container(struct container **c)
{
	int saved = errno;

	container_free(*c);
	errno = saved;
}

int container_load(struct container **ret, const struct runtime_opts *opts, const char *id, bool lock, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	uint64_t start;
	int r = container_check_id(id, err);

	if (r < 0)
		return r;
	c = container_new(opts, id);
	r = container_open_dir(c, lock, err);
	if (!r)
		r = load_state(c, err);
	if (r < 0)
		return r;
	/* First the fd, then the proof that it is still the process of the state. */
	if (c->pid > 0) {
		c->pidfd = sys_pidfd_open(c->pid, 0);
		if (c->pidfd >= 0 && (sys_pid_start_time(c->pid, &start) < 0 || start != c->start_time))
			fd_close(&c->pidfd);
		if (c->pidfd < 0)
			c->pidfd = -1;
	}
	*ret = TAKE_PTR(c);
	return 0;
}

int container_load_spec(struct container *c, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t n;
	int r;

	if (c->spec)
		return 0;
	r = fd_read_file(c->dir_fd, "config.json", SPEC_MAX_BYTES, &text, &n);
	if (r < 0)
		return err_sys(err, r, "read the configuration of container '%s'", c->id);
	c->spec = xcalloc(1, sizeof(*c->spec));
	return spec_parse(c->spec, "config.json", text, n, false, err);
}

/* A connection that is accepted says that init still waits; it takes no notice of one that says nothing. */
static bool at_gate(struct container *c)
{
	AUTO_CLOSE int fd = -1;

	if (faccessat(c->dir_fd, "gate", F_OK, 0) < 0)
		return false;
	fd = fd_seqpacket_connect(c->dir_fd, "gate");
	return fd >= 0;
}

enum container_status container_status(struct container *c)
{
	uint64_t start;

	if (c->pid <= 0 || sys_pid_start_time(c->pid, &start) < 0 || start != c->start_time)
		return CONTAINER_STOPPED;
	if (c->cgroup && cgroup_is_frozen(c->cgroup) == 1)
		return CONTAINER_PAUSED;
	return at_gate(c) ? CONTAINER_CREATED : CONTAINER_RUNNING;
}

void container_state_json(struct container *c, enum container_status status, bool with_extras, struct json_writer *w)
{
	json_begin_object(w);
	json_kv_string(w, "ociVersion", c->oci_version);
	json_kv_string(w, "id", c->id);
	if (with_extras || status != CONTAINER_STOPPED)
		json_kv_i64(w, "pid", status == CONTAINER_STOPPED ? 0 : c->pid);
	json_kv_string(w, "status", container_status_name(status));
	json_kv_string(w, "bundle", c->bundle);
	if (with_extras) {
		json_kv_string(w, "rootfs", c->rootfs);
		json_kv_string(w, "created", c->created);
	}
	if (c->annotations.n)
		save_annotations(&c->annotations, w);
	if (with_extras) {
		AUTO_FREE char *owner = user_name_of(c->owner_uid);

		json_kv_string(w, "owner", owner);
	}
	json_end_object(w);
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int container_list_ids(const char *root, char ***ret, size_t *ret_n, struct err *err)
{
	AUTO_DIR DIR *dir = opendir(root);
	struct dirent *e;
	char **list = NULL;
	size_t n = 0;

	*ret = NULL;
	*ret_n = 0;
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "read '%s'", root);
	while ((e = readdir(dir))) {
		if (container_check_id(e->d_name, NULL) < 0 || e->d_name[0] == '.')
			continue;
		list = xreallocarray(list, n + 1, sizeof(*list));
		list[n++] = xstrdup(e->d_name);
	}
	if (n)
		qsort(list, n, sizeof(*list), compare_ids);
	*ret = list;
	*ret_n = n;
	return 0;
}
