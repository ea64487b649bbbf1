/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/settings.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/program.h"
#include "runtime/base/str.h"
#include "vm-mode/vmm/probe_x86.h"

#include <errno.h>
#include <libgen.h>
#include <sched.h>
#include <unistd.h>

#define MAX_VCPUS 64

void vm_settings_done(struct vm_settings *s)
{
	conf_done(&s->conf);
	free(s->kernel);
	free(s->initramfs);
	free(s->qemu);
	free(s->virtiofsd);
	*s = (struct vm_settings){ 0 };
}

/* Kernel and initramfs belong together: the tuned pair where it was built, else the distribution's. */
static bool find_pair(const char *dir, struct vm_settings *s)
{
	static const char *const places[] = { "../guest", "../lib/brig/guest" };
	static const char *const suffixes[] = { ".tuned", "" };

	for (size_t i = 0; i < ARRAY_SIZE(places) * ARRAY_SIZE(suffixes); i++) {
		const char *place = places[i / ARRAY_SIZE(suffixes)], *suffix = suffixes[i % ARRAY_SIZE(suffixes)];
		AUTO_FREE char *kernel = xasprintf("%s/%s/vmlinux%s", dir, place, suffix);
		AUTO_FREE char *initramfs = xasprintf("%s/%s/initramfs%s", dir, place, suffix);

		if (access(kernel, R_OK) < 0 || access(initramfs, R_OK) < 0)
			continue;
		s->kernel = TAKE_PTR(kernel);
		s->initramfs = TAKE_PTR(initramfs);
		return true;
	}
	return false;
}

static int find_guest(struct vm_settings *s, struct err *err)
{
	AUTO_FREE char *self = program_path();
	const char *dir;

	if (!s->conf.kernel != !s->conf.initramfs)
		return err_set(err, EINVAL, "%s: vm.kernel and vm.initramfs belong together: set both", CONF_PATH);
	if (s->conf.kernel) {
		if (access(s->conf.kernel, R_OK) < 0)
			return err_sys(err, -errno, "vm.kernel '%s'", s->conf.kernel);
		if (access(s->conf.initramfs, R_OK) < 0)
			return err_sys(err, -errno, "vm.initramfs '%s'", s->conf.initramfs);
		s->kernel = xstrdup(s->conf.kernel);
		s->initramfs = xstrdup(s->conf.initramfs);
		return 0;
	}
	if (!self)
		return err_set(err, ENOENT, "vm-mode: cannot tell where this program lies: set vm.kernel and vm.initramfs in %s", CONF_PATH);
	dir = dirname(self);
	if (find_pair(dir, s))
		return 0;
	return err_set(err, ENOENT, "vm-mode: no guest kernel in '%s/../guest' or '%s/../lib/brig/guest': make guest builds it, or set vm.kernel and "
				    "vm.initramfs in %s", dir, dir, CONF_PATH);
}

static int find_program(const char *given, const char *const *places, const char *what, char **ret, struct err *err)
{
	if (given) {
		if (access(given, X_OK) < 0)
			return err_sys(err, -errno, "vm-mode: %s '%s'", what, given);
		*ret = xstrdup(given);
		return 0;
	}
	for (; *places; places++)
		if (access(*places, X_OK) == 0) {
			*ret = xstrdup(*places);
			return 0;
		}
	return err_set(err, ENOENT, "emulation needs %s, which is not installed (Debian: qemu-system-x86)", what);
}

static int find_emulator(struct vm_settings *s, struct err *err)
{
	static const char *const qemu[] = { "/usr/bin/qemu-system-x86_64", "/usr/local/bin/qemu-system-x86_64", NULL };
	static const char *const virtiofsd[] = { "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/local/lib/qemu/virtiofsd", NULL };
	int r = find_program(s->conf.qemu, qemu, "qemu-system-x86_64", &s->qemu, err);

	return r < 0 ? r : find_program(s->conf.virtiofsd, virtiofsd, "virtiofsd", &s->virtiofsd, err);
}

