/* SPDX-License-Identifier: Apache-2.0 */
#include "images/store_priv.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static struct store_batch_item *add(struct store_batch *b, const char *path)
{
	struct store_batch_item *i;

	b->items = xreallocarray(b->items, b->n + 1, sizeof(*b->items));
	i = &b->items[b->n++];
	*i = (struct store_batch_item){ .temp.fd = -1, .path = xstrdup(path) };
	return i;
}

void store_batch_take(struct store_batch *b, struct store_temp *t, const char *path)
{
	add(b, path)->temp = *t;
	*t = (struct store_temp){ .fd = -1 };
}

int store_batch_add(struct store_batch *b, const char *path, const void *data, size_t n)
{
	AUTO_TEMP struct store_temp t = { .fd = -1 };
	int r = store_temp_open(b->s, &t);

	if (r == 0)
		r = fd_write_all(t.fd, data, n);
	if (r == 0)
		store_batch_take(b, &t, path);
	return r;
}

int store_batch_settle(struct store_batch *b, const char *path)
{
	int fd = openat(b->s->root_fd, path, O_RDONLY | O_CLOEXEC);
	struct store_batch_item *i;

	if (fd < 0)
		return -errno;
	i = add(b, path);
	i->temp.fd = fd;
	i->done = true;
	return 0;
}

static void *sync_file(void *ctx)
{
	struct store_batch_item *i = ctx;

	i->result = fdatasync(i->temp.fd) < 0 ? -errno : 0;
	return NULL;
}

/* Side by side: each alone would wait for a flush of the disk of its own. */
static int sync_files(struct store_batch *b)
{
	AUTO_FREE pthread_t *threads = xcalloc(b->n + 1, sizeof(*threads));
	size_t started = 0;
	int r = 0;

	for (size_t i = 0; i < b->n; i++)
		(void)sync_file_range(b->items[i].temp.fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint */
	while (started + 1 < b->n && pthread_create(&threads[started], NULL, sync_file, &b->items[started]) == 0)
		started++;
	for (size_t i = started; i < b->n; i++)
		(void)sync_file(&b->items[i]);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < b->n && r == 0; i++)
		r = b->items[i].result;
	return r;
}

static size_t folder_len(const struct store_batch_item *i)
{
	const char *slash = strrchr(i->path, '/');

	return slash ? (size_t)(slash - i->path) : 0;
}

static bool has_folder_before(const struct store_batch *b, size_t i)
{
	size_t n = folder_len(&b->items[i]);

	for (size_t k = 0; k < i; k++)
		if (folder_len(&b->items[k]) == n && strncmp(b->items[k].path, b->items[i].path, n) == 0)
			return true;
	return false;
}

static int sync_folders(struct store_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		AUTO_FREE char *folder = xstrndup(b->items[i].path, folder_len(&b->items[i]));
		AUTO_CLOSE int fd = -1;

		if (has_folder_before(b, i))
			continue;
		fd = openat(b->s->root_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || fsync(fd) < 0)
			return -errno;
	}
	return 0;
}

int store_batch_commit(struct store_batch *b)
{
	int r = b->s->sync ? sync_files(b) : 0;

	for (size_t i = 0; r == 0 && i < b->n; i++)
		if (!b->items[i].done)
			r = store_temp_rename(b->s, &b->items[i].temp, b->items[i].path);
	return r == 0 && b->s->sync ? sync_folders(b) : r;
}

void store_batch_done(struct store_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		store_temp_done(&b->items[i].temp);
		free(b->items[i].path);
	}
	free(b->items);
	*b = (struct store_batch){ .s = b->s };
}
