/* SPDX-License-Identifier: Apache-2.0 */
/* brig system prune: the prune of every kind, one after the other. */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/output.h"
#include "runtime/cli/status.h"
#include "runtime/cli/system.h"
#include "runtime/net/helper.h"
#include "runtime/net/network.h"

#include <errno.h>
#include <fcntl.h>

struct prune_options {
	bool all, force, volumes;
	struct option_list filter;
};
#define T struct prune_options
static const struct option_row rows[] = {
	OPT_FLAG(T, all, "all", 'a', "also images with a name that no container uses"),
	OPT_LIST(T, filter, "filter", 0, "KEY=VALUE", "only those that match: until, label, label!"),
	OPT_FLAG(T, force, "force", 'f', "do not ask"),
	OPT_FLAG(T, volumes, "volumes", 0, "also anonymous volumes that no container uses"),
	OPT_END,
};
#undef T

static bool confirm(const struct prune_options *o)
{
	if (o->force)
		return true;
	fprintf(stderr, "WARNING! This command removes:\n"
			"\t- all containers that do not run\n"
			"\t- all networks that no container uses\n"
			"%s\t- all images %s\n\n",
		o->volumes ? "\t- all anonymous volumes that no container uses\n" : "",
		o->all ? "that no container uses" : "without a name that no container uses");
	return output_confirm("Are you sure you want to continue?", false);
}

/* What containers, volumes and images take. */
static uint64_t used(struct cli *cli)
{
	AUTO_CLOSE int fd = open(cli->store.root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? 0 : system_image_bytes(fd) + tree_bytes(fd, "containers") + tree_bytes(fd, "volumes");
}

/* The prune of a kind is a command of its own. Its standard output comes under a heading, when there is any. */
static int prune_kind(struct cli *cli, const struct prune_options *o, const char *kind, const char *heading, struct err *err)
{
	struct helper_io io = { .max = 16U << 20, .extra_fd = -1, .timeout_ms = 600000 };
	bool images = str_eq(kind, "image"), filtered = images || str_eq(kind, "container");
	AUTO_FREE char *self = NULL;
	char **argv;
	int r = cli_find_program("brig", &self, err);

	if (r < 0)
		return r;
	argv = cli_argv(cli, "brig");
	strings_add(&argv, kind);
	strings_add(&argv, "prune");
	strings_add(&argv, "--force");
	if (images && o->all)
		strings_add(&argv, "--all");
	for (size_t i = 0; filtered && i < o->filter.n; i++) {
		strings_add(&argv, "--filter");
		strings_add(&argv, o->filter.v[i]);
	}
	io.argv = (const char *const *)argv;
	r = helper_talk(self, &io);
	if (io.out.len)
		printf("Deleted %s\n%s\n", heading, io.out.p);
	if (r != 0)
		r = err_set(err, r < 0 ? -r : EIO, "%s prune: %s", kind, helper_words(io.err.p ? io.err.p : (char[]){ "" }));
	strings_free(argv);
	buf_done(&io.out);
	buf_done(&io.err);
	return r;
}

static int run(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	static const struct {
		const char *kind, *heading;
	} kinds[] = { { "container", "Containers" }, { "network", "Networks" }, { "volume", "Volumes" }, { "image", "Images" } };
	const struct prune_options *o = target;
	AUTO_FREE char *freed = NULL;
	uint64_t before, after;
	int code = 0, r = cli_open_store(cli, err);

	if (r < 0 || !confirm(o))
		return r;
	before = used(cli);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct err e = { 0 };

		if (str_eq(kinds[i].kind, "volume") && !o->volumes)
			continue;
		if (prune_kind(cli, o, kinds[i].kind, kinds[i].heading, &e) < 0)
			cli_report(&e, &code);
	}
	after = used(cli);
	freed = table_size(before > after ? before - after : 0, "");
	printf("Total reclaimed space: %s\n", freed);
	return code;
}

const struct cli_command cli_system_prune = {
	.name = "system prune",
	.operands = "[OPTIONS]",
	.help = "remove all that nothing uses",
	.options = rows,
	.target_size = sizeof(struct prune_options),
	.max_operands = 0,
	.run = run,
};
