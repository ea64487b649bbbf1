/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/spec_fields.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct spec full;

#define MINIMAL                                                                                             \
	"\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],"     \
	"\"user\":{\"uid\":0,\"gid\":0}}"

static int parse(struct spec *s, const char *text, bool strict, struct err *err)
{
	return spec_parse(s, "c", text, strlen(text), strict, err);
}

static void test_process(void)
{
	const struct spec_process *p = &full.process;

	ok(full.has_process && p->terminal && p->has_console_size && p->console_rows == 40 && p->console_cols == 120, "spec: terminal");
	is_str(p->cwd, "/work", "spec: cwd");
	ok(p->env.n == 3 && strcmp(p->env.v[2], "B=x=y") == 0 && !p->env.v[3], "spec: env");
	ok(p->args.n == 3 && p->args.v[2][0] == '\0' && !p->args.v[3], "spec: args, an empty one too");
	ok(p->user.uid == 1000 && p->user.gid == 100 && p->user.umask.set && p->user.umask.v == 077, "spec: user");
	ok(p->user.n_additional_gids == 2 && p->user.additional_gids[1] == 6, "spec: additionalGids");
	ok(p->n_rlimits == 2 && p->rlimits[0].resource == RLIMIT_NOFILE && p->rlimits[0].soft == 1024 && p->rlimits[0].hard == UINT64_MAX,
	   "spec: rlimits");
	is_str(p->apparmor_profile, "prof", "spec: apparmorProfile");
	is_str(p->selinux_label, "u:r:t:s0", "spec: selinuxLabel");
	ok(p->caps.set && p->caps.bounding == (1ull | 1ull << 40) && p->caps.effective == 1 && p->caps.inheritable == 1 << 5 &&
		   p->caps.permitted == 1 << 7 && p->caps.ambient == 1ull << 34,
	   "spec: capabilities");
	ok(p->no_new_privileges && p->oom_score_adj.set && p->oom_score_adj.v == -500, "spec: noNewPrivileges, oomScoreAdj");
	ok(p->scheduler.set && p->scheduler.policy == 6 && p->scheduler.nice == -5 && p->scheduler.flags == 3 &&
		   p->scheduler.runtime_ns == 10 && p->scheduler.deadline_ns == 20 && p->scheduler.period_ns == 30,
	   "spec: scheduler");
	ok(p->io_priority.set && p->io_priority.class == 3 && p->io_priority.priority == 7, "spec: ioPriority");
	is_str(p->exec_affinity_initial, "7", "spec: execCPUAffinity.initial");
	is_str(p->exec_affinity_final, "0-3,7", "spec: execCPUAffinity.final");
}

static void test_top(void)
{
	const struct spec_mount *m = full.mounts;

	is_str(full.oci_version, "1.3.0", "spec: ociVersion");
	ok(strcmp(full.root_path, "rootfs") == 0 && full.root_readonly, "spec: root");
	is_str(full.hostname, "cell", "spec: hostname");
	is_str(full.domainname, "deck.example", "spec: domainname");
	is_int(full.n_mounts, 3, "spec: mounts");
	is_str(m[1].destination, "/data/y", "spec: a relative destination is cleaned");
	ok(m[1].flags == (MS_BIND | MS_REC | MS_RDONLY) && m[1].propagation == (MS_SLAVE | MS_REC) && m[1].idmap && m[1].idmap_recursive,
	   "spec: mount options are split");
	ok(m[1].uid_maps.n == 1 && m[1].uid_maps.v[0].host_id == 1000 && m[1].gid_maps.v[0].size == 20, "spec: mount maps");
	ok(m[2].flags == MS_NOSUID && strcmp(m[2].data, "mode=1777,size=64k") == 0, "spec: mount data");
	for (int k = 0; k < HOOK_KINDS; k++) {
		ok(full.hooks[k].n == (k == HOOK_CREATE_RUNTIME ? 2 : 1), "spec: number of %s hooks", hook_names[k]);
		ok(full.hooks[k].v[0].path[2] == '0' + k, "spec: %s hooks are at their place", hook_names[k]);
	}
	ok(full.hooks[1].v[0].timeout_s.v == 5 && full.hooks[1].v[0].args.n == 2 && full.hooks[1].v[0].env.n == 1 &&
		   !full.hooks[1].v[1].timeout_s.set,
	   "spec: hook's args, env, timeout");
	is_str(spec_annotation(&full, "org.example.a"), "1", "spec: an annotation");
	is_str(spec_annotation(&full, "empty"), "", "spec: an empty annotation is there");
	ok(!spec_annotation(&full, "none"), "spec: an absent annotation");
	ok(full.vm.set && full.vm.vcpus.v == 2 && full.vm.memory_bytes.v == 4194304 && full.vm.kernel_parameters.n == 2, "spec: vm");
	ok(strcmp(full.vm.kernel_path, "/vmlinuz") == 0 && strcmp(full.vm.initrd_path, "/initrd") == 0 &&
		   strcmp(full.vm.hypervisor_path, "/vmm") == 0 && full.vm.hypervisor_parameters.n == 1 &&
		   strcmp(full.vm.image_path, "/img") == 0 && strcmp(full.vm.image_format, "qcow2") == 0,
	   "spec: vm paths");
}

