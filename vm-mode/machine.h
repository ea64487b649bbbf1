/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_MACHINE_H
#define BRIG_VM_MODE_MACHINE_H

#include "runtime/base/err.h"

/*
 * DOC: a machine, whoever runs it
 *
 *   machine_prepare()  everything that needs the host's files, devices and privileges; no guest instruction runs
 *   machine_run()      after the caller has confined itself: the guest starts
 *   machine_event()    when event_fd is readable
 *   machine_stop()     end it now
 *
 * Two kinds: kvm (brig's monitor in threads of this process) and emulate (QEMU and virtiofsd as children of it).
 */
#define MACHINE_MAX_NICS 8

struct machine_nic {
	int tap_fd; /* owned by whoever made it */
	uint8_t mac[6];
	uint16_t mtu;
};

struct machine_config {
	unsigned vcpus;
	uint64_t mem_bytes;
	int kernel_fd, initrd_fd;  /* borrowed */
	const char *export_path;   /* the directory that is shared, in the mount namespace of the caller */
	int export_fd;		   /* the same, O_PATH; borrowed */
	const struct machine_nic *nics;
	size_t n_nics;
	bool debug;		   /* the guest kernel's messages go to the log */
	/* emulation */
	const char *qemu, *virtiofsd;
	uint64_t tsc_khz; /* of this host's clock, which the emulated CPU shows as it is */
	/* kvm */
	int kvm_fd; /* /dev/kvm, or -1: open it */
};

struct machine_ops;
struct machine {
	const struct machine_ops *ops;
	int agent_fd; /* byte stream to the guest's agent; owned by the machine */
	int event_fd; /* readable: call machine_event() */
	int log_fd;   /* readable: what the guest kernel and the programs of the machine have to say; or -1 */
	bool ended;
	char end[256]; /* why it ended, for people; "" for an orderly power-off */
};
struct machine_ops {
	int (*run)(struct machine *m, struct err *err);
	void (*event)(struct machine *m);
	void (*stop)(struct machine *m);
	void (*balloon)(struct machine *m, uint64_t guest_bytes);
	void (*free)(struct machine *m);
};

int machine_kvm_prepare(const struct machine_config *c, struct machine **ret, struct err *err) MUST_CHECK;
int machine_emulate_prepare(const struct machine_config *c, struct machine **ret, struct err *err) MUST_CHECK;

int machine_run(struct machine *m, struct err *err) MUST_CHECK;
/* Take in what happened; afterwards m->ended says whether the machine is gone. */
void machine_event(struct machine *m);
/* Kill it and wait until it is gone. */
void machine_stop(struct machine *m);
/* Let the guest keep this much memory, at most all it has; asynchronous, the guest may not do it. */
void machine_balloon(struct machine *m, uint64_t guest_bytes);
/* Stops it first. NULL is fine. */
void machine_free(struct machine *m);

#endif
