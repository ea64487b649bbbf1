/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_HOST_SETTINGS_H
#define BRIG_VM_MODE_HOST_SETTINGS_H

#include "runtime/conf.h"
#include "runtime/container.h"

/*
 * DOC: what the machine is made of
 *
 * From, in this order: spec.vm and the annotations org.brig.vm.{vcpus,memory,kernel}, where brig.conf allows them; brig.conf;
 * the defaults below. A setting that is not allowed is an error, never ignored.
 *
 * Size. vCPUs: the CPU quota rounded up, but not more than the cpuset has; without a quota the cpuset's count; with neither
 * vm.vcpus (1). Never more than the host has. Memory: the container's limit is what its processes may use; the guest's
 * kernel and agent come on top (VM_GUEST_BASE and 1/32 of it all: page structures, slab), and what the VMM itself needs on the host
 * comes on top of that (overhead): that sum is the limit of the host's cgroup. The machine itself is never smaller than vm.memory
 * (512 MiB), which is all there is without a limit: memory costs nothing until it is touched and comes back by free page
 * reporting, the guest's cgroup keeps the container to its limit, and `update` can raise a limit as far as the machine goes.
 */
enum vm_accel { VM_ACCEL_KVM, VM_ACCEL_EMULATE };

#define VM_DEFAULT_MEMORY   (512ull << 20)
#define VM_GUEST_BASE	    (96ull << 20)
#define VM_MIN_MEMORY	    (128ull << 20)
#define VM_OVERHEAD_KVM	    (24ull << 20)  /* VMM, its FUSE server, page tables of the guest */
#define VM_OVERHEAD_EMULATE (256ull << 20) /* QEMU with its translation buffer, virtiofsd */
#define VM_OVERHEAD_PIDS    128		   /* threads and helper processes on the host */

struct vm_settings {
	struct conf conf;
	enum vm_accel accel;
	char accel_why[256]; /* for people: why not KVM; "" with KVM */
	char *kernel, *initramfs;	 /* owned; paths */
	char *qemu, *virtiofsd;		 /* owned; emulation only */
	unsigned vcpus;
	uint64_t guest_bytes;	 /* RAM of the machine */
	uint64_t needed_bytes;	 /* of it, by the container's limit; 0: it has none */
	uint64_t overhead_bytes; /* of the monitor, on the host */
};
void vm_settings_done(struct vm_settings *s);

/* brig.conf; accelerator and its programs, kernel, initramfs. Opens nothing but what the probe needs. */
int vm_settings_host(const struct runtime_opts *opts, struct vm_settings *ret, struct err *err) MUST_CHECK;
/* Then what the container says. */
int vm_settings_container(struct vm_settings *s, const struct spec *spec, struct err *err) MUST_CHECK;

/* Pure: the size from a specification. host_cpus >= 1. */
void vm_size(struct vm_settings *s, const struct spec_resources *r, unsigned host_cpus);
/* The container may get this limit by `update`: negative with err when its machine is too small. s: of its specification. */
int vm_size_allows(const struct vm_settings *s, const struct spec_resources *r, struct err *err) MUST_CHECK;
/* What the machine of a container with this limit needs of its memory; 0: all of it. */
uint64_t vm_size_needed(const struct vm_settings *s, const struct spec_resources *r);
/* Limits of the host's cgroup: the container's, and room for the machine. Changes r. */
void vm_host_limits(const struct vm_settings *s, struct spec_resources *r);

#endif
