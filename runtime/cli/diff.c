/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/cli/output.h"
#include "runtime/cli/select.h"
#include "runtime/net/network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct diff_options {
	const char *format;
	bool latest;
};
static const struct option_row rows[] = {
	OPT_STRING(struct diff_options, format, "format", 0, "FORMAT", "json"),
	OPT_FLAG(struct diff_options, latest, "latest", 'l', "the newest container"),
	OPT_END,
};

struct change {
	char kind; /* A C D */
	char *path;
};

struct diff {
	int image_fd; /* the image's root */
	struct change *v;
	size_t n;
};

static void note(struct diff *d, char kind, const char *path)
{
	d->v = xreallocarray(d->v, d->n + 1, sizeof(*d->v));
	d->v[d->n++] = (struct change){ kind, xstrdup(path) };
}

static bool in_image(const struct diff *d, const char *path)
{
	AUTO_CLOSE int fd = path_open_in_root(d->image_fd, path, O_PATH | O_NOFOLLOW, 0);

	return fd >= 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **sorted_names(int fd)
{
	AUTO_DIR DIR *d = dir_open(fd, ".");
	char **names = NULL;

	if (!d)
		return NULL;
	for (struct dirent *e; (e = dir_next(d)) != NULL;)
		strings_add(&names, e->d_name);
	if (names)
		qsort(names, strings_count(names), sizeof(*names), by_name);
	return names;
}

/* Empty files and directories that brig itself made as places to mount on. */
static bool mount_place(const char *path)
{
	static const char *const places[] = { "/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv",
					      "/dev/console", "/dev/shm" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (str_eq(path, places[i]))
			return true;
	return false;
}

static int walk(struct diff *d, int fd, const char *base, unsigned depth, struct err *err);

static int one(struct diff *d, int fd, const char *name, const char *base, unsigned depth, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", base, name);
	AUTO_CLOSE int sub = -1;
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "look at '%s'", path);
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) { /* overlayfs' way to hide a file of below */
		note(d, 'D', path);
		return 0;
	}
	if (!mount_place(path))
		note(d, in_image(d, path) ? 'C' : 'A', path);
	if (!S_ISDIR(st.st_mode) || depth > 1024)
		return 0;
	sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return sub < 0 ? err_sys(err, -errno, "open '%s'", path) : walk(d, sub, path, depth + 1, err);
}

static int walk(struct diff *d, int fd, const char *base, unsigned depth, struct err *err)
{
	char **names = sorted_names(fd);
	int r = 0;

	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = one(d, fd, names[i], base, depth, err);
	strings_free(names);
	return r;
}

static int print_json(const struct diff *d, struct err *err)
{
	static const struct {
		const char *key;
		char kind;
	} kinds[] = { { "changed", 'C' }, { "added", 'A' }, { "deleted", 'D' } };
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out, .pretty = true };

	json_begin_object(&w);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		json_key(&w, kinds[k].key);
		json_begin_array(&w);
		for (size_t i = 0; i < d->n; i++)
			if (d->v[i].kind == kinds[k].kind)
				json_string(&w, d->v[i].path);
		json_end_array(&w);
	}
	json_end_object(&w);
	buf_add(&out, "\n");
	return cli_print(out.p, err);
}

static int open_both(struct record *r, int *ret_image, int *ret_upper, struct err *err)
{
	struct digest d;
	AUTO_IMAGE struct store_image image = { 0 };
	int x = cli_open_store(r->cli, err);

	if (x == 0)
		x = digest_parse(r->manifest, &d, err);
	if (x == 0)
		x = store_read_image(&r->cli->store, &d, &image, err);
	if (x == 0) {
		*ret_image = store_mount_chain(&r->cli->store, &image.chain, err);
		x = *ret_image < 0 ? *ret_image : 0;
	}
	if (x < 0)
		return x;
	*ret_upper = openat(r->dir_fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_upper < 0 && errno != ENOENT ? err_sys(err, -errno, "open '%s/upper'", r->dir) : 0;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct diff_options *o = target;
	AUTO_RECORD struct record *r = NULL;
	AUTO_CLOSE int image = -1;
	AUTO_CLOSE int upper = -1;
	struct diff d = { 0 };
	int x;

	if (o->format && !str_eq(o->format, "json"))
		return err_set(err, EINVAL, "--format '%s': only json is known", o->format);
	x = load_one(cli, operands[0], o->latest, &r, err);
	if (x == 0)
		x = open_both(r, &image, &upper, err);
	d.image_fd = image;
	if (x == 0 && upper >= 0)
		x = walk(&d, upper, "", 0, err);
	if (x == 0 && o->format)
		x = print_json(&d, err);
	for (size_t i = 0; i < d.n; i++) {
		if (x == 0 && !o->format)
			printf("%c %s\n", d.v[i].kind, d.v[i].path);
		free(d.v[i].path);
	}
	free(d.v);
	return x;
}

const struct cli_command cli_diff = {
	.name = "diff",
	.operands = "[OPTIONS] CONTAINER",
	.help = "show what a container changed in its file system",
	.options = rows,
	.target_size = sizeof(struct diff_options),
	.max_operands = 1,
	.container = true,
	.run = run,
};
