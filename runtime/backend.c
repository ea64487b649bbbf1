/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backend.h"

#include "runtime/base/str.h"

/* brig-guest is made of the same parts, but for this one. */
#pragma weak vm_backend

const struct backend *backend_by_name(const char *name)
{
	if (str_eq(name, namespaces_backend.name))
		return &namespaces_backend;
	return &vm_backend && str_eq(name, vm_backend.name) ? &vm_backend : NULL;
}
