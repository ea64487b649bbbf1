/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/userns.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/user.h"
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define AUTO_SIZE 65536
/* Of root's automatic namespaces when /etc/subuid names neither brig nor containers: the upper half, where no users are. */
#define AUTO_FIRST 2147483648u
#define AUTO_COUNT 2147418112u

static bool has_mode(const char *mode, const char *name)
{
	size_t n = strlen(name);

	return mode && strncmp(mode, name, n) == 0 && (!mode[n] || mode[n] == ':');
}

bool userns_rootless(const struct cli *cli)
{
	return cli->oci.rootless && geteuid() != 0;
}

/* The value of "key=" in "mode:key=value,key=value", in a; NULL. */
static const char *mode_option(const char *mode, const char *key, struct arena *a)
{
	const char *colon = strchr(mode, ':');
	char *rest = arena_strdup(a, colon ? colon + 1 : ""), *one;
	size_t n = strlen(key);

	while ((one = strsep(&rest, ",")))
		if (strncmp(one, key, n) == 0 && one[n] == '=')
			return one + n + 1;
	return NULL;
}

/* Every option of the mode must be one of these. */
static int check_mode_options(const char *mode, const char *const *known, struct err *err)
{
	const char *at = strchr(mode, ':');

	while (at && at[1]) {
		const char *word = at + 1;
		size_t n = strcspn(word, "="), k = 0;

		while (known[k] && (strncmp(word, known[k], n) != 0 || known[k][n]))
			k++;
		if (!known[k] || word[n] != '=')
			return err_set(err, EINVAL, "--userns '%s': unknown option '%.*s'", mode, (int)strcspn(word, ","), word);
		at = strchr(word, ',');
	}
	return 0;
}

/* ---- which maps ---- */

const char *userns_keep_user(const char *mode, struct arena *a)
{
	const char *uid = mode_option(mode, "uid", a), *gid = mode_option(mode, "gid", a);

	return arena_printf(a, "%s:%s", uid ? uid : arena_printf(a, "%u", geteuid()), gid ? gid : arena_printf(a, "%u", getegid()));
}

static int keep_id(const char *mode, const struct spec_id_maps *base_uids, const struct spec_id_maps *base_gids, struct arena *a,
		   struct userns *ret, struct err *err)
{
	static const char *const known[] = { "uid", "gid", NULL };
	const char *uid = mode_option(mode, "uid", a), *gid = mode_option(mode, "gid", a);
	uint32_t u = geteuid(), g = getegid();
	int r = check_mode_options(mode, known, err);

	if (r < 0)
		return r;
	if ((uid && str_to_u32(uid, &u) < 0) || (gid && str_to_u32(gid, &g) < 0))
		return err_set(err, EINVAL, "--userns '%s': uid and gid must be numbers", mode);
	userns_keep_id(base_uids, u, a, &ret->uids);
	userns_keep_id(base_gids, g, a, &ret->gids);
	return 0;
}

static int sub_name(const char *flag, const char *file, const char *name, struct arena *a, struct spec_id_maps *ret, struct err *err)
{
	idmap_subids(file, name, UINT32_MAX, 0, a, ret);
	return ret->n ? 0 : err_set(err, ENOENT, "--%s '%s': no range of this name in %s", flag, name, file);
}

/* --subuidname, --subgidname: each alone is both. */
static int name_maps(const struct run_options *o, struct arena *a, struct userns *ret, struct err *err)
{
	const char *u = o->subuidname ? o->subuidname : o->subgidname, *g = o->subgidname ? o->subgidname : o->subuidname;
	int r = sub_name("subuidname", "/etc/subuid", u, a, &ret->uids, err);

	return r < 0 ? r : sub_name("subgidname", "/etc/subgid", g, a, &ret->gids, err);
}

/* --uidmap, --gidmap: each alone is both. */
static int flag_maps(const struct run_options *o, const struct spec_id_maps *base_uids, const struct spec_id_maps *base_gids,
		     struct arena *a, struct userns *ret, struct err *err)
{
	const struct option_list *u = o->uidmap.n ? &o->uidmap : &o->gidmap, *g = o->gidmap.n ? &o->gidmap : &o->uidmap;
	int r = userns_parse_maps("uidmap", u, base_uids, a, &ret->uids, err);

	return r < 0 ? r : userns_parse_maps("gidmap", g, base_gids, a, &ret->gids, err);
}

