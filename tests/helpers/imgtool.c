/* SPDX-License-Identifier: Apache-2.0 */
/* The image store's functions as commands, for tests: imgtool STORE COMMAND ARGS */
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
	return r == 0 ? store_unpack(&t->store, d, n, fd, geteuid() != 0, err) : r;
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
	return r < 0 ? r : rootfs_attach(fd, t->argv[1], err);
}
static int cmd_mount(struct tool *t, struct err *err)
{
	return mount_chain(t, false, err);
}
static int cmd_mount_loop(struct tool *t, struct err *err)
{
	return mount_chain(t, true, err);
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

static const struct {
	const char *name;
	int min_args;
	int (*run)(struct tool *, struct err *);
} commands[] = {
	{ "import-layer", 1, cmd_import_layer }, { "erofs", 1, cmd_erofs },	   { "unpack", 1, cmd_unpack },
	{ "mount", 2, cmd_mount },		 { "mount-loop", 2, cmd_mount_loop }, { "files", 1, cmd_files },
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
