/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CONF_H
#define BRIG_RUNTIME_CONF_H

#include "runtime/base/err.h"
#include "runtime/base/mem.h"

/*
 * DOC: the administrator's configuration, brig.conf(5)
 *
 * Lines of "key = value"; '#' at the start of a line or behind white space begins a comment; white space around key and value does
 * not count. A key that does not exist, one that is given twice and a bad value are errors that name file, line and key.
 * Nothing in it can be set by a container.
 */
#define CONF_PATH "/etc/brig/brig.conf"

enum conf_annotation { CONF_ALLOW_VCPUS = 1, CONF_ALLOW_MEMORY = 2, CONF_ALLOW_KERNEL = 4 };

struct conf {
	struct arena arena;
	const char *accel;	   /* vm.accel: auto, kvm, emulate; NULL: not given */
	const char *kernel, *initramfs; /* vm.kernel, vm.initramfs: absolute paths, or NULL */
	const char *qemu, *virtiofsd;	/* vm.qemu, vm.virtiofsd: absolute paths, or NULL */
	uint64_t memory_bytes;	   /* vm.memory: of a container without a limit; 0: not given */
	unsigned vcpus;		   /* vm.vcpus: of a container without a quota or cpuset; 0: not given */
	unsigned allow;		   /* vm.allow-annotations: a set of enum conf_annotation */
};

/* Read path; a missing file is an empty configuration. */
int conf_load(const char *path, struct conf *ret, struct err *err) MUST_CHECK;
/* The same from a text. name: for messages. */
int conf_parse(const char *name, const char *text, struct conf *ret, struct err *err) MUST_CHECK;
void conf_done(struct conf *c);

#endif
