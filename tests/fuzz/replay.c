/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target on the files that are named, with any compiler: each corpus is replayed by the unit tests. TAP. */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		AUTO_FREE char *data = NULL;
		size_t n = 0;

		if (fd_read_file(AT_FDCWD, argv[i], 32 << 20, &data, &n) < 0) {
			printf("not ok %d - replay %s: cannot be read\n", i, argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)data, n);
		printf("ok %d - replay %s\n", i, argv[i]);
	}
	printf("1..%d\n", argc - 1);
	return 0;
}
