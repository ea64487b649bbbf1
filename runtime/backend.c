/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backend.h"

#include "runtime/base/str.h"

const struct backend *backend_by_name(const char *name)
{
	return strcmp(name, namespaces_backend.name) == 0 ? &namespaces_backend : NULL;
}
