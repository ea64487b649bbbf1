/* SPDX-License-Identifier: Apache-2.0 */
/* The input is the records of an entry table. It is merged twice, over itself, and written as an EROFS image. */
#include "images/erofs.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void write_image(struct tree *t, uint64_t data_bytes)
{
	char tag[] = "0000000000000000000000000000000000000000000000000000000000000000";
	struct erofs_device devices[2] = { { tag, data_bytes }, { tag, data_bytes } };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint8_t uuid[16] = { 0 };
	struct erofs_layout *layout = xmalloc(sizeof(*layout));
	struct err err;

	if (erofs_write(fd, t, devices, 2, uuid, &err) == 0 &&
	    (erofs_read_layout(fd, layout, &err) < 0 || layout->n_devices != 1 || lseek(fd, 0, SEEK_END) != (off_t)layout->image_bytes))
		abort();
	free(layout);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct entry_header h = { .table_bytes = n, .table_crc64 = entry_crc64(0, data, n), .data_bytes = 1 << 20 };
	uint8_t *table = xmalloc(ENTRY_HEADER_BYTES + n);
	struct err err = { 0 };
	struct tree t;

	/* The right number of records, or nothing gets through. */
	for (size_t at = 0; n - at >= 4; h.n_entries++) {
		uint32_t bytes;

		memcpy(&bytes, data + at, sizeof(bytes));
		if (bytes < 4 || bytes > n - at)
			break;
		at += bytes;
	}
	entry_header_encode(&h, table);
	if (n)
		memcpy(table + ENTRY_HEADER_BYTES, data, n);
	tree_init(&t);
	if (tree_add_layer(&t, table, ENTRY_HEADER_BYTES + n, &err) == 0 && tree_add_layer(&t, table, ENTRY_HEADER_BYTES + n, &err) == 0)
		write_image(&t, h.data_bytes);
	tree_done(&t);
	free(table);
	return 0;
}
