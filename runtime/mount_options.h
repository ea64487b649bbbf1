/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_MOUNT_OPTIONS_H
#define BRIG_RUNTIME_MOUNT_OPTIONS_H

#include "runtime/spec.h"

/* What an option does to a struct spec_mount. Options that are not in the table are the file system's own. */
enum mount_option_kind {
	MOUNT_OPTION_NONE,	  /* nothing: defaults */
	MOUNT_OPTION_SET,	  /* flags on */
	MOUNT_OPTION_CLEAR,	  /* flags off, explicitly */
	MOUNT_OPTION_PROPAGATION, /* MS_SHARED ... with MS_REC */
	MOUNT_OPTION_REC_SET,	  /* MOUNT_ATTR_* on, recursively */
	MOUNT_OPTION_REC_CLEAR,
	MOUNT_OPTION_REC_ATIME, /* the three-valued field MOUNT_ATTR__ATIME, recursively */
	MOUNT_OPTION_IDMAP,
	MOUNT_OPTION_IDMAP_REC,
	MOUNT_OPTION_TMPCOPYUP,
	MOUNT_OPTION_COPY_SYMLINK,
	MOUNT_OPTION_SRC_NOFOLLOW,
	MOUNT_OPTION_DEST_NOFOLLOW,
};

struct mount_option {
	const char *name;
	enum mount_option_kind kind;
	uint64_t value;
};

/* Sorted by name; ends with a NULL name. */
extern const struct mount_option mount_options[];

const struct mount_option *mount_option_find(const char *name);

#endif
