/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_INSPECT_PRIV_H
#define BRIG_RUNTIME_CLI_INSPECT_PRIV_H

#include "runtime/cli/inspect.h"
#include "runtime/cli/launch.h"

/* What inspect shows of one container, while it is written. Internal to inspect_*.c. */
struct inspect_view {
	struct record *r;
	struct run_options o;
	struct store_image image;
	struct image_config config;
	enum record_state state;
	pid_t pid;	 /* 0: does not run */
	char *cgroup;	 /* or NULL */
	struct json_writer *w;
};

/* A member that is an object, to its end. */
void inspect_object(struct inspect_view *v, const char *key);
void inspect_end(struct inspect_view *v);
/* A member that is a list of words. */
void inspect_list(struct inspect_view *v, const char *key, const char *const *words, size_t n);
void inspect_options(struct inspect_view *v, const char *key, const struct option_list *l);
/* "key=value" words as an object. */
void inspect_pairs(struct inspect_view *v, const char *key, const struct option_list *l, char separator);
/* A member that is a string; NULL is "". */
void inspect_text(struct inspect_view *v, const char *key, const char *value);

/* inspect_host.c: the member HostConfig. */
void inspect_host_config(struct inspect_view *v);

#endif
