/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "cgroups/libcg.h"
#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

/*
 * DOC: finding the hierarchies
 *
 * /proc/self/cgroup names every hierarchy in a few hundred bytes; where they are mounted is convention nearly everywhere
 * (/sys/fs/cgroup/NAME, checked by the file system's magic). Only where the convention does not hold are the mounts
 * searched, whose list grows with every container on the machine.
 */
#define CGROUP_ROOT "/sys/fs/cgroup"
#define PROC_MAX    (16u << 20)

const char *const ctl_names_v1[CTL_COUNT] = {
	[CTL_CPU] = "cpu",	   [CTL_CPUACCT] = "cpuacct", [CTL_CPUSET] = "cpuset",	 [CTL_MEMORY] = "memory",
	[CTL_DEVICES] = "devices", [CTL_FREEZER] = "freezer", [CTL_IO] = "blkio",	 [CTL_PIDS] = "pids",
	[CTL_HUGETLB] = "hugetlb", [CTL_NET_CLS] = "net_cls", [CTL_NET_PRIO] = "net_prio", [CTL_RDMA] = "rdma",
	[CTL_MISC] = "misc",	   [CTL_PERF_EVENT] = "perf_event",
};

const char *const ctl_names_v2[CTL_COUNT] = {
	[CTL_CPU] = "cpu",   [CTL_CPUSET] = "cpuset",	[CTL_MEMORY] = "memory", [CTL_IO] = "io",
	[CTL_PIDS] = "pids", [CTL_HUGETLB] = "hugetlb", [CTL_RDMA] = "rdma",	 [CTL_MISC] = "misc",
};

uint32_t ctl_bit_of(const char *name, size_t n)
{
	for (size_t i = 0; i < CTL_COUNT; i++) {
		if (strlen(ctl_names_v1[i]) == n && memcmp(ctl_names_v1[i], name, n) == 0)
			return CTL_BIT(i);
		if (ctl_names_v2[i] && strlen(ctl_names_v2[i]) == n && memcmp(ctl_names_v2[i], name, n) == 0)
			return CTL_BIT(i);
	}
	return 0;
}

static uint32_t bits_of_list(const char *s, char sep)
{
	uint32_t bits = 0;

	while (*s) {
		const char *end = strchrnul(s, sep);

		bits |= ctl_bit_of(s, (size_t)(end - s));
		s = *end ? end + 1 : end;
	}
	return bits;
}

void cg_hier_done(struct cg_hier *h)
{
	cleanup_free(&h->name);
	cleanup_free(&h->mountpoint);
	cleanup_free(&h->path);
	fd_close(&h->mount_fd);
	fd_close(&h->dir_fd);
	fd_close(&h->enter_fd);
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static char *unescape(const char *s, size_t n)
{
	char *out = xmalloc(n + 1), *o = out;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\' && i + 3 < n && s[i + 1] >= '0' && s[i + 1] <= '3') {
			*o++ = (char)((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + (s[i + 3] - '0'));
			i += 3;
		} else {
			*o++ = s[i];
		}
	}
	*o = '\0';
	return out;
}

/* True when the comma-separated options hold every part of name ("cpu,cpuacct"). */
static bool options_have(const char *options, size_t n, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ",");
		bool found = false;

		for (size_t i = 0; i + len <= n && !found; i++)
			found = (i == 0 || options[i - 1] == ',') && memcmp(options + i, name, len) == 0 &&
				(i + len == n || options[i + len] == ',');
		if (!found)
			return false;
		name += len;
		if (*name)
			name++;
	}
	return true;
}

/* One line: ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAGS...] - TYPE SOURCE SUPEROPTIONS */
static char *mount_line_match(const char *line, size_t n, const char *name)
{
	const char *end = line + n, *p = line, *point;
	size_t point_len, len;

	for (int i = 0; i < 4; i++) {
		p = memchr(p, ' ', (size_t)(end - p));
		if (!p)
			return NULL;
		p++;
	}
	point = p;
	p = memchr(p, ' ', (size_t)(end - p));
	if (!p)
		return NULL;
	point_len = (size_t)(p - point);
	p = memmem(p, (size_t)(end - p), " - ", 3);
	if (!p)
		return NULL;
	p += 3;
	len = (size_t)(end - p);
	if (!*name)
		return len > 8 && memcmp(p, "cgroup2 ", 8) == 0 ? unescape(point, point_len) : NULL;
	if (len <= 7 || memcmp(p, "cgroup ", 7) != 0)
		return NULL;
	p = memchr(p + 7, ' ', len - 7);
	if (!p || !options_have(p + 1, (size_t)(end - p - 1), name))
		return NULL;
	return unescape(point, point_len);
}

char *layout_mount_of(const char *mountinfo, const char *name)
{
	while (*mountinfo) {
		const char *end = strchrnul(mountinfo, '\n');
		char *point = mount_line_match(mountinfo, (size_t)(end - mountinfo), name);

		if (point)
			return point;
		mountinfo = *end ? end + 1 : end;
	}
	return NULL;
}

