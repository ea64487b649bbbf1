/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_bus.h"

#include "runtime/base/str.h"

#include <dlfcn.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#define MANAGER_NAME  "org.freedesktop.systemd1"
#define MANAGER_PATH  "/org/freedesktop/systemd1"
#define MANAGER_IFACE "org.freedesktop.systemd1.Manager"
#define JOB_TIMEOUT_S 60

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
	{ "sd_bus_open_system", offsetof(struct sd_api, open_system) },
	{ "sd_bus_open_user", offsetof(struct sd_api, open_user) },
	{ "sd_bus_new", offsetof(struct sd_api, new) },
	{ "sd_bus_set_address", offsetof(struct sd_api, set_address) },
	{ "sd_bus_start", offsetof(struct sd_api, start) },
	{ "sd_bus_flush_close_unref", offsetof(struct sd_api, close) },
	{ "sd_bus_message_new_method_call", offsetof(struct sd_api, new_call) },
	{ "sd_bus_message_append", offsetof(struct sd_api, append) },
	{ "sd_bus_message_append_basic", offsetof(struct sd_api, append_basic) },
	{ "sd_bus_message_append_array", offsetof(struct sd_api, append_array) },
	{ "sd_bus_message_open_container", offsetof(struct sd_api, open_container) },
	{ "sd_bus_message_close_container", offsetof(struct sd_api, close_container) },
	{ "sd_bus_message_read", offsetof(struct sd_api, read) },
	{ "sd_bus_message_unref", offsetof(struct sd_api, unref) },
	{ "sd_bus_call", offsetof(struct sd_api, call) },
	{ "sd_bus_match_signal", offsetof(struct sd_api, match_signal) },
	{ "sd_bus_process", offsetof(struct sd_api, process) },
	{ "sd_bus_wait", offsetof(struct sd_api, wait) },
	{ "sd_bus_error_free", offsetof(struct sd_api, error_free) },
};

static int load_api(struct sd_conn *c, struct err *err)
{
	c->lib = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!c->lib)
		return err_set(err, ENOENT, "systemd cgroups need libsystemd: %s; install it, or use --cgroup-manager cgroupfs",
			       dlerror());
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(c->lib, symbols[i].name);

		if (!symbol)
			return err_set(err, ENOSYS, "libsystemd has no '%s': it is too old for systemd cgroups", symbols[i].name);
		memcpy((char *)&c->api + symbols[i].offset, &symbol, sizeof(symbol));
	}
	return 0;
}

/* u id, o job, s unit, s result */
static int on_job_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct sd_conn *c = data;
	const char *path, *unit, *result;
	uint32_t id;
	unsigned slot = c->n_ended % ARRAY_SIZE(c->ended);

	(void)error;
	if (c->api.read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	(void)snprintf(c->ended[slot].path, sizeof(c->ended[slot].path), "%s", path);
	(void)snprintf(c->ended[slot].result, sizeof(c->ended[slot].result), "%s", result);
	c->n_ended++;
	return 0;
}

/* Without a bus daemon root can still reach the manager on its private socket. */
static int open_private(struct sd_conn *c)
{
	int r = c->api.new(&c->bus);

	if (r >= 0)
		r = c->api.set_address(c->bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = c->api.start(c->bus);
	if (r < 0 && c->bus)
		c->bus = c->api.close(c->bus);
	return r;
}

int sd_conn_open(struct sd_conn *c, bool user, struct err *err)
{
	int r;

	*c = (struct sd_conn){ 0 };
	if (access("/run/systemd/system", F_OK) < 0)
		return err_set(err, ENODEV,
			       "systemd cgroups: this machine was not started by systemd ('/run/systemd/system' is missing); use "
			       "--cgroup-manager cgroupfs");
	r = load_api(c, err);
	if (r < 0)
		return r;
	r = user ? c->api.open_user(&c->bus) : c->api.open_system(&c->bus);
	if (r < 0 && !user)
		r = open_private(c);
	if (r < 0 && user)
		return err_set(err, -r,
			       "connect to the user's systemd: %s; log in through a session, or run 'loginctl enable-linger %u' as root "
			       "and set XDG_RUNTIME_DIR=/run/user/%u; or use --cgroup-manager cgroupfs",
			       strerror(-r), geteuid(), geteuid());
	if (r < 0)
		return err_set(err, -r, "connect to systemd: %s; start dbus, or use --cgroup-manager cgroupfs", strerror(-r));
	/* The starter of a job is told of its end without a subscription. */
	r = c->api.match_signal(c->bus, NULL, NULL, MANAGER_PATH, MANAGER_IFACE, "JobRemoved", on_job_removed, c);
	return r < 0 ? err_sys(err, r, "wait for jobs of systemd") : 0;
}

void sd_conn_close(struct sd_conn *c)
{
	if (c->bus)
		(void)c->api.close(c->bus);
	/* not dlclose: libsystemd keeps state behind thread-local keys, and the program ends soon */
	c->bus = NULL;
}

int sd_conn_new_call(struct sd_conn *c, const char *method, sd_bus_message **ret)
{
	return c->api.new_call(c->bus, ret, MANAGER_NAME, MANAGER_PATH, MANAGER_IFACE, method);
}

int sd_conn_call(struct sd_conn *c, sd_bus_message *m, sd_bus_message **ret_reply, char ret_name[64], struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	int r = c->api.call(c->bus, m, (uint64_t)JOB_TIMEOUT_S * 1000000, &error, &reply);

	(void)snprintf(ret_name, 64, "%s", error.name ? error.name : "");
	if (r < 0)
		(void)err_set(err, -r, "systemd: %s", error.message ? error.message : strerror(-r));
	c->api.error_free(&error);
	if (r >= 0 && ret_reply)
		*ret_reply = reply;
	else if (reply)
		(void)c->api.unref(reply);
	return r < 0 ? r : 0;
}

static const char *result_of(struct sd_conn *c, const char *path)
{
	for (unsigned i = 0; i < c->n_ended && i < ARRAY_SIZE(c->ended); i++)
		if (str_eq(c->ended[i].path, path))
			return c->ended[i].result;
	return NULL;
}

static int wait_for(struct sd_conn *c, const char *path, struct err *err)
{
	const time_t end = time(NULL) + JOB_TIMEOUT_S;
	const char *result;
	int r;

	while (!(result = result_of(c, path))) {
		r = c->api.process(c->bus, NULL);
		if (r == 0)
			r = c->api.wait(c->bus, 1000000);
		if (r < 0 && r != -EINTR)
			return err_sys(err, r, "wait for systemd's job");
		if (time(NULL) > end)
			return err_set(err, ETIMEDOUT, "systemd did not finish its job within %d seconds", JOB_TIMEOUT_S);
	}
	if (!str_eq(result, "done") && !str_eq(result, "skipped"))
		return err_set(err, EIO, "systemd's job ended with '%s'; see 'systemctl status' of the unit", result);
	return 0;
}

int sd_conn_run_job(struct sd_conn *c, sd_bus_message *m, char ret_name[64], struct err *err)
{
	sd_bus_message *reply = NULL;
	const char *path = NULL;
	char copy[64];
	int r = sd_conn_call(c, m, &reply, ret_name, err);

	if (r < 0)
		return r;
	r = c->api.read(reply, "o", &path);
	(void)snprintf(copy, sizeof(copy), "%s", r >= 0 && path ? path : "");
	(void)c->api.unref(reply);
	return r < 0 ? err_sys(err, r, "read systemd's answer") : wait_for(c, copy, err);
}
