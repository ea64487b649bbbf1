/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_MOUNT_POINTS_H
#define BRIG_RUNTIME_CLI_MOUNT_POINTS_H

#include "runtime/cli/record.h"

/*
 * DOC: places to mount on
 *
 * Nearly every container gets mounts on /dev, /proc, /sys, /etc/hosts, /etc/hostname and /etc/resolv.conf, and few images have all of
 * these. DATA/mount-points has them, empty; it lies below the image as one more lower layer, so that what the image has is what is
 * seen, and nothing has to be made in (and removed from) the container's own upper layer, on a disk.
 *
 * It is made once, whole, and never changed. Where it is missing or incomplete, the runtime makes the places as it always does.
 */

/* The directory's fd, for struct store_rootfs_options; made by way of the record's directory when it is missing. -errno: then without. */
int mount_points_open(const struct record *r);

#endif
