/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/status.h"

#include "runtime/base/dir.h"
#include "runtime/base/mem.h"
#include "runtime/cli/health.h"
#include "runtime/cli/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char *status_text(const struct record *r, enum record_state s)
{
	int64_t since = record_since(r, s);
	AUTO_FREE char *age = table_age(since ? time(NULL) - since : 0), *health = NULL;

	switch (s) {
	case RECORD_CREATED:
		return xstrdup("Created");
	case RECORD_STARTING:
		return xstrdup("Initialized");
	case RECORD_RUNNING:
		health = health_status(r);
		if (health)
			return xasprintf("Up %s (%s%s)", age, str_eq(health, "starting") ? "health: " : "", health);
		return xasprintf("Up %s", age);
	case RECORD_PAUSED:
		return xasprintf("Up %s (Paused)", age);
	case RECORD_EXITED:
		break;
	}
	return since ? xasprintf("Exited (%d) %s ago", (int)r->exit_code, age) : xstrdup("Exited");
}

uint64_t tree_bytes(int dir_fd, const char *name)
{
	AUTO_DIR DIR *dir = dir_open(dir_fd, name);
	struct dirent *e;
	uint64_t sum = 0;

	while (dir && (e = dir_next(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		sum += S_ISDIR(st.st_mode) ? tree_bytes(dirfd(dir), e->d_name) : S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	}
	return sum;
}

uint64_t status_size(const struct record *r)
{
	return tree_bytes(r->dir_fd, "upper");
}