/* An O_PATH fd of a mounted hierarchy, or -1 when something else is there. */
static int open_mount(const char *mountpoint, bool v2)
{
	struct statfs fs;
	int fd = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != (v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		fd_close(&fd);
	return fd;
}

/* Which controllers a cgroup2 mount offers; 0 when it cannot be read. */
static uint32_t v2_controllers(int mount_fd)
{
	char text[512];

	if (cg_read(mount_fd, "cgroup.controllers", text, sizeof(text)) < 0)
		return 0;
	return bits_of_list(text, ' ');
}

static bool add_hier(struct cgroup *cg, const char *name, const char *mountpoint)
{
	bool v2 = !*name;
	int fd = open_mount(mountpoint, v2);
	struct cg_hier *h;

	if (fd < 0 || cg->n == CG_MAX_HIER) {
		fd_close(&fd);
		return false;
	}
	h = &cg->hier[cg->n++];
	*h = (struct cg_hier){ .name = xstrdup(name), .mountpoint = xstrdup(mountpoint), .v2 = v2, .mount_fd = fd };
	h->dir_fd = h->enter_fd = -1;
	if (v2)
		h->controllers = v2_controllers(fd);
	else if (!str_starts(name, "name="))
		h->controllers = bits_of_list(name, ',');
	return true;
}

static bool has_v1_controller(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (!cg->hier[i].v2 && cg->hier[i].controllers)
			return true;
	return false;
}

/* The conventional place first; then where libcgroup finds the controllers; for cgroup2 and named hierarchies, which it
 * does not know, mountinfo, read once for all that need it. */
static void add_by_name(struct cgroup *cg, const char *name, char **mountinfo)
{
	char guess[256];
	AUTO_FREE char *point = NULL;

	if (!*name)
		(void)snprintf(guess, sizeof(guess), CGROUP_ROOT "/unified");
	else
		(void)snprintf(guess, sizeof(guess), CGROUP_ROOT "/%s", str_starts(name, "name=") ? name + 5 : name);
	if (add_hier(cg, name, guess))
		return;
	if (*name && !str_starts(name, "name=") && libcg_mount_point(name, &point) == 0 && add_hier(cg, name, point))
		return;
	cleanup_free(&point);
	/* Beside v1 controllers a cgroup2 mount is an extra: not worth the mount table, which grows with every container. */
	if (!*name && has_v1_controller(cg))
		return;
	if (!*mountinfo && fd_read_file(AT_FDCWD, "/proc/self/mountinfo", PROC_MAX, mountinfo, NULL) < 0)
		return;
	point = layout_mount_of(*mountinfo, name);
	if (point)
		(void)add_hier(cg, name, point);
}

static void decide_layout(struct cgroup *cg)
{
	bool v1 = false, v2 = false;

	for (size_t i = 0; i < cg->n; i++) {
		v2 = v2 || cg->hier[i].v2;
		v1 = v1 || (!cg->hier[i].v2 && cg->hier[i].controllers);
	}
	if (v1)
		cg->layout = v2 ? CGROUP_LAYOUT_HYBRID : CGROUP_LAYOUT_V1;
	else
		cg->layout = v2 ? CGROUP_LAYOUT_V2 : CGROUP_LAYOUT_NONE;
}

int layout_find(struct cgroup *cg, struct err *err)
{
	AUTO_FREE char *text = NULL, *mountinfo = NULL;
	int r;

	if (add_hier(cg, "", CGROUP_ROOT)) {
		cg->layout = CGROUP_LAYOUT_V2;
		return 0;
	}
	r = fd_read_file(AT_FDCWD, "/proc/self/cgroup", PROC_MAX, &text, NULL);
	if (r == -ENOENT) { /* a kernel without cgroups */
		cg->layout = CGROUP_LAYOUT_NONE;
		return 0;
	}
	if (r < 0)
		return err_sys(err, r, "read '/proc/self/cgroup'");
	for (char *line = text, *next; line && *line; line = next) { /* ID:NAME:PATH */
		char *name = strchr(line, ':'), *end;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		end = name ? strchr(name + 1, ':') : NULL;
		if (!end)
			continue;
		*end = '\0';
		add_by_name(cg, name + 1, &mountinfo);
	}
	decide_layout(cg);
	return 0;
}

enum cgroup_layout cgroup_detect(void)
{
	struct cgroup cg = { 0 };

	if (layout_find(&cg, NULL) < 0)
		cg.layout = CGROUP_LAYOUT_NONE;
	for (size_t i = 0; i < cg.n; i++)
		cg_hier_done(&cg.hier[i]);
	return cg.layout;
}

int layout_path_of(pid_t pid, const char *hier_name, char **ret)
{
	AUTO_FREE char *text = NULL;
	char file[32];
	int r;

	(void)snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	r = fd_read_file(AT_FDCWD, pid ? file : "/proc/self/cgroup", PROC_MAX, &text, NULL);
	if (r < 0)
		return r;
	for (char *line = text; *line;) {
		char *end = strchrnul(line, '\n'), *name = memchr(line, ':', (size_t)(end - line));
		size_t len = strlen(hier_name);

		if (name && strncmp(name + 1, hier_name, len) == 0 && name[1 + len] == ':') {
			*ret = xstrndup(name + 2 + len, (size_t)(end - (name + 2 + len)));
			return 0;
		}
		line = *end ? end + 1 : end;
	}
	return -ENOENT;
}

char *layout_own_v2_path(void)
{
	char *path = NULL;

	return layout_path_of(0, "", &path) == 0 ? path : NULL;
}
