/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/image_user.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define MAX_FILE_BYTES (16u << 20)
#define MAX_GROUPS     65536

static int read_in_root(int root_fd, const char *path, char **ret, struct err *err)
{
	AUTO_CLOSE int fd = path_open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	AUTO_FREE char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd == -ENOENT || fd == -ENOTDIR) {
		*ret = xstrdup("");
		return 0;
	}
	if (fd < 0)
		return err_sys(err, fd, "open the image's '%s'", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)MAX_FILE_BYTES)
		return err_set(err, EINVAL, "the image's '%s' is not a regular file of at most %u bytes", path, MAX_FILE_BYTES);
	text = xmalloc((size_t)st.st_size + 1);
	n = fd_read_all(fd, text, (size_t)st.st_size);
	if (n < 0)
		return err_sys(err, (int)n, "read the image's '%s'", path);
	text[n] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

/* Cut the next line into at most n fields at ':'; the last takes the rest. Returns how many, -1 at the end. */
static int next_line(char **rest, char *field[], int n)
{
	char *line = strsep(rest, "\n");
	int i = 0;

	if (!line)
		return -1;
	while (i < n - 1 && line)
		field[i++] = strsep(&line, ":");
	if (line)
		field[i++] = line;
	return i;
}

enum { PW_NAME, PW_PASSWORD, PW_UID, PW_GID, PW_GECOS, PW_HOME, PW_SHELL, PW_FIELDS };
enum { GR_NAME, GR_PASSWORD, GR_GID, GR_MEMBERS, GR_FIELDS };

/* Fill u from the line of user; false: there is none. */
static bool find_user(char *passwd, const char *user, struct image_user *u)
{
	char *f[PW_FIELDS], *rest = passwd;
	uint32_t wanted, uid, gid;
	bool number = str_to_u32(user, &wanted) == 0;
	int n;

	while ((n = next_line(&rest, f, PW_FIELDS)) >= 0) {
		if (n <= PW_GID || str_to_u32(f[PW_UID], &uid) < 0 || str_to_u32(f[PW_GID], &gid) < 0)
			continue;
		/* a name that is all digits is a name first, as in passwd(5)'s readers */
		if (!str_eq(f[PW_NAME], user) && !(number && uid == wanted))
			continue;
		u->uid = uid;
		u->gid = gid;
		u->name = xstrdup(f[PW_NAME]);
		u->home = xstrdup(n > PW_HOME ? f[PW_HOME] : "");
		return true;
	}
	return false;
}

static bool find_group(const char *text, const char *group, uint32_t *ret)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *f[GR_FIELDS], *rest = copy;
	uint32_t gid;
	int n;

	while ((n = next_line(&rest, f, GR_FIELDS)) >= 0) {
		if (n > GR_GID && str_eq(f[GR_NAME], group) && str_to_u32(f[GR_GID], &gid) == 0) {
			*ret = gid;
			return true;
		}
	}
	return false;
}

static void add_group(struct image_user *u, uint32_t gid)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i] == gid)
			return;
	}
	if (u->n_groups == MAX_GROUPS)
		return;
	u->groups = xreallocarray(u->groups, u->n_groups + 1, sizeof(*u->groups));
	u->groups[u->n_groups++] = gid;
}

static bool is_member(char *members, const char *name)
{
	for (char *m = strsep(&members, ","); m; m = strsep(&members, ",")) {
		if (str_eq(m, name))
			return true;
	}
	return false;
}

static void add_memberships(struct image_user *u, const char *text)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *f[GR_FIELDS], *rest = copy;
	uint32_t gid;
	int n;

	while ((n = next_line(&rest, f, GR_FIELDS)) >= 0) {
		if (n == GR_FIELDS && str_to_u32(f[GR_GID], &gid) == 0 && is_member(f[GR_MEMBERS], u->name))
			add_group(u, gid);
	}
}

static int group_id(const char *group_text, const char *group, uint32_t *ret, struct err *err)
{
	if (find_group(group_text, group, ret))
		return 0;
	if (str_to_u32(group, ret) == 0 && *ret != UINT32_MAX)
		return 0;
	return err_set(err, ENOENT, "unable to find group %s: no matching entries in the image's group file", group);
}

static int resolve(const char *passwd, const char *group, const char *text, struct image_user *u, struct err *err)
{
	AUTO_FREE char *user = xstrdup(text), *copy = xstrdup(passwd);
	char *colon = strchr(user, ':');
	const char *group_name = NULL;
	bool found;

	if (colon) {
		*colon = '\0';
		group_name = colon[1] ? colon + 1 : NULL;
	}
	found = find_user(copy, *user ? user : "0", u);
	if (!found && *user && (str_to_u32(user, &u->uid) < 0 || u->uid == UINT32_MAX))
		return err_set(err, ENOENT, "unable to find user %s: no matching entries in the image's passwd file", user);
	if (group_name)
		return group_id(group, group_name, &u->gid, err);
	if (found)
		add_memberships(u, group);
	return 0;
}

int image_user_resolve(int root_fd, const char *text, const char *const *group_add, size_t n, struct image_user *ret, struct err *err)
{
	AUTO_IMAGE_USER struct image_user u = { 0 };
	AUTO_FREE char *passwd = NULL, *group = NULL;
	int r = read_in_root(root_fd, "/etc/passwd", &passwd, err);

	if (r == 0)
		r = read_in_root(root_fd, "/etc/group", &group, err);
	if (r == 0)
		r = resolve(passwd, group, text ? text : "", &u, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		uint32_t gid;

		r = group_id(group, group_add[i], &gid, err);
		if (r == 0)
			add_group(&u, gid);
	}
	if (r < 0)
		return r;
	u.home = u.home ? u.home : xstrdup("");
	u.name = u.name ? u.name : xstrdup("");
	*ret = u;
	u = (struct image_user){ 0 };
	return 0;
}

void image_user_done(struct image_user *u)
{
	free(u->groups);
	free(u->home);
	free(u->name);
	*u = (struct image_user){ 0 };
}
