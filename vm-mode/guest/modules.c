/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/*
 * DOC: kernel modules
 *
 * A distribution's kernel has its virtio drivers as modules. The initramfs has those that a guest may need in /modules, with a
 * list that its maker wrote in dependency order:
 *   % RELEASE      of the kernel that they are for; another kernel has what it needs built in
 *   GROUP FILE     a module of the group; groups are loaded when they are needed, "boot" at once
 *   = ALIAS GROUP  what the kernel may ask /sbin/modprobe for
 * A file is deleted once it is loaded: it lies in memory.
 */
#define LIST "/modules/list"

static int load_file(const char *file, struct err *err)
{
	AUTO_FREE char *path = xasprintf("/modules/%s", file);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "open '%s'", path); /* loaded before */
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "load module '%s'", file);
	(void)unlink(path);
	return 0;
}

/* One line after the other; false at the end. */
static bool next_line(char **at, char **ret)
{
	if (!*at || !**at)
		return false;
	*ret = strsep(at, "\n");
	return true;
}

/* The list, when it is for this kernel; "" otherwise. */
static char *read_list(void)
{
	AUTO_FREE char *text = NULL, *first = NULL;
	struct utsname name;

	if (fd_read_file(AT_FDCWD, LIST, 1 << 16, &text, NULL) < 0 || uname(&name) < 0)
		return xstrdup("");
	first = xasprintf("%% %s\n", name.release);
	return str_starts(text, first) ? TAKE_PTR(text) : xstrdup("");
}

bool modules_are_there(void)
{
	AUTO_FREE char *text = read_list();

	return *text;
}

int modules_load(const char *group, struct err *err)
{
	AUTO_FREE char *text = read_list();
	char *at, *line;
	size_t n = strlen(group);

	for (at = text; next_line(&at, &line);) {
		int r;

		if (strncmp(line, group, n) != 0 || line[n] != ' ')
			continue;
		r = load_file(line + n + 1, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int modules_probe(const char *name)
{
	AUTO_FREE char *text = read_list(), *want = xasprintf("= %s ", name);
	char *at, *line;
	struct err err;

	for (at = text; next_line(&at, &line);)
		if (str_starts(line, want))
			return modules_load(line + strlen(want), &err);
	return -ENOENT;
}
