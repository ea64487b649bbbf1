/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/machine.h"

#include <errno.h>

int machine_kvm_prepare(const struct machine_config *c, struct machine **ret, struct err *err)
{
	(void)c;
	(void)ret;
	return err_set(err, ENOTSUP, "kvm: not here");
}
