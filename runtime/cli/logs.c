/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/record.h"
#include "runtime/cli/run_options.h"
#include "runtime/cli/table.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct logs_options {
	bool follow, latest, timestamps, names, details, color;
	const char *tail, *since, *until;
};
#define T struct logs_options
static const struct option_row rows[] = {
	OPT_FLAG(T, color, "color", 0, NULL),
	OPT_FLAG(T, details, "details", 0, NULL), /* of log drivers that add some: none of ours does */
	OPT_FLAG(T, follow, "follow", 'f', "go on until the container ends"),
	OPT_FLAG(T, latest, "latest", 'l', "of the newest container"),
	OPT_FLAG(T, names, "names", 'n', "the container's name in front of every line; before a number: --tail"),
	OPT_STRING(T, since, "since", 0, "TIME", "from a time on, or a duration back from now, such as 10m"),
	OPT_STRING(T, tail, "tail", 0, "N", "only the last N lines, or all (all)"),
	OPT_FLAG(T, timestamps, "timestamps", 't', "the time in front of every line"),
	OPT_STRING(T, until, "until", 0, "TIME", "up to a time"),
	OPT_END,
};
#undef T

struct reader {
	const struct logs_options *o;
	const struct record *r;
	int64_t since, until; /* seconds; 0: not given */
	bool partial[2];      /* the last line of stdout or stderr was not at its end */
};

/* "TIME stdout F text" */
static void print_line(struct reader *rd, const char *line, size_t n)
{
	const char *stream = memchr(line, ' ', n), *flag, *text;
	int64_t at = 0;
	FILE *out;
	bool is_err, whole;

	flag = stream ? memchr(stream + 1, ' ', n - (size_t)(stream + 1 - line)) : NULL;
	if (!flag || (size_t)(flag + 3 - line) > n)
		return; /* not a line of ours */
	if (rd->since || rd->until) {
		AUTO_FREE char *time = xstrndup(line, (size_t)(stream - line));

		if (table_parse_time(time, &at) == 0 && ((rd->since && at < rd->since) || (rd->until && at > rd->until)))
			return;
	}
	is_err = str_starts(stream + 1, "stderr");
	whole = flag[1] == 'F';
	text = flag + 3;
	out = is_err ? stderr : stdout;
	if (!rd->partial[is_err]) {
		if (rd->o->names)
			fprintf(out, "%s ", rd->r->name);
		if (rd->o->timestamps)
			fprintf(out, "%.*s ", (int)(stream - line), line);
	}
	(void)fwrite(text, 1, n - (size_t)(text - line), out);
	if (whole)
		(void)fputc('\n', out);
	rd->partial[is_err] = !whole;
}

/* Print the whole lines in text; returns how many bytes those are. */
static size_t print_lines(struct reader *rd, const char *text, size_t n)
{
	size_t done = 0;
	const char *nl;

	while ((nl = memchr(text + done, '\n', n - done))) {
		print_line(rd, text + done, (size_t)(nl - text) - done);
		done = (size_t)(nl - text) + 1;
	}
	return done;
}

/* Where the last `lines` whole lines begin: reading backwards, in blocks. */
static int find_tail(int fd, uint64_t lines, off_t *ret)
{
	AUTO_FREE char *block = xmalloc(65536);
	struct stat st;
	off_t end;
	bool first = true;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_size;
	if (!lines)
		return 0;
	for (end = st.st_size; end > 0;) {
		size_t size = end > 65536 ? 65536 : (size_t)end;
		ssize_t n = pread(fd, block, size, end - (off_t)size);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t i = n; i-- > 0;) {
			/* "\n" ends a line; one that is cut off ("P") belongs to the next: good enough for a tail */
			if (block[i] != '\n')
				continue;
			if (first) {
				first = false;
				continue;
			}
			if (--lines == 0) {
				*ret = end - (off_t)size + i + 1;
				return 0;
			}
		}
		end -= (off_t)size;
	}
	*ret = 0;
	return 0;
}

static int copy_from(struct reader *rd, int fd, off_t *at, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	char block[65536];
	ssize_t n;

	while ((n = pread(fd, block, sizeof(block), *at + (off_t)b.len)) > 0) {
		size_t done;

		buf_add_n(&b, block, (size_t)n);
		done = print_lines(rd, b.p, b.len);
		*at += (off_t)done;
		memmove(b.p, b.p + done, b.len - done);
		b.len -= done;
	}
	(void)fflush(stdout);
	return n < 0 ? err_sys(err, -errno, "read the log of container %s", rd->r->name) : 0;
}

/* Whether it may still write: not forever after the end, because a new start appends to the same log. */
static bool goes_on(struct record *r)
{
	enum record_state s = record_state(r, NULL);

	return s == RECORD_RUNNING || s == RECORD_PAUSED || s == RECORD_STARTING;
}

