/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/vmm/acpi.h"

#include <errno.h>

#include "vm-mode/vmm/layout_x86.h"

#define TABLE_MAX 0x8000U

/* FADT flags and boot flags that are not 0. */
#define FADT_WBINVD	    (1U << 0)
#define FADT_PWR_BUTTON	    (1U << 4) /* set: there is no fixed-hardware button */
#define FADT_SLP_BUTTON	    (1U << 5)
#define FADT_RESET_REG	    (1U << 10)
#define FADT_HW_REDUCED	    (1U << 20)
#define FADT_NO_VGA	    (1U << 2)
#define FADT_NO_CMOS_RTC    (1U << 5)
#define GAS_SYSTEM_IO	    1U
#define GAS_BYTE	    1U
#define MADT_LAPIC	    0U
#define MADT_IOAPIC	    1U
#define MADT_LAPIC_NMI	    4U
#define HEADER_LEN	    36U

/* A table in the making, and AML in it. Running over sets `full`, which the end checks once. */
struct out {
	uint8_t p[TABLE_MAX];
	size_t n;
	bool full;
};

static void put(struct out *o, const void *data, size_t n)
{
	if (n > sizeof(o->p) - o->n) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->n, data, n);
	o->n += n;
}

static void put8(struct out *o, uint32_t v)
{
	uint8_t b = (uint8_t)v;

	put(o, &b, 1);
}

static void put16(struct out *o, uint32_t v)
{
	put8(o, v & 0xff);
	put8(o, v >> 8 & 0xff);
}

static void put32(struct out *o, uint32_t v)
{
	put16(o, v & 0xffff);
	put16(o, v >> 16);
}

static void put64(struct out *o, uint64_t v)
{
	put32(o, (uint32_t)v);
	put32(o, (uint32_t)(v >> 32));
}

static void put_zeros(struct out *o, size_t n)
{
	while (n--)
		put8(o, 0);
}

