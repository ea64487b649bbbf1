/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/event_line.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_MAX (8 << 20)

void event_line_begin(struct event_line *l, const char *type, const char *action, const char *id)
{
	struct json_writer *w = &l->w;
	struct timespec now;

	*l = (struct event_line){ 0 };
	w->out = &l->text;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	json_begin_object(w);
	json_kv_string(w, "Type", type);
	json_kv_string(w, "Action", action);
	json_kv_string(w, "status", action);
	json_kv_string(w, "id", id);
	json_kv_i64(w, "time", now.tv_sec);
	json_kv_i64(w, "timeNano", (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
	json_key(w, "Actor");
	json_begin_object(w);
	json_kv_string(w, "ID", id);
	json_key(w, "Attributes");
	json_begin_object(w);
}

/* The first event there ever was may come before anything else made RUN and RUN/.cli. */
static bool make_run_dir(const char *run_dir)
{
	const char *slash = strrchr(run_dir, '/');
	AUTO_FREE char *above = xstrndup(run_dir, slash ? (size_t)(slash - run_dir) : 0);

	return mkdir(run_dir, 0700) == 0 || (errno == ENOENT && mkdir(above, 0755) == 0 && mkdir(run_dir, 0700) == 0);
}

static void append(const char *run_dir, const struct buf *line)
{
	AUTO_FREE char *path = xasprintf("%s/events", run_dir);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 && errno == ENOENT && make_run_dir(run_dir))
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, line->p, line->len) != (ssize_t)line->len)
		log_debug("write the event to '%s': it is lost", path);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > JOURNAL_MAX) {
		AUTO_FREE char *old = xasprintf("%s.1", path);

		(void)rename(path, old);
	}
}

void event_line_append(struct event_line *l, const char *run_dir)
{
	json_end_object(&l->w);
	json_end_object(&l->w);
	json_end_object(&l->w);
	buf_add(&l->text, "\n");
	append(run_dir, &l->text);
	buf_done(&l->text);
}
