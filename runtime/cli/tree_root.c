/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/tree_root.h"

#include "images/rootfs.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What is to be made, and where. A helper of a user without privileges has the user's default map, in which all of the user's ids are;
 * owners of another map (uids, gids: the container's ids as ids of the helper) are written as ids of the helper.
 */
struct tree_job {
	struct record *r;
	const char *program; /* brig-images; found by the process that has our own pid, which alone knows where its file lies */
	const struct store_image *image;
	bool userxattr;		     /* in a helper */
	bool shifted;
	struct spec_id_maps uids, gids; /* shifted */
};

/* ---- plain files ---- */

/* "--uidmap=0:1:65536" words */
static void add_maps(char **argv, size_t *n, struct arena *a, const char *flag, const struct spec_id_maps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		argv[(*n)++] = arena_printf(a, "--%s=%u:%u:%u", flag, maps->v[i].container_id, maps->v[i].host_id, maps->v[i].size);
}

static int unpack(const struct tree_job *j, const char *path, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	const char *const first[] = { "brig-images", "--root", j->r->cli->store.root, "image", "unpack" };
	char manifest[DIGEST_TEXT_LEN];
	char **argv = arena_alloc(&a, (ARRAY_SIZE(first) + j->uids.n + j->gids.n + 3) * sizeof(*argv));
	size_t n = ARRAY_SIZE(first);
	int x;

	for (size_t i = 0; i < n; i++)
		argv[i] = arena_strdup(&a, first[i]);
	add_maps(argv, &n, &a, "uidmap", &j->uids);
	add_maps(argv, &n, &a, "gidmap", &j->gids);
	argv[n++] = arena_strdup(&a, digest_text(&j->image->manifest, manifest));
	argv[n++] = arena_strdup(&a, path);
	x = cli_run_program(j->program, argv, err);
	return x > 0 ? err_set(err, EIO, "image %s could not be written as files", j->r->image) : x;
}

static void hash_maps(const struct spec_id_maps *maps, uint64_t *h)
{
	for (size_t i = 0; i < maps->n; i++) {
		const uint32_t v[] = { maps->v[i].container_id, maps->v[i].host_id, maps->v[i].size };

		for (size_t k = 0; k < ARRAY_SIZE(v); k++)
			*h = (*h ^ v[k]) * 1099511628211u; /* FNV-1a, a number at a time */
	}
}

/* Of the same chain there is one tree for each map. */
static char *tree_path_of(const struct tree_job *j)
{
	char hex[DIGEST_HEX_LEN];
	uint64_t h = 14695981039346656037u;

	(void)digest_hex(&j->image->chain, hex);
	if (!j->shifted)
		return xasprintf("%s/trees/%s", j->r->cli->store.root, hex);
	hash_maps(&j->uids, &h);
	hash_maps(&j->gids, &h);
	return xasprintf("%s/trees/%s-%016llx", j->r->cli->store.root, hex, (unsigned long long)h);
}

/* The tree of the image's chain, made when it is missing. Two at once make it twice, and the second rename loses. */
static int make_tree(const struct tree_job *j, char **ret, struct err *err)
{
	AUTO_FREE char *trees = xasprintf("%s/trees", j->r->cli->store.root);
	AUTO_FREE char *path = tree_path_of(j);
	AUTO_FREE char *temp = xasprintf("%s/.%s", trees, j->r->id);
	int x;

	if (access(path, F_OK) == 0) {
		*ret = TAKE_PTR(path);
		return 0;
	}
	if ((mkdir(trees, 0711) < 0 && errno != EEXIST) || (mkdir(temp, 0755) < 0 && errno != EEXIST))
		return err_sys(err, -errno, "make '%s'", temp);
	x = unpack(j, temp, err);
	if (x == 0 && rename(temp, path) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		x = err_sys(err, -errno, "rename '%s'", temp);
	(void)!remove_tree(AT_FDCWD, temp);
	if (x == 0)
		*ret = TAKE_PTR(path);
	return x;
}

/* Upper and work directory are made here, or they would not belong to the user namespace's root. */
static int make_upper(const struct tree_job *j, const char *upper, const char *work, struct err *err)
{
	uid_t uid = userns_to_host(&j->uids, 0);
	gid_t gid = userns_to_host(&j->gids, 0);

	if ((mkdir(upper, 0755) < 0 && errno != EEXIST) || (mkdir(work, 0755) < 0 && errno != EEXIST))
		return err_sys(err, -errno, "make '%s'", upper);
	return j->shifted && chown(upper, uid, gid) < 0 ? err_sys(err, -errno, "give '%s' to %u:%u", upper, uid, gid) : 0;
}

static int mount_overlay(const struct tree_job *j, const char *tree, const int *userns_fd, struct err *err)
{
	AUTO_FREE char *upper = xasprintf("%s/upper", j->r->dir), *work = xasprintf("%s/work", j->r->dir);
	AUTO_CLOSE int lower_fd = userns_fd ? sys_open_tree(AT_FDCWD, tree, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) :
					      open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct rootfs_overlay o = { .lower_fd = lower_fd, .upper = upper, .work = work, .userxattr = j->userxattr, .userns_fd = userns_fd };
	int x = make_upper(j, upper, work, err);

	if (x < 0)
		return x;
	if (lower_fd < 0)
		return err_sys(err, userns_fd ? lower_fd : -errno, "open '%s'", tree);
	return rootfs_mount_overlay(&o, err);
}

static int open_here(const struct tree_job *j, const int *userns_fd, struct err *err)
{
	AUTO_FREE char *tree = NULL;
	int x = make_tree(j, &tree, err);

	return x < 0 ? x : mount_overlay(j, tree, userns_fd, err);
}

/* ---- without privileges ---- */

static int tree_in_helper(void *arg, struct err *err)
{
	const struct tree_job *j = arg;

	return open_here(j, NULL, err);
}

/* Of a process that changed its user id /proc shows the namespace to nobody else. */
static int open_own_namespace(void *arg UNUSED, struct err *err)
{
	int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, -errno, "open a user namespace") : fd;
}

static int read_map(pid_t pid, const char *file, struct arena *a, struct spec_id_maps *ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/%s", (int)pid, file), *text = NULL;
	int x = fd_read_file(AT_FDCWD, path, 1 << 16, &text, NULL);
	char *rest = text, *line;

	if (x < 0)
		return err_sys(err, x, "read '%s'", path);
	while ((line = strsep(&rest, "\n"))) {
		struct spec_id_map m;

		if (sscanf(line, "%u %u %u", &m.container_id, &m.host_id, &m.size) == 3)
			idmap_add(a, ret, m);
	}
	return 0;
}

/* The container's ids, which are the host's ids of maps, as ids in the namespace of the map base. */
static int through(const struct spec_id_maps *maps, const struct spec_id_maps *base, struct arena *a, struct spec_id_maps *ret, struct err *err)
{
	struct spec_id_maps inverse = { 0 };

	for (size_t i = 0; i < base->n; i++)
		idmap_add(a, &inverse, (struct spec_id_map){ base->v[i].host_id, base->v[i].container_id, base->v[i].size });
	for (size_t i = 0; i < maps->n; i++)
		if (userns_add_through(&inverse, maps->v[i].container_id, maps->v[i].host_id, maps->v[i].size, a, ret) < 0)
			return err_set(err, ERANGE, "user namespace: ids from %u on are not your subordinate ids", maps->v[i].host_id);
	return 0;
}

/* Another map than the default one: the namespace is one of its own, and lives by userns_fd. The ids in it, as those of a helper, into
 * j. */
static int make_shifted(struct tree_job *j, const struct userns *u, const struct userns *user, struct arena *a, int *ret_userns_fd,
			struct err *err)
{
	CLEANUP(userns_helper_end) struct userns_helper inside = { .fd = -1 };
	struct spec_id_maps uids = { 0 }, gids = { 0 };
	int x = userns_helper_run(u, open_own_namespace, NULL, &inside, ret_userns_fd, err);

	if (x == 0)
		x = read_map(inside.pid, "uid_map", a, &uids, err);
	if (x == 0)
		x = read_map(inside.pid, "gid_map", a, &gids, err);
	if (x == 0)
		x = through(&uids, &user->uids, a, &j->uids, err);
	return x < 0 ? x : through(&gids, &user->gids, a, &j->gids, err);
}

static int open_userns(const struct tree_root *t, struct err *err)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/ns/user", (int)t->helper.pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, -errno, "open '%s'", path) : fd;
}