static int explicit_maps(const struct run_options *o, const struct spec_id_maps *base_uids, const struct spec_id_maps *base_gids,
			 struct arena *a, struct userns *ret, struct err *err)
{
	ret->own = ret->shifted = true;
	return o->uidmap.n || o->gidmap.n ? flag_maps(o, base_uids, base_gids, a, ret, err) : name_maps(o, a, ret, err);
}

static bool has_maps(const struct run_options *o)
{
	return o->uidmap.n || o->gidmap.n || o->subuidname || o->subgidname;
}

static int choose_rootless(const struct run_options *o, struct arena *a, struct userns *ret, struct err *err)
{
	const char *mode = o->userns;
	bool keep = has_mode(mode, "keep-id"), nomap = has_mode(mode, "nomap");
	struct spec_id_maps uids, gids;

	userns_default(a, ret);
	uids = ret->uids;
	gids = ret->gids;
	if (!has_maps(o) && !keep && !nomap)
		return 0;
	ret->uids = ret->gids = (struct spec_id_maps){ 0 };
	ret->shifted = true;
	/* the ids that --userns auto took are those of the host */
	if (has_maps(o))
		return has_mode(mode, "auto") ? explicit_maps(o, NULL, NULL, a, ret, err) : explicit_maps(o, &uids, &gids, a, ret, err);
	if (keep)
		return keep_id(mode, &uids, &gids, a, ret, err);
	if (uids.n < 2 || gids.n < 2)
		return err_set(err, ENOENT, "--userns nomap: no subordinate ids for you in /etc/subuid and /etc/subgid");
	/* what is after the own id is there */
	(void)!userns_add_through(&uids, 0, 1, userns_others(&uids), a, &ret->uids);
	(void)!userns_add_through(&gids, 0, 1, userns_others(&gids), a, &ret->gids);
	return 0;
}

static int choose_root(const struct run_options *o, struct arena *a, struct userns *ret, struct err *err)
{
	if (has_mode(o->userns, "keep-id") || has_mode(o->userns, "nomap"))
		return err_set(err, ENOTSUP, "--userns %s is for users without privileges; as root use auto or --uidmap", o->userns);
	if (has_maps(o))
		return explicit_maps(o, NULL, NULL, a, ret, err);
	if (o->userns && str_eq(o->userns, "private"))
		return err_set(err, EINVAL, "--userns private needs --uidmap, --gidmap or --subuidname; auto chooses ids by itself");
	return 0;
}

/* container:NAME */
static int join_container(struct cli *cli, const char *mode, struct arena *a, struct userns *ret, struct err *err)
{
	AUTO_RECORD struct record *other = NULL;
	struct container *c = NULL;
	int r = record_load(cli, mode + strlen("container:"), false, &other, err);

	if (r < 0)
		return err_wrap(err, "--userns %s", mode);
	(void)record_state(other, &c);
	if (!c || container_status(c) == CONTAINER_STOPPED)
		r = err_set(err, ESRCH, "--userns %s: the container is not running", mode);
	else
		ret->join = arena_printf(a, "/proc/%d/ns/user", (int)c->pid);
	container_free(c);
	return r;
}

int userns_choose(struct cli *cli, const struct run_options *o, struct arena *a, struct userns *ret, struct err *err)
{
	const char *mode = o->userns;
	bool other = mode && (has_mode(mode, "container") || has_mode(mode, "ns"));

	*ret = (struct userns){ .fd = -1 };
	if (!other)
		return userns_rootless(cli) ? choose_rootless(o, a, ret, err) : choose_root(o, a, ret, err);
	ret->own = ret->shifted = true;
	if (has_mode(mode, "container"))
		return join_container(cli, mode, a, ret, err);
	ret->join = mode + strlen("ns:");
	return 0;
}

void userns_default(struct arena *a, struct userns *ret)
{
	*ret = (struct userns){ .own = true, .fd = -1 };
	idmap_default(geteuid(), getegid(), a, &ret->uids, &ret->gids);
}

/* ---- root's ---- */