static uint8_t checksum(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;

	while (n--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

static void begin_table(struct out *o, const char *signature, uint32_t revision)
{
	o->n = 0;
	o->full = false;
	put(o, signature, 4);
	put32(o, 0); /* length, see end_table() */
	put8(o, revision);
	put8(o, 0);
	put(o, "BRIG  ", 6);
	put(o, "BRIGVM  ", 8);
	put32(o, 1);
	put(o, "BRIG", 4);
	put32(o, 1);
}

static void end_table(struct out *o)
{
	uint32_t n = (uint32_t)o->n;

	memcpy(o->p + 4, &n, sizeof(n));
	o->p[9] = checksum(o->p, o->n);
}

/* AML (ACPI 6.5, chapter 20) */
static void aml_int(struct out *o, uint32_t v)
{
	if (v < 2) {
		put8(o, v); /* ZeroOp, OneOp */
	} else if (v < 256) {
		put8(o, 0x0a);
		put8(o, v);
	} else {
		put8(o, 0x0c);
		put32(o, v);
	}
}

static void aml_name(struct out *o, const char *name)
{
	put8(o, 0x08);
	put(o, name, 4);
}

/* A package length is always written in its two-byte form, so that it can be filled in later: at most 4095 bytes. */
static size_t aml_begin_len(struct out *o)
{
	size_t at = o->n;

	put16(o, 0);
	return at;
}

static void aml_end_len(struct out *o, size_t at)
{
	size_t n = o->n - at;

	if (n > 0xfff || o->full) {
		o->full = true;
		return;
	}
	o->p[at] = (uint8_t)(0x40 | (n & 0xf));
	o->p[at + 1] = (uint8_t)(n >> 4);
}

static void aml_crs(struct out *o, const struct acpi_device *d)
{
	size_t len;

	aml_name(o, "_CRS");
	put8(o, 0x11); /* Buffer of 9 + 12 - 3 + 2 + 2 bytes: descriptors and the end tag */
	len = aml_begin_len(o);
	aml_int(o, 23);
	put8(o, 0x86); /* Memory32Fixed(ReadWrite, base, length) */
	put16(o, 9);
	put8(o, 1);
	put32(o, d->mmio_base);
	put32(o, d->mmio_len);
	put8(o, 0x89); /* Interrupt(ResourceConsumer, Edge, ActiveHigh, Exclusive) */
	put16(o, 6);
	put8(o, 0x03);
	put8(o, 1);
	put32(o, d->gsi);
	put16(o, 0x0079); /* end tag, no checksum */
	aml_end_len(o, len);
}

static void aml_device(struct out *o, const struct acpi_device *d, unsigned i)
{
	static const char hex[] = "0123456789ABCDEF";
	char name[4] = { 'V', 'R', hex[i >> 4 & 15], hex[i & 15] };
	size_t len;

	put16(o, 0x825b); /* DeviceOp */
	len = aml_begin_len(o);
	put(o, name, sizeof(name));
	aml_name(o, "_HID");
	put8(o, 0x0d);
	put(o, "LNRO0005", 9);
	aml_name(o, "_UID");
	aml_int(o, i);
	aml_name(o, "_CCA");
	aml_int(o, 1);
	aml_crs(o, d);
	aml_end_len(o, len);
}

static void build_dsdt(struct out *o, const struct acpi_config *c)
{
	size_t len;

	begin_table(o, "DSDT", 6);
	aml_name(o, "_S5_");
	put8(o, 0x12); /* Package(4) {5, 0, 0, 0} */
	len = aml_begin_len(o);
	put8(o, 4);
	aml_int(o, X86_SLEEP_S5);
	put_zeros(o, 3);
	aml_end_len(o, len);
	put8(o, 0x10); /* Scope(\_SB) */
	len = aml_begin_len(o);
	put(o, "\\_SB_", 5);
	for (unsigned i = 0; i < c->n_devices; i++)
		aml_device(o, &c->devices[i], i);
	aml_end_len(o, len);
	end_table(o);
}

static void put_port(struct out *o, uint32_t port)
{
	put8(o, GAS_SYSTEM_IO);
	put8(o, 8);
	put8(o, 0);
	put8(o, GAS_BYTE);
	put64(o, port);
}

/* Offsets are those of table 5.9. */
static void build_fadt(struct out *o, uint64_t dsdt)
{
	begin_table(o, "FACP", 6);
	put32(o, 0);
	put32(o, (uint32_t)dsdt);
	put_zeros(o, 109 - 44);
	put16(o, FADT_NO_VGA | FADT_NO_CMOS_RTC);
	put8(o, 0);
	put32(o, FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_RESET_REG | FADT_HW_REDUCED);
	put_port(o, X86_PORT_RESET);
	put8(o, X86_RESET_VALUE);
	put16(o, 0);
	put8(o, 5); /* minor revision */
	put64(o, 0);
	put64(o, dsdt);
	put_zeros(o, 244 - 148);
	put_port(o, X86_PORT_SLEEP);
	put_port(o, X86_PORT_STATUS);
	put(o, "BRIG\0\0\0\0", 8); /* hypervisor vendor */
	end_table(o);
}

static void build_madt(struct out *o, unsigned cpus)
{
	begin_table(o, "APIC", 5);
	put32(o, X86_LAPIC);
	put32(o, 0); /* no 8259 */
	for (unsigned i = 0; i < cpus; i++) {
		put8(o, MADT_LAPIC);
		put8(o, 8);
		put8(o, i);
		put8(o, i);
		put32(o, 1);
	}
	put8(o, MADT_IOAPIC);
	put8(o, 12);
	put16(o, 0);
	put32(o, X86_IOAPIC);
	put32(o, 0);
	put8(o, MADT_LAPIC_NMI);
	put8(o, 6);
	put8(o, 0xff);
	put16(o, 0);
	put8(o, 1);
	end_table(o);
}

static void build_rsdp(struct out *o, uint64_t xsdt)
{
	o->n = 0;
	o->full = false;
	put(o, "RSD PTR ", 8);
	put8(o, 0);
	put(o, "BRIG  ", 6);
	put8(o, 2);
	put32(o, 0);
	o->p[8] = checksum(o->p, o->n);
	put32(o, 36);
	put64(o, xsdt);
	put32(o, 0);
	o->p[32] = checksum(o->p, o->n);
}

/* Write a finished table at *at and move *at behind it, 64-byte aligned. Returns the table's address, or 0. */
static uint64_t place(const struct guest_mem *m, const struct out *o, uint64_t *at, uint64_t end)
{
	uint64_t gpa = *at;

	if (o->full || gpa >= end || o->n > end - gpa || guest_mem_write(m, gpa, o->p, o->n) < 0)
		return 0;
	*at = (gpa + o->n + 63) & ~63ULL;
	return gpa;
}

int acpi_write(const struct guest_mem *m, uint64_t gpa, uint64_t end, const struct acpi_config *c)
{
	uint64_t at = gpa + 64, dsdt, fadt, madt, xsdt;
	struct out o;

	build_dsdt(&o, c);
	dsdt = place(m, &o, &at, end);
	build_fadt(&o, dsdt);
	fadt = place(m, &o, &at, end);
	build_madt(&o, c->cpus);
	madt = place(m, &o, &at, end);
	begin_table(&o, "XSDT", 1);
	put64(&o, fadt);
	put64(&o, madt);
	end_table(&o);
	xsdt = place(m, &o, &at, end);
	if (!dsdt || !fadt || !madt || !xsdt)
		return -ENOSPC;
	build_rsdp(&o, xsdt);
	return guest_mem_write(m, gpa, o.p, o.n);
}
