/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_LAYER_XATTR_H
#define BRIG_IMAGES_LAYER_XATTR_H

#include "images/entry.h"
#include "runtime/base/mem.h"

struct archive_entry;

/* Extended attributes of one tar entry. Strings live in the arena until the next read. */
struct xattr_list {
	size_t n;
	struct entry_xattr items[ENTRY_XATTRS_MAX];
	struct arena arena;
};

/* Replace the list by what the entry carries, ACLs as their system.posix_acl_* attributes. Labels and ACLs of other
 * systems are dropped; attributes that steer overlayfs are refused (-EINVAL). */
int xattr_list_read(struct xattr_list *l, struct archive_entry *ae, struct err *err) MUST_CHECK;
void xattr_list_done(struct xattr_list *l);

#endif
