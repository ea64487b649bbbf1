/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_ROOTFS_H
#define BRIG_IMAGES_ROOTFS_H

#include "runtime/base/err.h"

/* An EROFS image with its data files. In the flat form the files follow one another: the image at 0, files[i] at
 * offsets[i]; each length is a multiple of 4096. */
struct rootfs_files {
	char *image; /* owned path */
	uint64_t image_bytes;
	size_t n;
	char **files;	    /* owned paths, in the order of the device table */
	uint64_t *offsets, *bytes; /* owned */
};
void rootfs_files_done(struct rootfs_files *f);

/* Mount it read-only and detached, by fsopen(2): an fd that goes to move_mount(2) or serves as overlay's lower layer; the
 * mount ends with the last reference to it. Files are mounted directly (Linux 6.12), or through loop devices before. */
int rootfs_mount_erofs(const struct rootfs_files *f, bool force_loop, struct err *err) MUST_CHECK;

struct rootfs_overlay {
	int lower_fd;		 /* borrowed: a mount from above, or any directory */
	const int *below_fd;	 /* borrowed, or NULL: a directory below lower_fd, as one more lower layer. Not with userns_fd */
	const char *upper, *work;
	bool userxattr;		 /* inside a user namespace */
	bool no_sync;		 /* overlay's "volatile": the upper layer does not survive a crash of the machine */
	const int *userns_fd;	 /* borrowed, or NULL: both layers are seen with the ids of this user namespace (idmapped mounts,
				    Linux 5.19), and keep the image's ids on the disk. Then lower_fd is a detached mount, and upper
				    and work lie in one directory */
};
/* Detached writable overlay above the lower layer. */
int rootfs_mount_overlay(const struct rootfs_overlay *o, struct err *err) MUST_CHECK;

/* Attach a detached mount at target. */
int rootfs_attach_at(int mount_fd, const char *target, struct err *err) MUST_CHECK;

#endif
