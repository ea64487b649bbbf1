/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_IMAGES_COMMAND_H
#define BRIG_RUNTIME_CLI_IMAGES_COMMAND_H

#include "images/image_config.h"
#include "images/lookup.h"
#include "images/manifest.h"
#include "images/settings.h"
#include "images/store.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/cli/table.h"
#include "runtime/cli/template.h"
#include "runtime/oci/options.h"

/*
 * DOC: the program brig-images
 *
 * The verbs that bring images in and out. It is a program of its own because they need libcurl, libarchive, ISA-L, zstd and
 * libcrypto, which `brig run` must not load; `brig` hands these verbs over, so all texts speak of "brig". One file a
 * verb or two, each a const struct image_command; "brig VERB" and "brig image VERB" are the same. stdout carries only
 * data; errors are "Error: ..." on stderr, exit code 125.
 */
#define IMAGES_EXIT_ERROR 125

struct image_cli {
	struct store store;
	struct image_settings settings;
	char *run_dir; /* of the journal of events; NULL: none is written */
	bool debug;
};

struct image_command {
	const char *names[4]; /* "images", then its other names */
	const char *image_names[4]; /* behind "image" when different: "ls", "list" */
	const char *operands, *help;
	const struct option_row *options;
	size_t target_size;
	const void *defaults;
	int min_operands, max_operands; /* max -1: any number */
	bool no_store;			/* does not touch it */
	/* operands: NULL-terminated, count checked. The exit code, or negative with err. */
	int (*run)(struct image_cli *cli, void *target, char **operands, struct err *err);
};

extern const struct image_command image_cmd_commit, image_cmd_tar_in, image_cmd_tar_out;
extern const struct image_command image_cmd_exists, image_cmd_fsck, image_cmd_history, image_cmd_images, image_cmd_import,
	image_cmd_inspect, image_cmd_load, image_cmd_login, image_cmd_logout, image_cmd_prune, image_cmd_pull, image_cmd_push,
	image_cmd_rmi, image_cmd_save, image_cmd_tag, image_cmd_unpack, image_cmd_untag;

/* ---- shared ---- */

/* An image as the commands show it. */
struct image_view {
	struct store_image image;
	struct manifest manifest;
	struct image_config config;
	int64_t created_s;
};
int image_view_load(struct store *s, const struct store_image *image, struct image_view *ret, struct err *err) MUST_CHECK;
void image_view_done(struct image_view *v); /* not its .image */
#define AUTO_VIEW CLEANUP(image_view_done)

/* lookup_image(), with all names of the image in it. */
int image_find(struct image_cli *cli, const char *text, struct store_image *ret, char **ret_name, struct err *err) MUST_CHECK;

/* "NAME" of "NAME:TAG" and "NAME@DIGEST": new string. "TAG" or NULL: borrowed. */
char *image_repository(const char *name) __attribute__((returns_nonnull));
const char *image_tag(const char *name);

/* "[ERROR...]" of one operand among several: print it and go on. */
void image_report(struct err *err, int *code, int this_code);

/* Note in the journal of `brig events` what happened to an image; name NULL: it has none. Docker's words: pull push tag untag delete
 * load save import. */
void image_event(const struct image_cli *cli, const char *action, const struct store_image *image, const char *name);

/* Write to stdout all at once. */
int image_print(const struct buf *b, struct err *err) MUST_CHECK;
/* JSON text as a tree for tables and templates. */
int image_json(struct arena *arena, const struct buf *text, struct json **ret, struct err *err) MUST_CHECK;

/* "key=value" of a --filter; -EINVAL. value is borrowed; *ret_key is new. */
int image_filter_split(const char *filter, char **ret_key, const char **ret_value, struct err *err) MUST_CHECK;
/* "KEY" or "KEY=VALUE" against the labels. */
bool image_label_matches(const struct image_config *c, const char *filter);
/* "24h", or a time in RFC 3339 or in seconds since 1970: seconds since 1970. */
int image_until(const char *text, int64_t *ret, struct err *err) MUST_CHECK;

#endif
