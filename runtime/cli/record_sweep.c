/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/cli/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* Locked by us and without a record: nobody is making it. Who makes one and finds it gone makes it again. */
static bool is_abandoned(int dir_fd)
{
	return flock(dir_fd, LOCK_EX | LOCK_NB) == 0 && faccessat(dir_fd, "record.json", F_OK, 0) < 0 && errno == ENOENT;
}

static void sweep_container(struct cli *cli, const char *id)
{
	AUTO_FREE char *path = xasprintf("containers/%s", id);
	AUTO_CLOSE int fd = openat(cli->store.root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_RECORD struct record *r = NULL;
	struct err err = { 0 };

	if (fd < 0 || !is_abandoned(fd))
		return;
	r = record_at(cli, id);
	if (record_remove(r, &err) < 0)
		log_warn("%s", err.msg);
}

static bool has_directory(struct cli *cli, const char *id)
{
	AUTO_FREE char *path = xasprintf("containers/%s", id);

	return faccessat(cli->store.root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static void sweep_name(struct cli *cli, const char *name)
{
	AUTO_FREE char *path = xasprintf("containers/.names/%s", name);
	char id[RECORD_ID_LEN + 1];
	ssize_t n = readlinkat(cli->store.root_fd, path, id, sizeof(id));

	if (n != RECORD_ID_LEN)
		return;
	id[n] = '\0';
	if (!has_directory(cli, id))
		(void)unlinkat(cli->store.root_fd, path, 0);
}

static void sweep_ref(struct cli *cli, const char *id)
{
	struct err err = { 0 };

	if (record_is_id(id) && !has_directory(cli, id) && store_drop_ref(&cli->store, id, &err) < 0)
		log_warn("%s", err.msg);
}

static void sweep_id(struct cli *cli, const char *id)
{
	if (record_is_id(id))
		sweep_container(cli, id);
}

static void for_each_entry(struct cli *cli, const char *folder, void (*fn)(struct cli *cli, const char *name))
{
	int fd = openat(cli->store.root_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] != '.')
			fn(cli, e->d_name);
	}
}

int record_sweep(struct cli *cli, struct err *err)
{
	int r = cli_open_store(cli, err);

	if (r < 0)
		return r;
	for_each_entry(cli, "containers", sweep_id);
	for_each_entry(cli, "containers/.names", sweep_name);
	for_each_entry(cli, "refs", sweep_ref);
	return 0;
}
