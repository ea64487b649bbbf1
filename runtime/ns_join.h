/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NS_JOIN_H
#define BRIG_RUNTIME_NS_JOIN_H

#include "runtime/base/err.h"
#include "runtime/spec.h"

/* Open the namespaces that the configuration gives by path, and check that each is of its type. The caller owns what is in
 * ret_fds, also after an error; entries of namespaces without a path are left alone. */
int ns_open_joined(const struct spec *spec, int ret_fds[NS_TYPES], struct err *err) MUST_CHECK;

#endif
