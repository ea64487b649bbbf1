/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/version.h"

const char brig_version[] = BRIG_VERSION;
const char brig_commit[] = BRIG_COMMIT;
