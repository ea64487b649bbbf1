/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_EROFS_FORMAT_H
#define BRIG_IMAGES_EROFS_FORMAT_H

#include <stdint.h>

/* On-disk structures of EROFS that the writer uses, little endian. Kernel documentation: filesystems/erofs. */
enum {
	EROFS_MAGIC = 0xe0f5e1e2,
	EROFS_SB_OFFSET = 1024,
	EROFS_BLOCK_BITS = 12,
	EROFS_BLOCK = 1 << EROFS_BLOCK_BITS,
	EROFS_SLOT = 32, /* an inode's number is its offset in these */
	EROFS_DEVT_SLOT = 128,
	EROFS_COMPAT_SB_CHKSUM = 1,
	EROFS_COMPAT_MTIME = 2,
	EROFS_INCOMPAT_DEVICE_TABLE = 8,
	EROFS_FLAT_PLAIN = 0,
	EROFS_FLAT_INLINE = 2,
	EROFS_EXTENDED = 1,
};

struct erofs_sb {
	uint32_t magic, checksum, feature_compat;
	uint8_t blkszbits, sb_extslots;
	uint16_t root_nid;
	uint64_t inos, build_time;
	uint32_t build_time_nsec, blocks, meta_blkaddr, xattr_blkaddr;
	uint8_t uuid[16], volume_name[16];
	uint32_t feature_incompat;
	uint16_t compr_algs, extra_devices, devt_slotoff;
	uint8_t dirblkbits, xattr_prefix_count;
	uint32_t xattr_prefix_start;
	uint64_t packed_nid;
	uint8_t xattr_filter, reserved[23];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_sb) == 128, "EROFS superblock");

struct erofs_devslot {
	char tag[64];
	uint32_t blocks, mapped_blkaddr;
	uint8_t reserved[56];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_devslot) == EROFS_DEVT_SLOT, "EROFS device slot");

struct erofs_dinode {
	uint16_t format, xattr_icount, mode, reserved;
	uint64_t size;
	uint32_t u; /* block address or device number */
	uint32_t ino, uid, gid;
	uint64_t mtime;
	uint32_t mtime_nsec, nlink;
	uint8_t reserved2[16];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_dinode) == 64, "EROFS extended inode");

struct erofs_dirent {
	uint64_t nid;
	uint16_t nameoff;
	uint8_t file_type, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_dirent) == 12, "EROFS dirent");

#endif
