/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "images/pull.h"
#include "runtime/base/fd.h"
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
	if (r < 0)
		return r;
	image_event(cli, "delete", i, NULL);
	printf("%s\n", digest_hex(&i->config, hex));
	return 0;
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

struct unpack_options {
	struct option_list uidmap, gidmap;
};

#define T struct unpack_options
static const struct option_row unpack_rows[] = {
	OPT_LIST(T, gidmap, "gidmap", 0, "INSIDE:OUTSIDE:N", "write groups of the image as others (may be repeated)"),
	OPT_LIST(T, uidmap, "uidmap", 0, "INSIDE:OUTSIDE:N", "write owners of the image as others (may be repeated)"),
	OPT_END,
};
#undef T

static int parse_ids(const char *flag, const struct option_list *l, struct dirsink_ids **ret, struct err *err)
{
	struct dirsink_ids *v = *ret = xcalloc(l->n + 1, sizeof(*v));

	for (size_t i = 0; i < l->n; i++) {
		AUTO_FREE char *copy = xstrdup(l->v[i]);
		char *rest = copy, *inside = strsep(&rest, ":"), *outside = rest ? strsep(&rest, ":") : NULL;

		if (!rest || str_to_u32(inside, &v[i].inside) < 0 || str_to_u32(outside, &v[i].outside) < 0 || str_to_u32(rest, &v[i].n) < 0)
			return err_set(err, EINVAL, "--%s '%s': must be INSIDE:OUTSIDE:N, three numbers", flag, l->v[i]);
	}
	return 0;
}

/* Root of a user namespace cannot make device nodes, or give files to ids that it has not. */
static bool unprivileged(void)
{
	AUTO_FREE char *map = NULL;

	return geteuid() != 0 || (fd_read_file(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL) == 0 && !strstr(map, "4294967295"));
}

static int unpack_image(struct image_cli *cli, const struct image_view *v, const char *dir, const struct unpack_options *o, struct err *err)
{
	AUTO_FREE struct dirsink_ids *uids = NULL, *gids = NULL;
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirsink_options out = { .root_fd = fd, .keep_going_on_eperm = unprivileged(), .n_uids = o->uidmap.n, .n_gids = o->gidmap.n };
	int r = fd < 0 ? err_sys(err, -errno, "open '%s'", dir) : parse_ids("uidmap", &o->uidmap, &uids, err);

	if (r == 0)
		r = parse_ids("gidmap", &o->gidmap, &gids, err);
	if (r < 0)
		return r;
	out.uids = uids;
	out.gids = gids;
	r = store_unpack(&cli->store, v->config.diff_ids, v->config.n_diff_ids, &out, err);
	return r < 0 ? err_wrap(err, "unpack into '%s'", dir) : 0;
}

static int run_unpack(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_VIEW struct image_view v = { 0 };
	int r = image_find(cli, operands[0], &image, NULL, err);

	if (r == 0)
		r = image_view_load(&cli->store, &image, &v, err);
	if (r < 0)
		return r;
	/* Made here, so that a second unpack into the same place is refused, and so is a path that is not there. */
	if (mkdir(operands[1], 0755) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make directory '%s'", operands[1]);
	return unpack_image(cli, &v, operands[1], target, err);
}

const struct image_command image_cmd_unpack = {
	.image_names = { "unpack" },
	.operands = "IMAGE DIRECTORY",
	.help = "write an image's root file system into an empty directory",
	.options = unpack_rows,
	.target_size = sizeof(struct unpack_options),
	.min_operands = 2,
	.max_operands = 2,
	.run = run_unpack,
};
