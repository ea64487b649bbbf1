/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_CGROUPS_SYSTEMD_WIRE_H
#define BRIG_CGROUPS_SYSTEMD_WIRE_H

#include "cgroups/systemd_bus.h"

/*
 * DOC: between brig-oci and brig-systemd
 *
 * A stream socket, which the helper has as its fd 0; both ends are of one build, on one machine.
 *
 *   brig-oci                          brig-systemd {system|user}
 *                  <- sd_reply        connected, or why not
 *   sd_request, arguments ->
 *                  <- sd_reply        the call returned, and its job is done
 *   ... more calls, then end of file
 *
 * Arguments are tokens: a type, then its value.
 *   a r v              the signature, NUL-terminated: opens a container
 *   )                  closes it
 *   s o                the text, NUL-terminated
 *   b y n q i u x t d  8 bytes
 *   Y                  4 bytes length, then the bytes: an array of bytes
 */
#define SD_ARGUMENTS_MAX (1u << 20)

struct sd_request {
	uint32_t n; /* bytes of arguments that follow, at most SD_ARGUMENTS_MAX */
	bool job;
	char method[59];
};

struct sd_reply {
	struct err err;		  /* code 0: success */
	char name[SD_ERROR_NAME]; /* of the bus's error */
};

#endif
