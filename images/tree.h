/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_TREE_H
#define BRIG_IMAGES_TREE_H

#include "images/entry.h"
#include "runtime/base/mem.h"

/*
 * DOC: merging the layers of a chain
 *
 * The entry tables of the layers, oldest first, become one tree in memory. Nothing here touches a file system, so
 * links in an image can lead nowhere but to other nodes. For each layer the whiteouts are applied first, to what the
 * layers below made, and then the entries in order (layer.md: whiteouts hide only lower layers, wherever they stand in
 * the tar). A parent that no entry describes is inherited from below, or made as 0755 root.
 * Parents are looked up through symlinks, inside the tree, as an extraction over the lower layers would do.
 */
struct tree_inode {
	enum entry_type type; /* file, dir, symlink, char, block or fifo */
	uint32_t mode, uid, gid, rdev_major, rdev_minor, mtime_ns, nlink;
	int64_t mtime_s;
	uint64_t size, data_offset, crc64;
	uint32_t layer;	      /* index of the layer that holds the data */
	const char *link;     /* symlink's text */
	const void *inline_data;
	const void *extents;
	size_t n_extents, n_xattrs;
	const struct entry_xattr *xattrs;
	/* Free for the sink that walks the tree. */
	uint64_t nid;
	struct tree_node *first_seen;
};

struct tree_node {
	const char *name; /* NUL-terminated */
	uint32_t name_len;
	uint32_t layer; /* that made or last replaced the node */
	struct tree_node *parent, *children, *next, *prev;
	struct tree_node *hash_next;
	struct tree_inode *inode;
};

struct tree {
	struct arena arena;
	struct tree_node *root;
	struct tree_node **buckets; /* owned */
	size_t n_buckets, n_nodes;
	uint32_t n_layers;
};

void tree_init(struct tree *t);
/* Apply the next layer. table is the whole .entries file and must stay mapped as long as the tree lives. */
int tree_add_layer(struct tree *t, const void *table, size_t n, struct err *err) MUST_CHECK;
void tree_done(struct tree *t);

/* The children of a directory as an array sorted by the bytes of their names; the caller frees it. */
struct tree_node **tree_sorted_children(const struct tree_node *dir, size_t *ret_n);

/* Path of a node without a leading slash; new string. */
char *tree_path(const struct tree_node *n);

#endif
