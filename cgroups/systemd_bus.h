/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_CGROUPS_SYSTEMD_BUS_H
#define BRIG_CGROUPS_SYSTEMD_BUS_H

#include "runtime/base/err.h"
#include "runtime/base/str.h"

/*
 * DOC: sd-bus in a program of its own
 *
 * brig-oci is static, and a static program cannot load libsystemd. So the calls of the manager's methods are made by
 * brig-systemd (systemd_main.c), which is started only when a systemd cgroup is asked for, and ends with the connection. Here a
 * call is written down, argument by argument as sd-bus wants them; there it is replayed. systemd_wire.h has the format.
 */
struct sd_call {
	struct buf b;
};
/* A call of a method of org.freedesktop.systemd1.Manager. job: it answers with a job, whose end is waited for. */
void sd_call_start(struct sd_call *call, const char *method, bool job);
void sd_call_done(struct sd_call *call);

/* Containers: 'a' array, 'r' struct, 'v' variant, with the signature of what is in them. */
void sd_call_open(struct sd_call *call, char type, const char *contents);
void sd_call_close(struct sd_call *call);
void sd_call_string(struct sd_call *call, char type, const char *value); /* s o */
void sd_call_number(struct sd_call *call, char type, uint64_t value);	  /* b y n q i u x t; two's complement */
void sd_call_real(struct sd_call *call, double value);			  /* d */
void sd_call_bytes(struct sd_call *call, const void *bytes, size_t n);	  /* ay */

struct sd_conn {
	int fd;	   /* of the helper; 0 is not open, as it is in { 0 } */
	pid_t pid; /* of the helper */
};
/* Connect to the system's manager, or the user's. The error says what to do when there is none. */
int sd_conn_open(struct sd_conn *c, bool user, struct err *err) MUST_CHECK;
void sd_conn_close(struct sd_conn *c);

/* Make the call. The error has the bus's text; ret_name receives its name ("" for none). */
#define SD_ERROR_NAME 64
int sd_conn_call(struct sd_conn *c, const struct sd_call *call, char ret_name[SD_ERROR_NAME], struct err *err) MUST_CHECK;

#endif
