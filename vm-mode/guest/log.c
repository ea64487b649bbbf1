/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * DOC: logs
 *
 * The agent and its children on their way to execve write their log lines into a pipe (programs never get it); the loop sends
 * them to the host. Nobody waits for it: what does not fit is lost.
 */
static uint16_t level_of(const char *line)
{
	return strstr(line, "level=error")     ? LOG_LEVEL_ERROR :
	       strstr(line, "level=warning") ? LOG_LEVEL_WARNING :
	       strstr(line, "level=debug")   ? LOG_LEVEL_DEBUG :
					       LOG_LEVEL_INFO;
}

static void send_line(struct agent *a, const char *line)
{
	AUTO_BUF struct buf b = { 0 };
	const char *text = strstr(line, "msg=");
	struct proto_log m = { .level = level_of(line), .text = text ? text + 4 : line };

	if (!a->greeted || frame_writer_waiting(&a->out) > PROTO_WINDOW)
		return;
	proto_pack_log(&b, &m);
	agent_event(a, PROTO_LOG, 0, &b);
}

static void log_ready(struct agent *a, struct source *s, uint32_t events)
{
	char text[8192], *at = text, *line;
	ssize_t n = read(s->fd, text, sizeof(text) - 1);

	(void)events;
	if (n <= 0)
		return;
	text[n] = '\0';
	while ((line = strsep(&at, "\n")))
		if (*line)
			send_line(a, line);
}

int log_to_host(struct agent *a, struct err *err)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, -errno, "pipe");
	a->log = (struct source){ .fd = fds[0], .ready = log_ready };
	r = source_watch(a, &a->log, EPOLLIN);
	if (r < 0)
		return err_sys(err, r, "watch the log");
	log_setup(fds[1], LOG_FORMAT_TEXT, log_get_level());
	return 0;
}
