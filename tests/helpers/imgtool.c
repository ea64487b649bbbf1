/* SPDX-License-Identifier: Apache-2.0 */
/* The image store's functions as commands, for tests: imgtool STORE COMMAND ARGS */
#include "images/archive.h"
#include "images/export.h"
#include "images/image_config.h"
#include "images/store.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct tool {
	struct store store;
	int argc;
	char **argv;
};

/* Arguments from the i-th on as digests. */
static int read_digests(const struct tool *t, int i, struct digest **ret, size_t *ret_n, struct err *err)
{
	size_t n = t->argc > i ? (size_t)(t->argc - i) : 0;
	struct digest *d = xcalloc(n + 1, sizeof(*d));

	for (size_t k = 0; k < n; k++) {
		int r = digest_parse(t->argv[(size_t)i + k], &d[k], err);

		if (r < 0) {
			free(d);
			return r;
		}
	}
	*ret = d;
	*ret_n = n;
	return 0;
}

/* import-layer FILE|- [DIGEST|-] [DIFFID|-] [SIZE]: prints the diffID */
static int cmd_import_layer(struct tool *t, struct err *err)
{
	struct layer_options o = { .blob_size = UINT64_MAX, .limits = layer_default_limits };
	AUTO_CLOSE int fd = strcmp(t->argv[0], "-") == 0 ? dup(0) : open(t->argv[0], O_RDONLY | O_CLOEXEC);
	const char *max = getenv("IMGTOOL_MAX_TAR");
	char text[DIGEST_TEXT_LEN];
	struct layer_result res;
	int r = fd < 0 ? err_sys(err, -errno, "open '%s'", t->argv[0]) : 0;

	if (r == 0 && max)
		o.limits.max_tar_bytes = o.limits.max_data_bytes = strtoull(max, NULL, 10);
	if (r == 0 && t->argc > 1 && strcmp(t->argv[1], "-") != 0)
		r = digest_parse(t->argv[1], &o.blob, err);
	if (r == 0 && t->argc > 2 && strcmp(t->argv[2], "-") != 0)
		r = digest_parse(t->argv[2], &o.diff_id, err);
	if (r == 0 && t->argc > 3)
		o.blob_size = strtoull(t->argv[3], NULL, 10);
	if (r == 0)
		r = store_hold(&t->store, err);
	if (r == 0)
		r = store_import_fd(&t->store, &o, fd, &res, err);
	if (r == 0)
		printf("%s\n", digest_text(&res.diff_id, text));
	return r;
}

static int write_out(void *ctx, const void *data, size_t n, struct err *err)
{
	(void)ctx;
	return fwrite(data, 1, n, stdout) == n ? 0 : err_set(err, EIO, "write to stdout");
}

/* export-tar DIFFID: the layer's tar again, to stdout */
static int cmd_export_tar(struct tool *t, struct err *err)
{
	struct digest d;
	int r = digest_parse(t->argv[0], &d, err);

	return r == 0 ? export_tar(&t->store, &d, write_out, NULL, err) : r;
}

/* erofs DIFFID...: builds the chain, prints its ChainID */
static int cmd_erofs(struct tool *t, struct err *err)
{
	AUTO_FREE struct digest *d = NULL;
	char text[DIGEST_TEXT_LEN];
	struct digest chain;
	size_t n;
	int r = read_digests(t, 0, &d, &n, err);

	if (r == 0)
		r = store_build_chain(&t->store, d, n, &chain, err);
	if (r == 0)
		printf("%s\n", digest_text(&chain, text));
	return r;
}

