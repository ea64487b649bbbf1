/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "images/archive.h"
#include "images/push.h"
#include "runtime/base/fd.h"
#include "runtime/cli/images/progress.h"
#include "runtime/cli/images/registry_options.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
	struct registry_flags r;
	bool quiet, all_tags, remove_signatures, compress;
	const char *digest_file;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_FLAG(T, all_tags, "all-tags", 'a', "all stored tags of the repository"),
	OPT_STRING(T, digest_file, "digestfile", 0, "FILE", "write the digest that the image has in the registry to FILE"),
	OPT_FLAG(T, quiet, "quiet", 'q', "print no progress"),
	REGISTRY_FLAG_ROWS(T),
	OPT_FLAG(T, compress, "compress", 0, "accepted and ignored"),
	OPT_FLAG(T, remove_signatures, "remove-signatures", 0, "accepted and ignored"),
	OPT_IGNORE("format", "TYPE", "accepted and ignored: the manifest keeps its type"),
	OPT_IGNORE("disable-content-trust", "BOOL", "accepted and ignored"),
	OPT_END,
};
#undef T

static int write_digest(const char *path, const struct digest *d, struct err *err)
{
	char text[DIGEST_TEXT_LEN];
	int r;

	digest_text(d, text);
	r = fd_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644, false);
	return r < 0 ? err_sys(err, r, "write '%s'", path) : 0;
}

/* The registry knows it under this digest from now on. */
static int remember(struct image_cli *cli, const struct store_image *image, const struct reference *dest, const struct digest *d, struct err *err)
{
	AUTO_FREE char *repository = reference_repository(dest), *name = NULL;
	char text[DIGEST_TEXT_LEN];

	name = xasprintf("%s@%s", repository, digest_text(d, text));
	return store_tag(&cli->store, name, &image->manifest, err);
}

static int push_to(struct image_cli *cli, const struct options *o, const struct push_options *po, struct progress *progress,
		   const struct store_image *image, const char *text, struct err *err)
{
	AUTO_REFERENCE struct reference ref = { 0 }, dest = { 0 };
	struct digest digest;
	bool changed;
	int r = reference_parse(text, &ref, err);

	if (r < 0)
		return r;
	reference_qualify(&ref, REFERENCE_DEFAULT_HOST, &dest);
	r = push_image(&cli->store, image, &dest, po, &digest, &changed, err);
	if (r < 0)
		return r;
	if (changed && !o->quiet)
		fprintf(stderr, "Warning: the compressed layers were not kept, so the manifest has another digest than before (see keep-blobs in "
				"brig-image(1)); the image's ID is the same\n");
	progress_summary(progress, text);
	image_event(cli, "push", image, text);
	r = remember(cli, image, &dest, &digest, err);
	return r == 0 && o->digest_file ? write_digest(o->digest_file, &digest, err) : r;
}

/* oci:, oci-archive:, docker-archive: and dir: are saved. */
static int push_to_file(struct image_cli *cli, const struct location *to, const struct store_image *image, const char *name, struct err *err)
{
	const char *names[1] = { to->name ? to->name : name };
	bool dir = to->transport == TRANSPORT_OCI || to->transport == TRANSPORT_DIR;
	AUTO_CLOSE int fd = -1;

	if (dir && mkdir(to->path, 0755) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make directory '%s'", to->path);
	fd = dir ? open(to->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
		   open(to->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(err, -errno, "open '%s'", to->path);
	if (to->transport == TRANSPORT_DIR)
		return archive_save_flat(&cli->store, image, fd, err);
	if (dir)
		return archive_save_dir(&cli->store, image, names, 1, fd, err);
	return archive_save_tar(&cli->store, image, names, 1, fd, to->transport == TRANSPORT_DOCKER_ARCHIVE, err);
}

static int push_one(struct image_cli *cli, const struct options *o, const struct push_options *po, struct progress *progress, const char *what,
		    const char *where, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_LOCATION struct location to = { 0 };
	AUTO_FREE char *name = NULL;
	int r = image_find(cli, what, &image, &name, err);

	if (r == 0 && !where && !name)
		r = err_set(err, EINVAL, "'%s' is an id: say where to push it to", what);
	if (r == 0)
		r = location_parse(where ? where : name, &to, err);
	if (r < 0)
		return r;
	if (to.transport != TRANSPORT_NONE && to.transport != TRANSPORT_REGISTRY)
		return push_to_file(cli, &to, &image, name, err);
	return push_to(cli, o, po, progress, &image, to.path, err);
}

static int push_all(struct image_cli *cli, const struct options *o, const struct push_options *po, struct progress *progress, const char *what,
		    struct err *err)
{
	AUTO_REFERENCE struct reference ref = { 0 }, full = { 0 };
	AUTO_FREE char *repository = NULL;
	struct store_image *list = NULL;
	size_t n = 0, hits = 0;
	int r = reference_parse(what, &ref, err);

	if (r == 0 && ref.tag)
		r = err_set(err, EINVAL, "--all-tags and a tag exclude each other");
	if (r < 0)
		return r;
	reference_qualify(&ref, REFERENCE_DEFAULT_HOST, &full);
	repository = reference_repository(&full);
	r = store_list(&cli->store, &list, &n, err);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; r == 0 && k < list[i].n_names; k++) {
			AUTO_FREE char *own = image_repository(list[i].names[k]);

			if (!str_eq(own, repository) || lookup_is_digest_name(list[i].names[k]))
				continue;
			hits++;
			r = push_to(cli, o, po, progress, &list[i], list[i].names[k], err);
		}
	}
	store_list_done(list, n);
	return r == 0 && !hits ? err_set(err, ENOENT, "no stored image has a tag in %s", repository) : r;
}

static int run(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct options *o = target;
	AUTO_CREDENTIALS struct credentials creds = { 0 };
	AUTO_PROGRESS struct progress progress;
	struct push_options po = { .parallel = cli->settings.parallel_layers, .chunk_bytes = cli->settings.upload_chunk_bytes };
	int r;

	progress_init(&progress, o->quiet, true);
	po.observer = &progress.observer;
	r = registry_flags_read(&o->r, &cli->settings, &creds, &po.registry, err);
	if (r < 0)
		return r;
	if (o->all_tags && operands[1])
		return err_set(err, EINVAL, "--all-tags and a destination exclude each other");
	return o->all_tags ? push_all(cli, o, &po, &progress, operands[0], err) :
			     push_one(cli, o, &po, &progress, operands[0], operands[1], err);
}

const struct image_command image_cmd_push = {
	.names = { "push" },
	.image_names = { "push" },
	.operands = "IMAGE [DESTINATION]",
	.help = "send an image to a registry",
	.options = rows,
	.target_size = sizeof(struct options),
	.defaults = &(const struct options){ .r.tls_verify = true },
	.min_operands = 1,
	.max_operands = 2,
	.run = run,
};
