/* SPDX-License-Identifier: Apache-2.0 */
/* Force-included into every source: functions that invite overflows or unchecked numbers do not compile. */
#ifndef BRIG_RUNTIME_BASE_BANNED_H
#define BRIG_RUNTIME_BASE_BANNED_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With clang, glibc's fortification makes macros of these, and a macro cannot be poisoned. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll gets tmpnam mktemp

#endif