int tree_root_rootless(struct record *r, const struct store_image *image, const struct userns *u, struct arena *a, struct tree_root *ret,
		       struct err *err)
{
	AUTO_FREE char *program = NULL;
	struct tree_job job = { .r = r, .image = image, .userxattr = true, .shifted = u->shifted };
	struct userns user;
	int x = cli_find_program("brig-images", &program, err);

	job.program = program;
	userns_default(a, &user);
	if (x == 0 && u->shifted)
		x = make_shifted(&job, u, &user, a, &ret->userns_fd, err);
	if (x == 0)
		x = userns_helper_run(&user, tree_in_helper, &job, &ret->helper, &ret->root_fd, err);
	if (x == 0 && !u->shifted)
		x = ret->userns_fd = open_userns(ret, err);
	ret->uids = job.uids;
	ret->gids = job.gids;
	if (x < 0)
		tree_root_close(ret);
	return x < 0 ? x : 0;
}

int tree_root_open(struct record *r, const struct store_image *image, const int *userns_fd, struct err *err)
{
	AUTO_FREE char *program = NULL;
	struct tree_job job = { .r = r, .image = image };
	int x = cli_find_program("brig-images", &program, err);

	job.program = program;
	return x < 0 ? x : open_here(&job, userns_fd, err);
}

void tree_root_close(struct tree_root *t)
{
	fd_close(&t->root_fd);
	fd_close(&t->userns_fd);
	userns_helper_end(&t->helper);
}
