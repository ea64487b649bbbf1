/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_TAR_TREE_H
#define BRIG_IMAGES_TAR_TREE_H

#include "runtime/base/err.h"

/*
 * DOC: a directory tree as a tar
 *
 * Only descriptors are walked, links are not followed: the tree may belong to somebody hostile and may change meanwhile. Sockets are left
 * out. With overlay set the tree is the upper directory of an overlay: device nodes 0:0 become whiteouts ".wh.NAME", opaque
 * directories get ".wh..wh..opq" (image-spec, layer.md), and overlayfs' own attributes stay behind.
 */
struct tar_tree {
	bool overlay;
	bool one_mount; /* what is mounted below stays out: directories are empty, files have no contents */
	int (*write)(void *ctx, const void *data, size_t n); /* takes all; negative ends it */
	void *ctx;
};
/* dir_fd/name (or "." for the contents) under the name `as` in the tar ("" with "."). */
int tar_tree_write(const struct tar_tree *t, int dir_fd, const char *name, const char *as, struct err *err) MUST_CHECK;

/* Unpack a tar (plain, gzip, bzip2, xz or zstd) from fd below the directory `base` of the tree root_fd. Every name is looked up as if root_fd
 * were "/" and created by descriptors; the process stays outside, because libraries that load modules must not do so in a tree of
 * somebody else (CVE-2019-14271). keep_owner: else everything belongs to the caller. */
int tar_tree_read(int fd, int root_fd, const char *base, bool keep_owner, struct err *err) MUST_CHECK;

#endif
