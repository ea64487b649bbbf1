/* SPDX-License-Identifier: Apache-2.0 */
#include "images/erofs.h"
#include "images/erofs_format.h"

#include <endian.h>
#include <errno.h>
#include <unistd.h>

int erofs_read_layout(int fd, struct erofs_layout *ret, struct err *err)
{
	struct erofs_devslot slot;
	struct erofs_sb sb;
	size_t n;

	if (pread(fd, &sb, sizeof(sb), EROFS_SB_OFFSET) != (ssize_t)sizeof(sb) || le32toh(sb.magic) != EROFS_MAGIC ||
	    memcmp(sb.volume_name, "brig1", 6) != 0)
		return err_set(err, EBADMSG, "not an EROFS image of this version");
	n = le16toh(sb.extra_devices);
	if (n > EROFS_MAX_DEVICES)
		return err_set(err, EBADMSG, "EROFS image: too many devices");
	/* Not one memset: of 45 KB, a `run` touches the first elements only. */
	ret->image_bytes = (uint64_t)le32toh(sb.blocks) * EROFS_BLOCK;
	ret->n_devices = n;
	for (size_t i = 0; i < n; i++) {
		off_t at = (off_t)le16toh(sb.devt_slotoff) * EROFS_DEVT_SLOT + (off_t)(i * sizeof(slot));

		if (pread(fd, &slot, sizeof(slot), at) != (ssize_t)sizeof(slot))
			return err_set(err, EBADMSG, "EROFS image: device table is cut short");
		memcpy(ret->devices[i].tag, slot.tag, sizeof(slot.tag));
		ret->devices[i].tag[sizeof(slot.tag)] = '\0';
		ret->devices[i].offset = (uint64_t)le32toh(slot.mapped_blkaddr) * EROFS_BLOCK;
		ret->devices[i].bytes = (uint64_t)le32toh(slot.blocks) * EROFS_BLOCK;
	}
	return 0;
}
