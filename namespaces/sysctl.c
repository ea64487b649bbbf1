/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/init.h"
#include "runtime/base/fd.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

/* sysctl(8): the first separator decides; with '.' first, a '/' inside a part stands for a dot of a name. */
static void key_to_path(const char *key, char *path, size_t size)
{
	const char *sep = strpbrk(key, "./");
	bool swap = sep && *sep == '.';
	size_t n = (size_t)snprintf(path, size, "sys/");

	for (; *key && n + 1 < size; key++) {
		char c = *key;

		if (swap && (c == '.' || c == '/'))
			c = c == '.' ? '/' : '.';
		path[n++] = c;
	}
	path[n] = '\0';
}

static const char *const ipc_keys[] = {
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
	"kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
};

static bool in_list(const char *key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(key, list[i]) == 0)
			return true;
	return false;
}

/* A sysctl that is not of a namespace which the container has for itself would change the host. */
int sysctl_check(const struct spec *s, const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < s->sysctl.n; i++) {
		char key[256];
		size_t n = 0;
		const char *k = s->sysctl.v[i].key;
		const char *need = NULL;

		for (; k[n] && n + 1 < sizeof(key); n++)
			key[n] = k[n] == '/' ? '.' : k[n];
		key[n] = '\0';
		if (in_list(key, ipc_keys, ARRAY_SIZE(ipc_keys)) || str_starts(key, "fs.mqueue."))
			need = s->ns[NS_IPC].present ? NULL : "ipc";
		else if (str_starts(key, "net."))
			need = s->ns[NS_NET].present ? NULL : "network";
		else if (strcmp(key, "kernel.domainname") == 0)
			need = s->ns[NS_UTS].present ? NULL : "uts";
		else if (str_starts(key, "user."))
			need = plan->any_userns ? NULL : "user";
		else if (strcmp(key, "kernel.hostname") == 0)
			return err_set(err, EINVAL, "linux.sysctl '%s': use the field hostname", k);
		else
			return err_set(err, EINVAL, "linux.sysctl: sysctl \"%s\" is not in a separate kernel namespace", k);
		if (need)
			return err_set(err, EINVAL, "linux.sysctl: sysctl \"%s\" is not allowed: it needs a %s namespace", k, need);
	}
	return 0;
}

/*
 * Profiles of AppArmor go by paths, and in a procfs that is mounted nowhere a sysctl's path is /sys/...: what the profile of a container
 * around us says of sysfs then holds for it. The procfs at its place is the host's, as long as the root is not pivoted.
 */
static int open_at_place(const char *path)
{
	AUTO_CLOSE int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return proc_fd < 0 ? -errno : path_open_in_root(proc_fd, path, O_WRONLY, 0);
}

int sysctl_write(int proc_fd, const char *key, const char *value, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	struct statfs fs;
	char path[512];
	int r;

	key_to_path(key, path, sizeof(path));
	fd = path_open_in_root(proc_fd, path, O_WRONLY, 0);
	if (fd == -EACCES || fd == -EPERM)
		fd = open_at_place(path);
	if (fd < 0)
		return err_sys(err, fd, "linux.sysctl '%s'", key);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, EPERM, "linux.sysctl '%s': not on a procfs", key);
	r = fd_write_all(fd, value, strlen(value));
	return r < 0 ? err_sys(err, r, "linux.sysctl '%s' = '%s'", key, value) : 0;
}
