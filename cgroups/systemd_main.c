/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brig-systemd {system|user}: calls methods of systemd's manager for brig-oci, which has us on a socket (systemd_wire.h).
 * A program of its own, because libsystemd can only be loaded by a dynamic one.
 */
#include "cgroups/systemd_wire.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define MANAGER_NAME  "org.freedesktop.systemd1"
#define MANAGER_PATH  "/org/freedesktop/systemd1"
#define MANAGER_IFACE "org.freedesktop.systemd1.Manager"
#define JOB_TIMEOUT_S 60

struct manager {
	sd_bus *bus;
	/* Jobs that ended. One may end before its path is known, so the last few are kept. */
	struct {
		char path[64], result[32];
	} ended[8];
	unsigned n_ended;
};

/* u id, o job, s unit, s result */
static int on_job_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct manager *g = data;
	const char *path, *unit, *result;
	uint32_t id;
	unsigned slot = g->n_ended % ARRAY_SIZE(g->ended);

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	(void)snprintf(g->ended[slot].path, sizeof(g->ended[slot].path), "%s", path);
	(void)snprintf(g->ended[slot].result, sizeof(g->ended[slot].result), "%s", result);
	g->n_ended++;
	return 0;
}

/* Without a bus daemon root can still reach the manager on its private socket. */
static int open_private(struct manager *g)
{
	int r = sd_bus_new(&g->bus);

	if (r >= 0)
		r = sd_bus_set_address(g->bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = sd_bus_start(g->bus);
	if (r < 0 && g->bus)
		g->bus = sd_bus_unref(g->bus);
	return r;
}

static int open_bus(struct manager *g, bool user, struct err *err)
{
	int r = user ? sd_bus_open_user(&g->bus) : sd_bus_open_system(&g->bus);

	if (r < 0 && !user)
		r = open_private(g);
	if (r < 0 && user)
		return err_set(err, -r,
			       "connect to the user's systemd: %s; log in through a session, or run 'loginctl enable-linger %u' as root "
			       "and set XDG_RUNTIME_DIR=/run/user/%u; or use --cgroup-manager cgroupfs",
			       strerror(-r), geteuid(), geteuid());
	if (r < 0)
		return err_set(err, -r, "connect to systemd: %s; start dbus, or use --cgroup-manager cgroupfs", strerror(-r));
	/* The starter of a job is told of its end without a subscription. */
	r = sd_bus_match_signal(g->bus, NULL, NULL, MANAGER_PATH, MANAGER_IFACE, "JobRemoved", on_job_removed, g);
	return r < 0 ? err_sys(err, r, "wait for jobs of systemd") : 0;
}

/* ---- arguments ---- */

struct tokens {
	const char *p, *end;
};

static const char *take(struct tokens *t, size_t n)
{
	const char *p = t->p;

	if ((size_t)(t->end - p) < n)
		return NULL;
	t->p += n;
	return p;
}

static const char *take_text(struct tokens *t)
{
	const char *nul = memchr(t->p, '\0', (size_t)(t->end - t->p));

	return nul ? take(t, (size_t)(nul - t->p) + 1) : NULL;
}

static int append_bytes(sd_bus_message *m, struct tokens *t)
{
	const char *p = take(t, sizeof(uint32_t));
	uint32_t n;

	if (!p)
		return -EPROTO;
	memcpy(&n, p, sizeof(n));
	p = take(t, n);
	return p ? sd_bus_message_append_array(m, 'y', p, n) : -EPROTO;
}

static int append_word(sd_bus_message *m, char type, struct tokens *t)
{
	const char *p = take(t, sizeof(uint64_t));
	uint64_t v;
	uint32_t word;
	uint16_t half;
	uint8_t byte;

	if (!p)
		return -EPROTO;
	memcpy(&v, p, sizeof(v));
	word = (uint32_t)v;
	half = (uint16_t)v;
	byte = (uint8_t)v;
	return sd_bus_message_append_basic(m, type,
					   type == 'y'		       ? (const void *)&byte :
					   type == 'n' || type == 'q' ? (const void *)&half :
					   strchr("biu", type)	       ? (const void *)&word :
									 (const void *)p);
}

static int append_token(sd_bus_message *m, struct tokens *t)
{
	const char type = *t->p++;
	const char *text;

	switch (type) {
	case 'a':
	case 'r':
	case 'v':
		text = take_text(t);
		return text ? sd_bus_message_open_container(m, type, text) : -EPROTO;
	case ')':
		return sd_bus_message_close_container(m);
	case 's':
	case 'o':
		text = take_text(t);
		return text ? sd_bus_message_append_basic(m, type, text) : -EPROTO;
	case 'Y':
		return append_bytes(m, t);
	default:
		return type && strchr("bynqiuxtd", type) ? append_word(m, type, t) : -EPROTO;
	}
}

/* ---- calls and jobs ---- */

static const char *result_of(const struct manager *g, const char *path)
{
	for (unsigned i = 0; i < g->n_ended && i < ARRAY_SIZE(g->ended); i++)
		if (str_eq(g->ended[i].path, path))
			return g->ended[i].result;
	return NULL;
}

static int wait_for(struct manager *g, const char *path, struct err *err)
{
	const time_t end = time(NULL) + JOB_TIMEOUT_S;
	const char *result;
	int r;

	while (!(result = result_of(g, path))) {
		r = sd_bus_process(g->bus, NULL);
		if (r == 0)
			r = sd_bus_wait(g->bus, 1000000);
		if (r < 0 && r != -EINTR)
			return err_sys(err, r, "wait for systemd's job");
		if (time(NULL) > end)
			return err_set(err, ETIMEDOUT, "systemd did not finish its job within %d seconds", JOB_TIMEOUT_S);
	}
	if (!str_eq(result, "done") && !str_eq(result, "skipped"))
		return err_set(err, EIO, "systemd's job ended with '%s'; see 'systemctl status' of the unit", result);
	return 0;
}

static void finish_job(struct manager *g, sd_bus_message *answer, struct err *err)
{
	const char *path = NULL;
	int r = sd_bus_message_read(answer, "o", &path);

	if (r < 0)
		(void)err_sys(err, r, "read systemd's answer");
	else
		(void)!wait_for(g, path, err); /* err has it */
}

static void send_call(struct manager *g, sd_bus_message *m, bool job, struct sd_reply *reply)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *answer = NULL;
	int r = sd_bus_call(g->bus, m, (uint64_t)JOB_TIMEOUT_S * 1000000, &error, &answer);

	(void)snprintf(reply->name, sizeof(reply->name), "%s", error.name ? error.name : "");
	if (r < 0)
		(void)err_set(&reply->err, -r, "systemd: %s", error.message ? error.message : strerror(-r));
	else if (job)
		finish_job(g, answer, &reply->err);
	sd_bus_error_free(&error);
	(void)sd_bus_message_unref(answer);
}

