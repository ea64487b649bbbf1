/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_VIRTIO_FS_H
#define BRIG_VM_MODE_VIRTIO_FS_H

#include "vm-mode/virtio/device.h"

/*
 * virtio-fs: a directory of the host as a file system of the guest. The FUSE server (fs_server.h) runs in a thread of this
 * process. What the guest reaches is what is below root_fd in the mount namespace that the thread starts in; a name from the guest is
 * always one component, and ".." is refused, so the mount namespace's root need not be the shared directory.
 */
enum fs_cache {
	FS_CACHE_AUTO,	 /* names and attributes for a second, data until the file changes: host and guest both write */
	FS_CACHE_ALWAYS, /* the guest is the only one who changes anything */
	FS_CACHE_NONE,
};

struct fs_config {
	const char *tag; /* at most 36 bytes */
	int root_fd;	 /* a directory, O_PATH will do; duplicated */
	enum fs_cache cache;
	bool readonly;
	uint64_t dax_bytes; /* window for mapping files into the guest: 0, or a multiple of 2 MiB */
};

/* Makes the DAX window a region of mem. */
int fs_new(struct guest_mem *mem, const struct fs_config *config, struct virtio_dev **ret, struct err *err) MUST_CHECK;

#endif
