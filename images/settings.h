/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_SETTINGS_H
#define BRIG_IMAGES_SETTINGS_H

#include "runtime/base/err.h"

/*
 * The [images] table of the administrator's file for images: $BRIG_IMAGES_CONF, else /etc/brig/images.conf (TOML); no file is no error. Unknown keys
 * are refused by name, so that a misspelt one is not silently without effect.
 *
 *   [images]
 *   keep-blobs = false        # keep the compressed layers: push and save then give back the original digests
 *   parallel-layers = 3       # downloads and uploads at the same time, 1 to 16
 *   stall-seconds = 60        # a connection on which nothing moves for so long is given up, and tried again
 *   retries = 5
 *   retry-delay-ms = 1000     # the first pause; it doubles
 *   upload-chunk-bytes = 0    # upload in pieces of this size; 0: whole blobs
 *   sync = true               # fsync what is stored before it is used
 */
struct image_settings {
	bool keep_blobs, sync;
	unsigned parallel_layers, stall_seconds, retries, retry_delay_ms;
	uint64_t upload_chunk_bytes;
};
int image_settings_load(struct image_settings *ret, struct err *err) MUST_CHECK;
/* From a text, for tests. */
int image_settings_parse(const char *name, const char *text, struct image_settings *ret, struct err *err) MUST_CHECK;

#endif
