/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_ARCHIVE_H
#define BRIG_IMAGES_ARCHIVE_H

#include "images/store.h"

/*
 * DOC: images in files
 *
 * load reads what docker save, podman save, skopeo, buildah and umoci write: an OCI layout (a directory, or a tar of one) or
 * docker's archive, or a directory of the transport dir:; a tar may be compressed and may come from a pipe. Where a tar is both, the OCI layout is taken,
 * because it keeps the manifest's digest. import makes an image of one tar of a root file system.
 */
struct archive_load_options {
	const char *platform; /* for indexes; NULL: the host's */
	const char *ref;      /* OCI layouts: only the image of this ref.name; NULL: all */
	/* Name to store an image under, from a name in the archive (of docker's kind when docker is set): new string, or NULL for
	 * none. NULL: names as they are. */
	char *(*name)(void *ctx, const char *raw, bool docker);
	/* Called for each image that was stored. May be NULL. */
	void (*loaded)(void *ctx, const struct store_image *image, const char *const *names, size_t n_names);
	void *ctx;
};
int archive_load(struct store *s, const char *path, const struct archive_load_options *o, struct err *err) MUST_CHECK;

/* What `import` may set in the config; lists may be empty, strings NULL. */
struct archive_import_options {
	const char *const *env, *const *cmd, *const *entrypoint;	     /* NULL-terminated, or NULL */
	const char *const *volumes, *const *exposed_ports, *const *labels; /* likewise; labels are KEY=VALUE */
	const char *working_dir, *user, *stop_signal, *created, *comment;
	const char *architecture; /* "amd64"; NULL: the host's */
};
/* The tar (any compression) comes from fd. */
int archive_import(struct store *s, int fd, const struct archive_import_options *o, const char *const *names, size_t n_names,
		   struct store_image *ret, struct err *err) MUST_CHECK;

/* Write images as an OCI layout: into the empty directory dir_fd. Compressed layers that were kept are written as they came, others
 * as plain tars, with a new manifest for the same config (images/export.h). names[i] becomes the ref.name annotation. */
int archive_save_dir(struct store *s, const struct store_image *images, const char *const *names, size_t n, int dir_fd,
		     struct err *err) MUST_CHECK;
/* One image as the transport dir: has it, into the empty directory dir_fd: manifest.json, and the blobs by their hexadecimal names. */
int archive_save_flat(struct store *s, const struct store_image *image, int dir_fd, struct err *err) MUST_CHECK;
/* The same as a tar on out_fd; with docker true also docker's manifest.json is in it, so docker and podman load it. */
int archive_save_tar(struct store *s, const struct store_image *images, const char *const *names, size_t n, int out_fd, bool docker,
		     struct err *err) MUST_CHECK;

#endif
