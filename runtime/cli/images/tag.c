/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "images/reference.h"

#include <errno.h>

static const struct option_row no_rows[] = { OPT_END };

/* ---- tag ---- */

static int run_tag(struct image_cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	int r = image_find(cli, operands[0], &image, NULL, err);

	for (char **o = operands + 1; r == 0 && *o; o++) {
		AUTO_FREE char *name = NULL;

		r = reference_local_name(*o, &name, err);
		if (r == 0)
			r = store_tag(&cli->store, name, &image.manifest, err);
		if (r == 0)
			image_event(cli, "tag", &image, name);
	}
	return r;
}

const struct image_command image_cmd_tag = {
	.names = { "tag" },
	.image_names = { "tag" },
	.operands = "IMAGE NAME[:TAG]...",
	.help = "give an image another name",
	.options = no_rows,
	.min_operands = 2,
	.max_operands = -1,
	.run = run_tag,
};

/* ---- untag ---- */

static int untag(struct image_cli *cli, const struct store_image *image, const char *name, struct err *err)
{
	int r = store_untag(&cli->store, name, err);

	if (r == 0)
		image_event(cli, "untag", image, name);
	return r;
}

static int run_untag(struct image_cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	int r = image_find(cli, operands[0], &image, NULL, err);

	if (r == 0 && !operands[1])
		for (size_t i = 0; r == 0 && i < image.n_names; i++)
			r = untag(cli, &image, image.names[i], err);
	for (char **o = operands + 1; r == 0 && operands[0] && operands[1] && *o; o++) {
		AUTO_IMAGE struct store_image other = { 0 };
		AUTO_FREE char *name = NULL;

		r = image_find(cli, *o, &other, &name, err);
		if (r == 0 && (!name || !digest_eq(&other.manifest, &image.manifest)))
			r = err_set(err, ENOENT, "%s: tag not known", *o);
		if (r == 0)
			r = untag(cli, &image, name, err);
	}
	return r;
}

const struct image_command image_cmd_untag = {
	.names = { "untag" },
	.image_names = { "untag" },
	.operands = "IMAGE [NAME[:TAG]...]",
	.help = "take names from an image, all of them when none is given",
	.options = no_rows,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_untag,
};

/* ---- exists ---- */

static int run_exists(struct image_cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	int r = lookup_image(&cli->store, operands[0], &image, NULL, err);

	return r == -ENOENT ? 1 : r;
}

const struct image_command image_cmd_exists = {
	.image_names = { "exists" },
	.operands = "IMAGE",
	.help = "exit with 0 when the image is stored, with 1 when it is not",
	.options = no_rows,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_exists,
};

/* ---- rmi ---- */

enum { RMI_MISSING = 1, RMI_IN_USE = 2 };

struct rmi_options {
	bool all, force, ignore, no_prune;
};

#define T struct rmi_options
static const struct option_row rmi_rows[] = {
	OPT_FLAG(T, all, "all", 'a', "remove all images that no container uses"),
	OPT_FLAG(T, force, "force", 'f', "remove an image with several names; take the names of one that a container uses"),
	OPT_FLAG(T, ignore, "ignore", 'i', "a missing image is no error"),
	OPT_FLAG(T, no_prune, "no-prune", 0, "accepted: brig has no untagged parents"),
	OPT_END,
};
#undef T

static size_t count_tags(const struct store_image *i)
{
	size_t n = 0;

	for (size_t k = 0; k < i->n_names; k++)
		n += !lookup_is_digest_name(i->names[k]);
	return n;
}

static int remove_whole(struct image_cli *cli, const struct store_image *image, bool force, struct err *err)
{
	char hex[DIGEST_HEX_LEN];
	int r = store_remove_image(&cli->store, &image->manifest, err);

	if (r == -EBUSY) {
		err_set(err, EBUSY, "image %.12s is used by a container: remove that first", digest_hex(&image->config, hex));
		for (size_t k = 0; force && k < image->n_names; k++)
			if (untag(cli, image, image->names[k], NULL) == 0)
				printf("Untagged: %s\n", image->names[k]);
		return force && image->n_names ? 0 : r;
	}
	if (r < 0)
		return r;
	for (size_t k = 0; k < image->n_names; k++)
		if (!lookup_is_digest_name(image->names[k])) {
			image_event(cli, "untag", image, image->names[k]);
			printf("Untagged: %s\n", image->names[k]);
		}
	image_event(cli, "delete", image, NULL);
	printf("Deleted: %s\n", digest_hex(&image->config, hex));
	return 0;
}

static int remove_one(struct image_cli *cli, const struct rmi_options *o, const char *text, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_FREE char *name = NULL;
	char hex[DIGEST_HEX_LEN];
	int r = image_find(cli, text, &image, &name, err);

	if (r < 0)
		return r;
	/* One of several names: only that goes. */
	if (name && count_tags(&image) > (lookup_is_digest_name(name) ? 0 : 1)) {
		r = untag(cli, &image, name, err);
		if (r == 0)
			printf("Untagged: %s\n", name);
		return r;
	}
	if (!name && count_tags(&image) > 1 && !o->force)
		return err_set(err, EEXIST, "image %.12s has several names: remove them one by one, or use --force",
			       digest_hex(&image.config, hex));
	return remove_whole(cli, &image, o->force, err);
}

static int remove_all(struct image_cli *cli, const struct rmi_options *o, struct err *err)
{
	struct store_image *list = NULL;
	size_t n = 0;
	int r = store_list(&cli->store, &list, &n, err), code = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		int x = remove_whole(cli, &list[i], o->force, err);

		if (x < 0)
			image_report(err, &code, x == -EBUSY ? RMI_IN_USE : IMAGES_EXIT_ERROR);
	}
	store_list_done(list, n);
	return r < 0 ? r : code;
}

static int run_rmi(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct rmi_options *o = target;
	int code = 0, r;

	if (!o->all && !operands[0])
		return err_set(err, EINVAL, "needs the name of an image, or --all");
	if (o->all && operands[0])
		return err_set(err, EINVAL, "--all and image names exclude each other");
	if (o->all)
		code = remove_all(cli, o, err);
	for (char **name = operands; *name; name++) {
		r = remove_one(cli, o, *name, err);
		if (r == -ENOENT && o->ignore)
			continue;
		if (r < 0)
			image_report(err, &code, r == -ENOENT ? RMI_MISSING : r == -EBUSY ? RMI_IN_USE : IMAGES_EXIT_ERROR);
	}
	/* The space comes back at once, unless a pull holds the store: then the next removal or prune gives it. */
	r = code < 0 ? code : store_gc_if_idle(&cli->store, err);
	return r < 0 ? r : code;
}

const struct image_command image_cmd_rmi = {
	.names = { "rmi" },
	.image_names = { "rm", "remove", "rmi" },
	.operands = "IMAGE...",
	.help = "remove images",
	.options = rmi_rows,
	.target_size = sizeof(struct rmi_options),
	.max_operands = -1,
	.run = run_rmi,
};