static void test_linux(void)
{
	for (int t = 0; t < NS_TYPES; t++) {
		ok(full.ns[t].present, "spec: %s namespace", ns_names[t]);
		ok(t == NS_NET ? full.ns[t].path != NULL : !full.ns[t].path, "spec: path of the %s namespace", ns_names[t]);
	}
	ok(full.has_linux && full.uid_maps.n == 1 && full.uid_maps.v[0].host_id == 100000 && full.gid_maps.v[0].host_id == 200000,
	   "spec: id maps");
	ok(full.time_monotonic.set && full.time_monotonic.secs == -7 && full.time_monotonic.nanosecs == 9 && full.time_boottime.secs == 3600,
	   "spec: time offsets");
	ok(full.n_devices == 2 && full.devices[0].type == 'c' && full.devices[0].major == 10 && full.devices[0].minor == 229 &&
		   full.devices[0].mode.v == (8630 & 07777) && full.devices[0].uid.v == 1 && full.devices[0].gid.v == 2,
	   "spec: a device; u is c, and the mode is its permission bits");
	ok(full.devices[1].type == 'p' && !full.devices[1].mode.set, "spec: a fifo needs no numbers");
	ok(full.n_net_devices == 2 && strcmp(full.net_devices[0].name, "eth7") == 0 && strcmp(full.net_devices[1].name, "c%d") == 0 &&
		   strcmp(full.net_devices[1].host_name, "eth8") == 0,
	   "spec: net devices");
	is_str(full.cgroups_path, "/a/b", "spec: cgroupsPath");
	ok(full.rootfs_propagation == (MS_SLAVE | MS_REC), "spec: rootfsPropagation");
	ok(full.masked_paths.n == 1 && full.readonly_paths.n == 2, "spec: masked and readonly paths");
	is_str(full.mount_label, "ml", "spec: mountLabel");
	ok(full.sysctl.n == 2 && strcmp(full.sysctl.v[1].key, "net.ipv4.conf.eth0/1.x") == 0, "spec: sysctl keys get dots");
	ok(full.intel_rdt.set && strcmp(full.intel_rdt.clos_id, "/") == 0 && full.intel_rdt.schemata.n == 1 && full.intel_rdt.enable_monitoring,
	   "spec: intelRdt");
	ok(full.memory_policy.set && full.memory_policy.mode == 2 && full.memory_policy.flags == (1 << 15 | 1 << 13), "spec: memoryPolicy");
	ok(full.has_personality && full.personality == PER_LINUX32, "spec: personality");
}