static int choose_accel(struct vm_settings *s, const char *wish, struct err *err)
{
	struct err why = { 0 };
	int r;

	/* The command line wins unless it leaves the choice open. */
	if (str_eq(wish, "auto") && s->conf.accel)
		wish = s->conf.accel;
	if (str_eq(wish, "emulate")) {
		s->accel = VM_ACCEL_EMULATE;
		snprintf(s->accel_why, sizeof(s->accel_why), "asked for");
		return find_emulator(s, err);
	}
	r = probe_kvm(&why);
	if (r == 0) {
		s->accel = VM_ACCEL_KVM;
		return 0;
	}
	if (str_eq(wish, "kvm"))
		return err_set(err, why.code, "vm-mode: KVM is not usable here: %s", why.msg);
	s->accel = VM_ACCEL_EMULATE;
	snprintf(s->accel_why, sizeof(s->accel_why), "%.250s", why.msg);
	if (find_emulator(s, err) < 0)
		return err_wrap(err, "vm-mode: KVM is not usable here (%s), and", why.msg);
	return 0;
}

int vm_settings_host(const struct runtime_opts *opts, struct vm_settings *ret, struct err *err)
{
	CLEANUP(vm_settings_done) struct vm_settings s = { 0 };
	int r = conf_load(CONF_PATH, &s.conf, err);

	if (!r)
		r = choose_accel(&s, opts->vm_accel ? opts->vm_accel : "auto", err);
	if (!r)
		r = find_guest(&s, err);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct vm_settings){ 0 };
	return 0;
}

/* ---- size ---- */

