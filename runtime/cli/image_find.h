/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_IMAGE_FIND_H
#define BRIG_RUNTIME_CLI_IMAGE_FIND_H

#include "images/image_config.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/run_options.h"

struct found_image {
	struct store_image image;
	struct image_config config;
	char *name; /* owned: as ps shows it */
};
void found_image_done(struct found_image *f);

/* The image that a person names, pulled by brig-images when --pull asks for it or it is not there. */
int find_image(struct cli *cli, const struct run_options *o, const char *text, struct found_image *ret, struct err *err) MUST_CHECK;

#endif
