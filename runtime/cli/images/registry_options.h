/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_IMAGES_REGISTRY_OPTIONS_H
#define BRIG_RUNTIME_CLI_IMAGES_REGISTRY_OPTIONS_H

#include "images/registry.h"
#include "images/settings.h"
#include "runtime/oci/options.h"

/* The options that every verb with a registry has; a struct with one of these in its member `r` lists them by its rows. */
struct registry_flags {
	const char *authfile, *cert_dir, *creds, *retry_delay;
	bool tls_verify; /* true by default */
	struct opt_u32 retry;
};
#define REGISTRY_FLAG_ROWS(T)                                                                                              \
	OPT_STRING(T, r.authfile, "authfile", 0, "FILE", "credentials ($REGISTRY_AUTH_FILE, else what login wrote)"),      \
		OPT_STRING(T, r.cert_dir, "cert-dir", 0, "DIR", "TLS: *.crt, *.cert and *.key for the registry"),             \
		OPT_STRING(T, r.creds, "creds", 0, "USER[:PASSWORD]", "credentials for this call"),                           \
		OPT_U32(T, r.retry, "retry", 0, "N", "how often something is tried again (5)"),                               \
		OPT_STRING(T, r.retry_delay, "retry-delay", 0, "DURATION", "pause before the first retry; it doubles (1s)"), \
		OPT_FLAG(T, r.tls_verify, "tls-verify", 0, "false: accept any certificate, and plain http (true)")

/* ret->creds points to *creds, which the caller frees. */
int registry_flags_read(const struct registry_flags *f, const struct image_settings *settings, struct credentials *creds,
			struct registry_options *ret, struct err *err) MUST_CHECK;

#endif
