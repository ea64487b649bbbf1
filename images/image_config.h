/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_IMAGE_CONFIG_H
#define BRIG_IMAGES_IMAGE_CONFIG_H

#include "images/digest.h"
#include "runtime/base/json.h"

/* A list of strings; never NULL, ends with a NULL string. */
struct string_list {
	const char **v;
	size_t n;
};

struct label {
	const char *key, *value;
};

struct history_entry {
	const char *created, *created_by, *comment; /* "" when not given */
	bool empty_layer;
};

struct health_check {
	struct string_list test; /* test.n 0: none given */
	int64_t interval_ns, timeout_ns, start_period_ns, retries;
};

/* The image config as brig uses it. All strings live in the arena; absent ones are "". */
struct image_config {
	struct arena arena;
	const char *architecture, *os, *variant, *created, *author;
	const char *user, *working_dir, *stop_signal;
	struct string_list env, entrypoint, cmd, shell;
	struct string_list volumes, exposed_ports; /* keys of the two objects */
	struct label *labels;
	size_t n_labels;
	struct digest *diff_ids;
	size_t n_diff_ids;
	struct history_entry *history;
	size_t n_history;
	struct health_check health;
};

#define IMAGE_CONFIG_MAX_BYTES (4U << 20)

int image_config_parse(const char *name, const char *text, size_t n, struct image_config *ret, struct err *err) MUST_CHECK;
void image_config_done(struct image_config *c);
#define AUTO_IMAGE_CONFIG CLEANUP(image_config_done)

#endif
