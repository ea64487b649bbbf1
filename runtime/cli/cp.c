/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/cli/container_root.h"
#include "runtime/cli/tar_stream.h"
#include "runtime/cli/tree_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * DOC: files in and out of a container
 *
 * Both sides are directories by descriptor: a running container's is its init's root, with all that is mounted there; a stopped
 * one's is its root file system, mounted nowhere. Paths within are looked up as if that directory were "/", so that no link leads out,
 * whoever changes it meanwhile. What "DIR", "DIR/" and "DIR/." mean is docker's.
 */
struct cp_options {
	bool archive, follow_link, quiet, overwrite;
};
#define T struct cp_options
static const struct option_row rows[] = {
	OPT_FLAG(T, archive, "archive", 'a', "keep owners; without it copies belong to root in the container, to you on the host"),
	OPT_FLAG(T, follow_link, "follow-link", 'L', "copy what a link in SOURCE leads to"),
	OPT_FLAG(T, overwrite, "overwrite", 0, "accepted: files are replaced in any case"),
	OPT_FLAG(T, quiet, "quiet", 'q', "accepted: nothing is said"),
	OPT_END,
};
#undef T

struct side {
	char *container; /* owned; NULL: the host */
	const char *path;
	int root_fd;	 /* owned: what "/" is */
};

static void side_done(struct side *s)
{
	free(s->container);
	fd_close(&s->root_fd);
}

/* "CONTAINER:PATH"; a path that begins with "/" or "." is the host's, whatever colons follow. */
static struct side parse_side(const char *text)
{
	const char *colon = strchr(text, ':');
	struct side s = { .path = text, .root_fd = -1 };

	if (colon && colon != text && text[0] != '/' && text[0] != '.' && !str_eq(text, "-")) {
		s.container = xstrndup(text, (size_t)(colon - text));
		s.path = colon + 1;
	}
	return s;
}

static int open_container(struct cli *cli, struct side *s, struct err *err)
{
	s->root_fd = container_root_open(cli, s->container, err);
	return s->root_fd < 0 ? s->root_fd : 0;
}

static int open_host(struct side *s, struct err *err)
{
	s->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->root_fd < 0 ? err_sys(err, -errno, "open '/'") : 0;
}

/* The path from the side's root: a relative one is relative to the working directory, of a container to "/". New string. */
static char *absolute(const struct side *s)
{
	char cwd[4096] = "";

	if (s->path[0] == '/')
		return xstrdup(s->path);
	if (!s->container && !getcwd(cwd, sizeof(cwd)))
		cwd[0] = '\0';
	return xasprintf("%s/%s", cwd, s->path);
}

/* Where something is, or is to be: a directory and a name in it. */
struct place {
	int dir_fd; /* owned */
	char *name; /* owned */
};

static void place_done(struct place *p)
{
	fd_close(&p->dir_fd);
	free(p->name);
}

static bool ends_in_dot(const char *path)
{
	return str_ends(path, "/.") || str_eq(path, ".");
}