/* unpack DIR DIFFID... */
static int cmd_unpack(struct tool *t, struct err *err)
{
	AUTO_CLOSE int fd = open(t->argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE struct digest *d = NULL;
	size_t n;
	int r = read_digests(t, 1, &d, &n, err);

	if (r == 0 && fd < 0)
		r = err_sys(err, -errno, "open '%s'", t->argv[0]);
	return r == 0 ? store_unpack(&t->store, d, n, &(struct dirsink_options){ .root_fd = fd, .keep_going_on_eperm = geteuid() != 0 }, err) : r;
}

/* mount CHAINID DIR; mount-loop the same through loop devices */
static int mount_chain(struct tool *t, bool loop, struct err *err)
{
	struct rootfs_files f = { 0 };
	AUTO_CLOSE int fd = -1;
	struct digest chain;
	int r = digest_parse(t->argv[0], &chain, err);

	if (r == 0)
		r = store_chain_files(&t->store, &chain, &f, err);
	if (r == 0)
		fd = r = rootfs_mount_erofs(&f, loop, err);
	rootfs_files_done(&f);
	return r < 0 ? r : rootfs_attach_at(fd, t->argv[1], err);
}
static int cmd_mount(struct tool *t, struct err *err)
{
	return mount_chain(t, false, err);
}
static int cmd_mount_loop(struct tool *t, struct err *err)
{
	return mount_chain(t, true, err);
}

/* mount-rw IMAGE UPPER WORK DIR */
static int cmd_mount_rw(struct tool *t, struct err *err)
{
	AUTO_IMAGE struct store_image i = { 0 };
	struct store_rootfs_options o = { .upper = t->argv[1], .work = t->argv[2], .no_sync = true };
	AUTO_CLOSE int fd = -1;
	int r = store_resolve(&t->store, t->argv[0], &i, err);

	if (r == 0)
		fd = r = store_rootfs_mount(&t->store, &i, &o, err);
	return r < 0 ? r : rootfs_attach_at(fd, t->argv[3], err);
}

/* files CHAINID: the image and its data files, as a guest's flat device would have them */
static int cmd_files(struct tool *t, struct err *err)
{
	struct rootfs_files f = { 0 };
	struct digest chain;
	int r = digest_parse(t->argv[0], &chain, err);

	if (r == 0)
		r = store_chain_files(&t->store, &chain, &f, err);
	if (r == 0)
		printf("0 %llu %s\n", (unsigned long long)f.image_bytes, f.image);
	for (size_t i = 0; i < f.n; i++)
		printf("%llu %llu %s\n", (unsigned long long)f.offsets[i], (unsigned long long)f.bytes[i], f.files[i]);
	rootfs_files_done(&f);
	return r;
}

static void print_image(void *ctx, const struct store_image *i, const char *const *names, size_t n)
{
	char a[DIGEST_TEXT_LEN], b[DIGEST_TEXT_LEN], c[DIGEST_TEXT_LEN];

	(void)ctx;
	printf("%s %s %s", digest_text(&i->manifest, a), digest_text(&i->config, b), digest_text(&i->chain, c));
	for (size_t k = 0; k < n; k++)
		printf(" %s", names[k]);
	printf("\n");
}

static void print_own(const struct store_image *i)
{
	AUTO_FREE const char **names = xcalloc(i->n_names + 1, sizeof(char *));

	for (size_t k = 0; k < i->n_names; k++)
		names[k] = i->names[k];
	print_image(NULL, i, names, i->n_names);
}

/* load PATH [REF]: prints manifest, config and chain digest and names of each image */
static int cmd_load(struct tool *t, struct err *err)
{
	struct archive_load_options o = { .loaded = print_image, .ref = t->argc > 1 ? t->argv[1] : NULL };

	return archive_load(&t->store, t->argv[0], &o, err);
}

/* import FILE NAME [CMD...] */
static int cmd_import(struct tool *t, struct err *err)
{
	struct archive_import_options o = { .cmd = t->argc > 2 ? (const char *const *)(t->argv + 2) : NULL };
	AUTO_CLOSE int fd = open(t->argv[0], O_RDONLY | O_CLOEXEC);
	const char *names[] = { t->argc > 1 ? t->argv[1] : NULL };
	struct store_image i;
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "open '%s'", t->argv[0]);
	r = archive_import(&t->store, fd, &o, names, t->argc > 1, &i, err);
	if (r == 0)
		print_image(NULL, &i, names, t->argc > 1);
	return r;
}

static int cmd_resolve(struct tool *t, struct err *err)
{
	AUTO_IMAGE struct store_image i = { 0 };
	int r = store_resolve(&t->store, t->argv[0], &i, err);

	if (r == 0)
		print_own(&i);
	return r;
}

