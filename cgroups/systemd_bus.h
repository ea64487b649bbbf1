/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_CGROUPS_SYSTEMD_BUS_H
#define BRIG_CGROUPS_SYSTEMD_BUS_H

#include "runtime/base/err.h"

#include <systemd/sd-bus.h>

/*
 * DOC: sd-bus by dlopen
 *
 * libsystemd and the libraries behind it cost every start of the program about a millisecond when they are linked. They
 * are loaded here, only when a systemd cgroup is asked for.
 */
struct sd_api {
	typeof(&sd_bus_open_system) open_system;
	typeof(&sd_bus_open_user) open_user;
	typeof(&sd_bus_new) new;
	typeof(&sd_bus_set_address) set_address;
	typeof(&sd_bus_start) start;
	typeof(&sd_bus_flush_close_unref) close;
	typeof(&sd_bus_message_new_method_call) new_call;
	typeof(&sd_bus_message_append) append;
	typeof(&sd_bus_message_append_basic) append_basic;
	typeof(&sd_bus_message_append_array) append_array;
	typeof(&sd_bus_message_open_container) open_container;
	typeof(&sd_bus_message_close_container) close_container;
	typeof(&sd_bus_message_read) read;
	typeof(&sd_bus_message_unref) unref;
	typeof(&sd_bus_call) call;
	typeof(&sd_bus_match_signal) match_signal;
	typeof(&sd_bus_process) process;
	typeof(&sd_bus_wait) wait;
	typeof(&sd_bus_error_free) error_free;
};

struct sd_conn {
	struct sd_api api;
	void *lib;
	sd_bus *bus;
	/* The job that is waited for, and how it ended. A job may end before its path is known: the last few are kept. */
	struct {
		char path[64], result[32];
	} ended[8];
	unsigned n_ended;
};

/* Connect to the system's manager, or the user's. The error says what to do when there is none. */
int sd_conn_open(struct sd_conn *c, bool user, struct err *err) MUST_CHECK;
void sd_conn_close(struct sd_conn *c);

/* A new call of a method of the manager; the caller appends its arguments. */
int sd_conn_new_call(struct sd_conn *c, const char *method, sd_bus_message **ret) MUST_CHECK;
/* Send it. reply may be NULL. The error has the bus's text; ret_name receives its name ("" for none), 64 bytes. */
int sd_conn_call(struct sd_conn *c, sd_bus_message *m, sd_bus_message **ret_reply, char ret_name[64], struct err *err) MUST_CHECK;
/* Send a call that answers with a job, and wait until the job is done. */
int sd_conn_run_job(struct sd_conn *c, sd_bus_message *m, char ret_name[64], struct err *err) MUST_CHECK;

#endif
