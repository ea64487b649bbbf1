/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/top_fields.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/cli/table.h"
#include "runtime/spec.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define MAX_ACCOUNTS (1u << 20) /* bytes of a passwd or group file */

/* Where names come from. */
struct names {
	char *passwd, *group;		/* the container's; owned, or NULL */
	char *host_passwd, *host_group; /* the host's */
};

/* One process, as /proc tells of it. */
struct proc {
	pid_t pid;
	char *status, *args, *uid_map, *gid_map; /* texts; args with spaces */
	char comm[32], state;
	long long ppid, pgrp, tty, utime, stime, nice, start, vsize, rss_pages;
	double uptime; /* of the host, seconds */
	const struct names *names;
};

struct top_field {
	const char *name, *aix, *heading;
	void (*put)(const struct proc *p, const struct top_field *f, struct buf *out);
	const char *key; /* a line of /proc/PID/status */
	unsigned column; /* of that line */
};

/* ---- /proc ---- */

static char *read_text(pid_t pid, const char *name, size_t *ret_n)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/%s", (int)pid, name);
	char *text = NULL;

	return fd_read_file(AT_FDCWD, path, 1 << 20, &text, ret_n) < 0 ? NULL : text;
}

static double host_uptime(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void proc_done(struct proc *p)
{
	free(p->status);
	free(p->args);
	free(p->uid_map);
	free(p->gid_map);
}

/* proc(5): the name stands in brackets and may hold anything, brackets too. */
static bool parse_stat(struct proc *p, char *stat)
{
	char *open = strchr(stat, '('), *end = strrchr(stat, ')');

	if (!open || !end || end < open)
		return false;
	*end = '\0';
	snprintf(p->comm, sizeof(p->comm), "%s", open + 1);
	return sscanf(end + 1, " %c %lld %lld %*d %lld %*d %*u %*u %*u %*u %*u %lld %lld %*d %*d %*d %lld %*d %*d %lld %lld %lld", &p->state,
		      &p->ppid, &p->pgrp, &p->tty, &p->utime, &p->stime, &p->nice, &p->start, &p->vsize, &p->rss_pages) == 10;
}

/* false: it has gone. */
static bool proc_read(struct proc *p, pid_t pid, const struct names *names)
{
	AUTO_FREE char *stat = read_text(pid, "stat", NULL);
	size_t n = 0;

	*p = (struct proc){ .pid = pid, .names = names, .uptime = host_uptime(), .status = read_text(pid, "status", NULL),
			    .args = read_text(pid, "cmdline", &n), .uid_map = read_text(pid, "uid_map", NULL),
			    .gid_map = read_text(pid, "gid_map", NULL) };
	for (size_t i = 0; p->args && i + 1 < n; i++)
		if (!p->args[i] || p->args[i] == '\n' || p->args[i] == '\t')
			p->args[i] = ' ';
	return stat && p->status && parse_stat(p, stat);
}

/* The words behind "KEY:" of /proc/PID/status; NULL: no such line. Ends at a line's end. */
static const char *status_line(const struct proc *p, const char *key)
{
	size_t n = strlen(key);

	for (const char *s = p->status; s && *s; s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL)
		if (strncmp(s, key, n) == 0 && s[n] == ':')
			return s + n + 1 + strspn(s + n + 1, " \t");
	return NULL;
}

/* A number of that line; the last one for UINT32_MAX. */
static long long status_number(const struct proc *p, const char *key, unsigned column)
{
	const char *s = status_line(p, key);
	long long v = 0;

	for (unsigned i = 0; s; i++) {
		char *end;
		long long next = strtoll(s, &end, 10);

		if (end == s)
			break;
		v = next;
		s = end + strspn(end, " \t");
		if (i == column || *s == '\n')
			break;
	}
	return v;
}

/* ---- ids and names ---- */

/* An id of ours as the process' user namespace has it. */
static long long inner_id(const char *map, long long id)
{
	long long inside, outside, n;
	int used = 0;

	for (const char *s = map; s && sscanf(s, "%lld %lld %lld%n", &inside, &outside, &n, &used) == 3; s += used)
		if (id >= outside && id < outside + n)
			return inside + (id - outside);
	return id;
}

/* "name:x:ID:...": the name, else the number. */
static void put_name(const char *accounts, long long id, struct buf *out)
{
	for (const char *s = accounts; s && *s; s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL) {
		long long have;
		int n = 0;

		if (sscanf(s, "%*[^:\n]%n:%*[^:\n]:%lld", &n, &have) == 1 && n && have == id) {
			buf_add_n(out, s, (size_t)n);
			return;
		}
	}
	buf_addf(out, "%lld", id);
}

static void put_user(const struct proc *p, const struct top_field *f, struct buf *out)
{
	put_name(p->names->passwd, inner_id(p->uid_map, status_number(p, "Uid", f->column)), out);
}

static void put_group(const struct proc *p, const struct top_field *f, struct buf *out)
{
	put_name(p->names->group, inner_id(p->gid_map, status_number(p, "Gid", f->column)), out);
}

static void put_host_user(const struct proc *p, const struct top_field *f, struct buf *out)
{
	put_name(p->names->host_passwd, status_number(p, "Uid", f->column), out);
}

static void put_host_group(const struct proc *p, const struct top_field *f, struct buf *out)
{
	put_name(p->names->host_group, status_number(p, "Gid", f->column), out);
}

static void put_group_list(const struct proc *p, const char *map, const char *accounts, struct buf *out)
{
	const char *s = status_line(p, "Groups");
	const char *between = "";

	while (s && *s && *s != '\n') {
		char *end;
		long long id = strtoll(s, &end, 10);

		if (end == s)
			break;
		buf_add(out, between);
		put_name(accounts, map ? inner_id(map, id) : id, out);
		between = ",";
		s = end + strspn(end, " \t");
	}
}

static void put_groups(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	put_group_list(p, p->gid_map, p->names->group, out);
}

static void put_host_groups(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	put_group_list(p, NULL, p->names->host_group, out);
}

/* ---- the others ---- */

static void put_args(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	if (p->args && *p->args)
		buf_add(out, p->args);
	else
		buf_addf(out, "[%s]", p->comm);
}

static void put_comm(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	buf_add(out, p->comm);
}

static void put_caps(const struct proc *p, const struct top_field *f, struct buf *out)
{
	const char *s = status_line(p, f->key), *between = "";
	uint64_t caps = s ? strtoull(s, NULL, 16) : 0, all = 0;

	for (const struct name_value *n = cap_names; n->name; n++)
		all |= 1ull << n->value;
	if (!caps || (caps & all) == all) {
		buf_add(out, caps ? "full" : "none");
		return;
	}
	for (const struct name_value *n = cap_names; n->name; n++) {
		if (!(caps & 1ull << n->value))
			continue;
		buf_addf(out, "%s%s", between, n->name + strlen("CAP_"));
		between = ",";
	}
}

static void put_seccomp(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	static const char *const modes[] = { "disabled", "strict", "filter" };
	long long mode = status_number(p, "Seccomp", 0);

	buf_add(out, mode >= 0 && mode < (long long)ARRAY_SIZE(modes) ? modes[mode] : "?");
}

static void put_status(const struct proc *p, const struct top_field *f, struct buf *out)
{
	buf_addf(out, "%lld", status_number(p, f->key, f->column));
}

static void put_host_pid(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	buf_addf(out, "%d", (int)p->pid);
}

/* The parent's id as the container has it; 0 for one that it does not see. */
static void put_parent(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	struct proc parent = { .status = read_text((pid_t)p->ppid, "status", NULL) };
	const char *own = status_line(p, "NSpid"), *theirs = status_line(&parent, "NSpid");
	size_t depth = 0, their_depth = 0;

	for (; own && *own && *own != '\n'; own++)
		depth += *own == '\t';
	for (; theirs && *theirs && *theirs != '\n'; theirs++)
		their_depth += *theirs == '\t';
	buf_addf(out, "%lld", their_depth < depth || !parent.status ? 0 : status_number(&parent, "NSpid", UINT32_MAX));
	free(parent.status);
}

static double since_start(const struct proc *p)
{
	double s = p->uptime - (double)p->start / (double)sysconf(_SC_CLK_TCK);

	return s > 0 ? s : 0;
}

static double cpu_time(const struct proc *p)
{
	return (double)(p->utime + p->stime) / (double)sysconf(_SC_CLK_TCK);
}

static void put_cpu(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	double lived = since_start(p);

	buf_addf(out, "%.3f", lived > 0 ? 100 * cpu_time(p) / lived : 0);
}

/* As Go writes durations: 1h2m3.456s */
static void put_duration(double seconds, struct buf *out)
{
	long long ms = (long long)(seconds * 1000), s = ms / 1000;

	if (s >= 3600)
		buf_addf(out, "%lldh", s / 3600);
	if (s >= 60)
		buf_addf(out, "%lldm", s / 60 % 60);
	buf_addf(out, "%lld", s % 60);
	if (ms % 1000)
		buf_addf(out, ".%03lld", ms % 1000);
	buf_add(out, "s");
}

static void put_elapsed(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	put_duration(since_start(p), out);
}

static void put_time(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	put_duration(cpu_time(p), out);
}

static void put_start(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	AUTO_FREE char *text = table_time((int64_t)time(NULL) - (int64_t)since_start(p));

	buf_add(out, text);
}

static void put_state(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	buf_addf(out, "%c", p->state);
}

static void put_tty(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	unsigned major = major((dev_t)p->tty), minor = minor((dev_t)p->tty);

	if (!p->tty)
		buf_add(out, "?");
	else if (major >= 136 && major <= 143)
		buf_addf(out, "pts/%u", (major - 136) * 256 + minor);
	else
		buf_addf(out, "%u:%u", major, minor);
}

static void put_nice(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	buf_addf(out, "%lld", p->nice);
}

static void put_vsize(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	buf_addf(out, "%lld", p->vsize / 1024);
}

static void put_rss(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	buf_addf(out, "%lld", p->rss_pages * sysconf(_SC_PAGESIZE) / 1024);
}

static void put_label(const struct proc *p, const struct top_field *f UNUSED, struct buf *out)
{
	AUTO_FREE char *label = read_text(p->pid, "attr/current", NULL);

	if (label)
		label[strcspn(label, "\n")] = '\0';
	buf_add(out, label && *label ? label : "?");
}

static const struct top_field fields[] = {
	{ "args", "%a", "COMMAND", put_args, NULL, 0 },
	{ "capamb", NULL, "AMBIENT CAPS", put_caps, "CapAmb", 0 },
	{ "capbnd", NULL, "BOUNDING CAPS", put_caps, "CapBnd", 0 },
	{ "capeff", NULL, "EFFECTIVE CAPS", put_caps, "CapEff", 0 },
	{ "capinh", NULL, "INHERITED CAPS", put_caps, "CapInh", 0 },
	{ "capprm", NULL, "PERMITTED CAPS", put_caps, "CapPrm", 0 },
	{ "comm", "%c", "COMMAND", put_comm, NULL, 0 },
	{ "etime", "%t", "ELAPSED", put_elapsed, NULL, 0 },
	{ "group", "%G", "GROUP", put_group, NULL, 1 },
	{ "groups", NULL, "GROUPS", put_groups, NULL, 0 },
	{ "hgroup", NULL, "HGROUP", put_host_group, NULL, 1 },
	{ "hgroups", NULL, "HGROUPS", put_host_groups, NULL, 0 },
	{ "hpid", NULL, "HPID", put_host_pid, NULL, 0 },
	{ "huser", NULL, "HUSER", put_host_user, NULL, 1 },
	{ "label", NULL, "LABEL", put_label, NULL, 0 },
	{ "nice", "%n", "NI", put_nice, NULL, 0 },
	{ "pcpu", "%C", "%CPU", put_cpu, NULL, 0 },
	{ "pgid", "%r", "PGID", put_status, "NSpgid", UINT32_MAX },
	{ "pid", "%p", "PID", put_status, "NSpid", UINT32_MAX },
	{ "ppid", "%P", "PPID", put_parent, NULL, 0 },
	{ "rgroup", "%g", "RGROUP", put_group, NULL, 0 },
	{ "rss", NULL, "RSS", put_rss, NULL, 0 },
	{ "ruser", "%u", "RUSER", put_user, NULL, 0 },
	{ "seccomp", NULL, "SECCOMP", put_seccomp, NULL, 0 },
	{ "state", NULL, "STATE", put_state, NULL, 0 },
	{ "stime", NULL, "STIME", put_start, NULL, 0 },
	{ "time", "%x", "TIME", put_time, NULL, 0 },
	{ "tty", "%y", "TTY", put_tty, NULL, 0 },
	{ "user", "%U", "USER", put_user, NULL, 1 },
	{ "vsz", "%z", "VSZ", put_vsize, NULL, 0 },
};

/* ---- all ---- */

static const struct top_field *find(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (str_eq(fields[i].name, word) || (fields[i].aix && str_eq(fields[i].aix, word)))
			return &fields[i];
	return NULL;
}

const struct top_field **top_fields_find(char *const *words)
{
	const struct top_field **found = NULL;
	size_t n = 0;

	for (; *words; words++) {
		AUTO_FREE char *copy = xstrdup(*words);
		char *rest = copy, *one;

		while ((one = strsep(&rest, ","))) {
			const struct top_field *f = find(one);

			if (!f) {
				free(found);
				return NULL;
			}
			found = xreallocarray(found, n + 2, sizeof(*found));
			found[n++] = f;
			found[n] = NULL;
		}
	}
	return found;
}

/* A file of the container, by way of its root; NULL: none that can be read. */
static char *read_inside(int root_fd, const char *path)
{
	AUTO_CLOSE int fd = path_open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK, 0);
	char link[FD_PROC_PATH_LEN], *text = NULL;

	return fd < 0 || fd_read_file(AT_FDCWD, fd_proc_path(fd, link), MAX_ACCOUNTS, &text, NULL) < 0 ? NULL : text;
}