static int follow(struct reader *rd, struct record *r, const char *path, int fd, off_t *at, struct err *err)
{
	AUTO_CLOSE int notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int x = 0;

	if (notify_fd >= 0)
		(void)inotify_add_watch(notify_fd, path, IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF);
	for (;;) {
		struct pollfd p = { .fd = notify_fd, .events = POLLIN };
		bool alive = goes_on(r); /* looked at before the read, or its last words are lost */
		char events[4096];
		struct stat st;

		x = copy_from(rd, fd, at, err);
		if (x < 0 || !alive)
			return x;
		if (fstat(fd, &st) == 0 && st.st_nlink == 0)
			return 0; /* removed, or begun anew by conmon */
		(void)poll(&p, 1, 500);
		while (read(notify_fd, events, sizeof(events)) > 0)
			;
	}
}

static int parse_since(const char *flag, const char *text, int64_t *ret, struct err *err)
{
	uint64_t ns;

	if (!text)
		return 0;
	if (option_duration(text, &ns) == 0) {
		*ret = time(NULL) - (int64_t)(ns / 1000000000);
		return 0;
	}
	if (table_parse_time(text, ret) == 0 || str_to_i64(text, ret) == 0)
		return 0;
	return err_set(err, EINVAL, "--%s '%s': must be a time such as 2026-01-02T15:04:05Z, or a duration such as 10m", flag, text);
}

static int open_log(struct record *r, char **ret_path, struct err *err)
{
	AUTO_RUN_OPTIONS struct run_options o = { 0 };
	int fd, x = run_options_thaw(&r->flags, &o, err);

	if (x < 0)
		return x;
	if (o.log_driver && (str_eq(o.log_driver, "none") || str_eq(o.log_driver, "passthrough") || str_eq(o.log_driver, "journald")))
		return err_set(err, ENOTSUP, "container %s has the log driver %s: there is no log to read", r->name, o.log_driver);
	*ret_path = xasprintf("%s/ctr.log", r->dir);
	for (size_t i = 0; i < o.log_opt.n; i++) {
		if (str_starts(o.log_opt.v[i], "path=")) {
			free(*ret_path);
			*ret_path = xstrdup(o.log_opt.v[i] + 5);
		}
	}
	fd = open(*ret_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && r->auto_remove && !r->detached)
		return err_set(err, ENOENT, "container %s runs in the foreground with --rm: its output is not kept", r->name);
	return fd < 0 && errno != ENOENT ? err_sys(err, -errno, "open '%s'", *ret_path) : fd;
}

static int show(struct cli *cli, const struct logs_options *o, const char *what, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;
	struct reader rd = { .o = o };
	uint64_t lines;
	off_t at = 0;
	int x = parse_since("since", o->since, &rd.since, err);

	if (x == 0)
		x = parse_since("until", o->until, &rd.until, err);
	if (x == 0)
		x = record_load(cli, what, false, &r, err);
	if (x < 0)
		return x;
	rd.r = r;
	fd = open_log(r, &path, err);
	if (fd < 0)
		return err->code ? -err->code : 0; /* no log yet: it never ran */
	if (o->tail && !str_eq(o->tail, "all") && !str_eq(o->tail, "-1")) {
		if (str_to_u64(o->tail, &lines) < 0)
			return err_set(err, EINVAL, "--tail '%s': must be a number, or all", o->tail);
		x = find_tail(fd, lines, &at);
		if (x < 0)
			return err_sys(err, x, "read '%s'", path);
	}
	return o->follow ? follow(&rd, r, path, fd, &at, err) : copy_from(&rd, fd, &at, err);
}

/* podman's -n is --names, docker's -n N is --tail N: a number in front of the containers that is itself none tells which. */
static char **take_tail(struct cli *cli, struct logs_options *o, char **operands)
{
	AUTO_RECORD struct record *r = NULL;
	struct err ignored;
	uint64_t lines;

	if (!o->names || o->tail || !operands[0] || (!operands[1] && !o->latest) || str_to_u64(operands[0], &lines) < 0 ||
	    record_load(cli, operands[0], false, &r, &ignored) == 0)
		return operands;
	o->names = false;
	o->tail = operands[0];
	return operands + 1;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	struct logs_options *o = target;
	struct record **list = NULL;
	size_t n = 0;
	int r = 0;

	operands = take_tail(cli, o, operands);
	if (!*operands && !o->latest)
		return err_set(err, EINVAL, "brig logs needs the name or ID of a container");
	if (o->latest) {
		r = record_list(cli, &list, &n, err);
		if (r == 0 && n == 0)
			r = err_set(err, ENOENT, "--latest: there is no container");
		if (r == 0)
			r = show(cli, o, list[0]->id, err);
		record_list_free(list, n);
	}
	for (; *operands && r == 0; operands++)
		r = show(cli, o, *operands, err);
	return r;
}

const struct cli_command cli_logs = {
	.name = "logs",
	.operands = "[OPTIONS] CONTAINER [CONTAINER...]",
	.help = "show what containers have written",
	.options = rows,
	.target_size = sizeof(struct logs_options),
	.max_operands = -1,
	.container = true,
	.run = run,
};
