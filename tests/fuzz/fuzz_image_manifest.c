/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a manifest, an index or a config. */
#include "images/image_config.h"
#include "images/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct descriptor *d;
	struct image_config c;
	struct manifest m;
	struct err err = { 0 };

	if (manifest_parse("fuzz", (const char *)data, n, NULL, &m, &err) == 0) {
		if (m.is_index && manifest_pick(&m, "linux/arm/v7", &d, &err) == 0 && !digest_is_set(&d->digest))
			abort();
		(void)!manifest_check_image(&m, &err);
		manifest_done(&m);
	}
	if (image_config_parse("fuzz", (const char *)data, n, &c, &err) == 0) {
		if (!c.env.v || c.env.v[c.env.n] || !c.cmd.v || c.cmd.v[c.cmd.n])
			abort();
		image_config_done(&c);
	}
	return 0;
}
