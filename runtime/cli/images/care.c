/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "images/pull.h"
#include "runtime/cli/images/progress.h"
#include "runtime/cli/images/registry_options.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- prune ---- */

struct prune_options {
	bool all, force;
	struct option_list filters;
};

#define T struct prune_options
static const struct option_row prune_rows[] = {
	OPT_FLAG(T, all, "all", 'a', "also images with names that no container uses"),
	OPT_LIST(T, filters, "filter", 0, "FILTER", "until=TIME, label=KEY[=VALUE] or label!=KEY[=VALUE]: only such images"),
	OPT_FLAG(T, force, "force", 'f', "do not ask"),
	OPT_END,
};
#undef T

static bool confirmed(const struct prune_options *o)
{
	char answer[16] = "";

	if (o->force || !isatty(STDIN_FILENO))
		return true;
	fprintf(stderr, "This removes all %s.\nAre you sure you want to continue? [y/N] ",
		o->all ? "images that no container uses" : "images without a name that no container uses");
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* Does the image pass all filters? */
static int prune_passes(const struct prune_options *o, const struct image_view *v, struct err *err)
{
	for (size_t i = 0; i < o->filters.n; i++) {
		AUTO_FREE char *key = NULL;
		const char *value;
		int64_t until;
		int r = image_filter_split(o->filters.v[i], &key, &value, err);

		if (r == 0 && str_eq(key, "until")) {
			r = image_until(value, &until, err);
			if (r == 0 && v->created_s >= until)
				return 0;
		} else if (r == 0 && (str_eq(key, "label") || str_eq(key, "label!"))) {
			if (image_label_matches(&v->config, value) == str_eq(key, "label!"))
				return 0;
		} else if (r == 0) {
			r = err_set(err, EINVAL, "invalid filter '%s'", key);
		}
		if (r < 0)
			return r;
	}
	return 1;
}

static bool has_tag(const struct store_image *i)
{
	for (size_t k = 0; k < i->n_names; k++)
		if (!lookup_is_digest_name(i->names[k]))
			return true;
	return false;
}

static int prune_image(struct image_cli *cli, const struct prune_options *o, const struct store_image *i, struct err *err)
{
	AUTO_VIEW struct image_view v = { 0 };
	char hex[DIGEST_HEX_LEN];
	int r = !o->all && has_tag(i) ? 0 : image_view_load(&cli->store, i, &v, err);

	if (r < 0 || (!o->all && has_tag(i)))
		return r;
	r = prune_passes(o, &v, err);
	if (r <= 0)
		return r;
	r = store_remove_image(&cli->store, &i->manifest, err);
	if (r == -EBUSY)
		return 0;
	if (r == 0)
		printf("%s\n", digest_hex(&i->config, hex));
	return r;
}

static int run_prune(struct image_cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	const struct prune_options *o = target;
	AUTO_FREE char *freed = NULL;
	struct store_gc_result res = { 0 };
	struct store_image *list = NULL;
	size_t n = 0;
	int r;

	if (!confirmed(o))
		return 0;
	r = store_list(&cli->store, &list, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = prune_image(cli, o, &list[i], err);
	store_list_done(list, n);
	if (r == 0)
		r = store_gc(&cli->store, STORE_GC_GARBAGE, &res, err);
	if (r < 0)
		return r;
	freed = table_size(res.bytes, " ");
	fprintf(stderr, "Total reclaimed space: %s\n", freed);
	return 0;
}

const struct image_command image_cmd_prune = {
	.image_names = { "prune" },
	.operands = "",
	.help = "remove images that nobody uses, and what they leave",
	.options = prune_rows,
	.target_size = sizeof(struct prune_options),
	.run = run_prune,
};

/* ---- fsck ---- */

struct fsck_options {
	struct registry_flags r;
	bool repair, quiet;
};

#define T struct fsck_options
static const struct option_row fsck_rows[] = {
	OPT_FLAG(T, quiet, "quiet", 'q', "print no progress of what is fetched again"),
	OPT_FLAG(T, repair, "repair", 0, "remove what is damaged, build again what can be built, fetch again what came from a registry"),
	REGISTRY_FLAG_ROWS(T),
	OPT_END,
};
#undef T

static void print_finding(void *ctx UNUSED, const char *what, const char *why)
{
	printf("%s: %s\n", what, why);
}

/* Are manifest, config and every layer of the image there? */
static bool is_whole(struct image_cli *cli, const struct store_image *i)
{
	AUTO_VIEW struct image_view v = { 0 };

	if (image_view_load(&cli->store, i, &v, &(struct err){ 0 }) < 0)
		return false;
	for (size_t k = 0; k < v.config.n_diff_ids; k++)
		if (!store_has_layer(&cli->store, &v.config.diff_ids[k]))
			return false;
	return true;
}

/* Fetch an image that lost something from where it came: from the first such place that still has it. */
static void fetch_again(struct image_cli *cli, const struct store_image *i, const struct pull_options *po)
{
	for (size_t k = 0; k < i->n_names; k++) {
		struct err err = { 0 };

		if (!lookup_is_digest_name(i->names[k]))
			continue;
		if (pull_repair(&cli->store, &i->manifest, i->names[k], po, &err) == 0) {
			printf("%s: fetched again\n", i->names[k]);
			return;
		}
		printf("%s: cannot be fetched again: %s\n", i->names[k], err.msg);
	}
}

static int refetch(struct image_cli *cli, const struct fsck_options *f, struct err *err)
{
	AUTO_CREDENTIALS struct credentials creds = { 0 };
	AUTO_PROGRESS struct progress progress;
	struct pull_options po = { .parallel = cli->settings.parallel_layers };
	struct store_image *list = NULL;
	size_t n = 0;
	int r;

	progress_init(&progress, f->quiet, false);
	po.observer = &progress.observer;
	r = registry_flags_read(&f->r, &cli->settings, &creds, &po.registry, err);
	if (r == 0)
		r = store_list(&cli->store, &list, &n, err);
	for (size_t i = 0; i < n; i++)
		if (!is_whole(cli, &list[i]))
			fetch_again(cli, &list[i], &po);
	store_list_done(list, n);
	return r;
}

static void count_finding(void *ctx UNUSED, const char *what UNUSED, const char *why UNUSED)
{
}

static int run_fsck(struct image_cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	const struct fsck_options *f = target;
	struct store_fsck_options o = { .repair = f->repair, .report = print_finding };
	int r = store_fsck(&cli->store, &o, err);

	if (r >= 0 && f->repair) {
		r = refetch(cli, f, err);
		/* What is left now stays. */
		o = (struct store_fsck_options){ .report = count_finding };
		if (r == 0)
			r = store_fsck(&cli->store, &o, err);
	}
	return r > 0 ? 1 : r;
}

const struct image_command image_cmd_fsck = {
	.names = { "fsck" },
	.image_names = { "fsck" },
	.operands = "",
	.help = "check every byte of the image store; exit with 1 when something is damaged",
	.options = fsck_rows,
	.target_size = sizeof(struct fsck_options),
	.defaults = &(const struct fsck_options){ .r.tls_verify = true },
	.run = run_fsck,
};

/* ---- unpack ---- */

static const struct option_row unpack_rows[] = { OPT_END };

static int run_unpack(struct image_cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_VIEW struct image_view v = { 0 };
	AUTO_CLOSE int fd = -1;
	int r = image_find(cli, operands[0], &image, NULL, err);

	if (r == 0)
		r = image_view_load(&cli->store, &image, &v, err);
	if (r < 0)
		return r;
	/* Made here, so that a second unpack into the same place is refused, and so is a path that is not there. */
	if (mkdir(operands[1], 0755) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make directory '%s'", operands[1]);
	fd = open(operands[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "open '%s'", operands[1]);
	r = store_unpack(&cli->store, v.config.diff_ids, v.config.n_diff_ids, fd, geteuid() != 0, err);
	return r < 0 ? err_wrap(err, "unpack into '%s'", operands[1]) : 0;
}

const struct image_command image_cmd_unpack = {
	.image_names = { "unpack" },
	.operands = "IMAGE DIRECTORY",
	.help = "write an image's root file system into an empty directory",
	.options = unpack_rows,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_unpack,
};
