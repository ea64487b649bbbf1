/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/registry_options.h"

#include "runtime/base/str.h"

#include <errno.h>


int registry_flags_read(const struct registry_flags *f, const struct image_settings *settings, struct credentials *creds,
			struct registry_options *ret, struct err *err)
{
	uint64_t ns;

	*ret = (struct registry_options){
		.authfile = f->authfile,
		.cert_dir = f->cert_dir,
		.user_agent = "brig",
		.tls = f->tls_verify ? REGISTRY_TLS_DEFAULT : REGISTRY_TLS_NO_VERIFY,
		.retries = f->retry.set ? f->retry.v : settings->retries,
		.retry_delay_ms = settings->retry_delay_ms,
		.stall_s = settings->stall_seconds,
	};
	if (f->retry_delay) {
		if (option_duration(f->retry_delay, &ns) < 0)
			return err_set(err, EINVAL, "invalid value \"%s\" for flag --retry-delay: must be a duration", f->retry_delay);
		ret->retry_delay_ms = ns / 1000000 > 60000 ? 60000 : (unsigned)(ns / 1000000);
	}
	if (!f->creds)
		return 0;
	ret->creds = creds;
	return auth_parse_pair(f->creds, creds, err);
}
