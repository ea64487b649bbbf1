/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"

#include "runtime/base/mem.h"
#include "runtime/base/path.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MAX_DEVICES 4096

static void append(struct arena *a, struct config_devices *l, const struct config_device *d)
{
	struct config_device *v = arena_alloc(a, (l->n + 1) * sizeof(*v));

	if (l->n)
		memcpy(v, l->v, l->n * sizeof(*v));
	v[l->n++] = *d;
	l->v = v;
}

static bool is_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
}

static void add_node(struct arena *a, struct config_devices *l, const char *place, const char *access, const struct stat *st)
{
	struct config_device d = {
		.path = arena_strdup(a, place),
		.type = S_ISBLK(st->st_mode) ? 'b' : 'c',
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.mode = st->st_mode & 0777,
		.uid = st->st_uid,
		.gid = st->st_gid,
	};

	snprintf(d.access, sizeof(d.access), "%s", access);
	append(a, l, &d);
}

/* Every device below a directory of the host. skip: what the container has of its own. */
static int add_directory(struct arena *a, struct config_devices *l, const char *host, const char *place, const char *access,
			 const char *const *skip, struct err *err)
{
	AUTO_DIR DIR *dir = opendir(host);
	struct dirent *e;

	if (!dir)
		return err_sys(err, -errno, "--device: read '%s'", host);
	while ((e = readdir(dir)) && l->n < MAX_DEVICES) {
		AUTO_FREE char *from = xasprintf("%s/%s", host, e->d_name), *to = xasprintf("%s/%s", place, e->d_name);
		bool skipped = e->d_name[0] == '.';
		struct stat st;

		for (const char *const *s = skip; s && *s; s++)
			skipped |= str_eq(from, *s);
		if (skipped || lstat(from, &st) < 0)
			continue;
		if (is_device(&st))
			add_node(a, l, to, access, &st);
		else if (S_ISDIR(st.st_mode) && add_directory(a, l, from, to, access, skip, err) < 0)
			return -err->code;
	}
	return 0;
}

static bool is_access(const char *s)
{
	return *s && strlen(s) <= 3 && strspn(s, "rwm") == strlen(s);
}

/* HOST[:PLACE][:rwm] */
static int add_device(struct arena *a, struct config_devices *l, const char *text, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(text), *clean = NULL;
	char *rest = copy, *host = strsep(&rest, ":"), *place = strsep(&rest, ":"), *access = strsep(&rest, ":");
	struct stat st;

	if (place && !access && is_access(place)) {
		access = place;
		place = NULL;
	}
	place = place && *place ? place : host;
	if (rest || (access && !is_access(access)) || host[0] != '/' || place[0] != '/')
		return err_set(err, EINVAL, "--device '%s': must be HOST[:PLACE[:rwm]] with absolute paths", text);
	clean = path_clean(place);
	if (stat(host, &st) < 0)
		return err_sys(err, -errno, "--device '%s'", host);
	if (S_ISDIR(st.st_mode))
		return add_directory(a, l, host, clean, access ? access : "rwm", NULL, err);
	if (!is_device(&st))
		return err_set(err, EINVAL, "--device '%s': not a device", host);
	add_node(a, l, clean, access ? access : "rwm", &st);
	return 0;
}

int config_devices(const struct run_options *o, struct arena *a, struct config_devices *ret, struct err *err)
{
	/* nodes that every container has; terminals, which belong to the host's people; and what is mounted there */
	static const char *const own[] = { "/dev/null", "/dev/zero",	"/dev/full", "/dev/random",  "/dev/urandom", "/dev/tty",  "/dev/ptmx",
					   "/dev/pts",	"/dev/console", "/dev/shm",  "/dev/mqueue", "/dev/.lxc",    "/dev/.lxd-mounts",
					   "/dev/init", NULL };
	int r = o->privileged ? add_directory(a, ret, "/dev", "/dev", "rwm", own, err) : 0;

	for (size_t i = 0; i < o->device.n && r == 0; i++)
		r = add_device(a, ret, o->device.v[i], err);
	return r;
}
