/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/program.h"

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

/* What the first run left, "PID:PATH": an exec keeps the pid, a child has another. NULL: nothing that is for us. */
static const char *marked_path(void)
{
	const char *mark = getenv(PROGRAM_MARK), *colon = mark ? strchr(mark, ':') : NULL;
	char pid[16];

	if (!colon)
		return NULL;
	(void)snprintf(pid, sizeof(pid), "%d:", (int)getpid());
	return str_starts(mark, pid) ? colon + 1 : NULL;
}

bool program_is_second_run(void)
{
	return marked_path() != NULL;
}

char *program_path(void)
{
	const char *marked = marked_path();
	AUTO_FREE char *path = NULL;
	ssize_t n = -1;

	if (marked)
		return *marked ? xstrdup(marked) : NULL;
	for (size_t size = 256; size <= PATH_MAX && (n < 0 || (size_t)n == size / 2); size *= 2) {
		path = xreallocarray(path, size, 1);
		n = readlink("/proc/self/exe", path, size);
		if (n < 0)
			return NULL;
	}
	return n > 0 && n < PATH_MAX ? xstrndup(path, (size_t)n) : NULL;
}

int program_leave_mark(void)
{
	AUTO_FREE char *path = program_path();
	AUTO_FREE char *mark = xasprintf("%d:%s", (int)getpid(), path ? path : "");

	return setenv(PROGRAM_MARK, mark, 1) < 0 ? -errno : 0;
}

char *program_find_helper(const char *name)
{
	static const char *const places[] = { "", "../libexec/brig/" };
	AUTO_FREE char *self = program_path();
	char *slash = self ? strrchr(self, '/') : NULL;

	if (!slash)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		AUTO_FREE char *path = xasprintf("%.*s/%s%s", (int)(slash - self), self, places[i], name);

		if (access(path, X_OK) == 0)
			return TAKE_PTR(path);
	}
	return NULL;
}
