/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_AUTH_H
#define BRIG_IMAGES_AUTH_H

#include "images/reference.h"

/*
 * DOC: credentials
 *
 * containers-auth.json(5) and docker's config.json. Looked for in this order: an explicit file, $REGISTRY_AUTH_FILE,
 * $XDG_RUNTIME_DIR/containers/auth.json (root: /run/containers/0/auth.json), ~/.config/containers/auth.json,
 * $DOCKER_CONFIG or ~/.docker/config.json, ~/.dockercfg. In a file the most specific key wins (host/ns/repo, host/ns, host), then
 * credHelpers of the host, then credsStore. Helpers are docker-credential-NAME programs.
 */
struct credentials {
	char *user, *password; /* owned; NULL: none */
	char *identity_token;  /* owned; an OAuth2 refresh token */
};
void credentials_done(struct credentials *c);
#define AUTO_CREDENTIALS CLEANUP(credentials_done)

/* Credentials for a repository; all NULL when there are none. file: --authfile, or NULL. */
int auth_find(const char *file, const char *host, const char *path, struct credentials *ret, struct err *err) MUST_CHECK;

/* Store or remove a host's (or host/namespace's) credentials, in file or the default one, or in the helper that it names.
 * auth_remove: -ENOENT when there are none; key NULL removes all. */
int auth_store(const char *file, const char *key, const struct credentials *c, struct err *err) MUST_CHECK;
int auth_remove(const char *file, const char *key, struct err *err) MUST_CHECK;

/* "USER[:PASSWORD]" of --creds. */
int auth_parse_pair(const char *text, struct credentials *ret, struct err *err) MUST_CHECK;

/* Standard base64. New strings; auth_unbase64 is NULL for what is none. */
char *auth_base64(const char *text) __attribute__((returns_nonnull));
char *auth_unbase64(const char *text);

#endif
