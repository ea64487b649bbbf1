/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/oom.h"

#include "runtime/base/mem.h"
#include "vm-mode/host/client.h"

#include <errno.h>

struct vm_oom {
	struct client_conn conn;
	const char *container; /* borrowed */
	uint64_t guest;	       /* what the guest counted, of which 0 is known until the first event */
	uint64_t ours;
};

struct vm_oom *vm_oom_open(struct container *c, struct err *err)
{
	struct vm_oom *o = xcalloc(1, sizeof(*o));
	int r = client_connect(&o->conn, c, err);

	o->container = c->id;
	if (r >= 0) {
		r = frame_writer_flush(&o->conn.out, o->conn.fd); /* the greeting, which nothing else would send */
		if (r < 0)
			(void)err_sys(err, r, "greet the container's machine");
	}
	if (r >= 0)
		return o;
	vm_oom_free(o);
	return NULL;
}

void vm_oom_free(struct vm_oom *o)
{
	if (o)
		client_done(&o->conn);
	free(o);
}

int vm_oom_fd(const struct vm_oom *o)
{
	return o->conn.fd;
}

/* The guest counts from the container's start. What came before the first event that we see was told to others. */
static void take_event(struct vm_oom *o, const struct proto_oom *m)
{
	if (!str_eq(m->container, o->container) || m->count <= o->guest)
		return;
	o->ours += o->guest ? m->count - o->guest : 1;
	o->guest = m->count;
}

int vm_oom_count(struct vm_oom *o, uint64_t *ret)
{
	struct proto_oom m;
	struct err err = { 0 };
	struct frame f;
	int r;

	while ((r = client_next(&o->conn, &f, 0, &err)) > 0)
		if (f.type == PROTO_OOM && proto_unpack_oom(f.data, f.len, &m, &err) == 0)
			take_event(o, &m);
	*ret = o->ours;
	return r < 0 ? r : 0;
}
