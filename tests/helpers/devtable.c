/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devtable DIR TYPE:MAJOR:MINOR...: which of the accesses r, w, rw and m to each device does the cgroup allow? Prints what it allows,
 * a line a device, as "c:1:3 r w rw m". Nodes are made in DIR.
 * devtable DIR watch TYPE:MAJOR:MINOR: opens the device until DIR/stop exists, then prints how often that was refused, and how often it
 * was tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int make(const char *dir, const char *device, char path[256])
{
	unsigned major, minor;
	char type;

	if (sscanf(device, "%c:%u:%u", &type, &major, &minor) != 3)
		return -EINVAL;
	(void)snprintf(path, 256, "%s/%s", dir, device);
	(void)unlink(path);
	return mknod(path, 0600 | (type == 'b' ? S_IFBLK : S_IFCHR), makedev(major, minor)) < 0 ? -errno : 0;
}

/* The cgroup answers before the driver: any other error than its own is the driver's, or nobody's. */
static int may_open(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0 || errno != EPERM;
}

static int watch(const char *dir, const char *device)
{
	unsigned long refused = 0, tried = 0;
	char path[256], stop[256];

	(void)snprintf(stop, sizeof(stop), "%s/stop", dir);
	if (make(dir, device, path) < 0)
		return 1;
	for (; access(stop, F_OK) < 0; tried++)
		refused += !may_open(path, O_RDONLY);
	printf("%lu refused of %lu\n", refused, tried);
	return 0;
}

int main(int argc, char **argv)
{
	char path[256];

	if (argc == 4 && !strcmp(argv[2], "watch"))
		return watch(argv[1], argv[3]);
	for (int i = 2; i < argc; i++) {
		int r = make(argv[1], argv[i], path);

		if (r < 0 && r != -EPERM)
			return 1;
		printf("%s%s%s%s%s\n", argv[i], !r && may_open(path, O_RDONLY) ? " r" : "", !r && may_open(path, O_WRONLY) ? " w" : "",
		       !r && may_open(path, O_RDWR) ? " rw" : "", !r ? " m" : "");
	}
	return 0;
}