static void test_resources(void)
{
	const struct spec_resources *r = &full.resources;

	ok(r->set && r->n_devices == 2 && r->devices[0].type == 'a' && r->devices[0].major == -1 && r->devices[0].minor == -1 &&
		   r->devices[0].access == 7 && !r->devices[0].allow,
	   "spec: a device rule for all");
	ok(r->devices[1].allow && r->devices[1].type == 'c' && r->devices[1].major == 10 && r->devices[1].access == (DEVICE_R | DEVICE_W),
	   "spec: a device rule for one");
	ok(r->mem_limit.v == 100 && r->mem_reservation.v == 50 && r->mem_swap.set && r->mem_swap.v == -1 && r->mem_kernel.v == -1 &&
		   r->mem_kernel_tcp.v == 5 && r->mem_swappiness.v == 60,
	   "spec: memory numbers");
	ok(r->mem_disable_oom_killer.v && r->mem_use_hierarchy.set && !r->mem_use_hierarchy.v && r->mem_check_before_update.v,
	   "spec: memory switches");
	ok(r->cpu_shares.v == 1024 && r->cpu_quota.v == -1 && r->cpu_burst.v == 5 && r->cpu_period.v == 100000 &&
		   r->cpu_rt_runtime.v == 950000 && r->cpu_rt_period.v == 1000000 && r->cpu_idle.v == 1,
	   "spec: cpu numbers");
	ok(strcmp(r->cpus, "0-1") == 0 && strcmp(r->mems, "0") == 0, "spec: cpu lists");
	ok(r->pids_limit.set && r->pids_limit.v == 0, "spec: a pids limit of 0 is a limit");
	ok(r->blkio_weight.v == 10 && r->blkio_leaf_weight.v == 11 && r->n_blkio_weight_devices == 1 &&
		   r->blkio_weight_devices[0].weight.v == 500 && !r->blkio_weight_devices[0].leaf_weight.set,
	   "spec: blockIO weights");
	ok(r->blkio_read_bps.v[0].minor == 1 && r->blkio_write_bps.v[0].minor == 2 && r->blkio_read_iops.v[0].minor == 3 &&
		   r->blkio_write_iops.v[0].rate == UINT64_MAX,
	   "spec: blockIO throttles");
	ok(r->n_hugepages == 1 && r->hugepages[0].limit == 9223372036854772000u, "spec: hugepageLimits");
	ok(r->net_class_id.v == 1048577 && r->n_net_prios == 1 && r->net_prios[0].priority == 500, "spec: network");
	ok(r->n_rdma == 1 && strcmp(r->rdma[0].device, "mlx5_1") == 0 && r->rdma[0].hca_handles.v == 3, "spec: rdma");
	ok(r->unified.n == 1 && strcmp(r->unified.v[0].value, "10") == 0, "spec: unified");
}

static void test_seccomp(void)
{
	const struct spec_seccomp *s = &full.seccomp;

	ok(s->set && s->default_action == SCMP_ACT_ERRNO(0) && s->default_errno.v == 38, "spec: seccomp default");
	ok(s->n_architectures == 2 && s->architectures[1] == SCMP_ARCH_X86 && s->flags_set && s->flags == 6, "spec: seccomp archs, flags");
	ok(s->n_syscalls == 2 && s->syscalls[0].names.n == 2 && s->syscalls[0].action == SCMP_ACT_ALLOW && !s->syscalls[0].errno_ret.set,
	   "spec: a seccomp rule");
	ok(s->syscalls[1].errno_ret.v == 38 && s->syscalls[1].n_args == 1 && s->syscalls[1].args[0].index == 5 &&
		   s->syscalls[1].args[0].value == UINT64_MAX && s->syscalls[1].args[0].value_two == 2 &&
		   s->syscalls[1].args[0].op == SCMP_CMP_MASKED_EQ,
	   "spec: a seccomp rule with arguments");
	ok(strcmp(s->listener_path, "/run/agent") == 0 && strcmp(s->listener_metadata, "m") == 0, "spec: seccomp listener");
}

/* What engines send and the letter of the specification does not have. */
static void test_lenient(void)
{
	static const char nulls[] =
		"{" MINIMAL ",\"mounts\":null,\"hostname\":\"\",\"hooks\":null,\"annotations\":null,\"linux\":{\"resources\":{\"devices\":null,"
		"\"memory\":null,\"cpu\":{\"cpus\":\"\",\"shares\":null}},\"seccomp\":null,\"cgroupsPath\":\"\",\"namespaces\":null,"
		"\"maskedPaths\":null,\"rootfsPropagation\":\"\"}}";
	static const char *const good[] = { "1.0.0", "1.0.0-rc5", "1.2.1+dev", "1.99.3", "1.3.0-rc.2+b.1" };
	struct spec s;
	struct err err;

	ok(parse(&s, nulls, true, &err) == 0, "spec: null and \"\" are absent");
	ok(!s.mounts && !s.hostname && !s.cgroups_path && !s.seccomp.set && s.resources.set && !s.resources.cpus && !s.rootfs_propagation &&
		   !s.resources.cpu_shares.set && !s.process.caps.set && !s.process.user.umask.set,
	   "spec: and leave nothing behind");
	spec_done(&s);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		AUTO_FREE char *text = xasprintf("{\"ociVersion\":\"%s\",\"root\":{\"path\":\"r\"}}", good[i]);

		ok(parse(&s, text, true, &err) == 0 && !s.has_process, "spec: version %s, without a process", good[i]);
		spec_done(&s);
	}
	ok(parse(&s, "{" MINIMAL ",\"vm\":{\"hwconfig\":{\"vcpus\":3}}}", true, &err) == 0 && s.vm.vcpus.v == 3, "spec: Go's hwconfig");
	spec_done(&s);
	ok(parse(&s, "{" MINIMAL ",\"process\":1}", true, &err) < 0, "spec: a duplicate member is refused");
	spec_done(&s);
	spec_done(&(struct spec){ 0 });
	ok(true, "spec: spec_done takes zeroed and released specs");
}

