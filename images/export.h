/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_EXPORT_H
#define BRIG_IMAGES_EXPORT_H

#include "images/manifest.h"
#include "images/store.h"

/*
 * DOC: layers on their way out
 *
 * A layer whose compressed blob was kept goes out as it came in. Another one is made again: the tar from its log (byte for byte,
 * checked against the diffID), and for a registry gzip around it. Then the config and the image's ID are the same, the
 * layer's and the manifest's digests are new.
 */

/* The layer's tar into sink. -ENODATA: it has no log. -EBADMSG: what came out has another diffID. */
int export_tar(struct store *s, const struct digest *diff_id, int (*sink)(void *ctx, const void *data, size_t n, struct err *err),
	       void *ctx, struct err *err) MUST_CHECK;
/* Bytes of that tar. */
int export_tar_size(struct store *s, const struct digest *diff_id, uint64_t *ret, struct err *err) MUST_CHECK;
/* The layer as gzip into the empty file out_fd (at offset 0). Deterministic. */
int export_gzip(struct store *s, const struct digest *diff_id, int out_fd, struct digest *ret, uint64_t *ret_size, struct err *err) MUST_CHECK;

/* A manifest for the image with other layers: config as in m; media_types[i] NULL keeps the descriptor's. New text in ret. */
struct export_layer {
	struct digest digest;
	uint64_t size;
	const char *media_type;
};
void export_manifest(const struct manifest *m, const struct export_layer *layers, struct buf *ret);

#endif
