/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/tree_root.h"

#include "images/digest.h"
#include "runtime/base/dir.h"
#include "runtime/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define GONE ".gone-" /* renamed, for to be removed: nobody finds it any more */

/* Does a container of that id exist? Its unpacking may still be going on. */
static bool container_exists(struct cli *cli, const char *id)
{
	AUTO_FREE char *dir = xasprintf("%s/containers/%s", cli->store.root, id);

	return access(dir, F_OK) == 0;
}

/* A tree belongs to a chain of layers, which the store keeps for as long as an image or a container needs it. */
static bool is_garbage(struct cli *cli, const char *name)
{
	AUTO_FREE char *chain = NULL;
	size_t n = strcspn(name, "-");

	if (str_starts(name, GONE))
		return true;
	if (name[0] == '.')
		return !container_exists(cli, name + 1);
	chain = xasprintf("%s/chains/%.*s.erofs", cli->store.root, (int)n, name);
	return access(chain, F_OK) < 0 && errno == ENOENT;
}

static int remove_one(const char *trees, const char *name, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", trees, name), *gone = xasprintf("%s/" GONE "%s", trees, name);

	if (name[0] != '.' && rename(path, gone) == 0)
		return userns_remove_tree(gone, err);
	return userns_remove_tree(path, err);
}

int tree_sweep(struct cli *cli, struct err *err)
{
	AUTO_FREE char *trees = NULL;
	AUTO_DIR DIR *d = NULL;
	int r = cli_open_store(cli, err);

	if (r < 0)
		return r;
	trees = xasprintf("%s/trees", cli->store.root);
	d = opendir(trees);
	for (struct dirent *e; d && r >= 0 && (e = dir_next(d)) != NULL;)
		if (is_garbage(cli, e->d_name))
			r = remove_one(trees, e->d_name, err);
	return r < 0 ? err_wrap(err, "remove unpacked images that no image needs any more") : 0;
}

bool tree_any(struct cli *cli)
{
	AUTO_FREE char *trees = NULL;
	struct err ignored;

	if (cli_open_store(cli, &ignored) < 0)
		return false;
	trees = xasprintf("%s/trees", cli->store.root);
	return access(trees, F_OK) == 0;
}
