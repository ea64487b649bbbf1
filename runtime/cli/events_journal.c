/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/events.h"

#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_MAX (8 << 20)

static void append(struct cli *cli, struct buf *line)
{
	AUTO_FREE char *path = xasprintf("%s/events", cli->run_dir);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 && errno == ENOENT && mkdir(cli->run_dir, 0700) == 0)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	buf_add(line, "\n");
	if (fd < 0 || write(fd, line->p, line->len) != (ssize_t)line->len)
		log_debug("write the event to '%s': it is lost", path);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > JOURNAL_MAX) {
		AUTO_FREE char *old = xasprintf("%s.1", path);

		(void)rename(path, old);
	}
}

static void begin(struct json_writer *w, const char *type, const char *action, const char *id)
{
	struct timespec now;

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

static void end(struct json_writer *w)
{
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

void event_container_with(const struct record *r, const char *action, const char *key, const char *value)
{
	AUTO_BUF struct buf line = { 0 };
	struct json_writer w = { .out = &line };

	begin(&w, "container", action, r->id);
	json_kv_string(&w, "name", r->name);
	json_kv_string(&w, "image", r->image);
	if (key)
		json_kv_string(&w, key, value);
	for (size_t i = 0; i < r->labels.n; i++)
		if (!str_eq(r->labels.v[i].key, "name") && !str_eq(r->labels.v[i].key, "image") && !str_eq(r->labels.v[i].key, key))
			json_kv_string(&w, r->labels.v[i].key, r->labels.v[i].value);
	end(&w);
	append(r->cli, &line);
}

void event_container(const struct record *r, const char *action)
{
	event_container_with(r, action, NULL, NULL);
}

void event_other(struct cli *cli, const char *type, const char *action, const char *id, const char *name)
{
	AUTO_BUF struct buf line = { 0 };
	struct json_writer w = { .out = &line };

	begin(&w, type, action, id);
	json_kv_string(&w, "name", name);
	end(&w);
	append(cli, &line);
}
