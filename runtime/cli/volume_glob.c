/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/volume_glob.h"

#include "runtime/base/dir.h"
#include "runtime/base/mem.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

static void keep(struct glob_paths *g, const char *path)
{
	g->v = xreallocarray(g->v, g->n + 1, sizeof(*g->v));
	g->v[g->n++] = xstrdup(path);
}

/* Below dir ("" is the root), the rest of the pattern. */
static void find(struct glob_paths *g, const char *dir, const char *pattern)
{
	const size_t len = strcspn(pattern += strspn(pattern, "/"), "/");
	AUTO_FREE char *component = xstrndup(pattern, len);
	AUTO_FREE char *plain = xasprintf("%s/%s", dir, component);
	AUTO_DIR DIR *d = NULL;
	struct dirent *e;

	if (!len || !strpbrk(component, "*?[\\")) {
		if (faccessat(AT_FDCWD, plain, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return;
		if (pattern[len])
			find(g, plain, pattern + len);
		else
			keep(g, len ? plain : *dir ? dir : "/");
		return;
	}
	d = opendir(*dir ? dir : "/");
	while (d && (e = dir_next(d))) {
		AUTO_FREE char *path = xasprintf("%s/%s", dir, e->d_name);

		if (fnmatch(component, e->d_name, FNM_PERIOD) != 0)
			continue;
		if (pattern[len])
			find(g, path, pattern + len);
		else
			keep(g, path);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void glob_find(struct glob_paths *ret, const char *pattern)
{
	*ret = (struct glob_paths){ 0 };
	find(ret, "", pattern);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare);
}

void glob_done(struct glob_paths *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->v[i]);
	free(g->v);
	*g = (struct glob_paths){ 0 };
}
