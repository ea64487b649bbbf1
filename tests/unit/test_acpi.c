/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <errno.h>
#include <unistd.h>

#include "vm-mode/vmm/acpi.h"
#include "vm-mode/vmm/layout_x86.h"

static uint8_t ram[0x100000];
static const struct guest_mem mem = { .n = 1, .region = { { .size = sizeof(ram), .hva = ram, .kind = MEM_RAM } } };

static bool sum_is_zero(uint64_t gpa, size_t n)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + ram[gpa + i]);
	return sum == 0;
}

static uint64_t u64(uint64_t gpa)
{
	uint64_t v;

	memcpy(&v, ram + gpa, sizeof(v));
	return v;
}

static uint32_t u32(uint64_t gpa)
{
	uint32_t v;

	memcpy(&v, ram + gpa, sizeof(v));
	return v;
}

static void check_table(uint64_t gpa, const char *signature)
{
	ok(gpa >= X86_ACPI && gpa < X86_ACPI_END, "acpi: %s is in its area", signature);
	ok(memcmp(ram + gpa, signature, 4) == 0, "acpi: %s has its signature", signature);
	ok(sum_is_zero(gpa, u32(gpa + 4)), "acpi: %s has the right checksum", signature);
}

/* iasl finds what a checksum does not: AML that is no AML. */
static void disassemble(uint64_t dsdt)
{
	char dir[] = "/tmp/test-acpi.XXXXXX", path[64], command[256];
	FILE *f;

	if (access("/usr/bin/iasl", X_OK) < 0) {
		skip("acpi: iasl is not installed");
		return;
	}
	if (!mkdtemp(dir)) {
		ok(false, "acpi: make a directory");
		return;
	}
	snprintf(path, sizeof(path), "%s/dsdt.aml", dir);
	f = fopen(path, "we");
	ok(f && fwrite(ram + dsdt, u32(dsdt + 4), 1, f) == 1 && fclose(f) == 0, "acpi: writes the DSDT to a file");
	snprintf(command, sizeof(command),
		 "cd %s && iasl -d dsdt.aml >log 2>&1 && test $(grep -c LNRO0005 dsdt.dsl) = 19 && "
		 "grep -q 'Name (_S5' dsdt.dsl && iasl -tc dsdt.dsl >log2 2>&1 && grep -q ' 0 Errors' log2",
		 dir);
	f = popen(command, "re");
	ok(f && pclose(f) == 0, "acpi: iasl reads the DSDT and compiles it again without an error");
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	f = popen(command, "re");
	if (f)
		(void)pclose(f);
}

int main(void)
{
	struct acpi_device d[X86_MAX_DEVICES];
	struct acpi_config c = { .cpus = 64, .devices = d, .n_devices = X86_MAX_DEVICES };
	uint64_t xsdt, fadt, madt;

	for (unsigned i = 0; i < X86_MAX_DEVICES; i++)
		d[i] = (struct acpi_device){ .mmio_base = X86_MMIO_BASE + i * 0x1000, .mmio_len = 0x1000, .gsi = X86_GSI_FIRST + i };
	is_int(acpi_write(&mem, X86_ACPI, X86_ACPI_END, &c), 0, "acpi: writes tables for the largest machine");
	ok(memcmp(ram + X86_ACPI, "RSD PTR ", 8) == 0, "acpi: the RSDP comes first");
	ok(sum_is_zero(X86_ACPI, 20) && sum_is_zero(X86_ACPI, 36), "acpi: the RSDP has the right checksums");
	xsdt = u64(X86_ACPI + 24);
	check_table(xsdt, "XSDT");
	fadt = u64(xsdt + 36);
	madt = u64(xsdt + 44);
	check_table(fadt, "FACP");
	check_table(madt, "APIC");
	is_int(u32(fadt + 4), 276, "acpi: the FADT has the length of revision 6");
	ok(u32(fadt + 112) & 1U << 20, "acpi: the FADT says hardware-reduced");
	is_int(u64(fadt + 120), X86_PORT_RESET, "acpi: the FADT has the reset port");
	is_int(u64(fadt + 248), X86_PORT_SLEEP, "acpi: the FADT has the sleep control port");
	is_int(u64(fadt + 260), X86_PORT_STATUS, "acpi: the FADT has the sleep status port");
	is_int(u32(madt + 4), 44 + 64 * 8 + 12 + 6, "acpi: the MADT lists every CPU");
	check_table(u64(fadt + 140), "DSDT");
	disassemble(u64(fadt + 140));
	is_int(acpi_write(&mem, X86_ACPI, X86_ACPI + 512, &c), -ENOSPC, "acpi: refuses an area that is too small");
	return done();
}
