/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define MAX_COMMAND 4096

/* A "Key:   123 kB" line in bytes, or a plain number; 0 when it is not there. */
static uint64_t field(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static void guest_memory(struct json_writer *w)
{
	static const char *const keys[][2] = {
		{ "memTotal", "MemTotal:" },	 { "memFree", "MemFree:" }, { "memAvailable", "MemAvailable:" },
		{ "cached", "\nCached:" },	 { "slab", "Slab:" },	    { "kernelStack", "KernelStack:" },
		{ "pageTables", "PageTables:" }, { "shmem", "Shmem:" },
	};
	AUTO_FREE char *text = NULL;

	if (fd_read_file(AT_FDCWD, "/proc/meminfo", 1 << 16, &text, NULL) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_kv_u64(w, keys[i][0], field(text, keys[i][1]) << 10);
}

int report_stats(struct guest_container *g, struct buf *out, struct err *err)
{
	struct json_writer w = { .out = out };
	struct timespec up;
	int r;

	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	json_begin_object(&w);
	json_key(&w, "cgroup");
	r = cgroup_stats_json(g->c->cgroup, &w, err);
	if (r < 0)
		return r;
	json_key(&w, "guest");
	json_begin_object(&w);
	guest_memory(&w);
	json_kv_i64(&w, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	json_kv_i64(&w, "uptimeSeconds", up.tv_sec);
	json_end_object(&w);
	json_end_object(&w);
	return 0;
}

static int read_proc(pid_t pid, const char *file, char **ret, size_t *ret_n)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return fd_read_file(AT_FDCWD, path, 1 << 16, ret, ret_n);
}

/* The last of "NSpid:\t12\t1"; *ret_depth says how many there are. */
static uint32_t innermost_pid(const char *status, unsigned *ret_depth)
{
	const char *p = strstr(status, "NSpid:");
	uint32_t pid = 0;

	*ret_depth = 0;

	for (p = p ? p + 6 : ""; *p && *p != '\n'; p += strspn(p, "0123456789")) {
		p += strspn(p, "\t ");
		if (*p < '0' || *p > '9')
			break;
		pid = (uint32_t)strtoul(p, NULL, 10);
		++*ret_depth;
	}
	return pid;
}

uint32_t report_container_pid(pid_t pid)
{
	AUTO_FREE char *status = NULL;
	unsigned depth;

	return read_proc(pid, "status", &status, NULL) < 0 ? 0 : innermost_pid(status, &depth);
}

/* The parent's number in the same pid namespace; 0 when it lives outside. */
static uint32_t parent_pid(pid_t ppid, unsigned depth)
{
	AUTO_FREE char *status = NULL;
	unsigned parents = 0;
	uint32_t pid = read_proc(ppid, "status", &status, NULL) < 0 ? 0 : innermost_pid(status, &parents);

	return parents == depth ? pid : 0;
}

/* The command line with spaces for its NULs, or [name] of a process without one. */
static char *command_of(pid_t pid, const char *stat)
{
	AUTO_FREE char *text = NULL;
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
	size_t n = 0;

	if (read_proc(pid, "cmdline", &text, &n) == 0 && n) {
		n = n < MAX_COMMAND ? n : MAX_COMMAND;
		for (size_t i = 0; i + 1 < n; i++)
			text[i] = text[i] ? text[i] : ' ';
		text[n - 1] = '\0';
		return xstrdup(text);
	}
	if (!open || !close || close < open)
		return xstrdup("?");
	return xasprintf("[%.*s]", (int)(close - open - 1), open + 1);
}

static void tty_name(int dev, char *out, size_t n)
{
	unsigned maj = major((dev_t)(unsigned)dev), min = minor((dev_t)(unsigned)dev);

	if (maj >= 136 && maj <= 143)
		snprintf(out, n, "pts/%u", min + ((maj - 136) << 8));
	else
		snprintf(out, n, "?");
}

static void report_process(struct json_writer *w, pid_t pid)
{
	AUTO_FREE char *stat = NULL, *status = NULL, *command = NULL;
	unsigned long long utime = 0, stime = 0, start = 0;
	long hz = sysconf(_SC_CLK_TCK);
	struct timespec now, up;
	char tty[32], state = '?';
	const char *rest;
	int tty_dev = 0, ppid = 0;
	unsigned depth;

	if (read_proc(pid, "stat", &stat, NULL) < 0 || read_proc(pid, "status", &status, NULL) < 0)
		return; /* it ended meanwhile */
	rest = strrchr(stat, ')');
	if (!rest || sscanf(rest + 1, " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu", &state, &ppid,
			    &tty_dev, &utime, &stime, &start) != 6)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	tty_name(tty_dev, tty, sizeof(tty));
	command = command_of(pid, stat);
	json_begin_object(w);
	json_kv_u64(w, "pid", innermost_pid(status, &depth));
	json_kv_i64(w, "guestPid", pid);
	json_kv_u64(w, "ppid", parent_pid(ppid, depth));
	json_kv_u64(w, "uid", field(status, "Uid:\t"));
	json_kv_i64(w, "startTime", now.tv_sec - up.tv_sec + (long)(start / (unsigned long long)hz));
	json_kv_u64(w, "cpuSeconds", (utime + stime) / (unsigned long long)hz);
	json_kv_string(w, "tty", tty);
	json_kv_string(w, "state", (char[]){ state, '\0' });
	json_kv_string(w, "command", command);
	json_end_object(w);
}

int report_ps(struct guest_container *g, struct buf *out, struct err *err)
{
	struct json_writer w = { .out = out };
	AUTO_FREE pid_t *pids = NULL;
	size_t n = 0;
	int r = cgroup_pids(g->c->cgroup, &pids, &n, err);

	if (r < 0)
		return r;
	json_begin_array(&w);
	for (size_t i = 0; i < n && out->len < PROTO_MAX_MESSAGE / 2; i++)
		report_process(&w, pids[i]);
	json_end_array(&w);
	return 0;
}