static void call(struct manager *g, const struct sd_request *request, const char *arguments, struct sd_reply *reply)
{
	struct tokens t = { arguments, arguments + request->n };
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(g->bus, &m, MANAGER_NAME, MANAGER_PATH, MANAGER_IFACE, request->method);

	while (r >= 0 && t.p < t.end)
		r = append_token(m, &t);
	if (r < 0)
		(void)err_sys(&reply->err, r, "build the request");
	else
		send_call(g, m, request->job, reply);
	(void)sd_bus_message_unref(m);
}

/* Returns false at the end of the requests. */
static bool serve_one(struct manager *g)
{
	struct sd_request request;
	struct sd_reply reply = { 0 };
	AUTO_FREE char *arguments = NULL;

	if (fd_read_all(STDIN_FILENO, &request, sizeof(request)) != sizeof(request) || request.n > SD_ARGUMENTS_MAX)
		return false;
	request.method[sizeof(request.method) - 1] = '\0';
	arguments = xmalloc(request.n + 1);
	if (fd_read_all(STDIN_FILENO, arguments, request.n) != request.n)
		return false;
	call(g, &request, arguments, &reply);
	return fd_write_all(STDIN_FILENO, &reply, sizeof(reply)) == 0;
}

static bool is_socket(int fd)
{
	int type;
	socklen_t n = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0;
}

int main(int argc, char **argv)
{
	struct manager g = { 0 };
	struct sd_reply reply = { 0 };

	if (argc != 2 || !is_socket(STDIN_FILENO) || (!str_eq(argv[1], "system") && !str_eq(argv[1], "user"))) {
		fprintf(stderr, "brig-systemd: is started by brig-oci when it needs a systemd cgroup; there is nothing to call it for\n");
		return 2;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* nobody would read the answer */
	(void)!sys_close_range(3, ~0U, 0);		 /* a file of our starter's may have come along */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)!open_bus(&g, str_eq(argv[1], "user"), &reply.err); /* the reply has it */
	if (fd_write_all(STDIN_FILENO, &reply, sizeof(reply)) == 0 && !reply.err.code)
		while (serve_one(&g))
			;
	(void)sd_bus_flush_close_unref(g.bus);
	return 0;
}
