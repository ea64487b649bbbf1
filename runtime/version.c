/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/version.h"

/* The Makefile defines both; analysers, which compile without it, see "unknown". */
#ifndef BRIG_VERSION
#define BRIG_VERSION unknown
#endif
#ifndef BRIG_COMMIT
#define BRIG_COMMIT unknown
#endif

#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)

const char brig_version[] = TEXT_OF(BRIG_VERSION);
const char brig_commit[] = TEXT_OF(BRIG_COMMIT);
