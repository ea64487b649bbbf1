/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"

#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/cli/container_net.h"
#include "runtime/cli/events.h"
#include "runtime/cli/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How long an exit code is kept, at least, for those who wait for a container that removed itself; and how often old ones are looked for. */
#define EXIT_KEEP_S  300
#define EXIT_SWEEP_S 60
#define SWEEP_MARK   ".swept"
/* Nobody saw it end: it was killed, with who ran it. */
#define UNKNOWN_EXIT 137
/* How long whoever runs a container may take to write down its end, before somebody else does. */
#define FINISH_WAIT_MS 3000

/* ---- exit files ---- */

static int open_exits(struct cli *cli)
{
	AUTO_FREE char *path = xasprintf("%s/exits", cli->run_dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		(void)mkdir(cli->run_dir, 0700); /* the next one tells */
		(void)mkdir(path, 0700);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

int exit_file_read(struct cli *cli, const char *id, int *ret)
{
	AUTO_CLOSE int dir_fd = open_exits(cli);
	AUTO_FREE char *text = NULL;
	int r = dir_fd < 0 ? dir_fd : fd_read_file(dir_fd, id, 64, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return str_to_int(text, ret);
}

static void drop_old_exits(int dir_fd)
{
	AUTO_DIR DIR *dir = NULL;
	AUTO_CLOSE int mark = -1;
	time_t now = time(NULL);
	struct dirent *e;
	struct stat last;

	if (fstatat(dir_fd, SWEEP_MARK, &last, AT_SYMLINK_NOFOLLOW) == 0 && last.st_mtime <= now && last.st_mtime > now - EXIT_SWEEP_S)
		return;
	mark = openat(dir_fd, SWEEP_MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (mark >= 0)
		(void)futimens(mark, NULL); /* then the next one looks again */
	dir = dir_open(dir_fd, ".");
	while (dir && (e = dir_next(dir))) {
		struct stat st;

		if (e->d_name[0] != '.' && fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < now - EXIT_KEEP_S)
			(void)unlinkat(dir_fd, e->d_name, 0);
	}
}

static void exit_file_write(struct cli *cli, const char *id, int code)
{
	AUTO_CLOSE int dir_fd = open_exits(cli);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", code);

	if (dir_fd < 0)
		return;
	drop_old_exits(dir_fd);
	(void)!fd_write_file_atomic(dir_fd, id, text, (size_t)n, 0600, false); /* then nobody learns the code */
}

/* ---- the end ---- */

int discard_state(struct record *r, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	int x = container_load(&c, &r->cli->oci, r->id, true, err);

	if (x == 0 && c)
		return container_delete(c, true, err);
	/* None, or one that cannot be read: who made it was killed. */
	x = container_delete_remains(&r->cli->oci, r->id, err);
	return x == -ENOENT ? 0 : x;
}

static void note_end(struct record *r, int exit_code)
{
	char now[STR_TIME_LEN];

	if (!r->started || r->finished)
		return;
	str_time_now(now);
	r->finished = arena_strdup(&r->arena, now);
	r->exit_code = exit_code >= 0 ? exit_code : UNKNOWN_EXIT;
}

static bool was_out_of_memory(struct record *r)
{
	AUTO_FREE char *path = xasprintf("%s/oom", r->run_dir);

	return access(path, F_OK) == 0; /* conmon's mark */
}

int finish_container(struct record *r, int exit_code, struct err *err)
{
	struct err ignored = { 0 };
	char code[16];
	int x = discard_state(r, err);

	if (x < 0)
		return err_wrap(err, "container %s", r->name);
	snprintf(code, sizeof(code), "%d", exit_code);
	if (!r->finished) /* the end is told once */
		event_container_with(r, "die", "exitCode", code);
	if (container_net_teardown(r, &ignored) < 0)
		log_warn("network of container %s: %s", r->name, ignored.msg);
	r->oom_killed = was_out_of_memory(r);
	if (r->auto_remove) {
		exit_file_write(r->cli, r->id, exit_code);
		return remove_container(r, true, err);
	}
	note_end(r, exit_code);
	x = record_save(r, err);
	if (x == 0 && remove_tree(AT_FDCWD, r->run_dir) < 0)
		log_warn("'%s' stays behind: %s", r->run_dir, strerror(errno));
	return x;
}

static void release_volumes(struct record *r, bool anonymous)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_FREE char *dir = xasprintf("%s/volumes", r->cli->store.root);
	struct volume_list l = { 0 };
	struct err err = { 0 };
	struct json *root;
	int x = r->mounts ? json_parse(&a, "record.json", r->mounts, strlen(r->mounts), &root, &err) : -ENOENT;

	if (x == 0)
		x = volume_list_load(&l, root, "record.json", &err);
	if (x == 0)
		x = volume_release(dir, &l, r->id, anonymous, &err);
	if (x < 0 && r->mounts)
		log_warn("volumes of container %s: %s", r->name, err.msg);
	volume_list_done(&l);
}

int remove_container(struct record *r, bool volumes, struct err *err)
{
	int x = discard_state(r, err);
	struct err ignored = { 0 };

	if (x < 0)
		return err_wrap(err, "container %s", r->name);
	if (container_net_teardown(r, &ignored) < 0)
		log_warn("network of container %s: %s", r->name, ignored.msg);
	release_volumes(r, volumes);
	event_container(r, "destroy");
	return record_remove(r, err);
}

/* ---- waiting for it ---- */

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The record as it is now: 1 with *ret when the end is written down, 0 when it is not. */
static int see_end(struct record *r, int *ret, struct err *err)
{
	AUTO_RECORD struct record *now = NULL;
	int x = record_load(r->cli, r->id, false, &now, err);

	if (x == -ENOENT) { /* removed: by itself, or by somebody */
		*ret = 0;
		(void)!exit_file_read(r->cli, r->id, ret);
		return 1;
	}
	if (x < 0)
		return x;
	if (!now->finished)
		return 0;
	*ret = (int)now->exit_code;
	return 1;
}

static int finish_for_others(struct record *r, int *ret, struct err *err)
{
	AUTO_RECORD struct record *now = NULL;
	int x = record_load(r->cli, r->id, true, &now, err);

	if (x == 0 && !now->finished)
		x = finish_container(now, -1, err);
	if (x < 0)
		return x == -ENOENT ? 0 : x;
	*ret = now->finished ? (int)now->exit_code : UNKNOWN_EXIT;
	return 0;
}

int keep_container(const struct record *r)
{
	AUTO_FREE char *path = xasprintf("%s/keeper", r->run_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		fd_close(&fd);
	return fd;
}

static bool keeper_is_gone(const struct record *r)
{
	AUTO_FREE char *path = xasprintf("%s/keeper", r->run_dir);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Its process is gone: whoever ran it is writing that down, or was killed as well. */
static int wait_written(struct record *r, int *ret, struct err *err)
{
	int64_t end = now_ms() + FINISH_WAIT_MS;
	int x;

	while ((x = see_end(r, ret, err)) == 0) {
		struct timespec pause = { .tv_nsec = 5 * 1000000 };

		if (keeper_is_gone(r) || now_ms() > end)
			return finish_for_others(r, ret, err);
		(void)nanosleep(&pause, NULL);
	}
	return x < 0 ? x : 0;
}

int wait_container(struct record *r, int timeout_ms, int *ret, struct err *err)
{
	int64_t end = now_ms() + timeout_ms;

	for (;;) {
		CLEANUP(cleanup_container) struct container *c = NULL;
		enum record_state s = record_state(r, &c);
		int left = timeout_ms < 0 ? -1 : (int)(end > now_ms() ? end - now_ms() : 0), x;
		struct pollfd p = { .events = POLLIN };

		if (s == RECORD_CREATED || s == RECORD_EXITED) {
			/* one that never ran: podman waits for it to run and end */
			x = see_end(r, ret, err);
			if (x != 0)
				return x < 0 ? x : 0;
			if (r->started || c || r->auto_remove)
				return wait_written(r, ret, err);
			if (left == 0)
				return -ETIMEDOUT;
			(void)poll(NULL, 0, left > 0 && left < 100 ? left : 100);
			continue;
		}
		p.fd = c ? c->pidfd : -1;
		x = poll(&p, 1, left);
		if (x == 0)
			return -ETIMEDOUT;
		if (x < 0 && errno != EINTR)
			return err_sys(err, -errno, "poll");
		if (x > 0)
			return wait_written(r, ret, err);
	}
}
