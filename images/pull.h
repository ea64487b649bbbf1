/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_PULL_H
#define BRIG_IMAGES_PULL_H

#include "images/registry.h"
#include "images/store.h"
#include "images/transfer.h"

/*
 * DOC: pull
 *
 *   manifest (index ─ platform ─> manifest) ─ config ─> diffIDs ─ those that are not stored, some at a time:
 *       connection ─ store_import_push ─> layer        then commit: chain, record, names
 *
 * A thread a layer: it reads the network and inflates, a second one parses and writes (images/layer.h). Layers that
 * are stored already are not fetched, whatever their compressed form was. Memory does not grow with the image.
 */
enum pull_policy { PULL_MISSING, PULL_ALWAYS, PULL_NEVER, PULL_NEWER };
/* "missing", "always", "never", "newer" (and "true", "false" as podman has them). -EINVAL. */
int pull_policy_parse(const char *text, enum pull_policy *ret) MUST_CHECK;

struct pull_options {
	enum pull_policy policy;
	const char *platform; /* NULL: the host's */
	unsigned parallel;
	struct registry_options registry;
	const struct transfer_observer *observer; /* may be NULL */
};

/* Pull what a person calls text; the store may have it already, by policy. *ret_name (new string; may be NULL): the name under
 * which it is stored. -ENOENT: no registry has it (or, never: it is not stored). */
int pull_image(struct store *s, const char *text, const struct pull_options *o, struct store_image *ret, char **ret_name,
	       struct err *err) MUST_CHECK;

/* Fetch again what fsck had to remove of images that were pulled: each image is pulled by its digest from where it came. */
int pull_repair(struct store *s, const struct digest *manifest, const char *digest_name, const struct pull_options *o,
		struct err *err) MUST_CHECK;

#endif
