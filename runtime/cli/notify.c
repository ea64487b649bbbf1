/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/notify.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or '@' and an abstract name. */
static int send_to(const char *socket_name, const char *text)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n = strlen(socket_name);

	if (fd < 0)
		return -errno;
	if (n >= sizeof(a.sun_path) || (socket_name[0] != '/' && socket_name[0] != '@'))
		return -EINVAL;
	memcpy(a.sun_path, socket_name, n);
	if (socket_name[0] == '@')
		a.sun_path[0] = '\0';
	n += offsetof(struct sockaddr_un, sun_path);
	return sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a, (socklen_t)n) < 0 ? -errno : 0;
}

void notify_manager(const struct record *r, const struct run_options *o)
{
	AUTO_FREE char *path = o->conmon_pidfile ? xstrdup(o->conmon_pidfile) : xasprintf("%s/conmon.pid", r->run_dir);
	AUTO_FREE char *pid = NULL, *text = NULL;
	const char *where = getenv("NOTIFY_SOCKET");
	int x;

	if (!where || !*where || !o->sdnotify || !str_eq(o->sdnotify, "conmon"))
		return;
	x = fd_read_file(AT_FDCWD, path, 32, &pid, NULL);
	if (x >= 0) {
		pid[strcspn(pid, "\n")] = '\0';
		text = xasprintf("MAINPID=%s\nREADY=1", pid);
		x = send_to(where, text);
	}
	if (x < 0)
		log_warn("--sdnotify: tell '%s': %s", where, strerror(-x));
}