/* Run parse with the log in a file; returns what was logged. */
static char *logged(const char *text, bool strict, int *result, struct err *err)
{
	FILE *f = tmpfile();
	struct spec s;
	char *out = NULL;

	if (!f)
		abort();
	log_setup(fileno(f), LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	*result = parse(&s, text, strict, err);
	log_setup(2, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	if (*result == 0)
		spec_done(&s);
	out = xcalloc(1, 2048);
	(void)!pread(fileno(f), out, 2047, 0);
	fclose(f);
	return out;
}

static void test_warnings(void)
{
	struct err err = { 0 };
	char *log;
	int r;

	log = logged("{" MINIMAL ",\"foo\":{\"bar\":1},\"linux\":{\"newThing\":[]}}", false, &r, &err);
	ok(r == 0, "spec: unknown fields are accepted");
	like(log, "foo: unknown field", "spec: with a warning");
	like(log, "linux.newThing: unknown field", "spec: one each");
	free(log);
	log = logged("{" MINIMAL ",\"linux\":{\"newThing\":[]}}", true, &r, &err);
	ok(r < 0, "spec: unknown fields are errors when strict");
	like(err.msg, ": linux.newThing: unknown field", "spec: that name them");
	is_str(log, "", "spec: and are no warning then");
	free(log);
	log = logged("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":0,"
		     "\"gid\":0},\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_FUTURE\"]}},\"windows\":{\"x\":1}}",
		     true, &r, &err);
	ok(r == 0, "spec: unknown capabilities and other platforms are accepted, strict or not");
	like(log, "process.capabilities.bounding[1]: 'CAP_FUTURE' is not a known capability", "spec: with a warning for the capability");
	like(log, "windows: not for Linux", "spec: with a warning for the platform");
	free(log);
}

static void test_parts(void)
{
	struct arena a = { 0 };
	struct spec_process p;
	struct spec_resources r;
	struct err err = { 0 };
	static const char process[] = "{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":1,\"gid\":2},\"consoleSize\":{\"height\":1,\"width\":2}}";
	static const char resources[] = "{\"pids\":{\"limit\":-1},\"memory\":{\"limit\":0,\"swap\":0}}";

	ok(spec_parse_process(&a, &p, "process.json", process, strlen(process), &err) == 0 && p.user.gid == 2, "spec: a bare process");
	ok(!p.has_console_size, "spec: consoleSize without a terminal is ignored");
	ok(spec_parse_process(&a, &p, "process.json", "{}", 2, &err) < 0, "spec: an empty process is refused");
	like(err.msg, "process.json:1:1: .: 'cwd' is required", "spec: with its message");
	ok(spec_parse_resources(&a, &r, "r", resources, strlen(resources), &err) == 0 && r.set && r.pids_limit.v == -1 && r.mem_limit.set,
	   "spec: bare resources");
	ok(spec_parse_resources(&a, &r, "r", "{\"cpu\":{\"idle\":9}}", 18, &err) < 0, "spec: bad resources are refused");
	like(err.msg, "r:1:16: cpu.idle: 9 is out of range (0 to 1)", "spec: with their message");
	arena_done(&a);
}

static void test_backends(void)
{
	struct err err = { 0 };
	struct spec s;

	ok(parse(&s, "{" MINIMAL ",\"hostname\":null,\"linux\":{\"mountLabel\":\"\"}}", true, &err) == 0 && !s.notes,
	   "spec: a usual configuration is for both backends");
	spec_done(&s);
	ok(parse(&s, "{" MINIMAL ",\"vm\":{\"kernel\":{\"path\":\"/k\"}}}", true, &err) == 0, "spec: a kernel");
	ok(spec_check_backend(&s, true, &err) == 0, "spec: is for vm-mode");
	ok(spec_check_backend(&s, false, &err) == 0, "spec: and no error in namespaces mode");
	spec_done(&s);
	ok(parse(&s, "{" MINIMAL ",\"linux\":{\"mountLabel\":\"l\"}}", true, &err) == 0 && spec_check_backend(&s, true, &err) == 0,
	   "spec: a label is no error in vm-mode");
	spec_done(&s);
	ok(parse(&s, "{" MINIMAL ",\"linux\":{\"namespaces\":[{\"type\":\"network\"}],\"netDevices\":{\"e\":{}}}}", true, &err) == 0,
	   "spec: a net device");
	ok(spec_check_backend(&s, false, &err) == 0, "spec: is for namespaces mode");
	ok(spec_check_backend(&s, true, &err) < 0, "spec: and refused in vm-mode");
	like(err.msg, ": linux.netDevices: not supported in vm-mode", "spec: with its place");
	spec_done(&s);
}

/* Every row can be found, has a reader, and no name is there twice. */
static void walk(const struct object_type *t, int depth)
{
	for (const struct field *f = t->fields; f->name; f++) {
		bool twice = false;

		for (const struct field *g = t->fields; g != f; g++)
			twice = twice || strcmp(f->name, g->name) == 0;
		if (twice || !f->read || f->type == JSON_NULL || !t->section)
			ok(false, "spec table: row '%s' of %s", f->name, t->section);
		if (f->object && depth < 10)
			walk(f->object, depth + 1);
	}
}

static void test_names(void)
{
	const struct name_value *const tables[] = { cap_names,	     rlimit_names,	  sched_policy_names,	sched_flag_names,   io_class_names,
						    mpol_mode_names, seccomp_op_names,	  seccomp_flag_names,	mpol_flag_names,
						    seccomp_arch_names };

	walk(&spec_type_root, 0);
	ok(true, "spec table: all rows are whole");
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct name_value *v = tables[i]; v->name; v++) {
			if (name_find(tables[i], v->name) != v || strcmp(name_of(tables[i], v->value), v->name) != 0)
				ok(false, "spec names: '%s' both ways", v->name);
		}
	ok(true, "spec names: all tables both ways");
	ok(strcmp(name_of(cap_names, 40), "CAP_CHECKPOINT_RESTORE") == 0 && !name_of(cap_names, 41), "spec names: 41 capabilities");
}

/* The whole of a large configuration well under a third of a millisecond: the best of many runs, so that a busy machine
 * does not fail the test. */
static void test_speed(const char *text, size_t n)
{
	long best = -1;

	for (int i = 0; i < 50; i++) {
		struct timespec a, b;
		struct spec s;
		struct err err;
		long ns;

		clock_gettime(CLOCK_MONOTONIC, &a);
		if (spec_parse(&s, "c", text, n, true, &err) == 0)
			spec_done(&s);
		clock_gettime(CLOCK_MONOTONIC, &b);
		ns = (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec;
		best = best < 0 || ns < best ? ns : best;
	}
	printf("# %zu bytes in %ld us\n", n, best / 1000);
	ok(best < 3000000, "spec: is quick");
}

int main(void)
{
	AUTO_FREE char *text = NULL;
	struct err err = { 0 };
	size_t n = 0;

	log_setup(2, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	if (!ok(fd_read_file(AT_FDCWD, "tests/unit/full-config.json", 1 << 20, &text, &n) == 0, "spec: the full configuration is there"))
		return done();
	if (!ok(spec_parse(&full, "full", text, n, true, &err) == 0, "spec: the full configuration is read, strictly")) {
		printf("# %s\n", err.msg);
		return done();
	}
	test_top();
	test_process();
	test_linux();
	test_resources();
	test_seccomp();
	test_lenient();
	test_warnings();
	test_parts();
	test_backends();
	test_names();
	test_speed(text, n);
	spec_done(&full);
	return done();
}
