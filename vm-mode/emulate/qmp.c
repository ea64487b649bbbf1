/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/emulate/qmp.h"

#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE (256u << 10)

enum reply { REPLY_NONE, REPLY_OK, REPLY_ERROR };

static const char *string_of(const struct json *object, const char *key)
{
	const struct json *n = object ? json_get(object, key) : NULL;

	return n && n->type == JSON_STRING ? n->u.string : NULL;
}

static void take_event(struct qmp *q, const struct json *root, const char *event)
{
	const char *reason = string_of(json_get(root, "data"), "reason");

	if (str_eq(event, "SHUTDOWN")) {
		q->powered_off = str_eq(reason, "guest-shutdown");
		q->guest_reset = !q->powered_off && !str_eq(reason, "host-qmp-quit") && !str_eq(reason, "host-signal");
	}
}

static enum reply take_line(struct qmp *q, const char *line, size_t n, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct err ignored;
	struct json *root;
	const char *event;

	if (json_parse(&arena, "qmp", line, n, &root, &ignored) < 0 || root->type != JSON_OBJECT)
		return REPLY_NONE;
	event = string_of(root, "event");
	if (event)
		take_event(q, root, event);
	if (json_get(root, "error")) {
		const char *text = string_of(json_get(root, "error"), "desc");

		(void)err_set(err, EIO, "QEMU: %.300s", text ? text : "an error without a text");
		return REPLY_ERROR;
	}
	return json_get(root, "return") ? REPLY_OK : REPLY_NONE;
}

/* Take whole lines away until one is a reply. */
static enum reply take_lines(struct qmp *q, struct err *err)
{
	for (;;) {
		char *end = q->in.len ? memchr(q->in.p, '\n', q->in.len) : NULL;
		enum reply reply;
		size_t n;

		if (!end)
			return REPLY_NONE;
		n = (size_t)(end - q->in.p) + 1;
		reply = take_line(q, q->in.p, n - 1, err);
		memmove(q->in.p, q->in.p + n, q->in.len - n);
		q->in.len -= n;
		if (reply != REPLY_NONE)
			return reply;
	}
}

static int fill(struct qmp *q, int flags)
{
	char data[4096];
	ssize_t n = recv(q->fd, data, sizeof(data), flags);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	if (q->in.len + (size_t)n > MAX_LINE)
		return -EMSGSIZE;
	buf_add_n(&q->in, data, (size_t)n);
	return 0;
}

void qmp_send(struct qmp *q, const char *name, const char *arguments)
{
	AUTO_FREE char *text = arguments ? xasprintf("{\"execute\":\"%s\",\"arguments\":%s}\n", name, arguments) :
					   xasprintf("{\"execute\":\"%s\"}\n", name);

	/* Less than a socket's buffer; a QEMU that does not read is found out by its silence. */
	(void)!send(q->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int qmp_command(struct qmp *q, const char *name, const char *arguments, int timeout_ms, struct err *err)
{
	int64_t end = now_ms() + timeout_ms;

	qmp_send(q, name, arguments);
	for (;;) {
		enum reply reply = take_lines(q, err);
		struct pollfd p = { .fd = q->fd, .events = POLLIN };
		int64_t left = end - now_ms();
		int r;

		if (reply != REPLY_NONE)
			return reply == REPLY_OK ? 0 : -err->code;
		if (left <= 0)
			return err_set(err, ETIMEDOUT, "QEMU does not answer '%s'", name);
		(void)!poll(&p, 1, (int)left);
		r = p.revents ? fill(q, MSG_DONTWAIT) : 0;
		if (r < 0 && r != -EAGAIN)
			return err_sys(err, r, "QEMU, command '%s'", name);
	}
}

int qmp_events(struct qmp *q)
{
	struct err ignored;
	int r;

	do
		r = fill(q, MSG_DONTWAIT);
	while (r == 0);
	while (take_lines(q, &ignored) != REPLY_NONE)
		;
	return r == -EAGAIN ? 0 : r;
}

void qmp_done(struct qmp *q)
{
	buf_done(&q->in);
}
