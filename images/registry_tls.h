/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_REGISTRY_TLS_H
#define BRIG_IMAGES_REGISTRY_TLS_H

#include "runtime/base/err.h"

/*
 * Certificates for one registry, as containers-certs.d(5) and docker keep them: in the first folder that exists of cert_dir (when
 * given, alone), ~/.config/containers/certs.d/HOST[:PORT], /etc/containers/certs.d/..., /etc/docker/certs.d/...: *.crt are further
 * certificate authorities, X.cert and X.key a client certificate. New strings; NULL: none.
 */
int registry_tls_files(const char *host, const char *cert_dir, char **ret_ca_pem, char **ret_cert, char **ret_key,
		       struct err *err) MUST_CHECK;

#endif