static char *read_host(const char *path)
{
	char *text = NULL;

	return fd_read_file(AT_FDCWD, path, MAX_ACCOUNTS, &text, NULL) < 0 ? NULL : text;
}

static void names_done(struct names *n)
{
	free(n->passwd);
	free(n->group);
	free(n->host_passwd);
	free(n->host_group);
}

static void put_row(const struct proc *p, const struct top_field *const *columns, struct buf *out)
{
	for (const struct top_field *const *f = columns; *f; f++) {
		if (f != columns)
			buf_add(out, "\t");
		(*f)->put(p, *f, out);
	}
	buf_add(out, "\n");
}

int top_fields_print(struct container *c, const struct top_field *const *columns, struct buf *out, struct err *err)
{
	AUTO_CLOSE int root_fd = container_open_root(c, err);
	CLEANUP(names_done) struct names names = { 0 };
	AUTO_BUF struct buf text = { 0 };
	AUTO_FREE pid_t *pids = NULL;
	size_t n = 0;
	int r = root_fd < 0 ? root_fd : container_pids(c, &pids, &n, err);

	if (r < 0)
		return r;
	names = (struct names){ .passwd = read_inside(root_fd, "etc/passwd"), .group = read_inside(root_fd, "etc/group"),
				.host_passwd = read_host("/etc/passwd"), .host_group = read_host("/etc/group") };
	for (const struct top_field *const *f = columns; *f; f++)
		buf_addf(&text, "%s%s", f == columns ? "" : "\t", (*f)->heading);
	buf_add(&text, "\n");
	for (size_t i = 0; i < n; i++) {
		struct proc p;

		if (proc_read(&p, pids[i], &names))
			put_row(&p, columns, &text);
		proc_done(&p);
	}
	table_align(text.p, out);
	return 0;
}
