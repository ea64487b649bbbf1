/* SPDX-License-Identifier: Apache-2.0 */
#include "images/registries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO_FREE char *text = xstrndup((const char *)data, n);
	AUTO_REGISTRIES struct registries r = { 0 };

	(void)!registries_add(&r, "fuzz", text, NULL);
	return 0;
}