static int same_namespace(int fd, bool *ret, struct err *err)
{
	struct stat theirs, ours;

	if (fstat(fd, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0)
		return err_sys(err, -errno, "look at a user namespace");
	*ret = theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
	return 0;
}

int userns_open(struct userns *u, struct err *err)
{
	bool host = false;
	int r;

	if (!u->own)
		return 0;
	u->fd = u->join ? open(u->join, O_RDONLY | O_CLOEXEC) : idmap_userns(&u->uids, &u->gids, err);
	if (u->fd < 0)
		return u->join ? err_sys(err, -errno, "open the user namespace '%s'", u->join) : u->fd;
	r = same_namespace(u->fd, &host, err);
	if (r == 0 && host) {
		fd_close(&u->fd);
		u->own = u->shifted = false;
	}
	return r;
}

void userns_done(struct userns *u)
{
	fd_close(&u->fd);
}

/* ---- auto ---- */

/* What automatic namespaces take their ids from. Users without privileges have their own; root's stand under these names. */
static void auto_base(const struct cli *cli, const char *file, struct arena *a, struct spec_id_maps *ret)
{
	AUTO_FREE char *user = userns_rootless(cli) ? user_name_of(geteuid()) : xstrdup("brig");

	idmap_subids(file, user, userns_rootless(cli) ? geteuid() : UINT32_MAX, 0, a, ret);
	if (userns_rootless(cli))
		return;
	if (!ret->n)
		idmap_subids(file, "containers", UINT32_MAX, 0, a, ret);
	if (!ret->n)
		idmap_add(a, ret, (struct spec_id_map){ 0, AUTO_FIRST, AUTO_COUNT });
}

/* What containers have, by their frozen flags. */
static int used_ids(struct cli *cli, const char *prefix, struct arena *a, struct spec_id_maps *ret, struct err *err)
{
	struct record **list = NULL;
	size_t n = 0;
	int r = record_list(cli, &list, &n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		for (size_t k = 0; k < list[i]->flags.n; k++) {
			const char *word = list[i]->flags.v[k];
			struct option_list one = { .n = 1, .v = &word };

			if (!str_starts(word, prefix))
				continue;
			word += strlen(prefix);
			(void)!userns_parse_maps("uidmap", &one, NULL, a, ret, NULL); /* a bad one has no ids */
		}
	record_list_free(list, n);
	return r;
}

static int take_range(struct cli *cli, const char *mode, const char *flag, const char *file, uint32_t size, struct arena *a,
		      struct option_list *l, struct err *err)
{
	const char *prefix = arena_printf(a, "--%s=", flag);
	struct spec_id_maps base = { 0 }, used = { 0 };
	uint32_t host;
	int r = used_ids(cli, prefix, a, &used, err);

	if (r < 0)
		return r;
	auto_base(cli, file, a, &base);
	if (userns_find_free(&base, &used, size, &host) < 0)
		return err_set(err, ENOSPC, "--userns %s: no %u ids in a row are free in %s; a smaller one is auto:size=N", mode, size, file);
	l->v = arena_alloc(a, sizeof(*l->v));
	l->v[0] = arena_printf(a, "0:%u:%u", host, size);
	l->n = 1;
	return 0;
}

static int lock_ranges(struct cli *cli, struct err *err)
{
	AUTO_CLOSE int fd = -1;

	(void)mkdirat(cli->store.root_fd, "containers", 0700);
	fd = openat(cli->store.root_fd, "containers/.userns", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(err, -errno, "lock '%s/containers/.userns'", cli->store.root);
	return TAKE_FD(fd);
}

int userns_allocate(struct cli *cli, struct run_options *o, struct arena *a, int *ret_lock_fd, struct err *err)
{
	static const char *const known[] = { "size", NULL };
	const char *mode = o->userns, *text;
	AUTO_CLOSE int lock = -1;
	uint32_t size = AUTO_SIZE;
	int r;

	*ret_lock_fd = -1;
	if (!has_mode(mode, "auto"))
		return 0;
	if (has_maps(o))
		return err_set(err, EINVAL, "--userns auto chooses the ids: it does not go with --uidmap, --gidmap, --subuidname or --subgidname");
	r = check_mode_options(mode, known, err);
	if (r < 0)
		return r;
	text = mode_option(mode, "size", a);
	if (text && (str_to_u32(text, &size) < 0 || !size))
		return err_set(err, EINVAL, "--userns '%s': size must be a number of ids", mode);
	lock = lock_ranges(cli, err);
	if (lock < 0)
		return lock;
	r = take_range(cli, mode, "uidmap", "/etc/subuid", size, a, &o->uidmap, err);
	if (r == 0)
		r = take_range(cli, mode, "gidmap", "/etc/subgid", size, a, &o->gidmap, err);
	if (r == 0)
		*ret_lock_fd = TAKE_FD(lock);
	return r;
}