static int cmd_list(struct tool *t, struct err *err)
{
	struct store_image *list;
	size_t n;
	int r = store_list(&t->store, &list, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		print_own(&list[i]);
	store_list_done(list, n);
	return 0;
}

/* tag IMAGE NAME; untag NAME; rm IMAGE; ref OWNER IMAGE; unref OWNER */
static int cmd_tag(struct tool *t, struct err *err)
{
	AUTO_IMAGE struct store_image i = { 0 };
	int r = store_resolve(&t->store, t->argv[0], &i, err);

	return r == 0 ? store_tag(&t->store, t->argv[1], &i.manifest, err) : r;
}
static int cmd_untag(struct tool *t, struct err *err)
{
	return store_untag(&t->store, t->argv[0], err);
}
static int cmd_rm(struct tool *t, struct err *err)
{
	AUTO_IMAGE struct store_image i = { 0 };
	int r = store_resolve(&t->store, t->argv[0], &i, err);

	return r == 0 ? store_remove_image(&t->store, &i.manifest, err) : r;
}
static int cmd_ref(struct tool *t, struct err *err)
{
	AUTO_IMAGE struct store_image i = { 0 };
	int r = store_resolve(&t->store, t->argv[1], &i, err);

	return r == 0 ? store_add_ref(&t->store, t->argv[0], &i.manifest, err) : r;
}
static int cmd_unref(struct tool *t, struct err *err)
{
	return store_drop_ref(&t->store, t->argv[0], err);
}

/* gc garbage|dangling|unused */
static int cmd_gc(struct tool *t, struct err *err)
{
	enum store_gc_mode mode = t->argv[0][0] == 'u' ? STORE_GC_UNUSED :
				  t->argv[0][0] == 'd' ? STORE_GC_DANGLING : STORE_GC_GARBAGE;
	struct store_gc_result res;
	int r = store_gc(&t->store, mode, &res, err);

	if (r == 0)
		printf("%llu images, %llu files\n", (unsigned long long)res.n_images, (unsigned long long)res.n_files);
	return r;
}

static void print_finding(void *ctx, const char *what, const char *why)
{
	(void)ctx;
	printf("%s: %s\n", what, why);
}

/* fsck check|repair */
static int cmd_fsck(struct tool *t, struct err *err)
{
	struct store_fsck_options o = { .repair = t->argv[0][0] == 'r', .report = print_finding };
	int r = store_fsck(&t->store, &o, err);

	return r > 0 ? err_set(err, EBADMSG, "%d findings", r) : r;
}

/* save-dir IMAGE DIR NAME; save-tar IMAGE FILE NAME (both kinds in one) */
static int cmd_save_dir(struct tool *t, struct err *err)
{
	AUTO_CLOSE int fd = open(t->argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_IMAGE struct store_image i = { 0 };
	const char *names[] = { t->argv[2] };
	int r = store_resolve(&t->store, t->argv[0], &i, err);

	return r == 0 ? archive_save_dir(&t->store, &i, names, 1, fd, err) : r;
}
static int cmd_save_tar(struct tool *t, struct err *err)
{
	AUTO_CLOSE int fd = open(t->argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	AUTO_IMAGE struct store_image i = { 0 };
	const char *names[] = { t->argv[2] };
	int r = store_resolve(&t->store, t->argv[0], &i, err);

	return r == 0 ? archive_save_tar(&t->store, &i, names, 1, fd, true, err) : r;
}

/* unpack-image IMAGE DIR */
static int cmd_unpack_image(struct tool *t, struct err *err)
{
	AUTO_CLOSE int fd = open(t->argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_IMAGE_CONFIG struct image_config c = { 0 };
	AUTO_IMAGE struct store_image i = { 0 };
	int r = store_resolve(&t->store, t->argv[0], &i, err);

	if (r == 0 && fd < 0)
		r = err_sys(err, -errno, "open '%s'", t->argv[1]);
	if (r == 0)
		r = store_image_config(&t->store, &i, &c, err);
	return r == 0 ? store_unpack(&t->store, c.diff_ids, c.n_diff_ids,
			     &(struct dirsink_options){ .root_fd = fd, .keep_going_on_eperm = geteuid() != 0 }, err) : r;
}

static const struct {
	const char *name;
	int min_args;
	int (*run)(struct tool *, struct err *);
} commands[] = {
	{ "export-tar", 1, cmd_export_tar },
	{ "import-layer", 1, cmd_import_layer }, { "erofs", 1, cmd_erofs },	   { "unpack", 1, cmd_unpack },
	{ "mount", 2, cmd_mount },		 { "mount-loop", 2, cmd_mount_loop }, { "mount-rw", 4, cmd_mount_rw }, { "files", 1, cmd_files },
	{ "load", 1, cmd_load },		 { "import", 1, cmd_import },	   { "resolve", 1, cmd_resolve },
	{ "list", 0, cmd_list },		 { "tag", 2, cmd_tag },		   { "untag", 1, cmd_untag },
	{ "rm", 1, cmd_rm },			 { "ref", 2, cmd_ref },		   { "unref", 1, cmd_unref },
	{ "gc", 1, cmd_gc },			 { "fsck", 1, cmd_fsck },	   { "save-dir", 3, cmd_save_dir },
	{ "save-tar", 3, cmd_save_tar },	 { "unpack-image", 2, cmd_unpack_image },
};

int main(int argc, char **argv)
{
	struct tool t = { .argc = argc - 3, .argv = argv + 3 };
	struct err err = { 0 };
	int r;

	for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[2], commands[i].name) != 0 || t.argc < commands[i].min_args)
			continue;
		r = store_open(argv[1], &t.store, &err);
		if (r == 0) {
			t.store.keep_blobs = getenv("IMGTOOL_KEEP") != NULL;
			t.store.sync = getenv("IMGTOOL_NOSYNC") == NULL;
			r = commands[i].run(&t, &err);
			store_close(&t.store);
		}
		if (r < 0)
			fprintf(stderr, "imgtool: %s\n", err.msg);
		return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	fprintf(stderr, "usage: imgtool STORE COMMAND ARGS\n");
	return EXIT_FAILURE;
}
