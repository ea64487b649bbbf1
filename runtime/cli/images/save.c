/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "images/archive.h"
#include "images/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
	const char *output, *format;
	bool quiet, compress, multi;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_STRING(T, output, "output", 'o', "PATH", "file or directory to write (standard output)"),
	OPT_STRING(T, format, "format", 0, "FORMAT", "docker-archive, oci-archive, oci-dir or docker-dir (docker-archive)"),
	OPT_FLAG(T, quiet, "quiet", 'q', "print no progress"),
	OPT_FLAG(T, multi, "multi-image-archive", 'm', "accepted: several images are always possible"),
	OPT_FLAG(T, compress, "compress", 0, "accepted and ignored"),
	OPT_FLAG(T, compress, "uncompressed", 0, NULL),
	OPT_END,
};
#undef T

struct selection {
	struct store_image *images;
	char **names; /* owned; NULL for an image given by its id */
	size_t n;
};

static void selection_done(struct selection *s)
{
	for (size_t i = 0; i < s->n; i++) {
		store_image_done(&s->images[i]);
		free(s->names[i]);
	}
	free(s->images);
	free(s->names);
}

static int select_images(struct image_cli *cli, char **operands, struct selection *s, struct err *err)
{
	size_t n = 0;

	while (operands[n])
		n++;
	s->images = xcalloc(n, sizeof(*s->images));
	s->names = xcalloc(n, sizeof(*s->names));
	for (; s->n < n; s->n++) {
		int r = image_find(cli, operands[s->n], &s->images[s->n], &s->names[s->n], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int save_dir(struct image_cli *cli, const char *path, const struct selection *s, bool flat, struct err *err)
{
	AUTO_CLOSE int fd = -1;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make directory '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "open '%s'", path);
	if (flat)
		return archive_save_flat(&cli->store, &s->images[0], fd, err);
	return archive_save_dir(&cli->store, s->images, (const char *const *)s->names, s->n, fd, err);
}

/* Into a temporary file beside the target, so that a failed save leaves what was there before. */
static int save_file(struct image_cli *cli, const char *path, const struct selection *s, bool docker, struct err *err)
{
	AUTO_FREE char *temp = xasprintf("%s.brig-%d", path, (int)getpid());
	struct stat st;
	bool replace = stat(path, &st) < 0 || S_ISREG(st.st_mode);
	AUTO_CLOSE int fd = open(replace ? temp : path, O_WRONLY | O_CREAT | (replace ? O_EXCL : 0) | O_CLOEXEC, 0666);
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "create '%s'", path);
	r = archive_save_tar(&cli->store, s->images, (const char *const *)s->names, s->n, fd, docker, err);
	if (!replace)
		return r;
	if (r == 0 && rename(temp, path) < 0)
		r = err_sys(err, -errno, "rename '%s' to '%s'", temp, path);
	if (r < 0)
		(void)unlink(temp);
	return r;
}

static int run(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct options *o = target;
	const char *format = o->format ? o->format : "docker-archive";
	bool docker = str_eq(format, "docker-archive"), flat = str_eq(format, "docker-dir"), dir = flat || str_eq(format, "oci-dir");
	CLEANUP(selection_done) struct selection s = { 0 };
	int r;

	if (!docker && !dir && !str_eq(format, "oci-archive"))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --format: must be docker-archive, oci-archive, oci-dir or docker-dir", format);
	if (dir && !o->output)
		return err_set(err, EINVAL, "--format %s needs --output", format);
	if (flat && operands[1])
		return err_set(err, EINVAL, "--format docker-dir is for one image");
	if (!o->output && isatty(STDOUT_FILENO))
		return err_set(err, EINVAL, "cannot write an archive to a terminal: use --output or a redirection");
	r = select_images(cli, operands, &s, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s.n; i++)
		image_event(cli, "save", &s.images[i], s.names[i]);
	if (dir)
		return save_dir(cli, o->output, &s, flat, err);
	if (o->output && !str_eq(o->output, "-") && !str_eq(o->output, "/dev/stdout"))
		return save_file(cli, o->output, &s, docker, err);
	return archive_save_tar(&cli->store, s.images, (const char *const *)s.names, s.n, STDOUT_FILENO, docker, err);
}

const struct image_command image_cmd_save = {
	.names = { "save" },
	.image_names = { "save" },
	.operands = "IMAGE...",
	.help = "write images to an archive",
	.options = rows,
	.target_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
};
