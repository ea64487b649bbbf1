/* SPDX-License-Identifier: Apache-2.0 */
#include "images/store.h"

#include "images/erofs.h"
#include "images/store_priv.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const folders[] = { "tmp", "blobs", "blobs/sha256", "blobs/sha512", "layers", "chains", "images", "names", "refs" };

/* Where the store is when nobody says: /var/lib/brig for root, else the user's data folder. New string. */
static char *default_root(void)
{
	const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		return xstrdup("/var/lib/brig");
	if (xdg && xdg[0] == '/')
		return xasprintf("%s/brig", xdg);
	return xasprintf("%s/.local/share/brig", home && home[0] == '/' ? home : "/tmp");
}

static int make_folders(const char *root)
{
	for (char *s = strchr(root + 1, '/'), *dup; s; s = strchr(s + 1, '/')) {
		dup = xstrndup(root, (size_t)(s - root));
		(void)mkdir(dup, 0755); /* a missing one shows at the last mkdir */
		free(dup);
	}
	return mkdir(root, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int store_open(const char *root, struct store *ret, struct err *err)
{
	AUTO_FREE char *wanted = root ? xstrdup(root) : default_root();
	AUTO_FREE char *real = NULL;
	AUTO_STORE struct store s = { .root_fd = -1, .lock_fd = -1, .sync = true };
	int r;

	r = make_folders(wanted);
	if (r < 0)
		return err_sys(err, r, "make image store '%s'", wanted);
	real = realpath(wanted, NULL);
	s.root_fd = real ? open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (s.root_fd < 0)
		return err_sys(err, -errno, "open image store '%s'", wanted);
	/* The lock is made last: where it is, the rest is. */
	s.lock_fd = openat(s.root_fd, "lock", O_RDWR | O_CLOEXEC);
	for (size_t i = 0; s.lock_fd < 0 && i < ARRAY_SIZE(folders); i++)
		if (mkdirat(s.root_fd, folders[i], 0700) < 0 && errno != EEXIST)
			return err_sys(err, -errno, "make '%s' in image store '%s'", folders[i], wanted);
	if (s.lock_fd < 0)
		s.lock_fd = openat(s.root_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s.lock_fd < 0)
		return err_sys(err, -errno, "open the lock of image store '%s'", wanted);
	s.root = xstrdup(real);
	*ret = s;
	s.root_fd = s.lock_fd = -1; /* moved: what is freed below is nothing */
	s.root = NULL;
	return 0;
}

void store_close(struct store *s)
{
	fd_close(&s->root_fd);
	fd_close(&s->lock_fd);
	free(s->root);
	s->root = NULL;
}

int store_lock(struct store *s, int how, struct err *err)
{
	int r;

	do {
		r = flock(s->lock_fd, how);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(err, -errno, "lock image store '%s'", s->root) : 0;
}

int store_hold(struct store *s, struct err *err)
{
	return store_lock(s, LOCK_SH, err);
}

void store_release(struct store *s)
{
	(void)flock(s->lock_fd, LOCK_UN);
}

int store_temp_open(struct store *s, struct store_temp *ret)
{
	for (int i = 0; i < 100; i++) {
		uint64_t x;

		if (getrandom(&x, sizeof(x), 0) != (ssize_t)sizeof(x))
			return -EIO;
		(void)snprintf(ret->name, sizeof(ret->name), "tmp/%016llx", (unsigned long long)x);
		ret->root_fd = s->root_fd;
		ret->fd = openat(s->root_fd, ret->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (ret->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int store_temp_rename(struct store *s, struct store_temp *t, const char *path)
{
	/* Read-only: nothing in the store is ever changed in place. */
	if (fchmod(t->fd, 0400) < 0 || renameat(s->root_fd, t->name, s->root_fd, path) < 0)
		return -errno;
	t->name[0] = '\0';
	return 0;
}

void store_temp_done(struct store_temp *t)
{
	if (t->name[0])
		(void)unlinkat(t->root_fd, t->name, 0);
	t->name[0] = '\0';
	fd_close(&t->fd);
}

int store_write_file(struct store *s, const char *path, const void *data, size_t n)
{
	AUTO_BATCH struct store_batch b = { .s = s };
	int r = store_batch_add(&b, path, data, n);

	return r == 0 ? store_batch_commit(&b) : r;
}

char *store_blob_path(const struct digest *d)
{
	char text[DIGEST_TEXT_LEN];
	size_t n = strcspn(digest_text(d, text), ":");

	return xasprintf("blobs/%.*s/%s", (int)n, text, text + n + 1);
}

char *store_layer_path(const struct digest *d, const char *ending)
{
	char hex[DIGEST_HEX_LEN];

	return xasprintf("layers/%s%s", digest_hex(d, hex), ending);
}

char *store_chain_path(const struct digest *d)
{
	char hex[DIGEST_HEX_LEN];

	return xasprintf("chains/%s.erofs", digest_hex(d, hex));
}

static bool exists(struct store *s, const char *path)
{
	return faccessat(s->root_fd, path, F_OK, 0) == 0;
}

bool store_has_blob(struct store *s, const struct digest *d)
{
	AUTO_FREE char *path = store_blob_path(d);

	return exists(s, path);
}

int store_open_blob(struct store *s, const struct digest *d)
{
	AUTO_FREE char *path = store_blob_path(d);
	int fd = openat(s->root_fd, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool store_has_layer(struct store *s, const struct digest *diff_id)
{
	AUTO_FREE char *entries = store_layer_path(diff_id, ".entries"), *data = store_layer_path(diff_id, ".data");

	return exists(s, entries) && exists(s, data);
}

int store_chain_files(struct store *s, const struct digest *chain, struct rootfs_files *ret, struct err *err)
{
	AUTO_FREE char *path = store_chain_path(chain);
	AUTO_FREE struct erofs_layout *layout = xmalloc(sizeof(*layout));
	AUTO_CLOSE int fd = openat(s->root_fd, path, O_RDONLY | O_CLOEXEC);
	struct rootfs_files f = { 0 };
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "open '%s/%s'", s->root, path);
	r = erofs_read_layout(fd, layout, err);
	if (r < 0)
		return err_wrap(err, "%s/%s", s->root, path);
	f.image = xasprintf("%s/%s", s->root, path);
	f.image_bytes = layout->image_bytes;
	f.n = layout->n_devices;
	f.files = xcalloc(f.n + 1, sizeof(char *));
	f.offsets = xcalloc(f.n + 1, sizeof(*f.offsets));
	f.bytes = xcalloc(f.n + 1, sizeof(*f.bytes));
	for (size_t i = 0; i < f.n; i++) {
		f.files[i] = xasprintf("%s/layers/%s.data", s->root, layout->devices[i].tag);
		f.offsets[i] = layout->devices[i].offset;
		f.bytes[i] = layout->devices[i].bytes;
	}
	*ret = f;
	return 0;
}

int store_mount_chain(struct store *s, const struct digest *chain, struct err *err)
{
	struct rootfs_files f = { 0 };
	int r = store_chain_files(s, chain, &f, err);

	if (r == 0)
		r = rootfs_mount_erofs(&f, false, err);
	rootfs_files_done(&f);
	return r;
}

int store_rootfs_mount(struct store *s, const struct store_image *image, const struct store_rootfs_options *o, struct err *err)
{
	AUTO_CLOSE int lower_fd = store_mount_chain(s, &image->chain, err);
	struct rootfs_overlay overlay = { .lower_fd = lower_fd, .upper = o->upper, .work = o->work, .userxattr = o->userxattr,
					  .no_sync = o->no_sync, .userns_fd = o->userns_fd, .below_fd = o->below_fd };

	if (lower_fd < 0 || !o->upper)
		return TAKE_FD(lower_fd);
	return rootfs_mount_overlay(&overlay, err);
}