/* The source: "DIR/." is the contents of DIR, as { DIR, "." }. */
static int find_source(const struct side *s, bool follow, struct place *ret, struct err *err)
{
	AUTO_FREE char *path = absolute(s);
	AUTO_FREE char *clean = path_clean(path);
	struct stat st;

	if (ends_in_dot(s->path) || str_eq(clean, "/")) {
		ret->dir_fd = path_open_in_root(s->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
		ret->name = xstrdup(".");
		return ret->dir_fd < 0 ? err_sys(err, ret->dir_fd, "open '%s'", s->path) : 0;
	}
	for (unsigned hops = 0; hops < 40; hops++) {
		char target[4097];
		ssize_t n;
		AUTO_FREE char *next = NULL;

		place_done(ret);
		ret->name = NULL;
		ret->dir_fd = path_open_parent_in_root(s->root_fd, clean, false, 0, &ret->name);
		if (ret->dir_fd < 0 || fstatat(ret->dir_fd, ret->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, ret->dir_fd < 0 ? ret->dir_fd : -errno, "find '%s'", s->path);
		if (!follow || !S_ISLNK(st.st_mode))
			return 0;
		n = readlinkat(ret->dir_fd, ret->name, target, sizeof(target) - 1);
		if (n < 0)
			return err_sys(err, -errno, "read the link '%s'", s->path);
		target[n] = '\0';
		next = target[0] == '/' ? xstrdup(target) : xasprintf("%s/../%s", clean, target);
		free(clean);
		clean = path_clean(next);
	}
	return err_sys(err, -ELOOP, "follow '%s'", s->path);
}

/* The destination: into a directory that is there, under the source's name; else as that name, below a directory that is there. */
static int find_target(const struct side *s, const struct place *from, bool from_is_dir, struct place *ret, struct err *err)
{
	AUTO_FREE char *path = absolute(s);
	AUTO_CLOSE int dir = path_open_in_root(s->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
	bool contents = str_eq(from->name, ".");

	if (dir >= 0) {
		ret->name = xstrdup(from->name);
		ret->dir_fd = TAKE_FD(dir);
		return 0;
	}
	if (dir != -ENOENT && dir != -ENOTDIR)
		return err_sys(err, dir, "open '%s'", s->path);
	if (dir == -ENOTDIR && from_is_dir)
		return err_set(err, ENOTDIR, "cannot copy a directory over the file '%s'", s->path);
	if (str_ends(s->path, "/") && !from_is_dir)
		return err_set(err, ENOENT, "the directory '%s' does not exist", s->path);
	ret->dir_fd = path_open_parent_in_root(s->root_fd, path, false, 0, &ret->name);
	if (ret->dir_fd < 0)
		return err_sys(err, ret->dir_fd, "open the directory of '%s'", s->path);
	if (!contents)
		return 0;
	/* "DIR/." to a name that is not there: the name becomes the directory. */
	if (mkdirat(ret->dir_fd, ret->name, 0755) < 0)
		return err_sys(err, -errno, "make '%s'", s->path);
	dir = openat(ret->dir_fd, ret->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, -errno, "open '%s'", s->path);
	place_done(ret);
	ret->dir_fd = TAKE_FD(dir);
	ret->name = xstrdup(".");
	return 0;
}

static int is_dir(const struct place *p)
{
	struct stat st;

	return fstatat(p->dir_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int copy(const struct cp_options *o, const struct side *from, const struct side *to, struct err *err)
{
	CLEANUP(place_done) struct place source = { .dir_fd = -1 };
	CLEANUP(place_done) struct place target = { .dir_fd = -1 };
	int r = find_source(from, o->follow_link, &source, err);

	if (r == 0)
		r = find_target(to, &source, is_dir(&source), &target, err);
	if (r == 0)
		r = tree_copy(source.dir_fd, source.name, target.dir_fd, target.name, COPY_MERGE | (o->archive ? 0 : COPY_NO_OWNER), err);
	return r < 0 ? err_wrap(err, "copy '%s' to '%s'", from->path, to->path) : 0;
}

static int hand_over(const struct side *s, bool out, const struct cp_options *o, struct err *err)
{
	AUTO_FREE char *path = absolute(s);

	return tar_stream(out ? TAR_OUT : TAR_IN, s->root_fd, path, o->archive ? "--archive" : NULL, err);
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct cp_options *o = target;
	CLEANUP(side_done) struct side from = parse_side(operands[0]);
	CLEANUP(side_done) struct side to = parse_side(operands[1]);
	bool tar_in = str_eq(operands[0], "-"), tar_out = str_eq(operands[1], "-");
	int r;

	if (!from.container && !to.container)
		return err_set(err, EINVAL, "one of SOURCE and DESTINATION must be CONTAINER:PATH");
	if (!*from.path || !*to.path)
		return err_set(err, EINVAL, "the path in '%s' is empty", *from.path ? operands[1] : operands[0]);
	r = from.container ? open_container(cli, &from, err) : open_host(&from, err);
	if (r == 0)
		r = to.container ? open_container(cli, &to, err) : open_host(&to, err);
	if (r < 0)
		return r;
	if (tar_in || tar_out)
		return hand_over(tar_out ? &from : &to, tar_out, o, err);
	return copy(o, &from, &to, err);
}

const struct cli_command cli_cp = {
	.name = "cp",
	.operands = "[OPTIONS] SOURCE DESTINATION",
	.help = "copy files between a container and the host",
	.options = rows,
	.target_size = sizeof(struct cp_options),
	.min_operands = 2,
	.max_operands = 2,
	.container = true,
	.run = run,
};
