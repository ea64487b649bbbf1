/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_USER_H
#define BRIG_RUNTIME_BASE_USER_H

#include "runtime/base/attr.h"

/* The name of a user of the host, from /etc/passwd by hand: libc's look-up would load NSS modules. New string, "" when there
 * is none. */
char *user_name_of(uint32_t uid) __attribute__((returns_nonnull));

#endif
