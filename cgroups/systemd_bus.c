/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_bus.h"
#include "cgroups/systemd_wire.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/program.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELPER "brig-systemd"

/* ---- a call, written down ---- */

void sd_call_start(struct sd_call *call, const char *method, bool job)
{
	struct sd_request request = { .job = job };

	(void)snprintf(request.method, sizeof(request.method), "%s", method);
	*call = (struct sd_call){ 0 };
	buf_add_n(&call->b, (const char *)&request, sizeof(request));
}

void sd_call_done(struct sd_call *call)
{
	buf_done(&call->b);
}

static void add_text(struct sd_call *call, char type, const char *text)
{
	buf_add_n(&call->b, &type, 1);
	buf_add_n(&call->b, text, strlen(text) + 1);
}

static void add_word(struct sd_call *call, char type, const void *word)
{
	buf_add_n(&call->b, &type, 1);
	buf_add_n(&call->b, word, sizeof(uint64_t));
}

void sd_call_open(struct sd_call *call, char type, const char *contents)
{
	add_text(call, type, contents);
}

void sd_call_close(struct sd_call *call)
{
	buf_add_n(&call->b, ")", 1);
}

void sd_call_string(struct sd_call *call, char type, const char *value)
{
	add_text(call, type, value);
}

void sd_call_number(struct sd_call *call, char type, uint64_t value)
{
	add_word(call, type, &value);
}

void sd_call_real(struct sd_call *call, double value)
{
	add_word(call, 'd', &value);
}

void sd_call_bytes(struct sd_call *call, const void *bytes, size_t n)
{
	uint32_t length = (uint32_t)n;

	buf_add_n(&call->b, "Y", 1);
	buf_add_n(&call->b, (const char *)&length, sizeof(length));
	buf_add_n(&call->b, bytes, length);
}

/* ---- the helper ---- */

static int spawn_helper(struct sd_conn *c, const char *path, bool user, int socket_fd)
{
	char name[] = HELPER, system_word[] = "system", user_word[] = "user";
	char *argv[] = { name, user ? user_word : system_word, NULL };
	posix_spawn_file_actions_t actions;
	int r;

	(void)posix_spawn_file_actions_init(&actions); /* cannot fail */
	r = posix_spawn_file_actions_adddup2(&actions, socket_fd, STDIN_FILENO);
	if (r == 0)
		r = posix_spawn(&c->pid, path, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int start_helper(struct sd_conn *c, bool user, struct err *err)
{
	AUTO_FREE char *path = program_find_helper(HELPER);
	AUTO_CLOSE int ours = -1;
	AUTO_CLOSE int theirs = -1;
	int pair[2], r;

	if (!path)
		return err_set(err, ENOENT,
			       "systemd cgroups need the program '" HELPER "' beside this one or in ../libexec/brig; install it, or use "
			       "--cgroup-manager cgroupfs");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	r = spawn_helper(c, path, user, theirs);
	if (r < 0)
		return err_sys(err, r, "start '%s'", path);
	c->fd = TAKE_FD(ours);
	return 0;
}

/* The helper went away instead of answering. */
static int lost(struct sd_conn *c, struct err *err)
{
	int code = sys_wait_pid(c->pid);

	c->pid = 0;
	if (code == 127) /* the dynamic linker; it has said on stderr what is missing */
		return err_set(err, ENOENT,
			       "systemd cgroups need libsystemd, which '" HELPER "' could not load; install it, or use "
			       "--cgroup-manager cgroupfs");
	if (code > 128)
		return err_set(err, EPIPE, "'" HELPER "' was killed by signal %d", code - 128);
	return err_set(err, EPIPE, "'" HELPER "' ended with status %d", code);
}

static int receive(struct sd_conn *c, char ret_name[SD_ERROR_NAME], struct err *err)
{
	struct sd_reply reply;

	if (fd_read_all(c->fd, &reply, sizeof(reply)) != sizeof(reply))
		return lost(c, err);
	reply.name[SD_ERROR_NAME - 1] = '\0';
	(void)snprintf(ret_name, SD_ERROR_NAME, "%s", reply.name);
	if (!reply.err.code)
		return 0;
	err_sanitize(&reply.err);
	return err_set(err, reply.err.code, "%s", reply.err.msg);
}

int sd_conn_open(struct sd_conn *c, bool user, struct err *err)
{
	char name[SD_ERROR_NAME];
	int r;

	*c = (struct sd_conn){ 0 };
	if (access("/run/systemd/system", F_OK) < 0)
		return err_set(err, ENODEV,
			       "systemd cgroups: this machine was not started by systemd ('/run/systemd/system' is missing); use "
			       "--cgroup-manager cgroupfs");
	r = start_helper(c, user, err);
	return r < 0 ? r : receive(c, name, err);
}

void sd_conn_close(struct sd_conn *c)
{
	if (c->fd > 0)
		fd_close(&c->fd); /* which is its end */
	if (c->pid > 0)
		(void)!sys_wait_pid(c->pid); /* it has nothing more to say */
	*c = (struct sd_conn){ 0 };
}

/* The helper may be gone: no signal, an error. */
static int send_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = send(fd, data, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		data += done;
		n -= (size_t)done;
	}
	return 0;
}

int sd_conn_call(struct sd_conn *c, const struct sd_call *call, char ret_name[SD_ERROR_NAME], struct err *err)
{
	struct sd_request request;

	ret_name[0] = '\0';
	memcpy(&request, call->b.p, sizeof(request));
	if (call->b.len - sizeof(request) > SD_ARGUMENTS_MAX)
		return err_set(err, E2BIG, "systemd: %s: the unit's properties are too long", request.method);
	request.n = (uint32_t)(call->b.len - sizeof(request));
	if (send_all(c->fd, (const char *)&request, sizeof(request)) < 0 ||
	    send_all(c->fd, call->b.p + sizeof(request), request.n) < 0)
		return lost(c, err);
	return receive(c, ret_name, err);
}
