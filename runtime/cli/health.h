/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_HEALTH_H
#define BRIG_RUNTIME_CLI_HEALTH_H

#include "images/image_config.h"
#include "runtime/cli/record.h"
#include "runtime/cli/run_options.h"

/*
 * DOC: health checks
 *
 * There is no daemon that could run them: a container with a check that is started in the background gets one small process,
 * `brig healthcheck monitor ID`, which sleeps on the container's pidfd between two checks and ends with it. A check is what `brig exec`
 * would do. What came of the last ones is in run_dir/health.json, for ps and inspect; `brig healthcheck run` does one by hand.
 * The rules are docker's: the first success makes it healthy; `retries` failures in a row make it unhealthy; failures within the start
 * period do not count until the first success.
 */
struct health {
	char **command;	 /* NULL-terminated, owned; NULL: no check */
	int64_t interval_ms, timeout_ms, start_period_ms;
	int64_t retries;
	enum { HEALTH_NONE, HEALTH_KILL, HEALTH_RESTART, HEALTH_STOP } on_failure; /* what an unhealthy container gets */
};
void health_done(struct health *h);
#define AUTO_HEALTH CLEANUP(health_done)

/* From the flags and, where they say nothing, the image. Errors name the flag. image may be NULL. */
int health_config(const struct run_options *o, const struct image_config *image, struct health *ret, struct err *err) MUST_CHECK;

/* "none", "kill" ... */
const char *health_action_name(const struct health *h);

/* After a start in the background: the monitor, when there is a check. A failure is a warning: the container runs. */
void health_start_monitor(struct record *r);

/* "starting", "healthy", "unhealthy", or NULL: no check. New string. */
char *health_status(const struct record *r);
/* The value of inspect's State.Health, or null. */
void health_json(const struct record *r, struct json_writer *w);

#endif
