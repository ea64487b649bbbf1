/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/features.h"

#include "runtime/backend.h"
#include "runtime/mount_options.h"
#include "runtime/spec_fields.h"
#include "runtime/version.h"

#include <seccomp.h>

static void write_table(struct json_writer *w, const char *key, const struct name_value *table)
{
	json_key(w, key);
	json_begin_array(w);
	for (; table->name; table++)
		json_string(w, table->name);
	json_end_array(w);
}

static void write_names(struct json_writer *w, const char *key, const char *const *names, size_t n)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < n; i++)
		json_string(w, names[i]);
	json_end_array(w);
}

/* An object whose members are all true. */
static void write_true(struct json_writer *w, const char *key, const char *const *members, size_t n)
{
	json_key(w, key);
	json_begin_object(w);
	for (size_t i = 0; i < n; i++)
		json_kv_bool(w, members[i], true);
	json_end_object(w);
}

static const char *const enabled[] = { "enabled", "schemata", "monitoring" };

static void write_mount_options(struct json_writer *w)
{
	json_key(w, "mountOptions");
	json_begin_array(w);
	for (const struct mount_option *o = mount_options; o->name; o++)
		json_string(w, o->name);
	json_end_array(w);
}

static void write_seccomp(struct json_writer *w)
{
	json_key(w, "seccomp");
	json_begin_object(w);
	json_kv_bool(w, "enabled", true);
	write_table(w, "actions", seccomp_action_names);
	write_table(w, "operators", seccomp_op_names);
	write_table(w, "archs", seccomp_arch_names);
	write_table(w, "knownFlags", seccomp_flag_names);
	write_table(w, "supportedFlags", seccomp_flag_names);
	json_end_object(w);
}

static void write_linux(struct json_writer *w)
{
	static const char *const cgroup[] = { "v1", "v2", "systemd", "systemdUser", "rdma" };

	json_key(w, "linux");
	json_begin_object(w);
	write_names(w, "namespaces", ns_names, NS_TYPES);
	write_table(w, "capabilities", cap_names);
	write_true(w, "cgroup", cgroup, ARRAY_SIZE(cgroup));
	write_seccomp(w);
	write_true(w, "apparmor", enabled, 1);
	write_true(w, "selinux", enabled, 1);
	write_true(w, "intelRdt", enabled, ARRAY_SIZE(enabled));
	json_key(w, "memoryPolicy");
	json_begin_object(w);
	write_table(w, "modes", mpol_mode_names);
	write_table(w, "flags", mpol_flag_names);
	json_end_object(w);
	json_key(w, "mountExtensions");
	json_begin_object(w);
	write_true(w, "idmap", enabled, 1);
	json_end_object(w);
	write_true(w, "netDevices", enabled, 1);
	json_end_object(w);
}

static void write_annotations(struct json_writer *w, const struct runtime_opts *opts)
{
	static const char *const unsafe[] = { "bundle", "org.systemd.property.", "org.criu.config", "run.oci." };
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
	json_kv_string(w, "brig.backend", opts->backend->name);
	if (opts->backend->features)
		opts->backend->features(opts, w);
	json_end_object(w);
	write_names(w, "potentiallyUnsafeConfigAnnotations", unsafe, ARRAY_SIZE(unsafe));
}

void features_print(const struct runtime_opts *opts, struct buf *out)
{
	struct json_writer w = { .out = out, .pretty = true };

	json_begin_object(&w);
	json_kv_string(&w, "ociVersionMin", BRIG_SPEC_VERSION_MIN);
	json_kv_string(&w, "ociVersionMax", BRIG_SPEC_VERSION);
	write_names(&w, "hooks", hook_names, HOOK_KINDS);
	write_mount_options(&w);
	write_linux(&w);
	write_annotations(&w, opts);
	json_end_object(&w);
	buf_add(out, "\n");
}
