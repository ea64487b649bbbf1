/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_EROFS_H
#define BRIG_IMAGES_EROFS_H

#include "images/tree.h"

/*
 * DOC: the EROFS metadata image of a chain
 *
 * The image holds inodes, directories, symlinks, attributes and files of up to 1 KiB. Larger files are flat inodes whose block
 * address lies behind the image's own blocks, in the range that the device table maps to a layer's data file. So the
 * same bytes serve a host that mounts it with one device= option per data file, and a guest that sees image and data
 * files back to back as one device. Flat inodes (never chunks, never tails) let a guest map files by DAX.
 *
 * The writer is deterministic: the same tables give the same image.
 */
struct erofs_device {
	const char *tag;     /* up to 64 characters: the hex diffID */
	uint64_t data_bytes; /* length of the data file, a multiple of 4096 */
};

#define EROFS_MAX_DEVICES 512
#define EROFS_TAG_LEN	  65

/* Write the image of the tree to the empty file fd; uuid identifies the chain. devices has one element per layer of
 * the tree; layers without data, or met twice (same tag), take no slot. The superblock is written last. */
int erofs_write(int fd, struct tree *t, const struct erofs_device *devices, size_t n_devices, const uint8_t uuid[16],
		struct err *err) MUST_CHECK;

/* What the device table of an image says; elements behind n_devices are undefined. */
struct erofs_layout {
	uint64_t image_bytes;
	size_t n_devices;
	struct {
		char tag[EROFS_TAG_LEN];
		uint64_t offset, bytes; /* in the flat form */
	} devices[EROFS_MAX_DEVICES];
};
int erofs_read_layout(int fd, struct erofs_layout *ret, struct err *err) MUST_CHECK;

#endif
