/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a layer's bytes. What comes in must give a table that merges, or an error that says why. */
#include "images/layer.h"
#include "images/tree.h"
#include "runtime/base/fd.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void merge(int fd)
{
	off_t n = lseek(fd, 0, SEEK_END);
	char *table = xmalloc((size_t)n);
	struct entry_reader reader;
	struct err err = { 0 };
	struct tree t;

	tree_init(&t);
	if (lseek(fd, 0, SEEK_SET) < 0 || fd_read_all(fd, table, (size_t)n) != n ||
	    entry_reader_init(&reader, table, (size_t)n, true, &err) < 0)
		abort();
	/* Links may lead nowhere; a table that the layer stream wrote is never damaged. */
	if (tree_add_layer(&t, table, (size_t)n, &err) < 0 && err.code == EBADMSG)
		abort();
	tree_done(&t);
	free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct layer_options o = { .keep_fd = -1, .log_fd = -1, .blob_size = UINT64_MAX, .limits = { 1 << 22, 1 << 22, 1000, 100000 } };
	struct layer *l = NULL;
	struct layer_result res;
	struct err err = { 0 };
	int r;

	o.data_fd = memfd_create("data", MFD_CLOEXEC);
	o.entries_fd = memfd_create("entries", MFD_CLOEXEC);
	r = layer_begin(&o, &l, &err);
	for (size_t at = 0; r == 0 && at < n; at += 1000)
		r = layer_push(l, data + at, n - at < 1000 ? n - at : 1000, &err);
	if (r == 0)
		r = layer_finish(l, &res, &err);
	if (r == 0)
		merge(o.entries_fd);
	else if (err.code <= 0 || !*err.msg)
		abort();
	layer_free(l);
	close(o.data_fd);
	close(o.entries_fd);
	return 0;
}
