/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_CGROUPS_SYSTEMD_PROPS_H
#define BRIG_CGROUPS_SYSTEMD_PROPS_H

#include "cgroups/internal.h"

/*
 * DOC: unit properties as data
 *
 * What is set on the unit: resources in systemd's units and names (so that a daemon-reload sets nothing back), and the
 * user's org.systemd.property.* annotations. Pure: no bus is needed to build or test the list.
 */
struct sd_prop {
	const char *name;
	char type; /* D-Bus: b y n q i u x t d s o; 'A' device list (name and access pairs), 'Y' bytes */
	bool array;
	size_t n;
	union {
		const char **strings; /* s o; A: pairs */
		uint64_t *numbers;    /* integers and b; two's complement */
		double *reals;
		struct {
			const uint8_t *p;
			size_t n;
		} bytes;
	} u;
};
struct sd_props {
	struct arena arena;
	struct sd_prop *v;
	size_t n, cap;
};
void sd_props_done(struct sd_props *l);
struct sd_prop *sd_props_string(struct sd_props *l, const char *name, const char *value);
struct sd_prop *sd_props_number(struct sd_props *l, const char *name, char type, uint64_t value);

/* Resources that systemd knows; the rest is written to the cgroup's files alone. */
void sd_props_resources(struct sd_props *l, const struct spec_resources *r, bool v2);
/* DevicePolicy and DeviceAllow: never stricter than the list (brig's own filter is exact). proc_devices: the text. */
void sd_props_devices(struct sd_props *l, const struct device_list *d, const char *proc_devices);
/* An empty DeviceAllow: systemd forgets the ones that the unit has. */
void sd_props_no_devices(struct sd_props *l);
/* One annotation "org.systemd.property.NAME" = gvariant text. */
int sd_props_annotation(struct sd_props *l, const char *name, const char *text, struct err *err) MUST_CHECK;

#endif