static unsigned cpuset_count(const char *cpus)
{
	uint64_t bits[CPU_SETSIZE / 64];
	unsigned n = 0;

	if (!cpus || !*cpus || str_to_bitset(cpus, bits, CPU_SETSIZE) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		n += (unsigned)__builtin_popcountll(bits[i]);
	return n;
}

static unsigned cpus_wanted(const struct vm_settings *s, const struct spec_resources *r)
{
	uint64_t period = r->cpu_period.set && r->cpu_period.v ? r->cpu_period.v : 100000;
	unsigned set = cpuset_count(r->cpus);
	uint64_t quota;

	if (!r->cpu_quota.set || r->cpu_quota.v <= 0)
		return set ? set : s->conf.vcpus ? s->conf.vcpus : 1;
	quota = ((uint64_t)r->cpu_quota.v + period - 1) / period;
	return set && set < quota ? set : quota > MAX_VCPUS ? MAX_VCPUS : (unsigned)quota;
}

/* What a machine needs for a container with this limit; 0: it has none. */
static uint64_t needed(const struct spec_resources *r)
{
	uint64_t limit = r->mem_limit.set && r->mem_limit.v > 0 ? (uint64_t)r->mem_limit.v : 0;

	if (limit > INT64_MAX / 2) /* as good as none */
		return 0;
	return limit ? limit + VM_GUEST_BASE + limit / 32 : 0;
}

void vm_size(struct vm_settings *s, const struct spec_resources *r, unsigned host_cpus)
{
	unsigned n = cpus_wanted(s, r);

	if (n > host_cpus)
		n = host_cpus;
	s->vcpus = n > MAX_VCPUS ? MAX_VCPUS : n;
	s->overhead_bytes = s->accel == VM_ACCEL_KVM ? VM_OVERHEAD_KVM : VM_OVERHEAD_EMULATE;
	s->needed_bytes = needed(r);
	s->guest_bytes = s->conf.memory_bytes ? s->conf.memory_bytes : VM_DEFAULT_MEMORY;
	if (s->guest_bytes < s->needed_bytes)
		s->guest_bytes = s->needed_bytes;
	if (s->guest_bytes < VM_MIN_MEMORY)
		s->guest_bytes = VM_MIN_MEMORY;
	s->guest_bytes = (s->guest_bytes + (2u << 20) - 1) & ~(uint64_t)((2u << 20) - 1);
}

uint64_t vm_size_needed(const struct vm_settings *s, const struct spec_resources *r)
{
	uint64_t need = needed(r);

	return need < s->guest_bytes ? need : 0;
}

int vm_size_allows(const struct vm_settings *s, const struct spec_resources *r, struct err *err)
{
	if (needed(r) <= s->guest_bytes)
		return 0;
	return err_set(err, EINVAL, "memory limit %lld: the container's machine has %llu MiB, and %llu MiB of it are its kernel's", (long long)r->mem_limit.v,
		       (unsigned long long)(s->guest_bytes >> 20), (unsigned long long)((needed(r) - (uint64_t)r->mem_limit.v) >> 20));
}

void vm_host_limits(const struct vm_settings *s, struct spec_resources *r)
{
	uint64_t need = needed(r), extra = need ? need + s->overhead_bytes - (uint64_t)r->mem_limit.v : 0;

	if (need)
		r->mem_limit.v += (int64_t)extra;
	if (r->mem_swap.set && r->mem_swap.v > 0)
		r->mem_swap.v += (int64_t)extra;
	if (r->pids_limit.set && r->pids_limit.v > 0)
		r->pids_limit.v += VM_OVERHEAD_PIDS;
}

/* ---- what the container asks for ---- */

static int refuse(const char *what, const char *word, struct err *err)
{
	return err_set(err, EPERM, "%s: not allowed: the administrator's %s has no '%s' in vm.allow-annotations", what, CONF_PATH, word);
}

static int set_vcpus(struct vm_settings *s, const char *what, uint64_t n, struct err *err)
{
	if (!(s->conf.allow & CONF_ALLOW_VCPUS))
		return refuse(what, "vcpus", err);
	if (n < 1 || n > MAX_VCPUS)
		return err_set(err, EINVAL, "%s: must be from 1 to %d", what, MAX_VCPUS);
	s->vcpus = (unsigned)n;
	return 0;
}

static int set_memory(struct vm_settings *s, const char *what, uint64_t bytes, struct err *err)
{
	if (!(s->conf.allow & CONF_ALLOW_MEMORY))
		return refuse(what, "memory", err);
	if (bytes < VM_MIN_MEMORY || bytes > UINT64_MAX >> 8)
		return err_set(err, EINVAL, "%s: must be at least %llu bytes", what, (unsigned long long)VM_MIN_MEMORY);
	s->guest_bytes = (bytes + 4095) & ~4095ull;
	return 0;
}

static int set_kernel(struct vm_settings *s, const char *what, const char *path, struct err *err)
{
	if (!(s->conf.allow & CONF_ALLOW_KERNEL))
		return refuse(what, "kernel", err);
	if (path[0] != '/')
		return err_set(err, EINVAL, "%s: '%s' is not an absolute path", what, path);
	free(s->kernel);
	s->kernel = xstrdup(path);
	return 0;
}

static int annotation_number(const struct spec *spec, const char *key, uint64_t *ret, struct err *err)
{
	const char *text = spec_annotation(spec, key);

	if (!text)
		return 0;
	return str_to_u64(text, ret) < 0 ? err_set(err, EINVAL, "annotation %s: '%s' is not a number", key, text) : 1;
}

static int apply_annotations(struct vm_settings *s, const struct spec *spec, struct err *err)
{
	const char *kernel = spec_annotation(spec, "org.brig.vm.kernel");
	uint64_t n = 0;
	int r = annotation_number(spec, "org.brig.vm.vcpus", &n, err);

	if (r > 0)
		r = set_vcpus(s, "annotation org.brig.vm.vcpus", n, err);
	if (!r)
		r = annotation_number(spec, "org.brig.vm.memory", &n, err);
	if (r > 0)
		r = set_memory(s, "annotation org.brig.vm.memory", n, err);
	if (!r && kernel)
		r = set_kernel(s, "annotation org.brig.vm.kernel", kernel, err);
	return r;
}

static int apply_spec_vm(struct vm_settings *s, const struct spec_vm *v, struct err *err)
{
	int r = 0;

	if (v->hypervisor_path)
		return err_set(err, ENOTSUP, "vm.hypervisor: brig runs its own monitor; accelerator and programs are set in %s", CONF_PATH);
	if (v->image_path)
		return err_set(err, ENOTSUP, "vm.image: the root file system is root.path; an image is not supported");
	if (v->initrd_path || v->kernel_parameters.n)
		return err_set(err, ENOTSUP, "vm.kernel: initrd and parameters belong to brig's guest");
	if (v->vcpus.set)
		r = set_vcpus(s, "vm.hwConfig.vcpus", v->vcpus.v, err);
	if (!r && v->memory_bytes.set)
		r = set_memory(s, "vm.hwConfig.memory", v->memory_bytes.v, err);
	if (!r && v->kernel_path)
		r = set_kernel(s, "vm.kernel.path", v->kernel_path, err);
	return r;
}

static unsigned count_host_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int vm_settings_container(struct vm_settings *s, const struct spec *spec, struct err *err)
{
	int r = 0;

	vm_size(s, &spec->resources, count_host_cpus());
	if (spec->vm.set)
		r = apply_spec_vm(s, &spec->vm, err);
	return r < 0 ? r : apply_annotations(s, spec, err);
}
