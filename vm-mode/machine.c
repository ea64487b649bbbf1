/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/machine.h"

int machine_run(struct machine *m, struct err *err)
{
	return m->ops->run(m, err);
}

void machine_event(struct machine *m)
{
	m->ops->event(m);
}

void machine_stop(struct machine *m)
{
	m->ops->stop(m);
}

void machine_balloon(struct machine *m, uint64_t guest_bytes)
{
	m->ops->balloon(m, guest_bytes);
}

void machine_free(struct machine *m)
{
	if (m)
		m->ops->free(m);
}
