/* SPDX-License-Identifier: Apache-2.0 */
#include <seccomp.h>

#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"
#include "runtime/version.h"

static const struct option_row rows[] = { OPT_END };

/* Names that the reader of config.json takes; tests/unit/test_features.c reads each of them back. */
static const char *const mount_options[] = {
	"async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "iversion", "lazytime", "loud", "mand",
	"noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand", "norelatime", "nostrictatime", "nosuid",
	"nosymfollow", "private", "ratime", "rbind", "rdev", "rdiratime", "relatime", "remount", "rexec", "rnoatime", "rnodev",
	"rnodiratime", "rnoexec", "rnorelatime", "rnostrictatime", "rnosuid", "rnosymfollow", "ro", "rprivate", "rrelatime", "rro",
	"rrw", "rshared", "rslave", "rstrictatime", "rsuid", "rsymfollow", "runbindable", "rw", "shared", "silent", "slave",
	"strictatime", "suid", "symfollow", "sync", "tmpcopyup", "unbindable", NULL,
};
static const char *const actions[] = {
	"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",  "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
	"SCMP_ACT_LOG",	  "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",		NULL,
};
static const char *const operators[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL,
};
static const char *const archs[] = {
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",	 "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",	   "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",	   "SCMP_ARCH_PPC64",
	"SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64",  "SCMP_ARCH_S390",   "SCMP_ARCH_S390X",	   "SCMP_ARCH_X32",
	"SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",   NULL,
};
static const char *const flags[] = {
	"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL,
};
static const char *const policy_modes[] = {
	"MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY",
	"MPOL_WEIGHTED_INTERLEAVE", NULL,
};
static const char *const policy_flags[] = { "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES", NULL };

static void write_names(struct json_writer *w, const char *key, const char *const *names)
{
	json_key(w, key);
	json_begin_array(w);
	for (; *names; names++)
		json_string(w, *names);
	json_end_array(w);
}

static void write_enabled(struct json_writer *w, const char *key, const char *const *more)
{
	json_key(w, key);
	json_begin_object(w);
	json_kv_bool(w, "enabled", true);
	for (; more && *more; more++)
		json_kv_bool(w, *more, true);
	json_end_object(w);
}

static void write_seccomp(struct json_writer *w)
{
	json_key(w, "seccomp");
	json_begin_object(w);
	json_kv_bool(w, "enabled", true);
	write_names(w, "actions", actions);
	write_names(w, "operators", operators);
	write_names(w, "archs", archs);
	write_names(w, "knownFlags", flags);
	write_names(w, "supportedFlags", flags);
	json_end_object(w);
}

static void write_cgroup(struct json_writer *w)
{
	static const char *const supported[] = { "v1", "v2", "systemd", "systemdUser", "rdma" };

	json_key(w, "cgroup");
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_SIZE(supported); i++)
		json_kv_bool(w, supported[i], true);
	json_end_object(w);
}

static void write_linux(struct json_writer *w)
{
	static const char *const rdt[] = { "schemata", "monitoring", NULL };

	json_key(w, "linux");
	json_begin_object(w);
	json_key(w, "namespaces");
	json_begin_array(w);
	for (size_t i = 0; i < NS_TYPES; i++)
		json_string(w, ns_names[i]);
	json_end_array(w);
	json_key(w, "capabilities");
	json_begin_array(w);
	for (const struct name_value *c = cap_names; c->name; c++)
		json_string(w, c->name);
	json_end_array(w);
	write_cgroup(w);
	write_seccomp(w);
	write_enabled(w, "apparmor", NULL);
	write_enabled(w, "selinux", NULL);
	write_enabled(w, "intelRdt", rdt);
	json_key(w, "memoryPolicy");
	json_begin_object(w);
	write_names(w, "modes", policy_modes);
	write_names(w, "flags", policy_flags);
	json_end_object(w);
	json_key(w, "mountExtensions");
	json_begin_object(w);
	write_enabled(w, "idmap", NULL);
	json_end_object(w);
	write_enabled(w, "netDevices", NULL);
	json_end_object(w);
}

static void write_annotations(struct json_writer *w)
{
	static const char *const unsafe[] = { "bundle", "org.systemd.property.", "org.criu.config", "run.oci.", NULL };
	const struct scmp_version *v = seccomp_version();
	char text[48];

	json_key(w, "annotations");
	json_begin_object(w);
	if (v) {
		snprintf(text, sizeof(text), "%u.%u.%u", v->major, v->minor, v->micro);
		json_kv_string(w, "io.github.seccomp.libseccomp.version", text);
	}
	/* engines look for checkpoint support under this name, whatever the runtime is called */
	json_kv_string(w, "org.opencontainers.runc.checkpoint.enabled", "true");
	json_kv_string(w, "brig.version", brig_version);
	json_kv_string(w, "brig.commit", brig_commit);
	json_end_object(w);
	write_names(w, "potentiallyUnsafeConfigAnnotations", unsafe);
}

static int run(const struct runtime_opts *global UNUSED, void *target UNUSED, char **operands UNUSED, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text, .pretty = true };

	json_begin_object(&w);
	json_kv_string(&w, "ociVersionMin", BRIG_SPEC_VERSION_MIN);
	json_kv_string(&w, "ociVersionMax", BRIG_SPEC_VERSION);
	json_key(&w, "hooks");
	json_begin_array(&w);
	for (size_t i = 0; i < HOOK_KINDS; i++)
		json_string(&w, hook_names[i]);
	json_end_array(&w);
	write_names(&w, "mountOptions", mount_options);
	write_linux(&w);
	write_annotations(&w);
	json_end_object(&w);
	buf_add(&text, "\n");
	return oci_print(&text, err);
}

const struct oci_command cmd_features = {
	.name = "features",
	.operands = "",
	.help = "print what this program can do, as the runtime-spec's features document",
	.options = rows,
	.max_operands = 0,
	.run = run,
};
