/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_VERSION_H
#define BRIG_RUNTIME_VERSION_H

extern const char brig_version[]; /* "0.1.0" */
extern const char brig_commit[];  /* short hash, or "unknown" */

#define BRIG_SPEC_VERSION     "1.3.0" /* the newest runtime-spec that is implemented */
#define BRIG_SPEC_VERSION_MIN "1.0.0"

#endif
