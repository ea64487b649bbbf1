/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Write "+a" for each wanted controller; the kernel refuses a whole line when one of them fails, so they go one by one
 * once the line was refused. Returns the controllers that are not enabled after it. */
static uint32_t enable_level(int dir_fd, uint32_t want, int *ret_error)
{
	char have[512], line[512];
	uint32_t missing = 0;
	size_t len = 0;
	int r;

	r = cg_read(dir_fd, "cgroup.subtree_control", have, sizeof(have));
	if (r < 0) {
		*ret_error = r;
		return want;
	}
	for (char *name = have; *name;) {
		size_t n = strcspn(name, " ");

		want &= ~ctl_bit_of(name, n);
		name += n + (name[n] == ' ');
	}
	for (size_t i = 0; i < CTL_COUNT; i++)
		if (want & CTL_BIT(i) && ctl_names_v2[i])
			len += (size_t)snprintf(line + len, sizeof(line) - len, "%s+%s", len ? " " : "", ctl_names_v2[i]);
	r = len ? fd_write_file(dir_fd, "cgroup.subtree_control", line) : 0;
	if (r == 0)
		return 0;
	/* With processes in it: cpu and pids alone would be taken, and turn the cgroup into the root of threaded ones, whose other
	 * children can hold no process any more. */
	if (r == -EBUSY || r == -EOPNOTSUPP) {
		*ret_error = r;
		return want;
	}
	for (size_t i = 0; i < CTL_COUNT; i++) {
		if (!(want & CTL_BIT(i)) || !ctl_names_v2[i])
			continue;
		(void)snprintf(line, sizeof(line), "+%s", ctl_names_v2[i]);
		r = fd_write_file(dir_fd, "cgroup.subtree_control", line);
		if (r < 0) {
			missing |= CTL_BIT(i);
			*ret_error = r;
		}
	}
	return missing;
}

static int explain(struct err *err, int r, const char *mountpoint, const char *level, uint32_t missing)
{
	char names[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < CTL_COUNT; i++)
		if (missing & CTL_BIT(i) && ctl_names_v2[i])
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? " " : "", ctl_names_v2[i]);
	if (r == -EBUSY || r == -EOPNOTSUPP) /* the second: it is a threaded cgroup already */
		return err_set(err, EBUSY,
			       "enable controllers '%s' in cgroup '%s%s': processes live in that cgroup itself, and cgroup v2 lets "
			       "only a cgroup without processes limit its children; move them into a sub-cgroup, or give a "
			       "cgroupsPath elsewhere",
			       names, mountpoint, level);
	return err_sys(err, r, "enable controllers '%s' in cgroup '%s%s'", names, mountpoint, level);
}

static int enable_at(struct cg_hier *h, const char *level, uint32_t want, struct err *err)
{
	AUTO_CLOSE int fd = openat(h->mount_fd, *level ? level + 1 : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint32_t missing;
	int error = 0;

	if (fd < 0)
		return err_sys(err, -errno, "open cgroup '%s%s'", h->mountpoint, level);
	missing = enable_level(fd, want, &error);
	return missing ? explain(err, error, h->mountpoint, level, missing) : 0;
}

/* Enable the wanted controllers from the mount down to the parent of path: a directory has the files only of those that
 * its parent enabled. err says what failed; the caller decides whether anything needs it. */
int fs_v2_prepare(struct cg_hier *h, const char *path, uint32_t want, struct err *err)
{
	AUTO_FREE char *level = xstrdup(path);
	int r;

	want &= h->controllers;
	if (!want)
		return 0;
	r = enable_at(h, "", want, err);
	for (char *p = strchr(level + 1, '/'); r == 0 && p; p = strchr(p + 1, '/')) {
		*p = '\0';
		r = enable_at(h, level, want, err);
		*p = '/';
	}
	return r;
}

/* runtime-spec "Cgroup ownership": the directory, and those files in it that the kernel calls delegatable. */
int fs_v2_delegate(struct cg_hier *h, uint32_t uid, struct err *err)
{
	AUTO_FREE char *list = NULL;
	int dir_fd = cg_hier_dir(h);

	if (dir_fd < 0)
		return err_sys(err, dir_fd, "open cgroup '%s'", h->path);
	if (fchown(dir_fd, uid, (gid_t)-1) < 0)
		return err_sys(err, -errno, "give cgroup '%s' to uid %u", h->path, uid);
	if (fd_read_file(AT_FDCWD, "/sys/kernel/cgroup/delegate", 65536, &list, NULL) < 0)
		list = xstrdup("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
	for (char *name = list; *name;) {
		char *end = strchrnul(name, '\n');
		bool last = !*end;

		*end = '\0';
		if (*name && !strchr(name, '/') && fchownat(dir_fd, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno != ENOENT)
			return err_sys(err, -errno, "give '%s/%s' to uid %u", h->path, name, uid);
		name = last ? end : end + 1;
	}
	return 0;
}
