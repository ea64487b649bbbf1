/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_AUTH_HELPER_H
#define BRIG_IMAGES_AUTH_HELPER_H

#include "images/auth.h"

/* Credential helpers: docker-credential-NAME in $PATH, told a server on standard input (docker's protocol). name must be a plain
 * word: it comes from a file. */
int auth_helper_get(const char *name, const char *server, struct credentials *ret, struct err *err) MUST_CHECK;
int auth_helper_store(const char *name, const char *server, const struct credentials *c, struct err *err) MUST_CHECK;
int auth_helper_erase(const char *name, const char *server, struct err *err) MUST_CHECK;

#endif
