/* SPDX-License-Identifier: Apache-2.0 */
/* A reference that parses must print as one that parses to the same. */
#include "images/reference.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO_FREE char *text = xstrndup((const char *)data, n);
	AUTO_REFERENCE struct reference r = { 0 }, full = { 0 }, again = { 0 };
	AUTO_LOCATION struct location l = { 0 };

	(void)!location_parse(text, &l, NULL);
	if (reference_parse(text, &r, NULL) < 0)
		return 0;
	reference_qualify(&r, "docker.io", &full);
	free(text);
	text = reference_text(&full);
	/* "library/" may make a name too long */
	if (reference_parse(text, &again, NULL) < 0)
		return 0;
	if (!str_eq(again.host, full.host) || !str_eq(again.path, full.path) || !digest_eq(&again.digest, &full.digest))
		__builtin_trap();
	return 0;
}
