/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/default_seccomp.h"
#include "runtime/cli/template.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/utsname.h>

/*
 * DOC: --security-opt seccomp=FILE
 *
 * Profiles come in docker's form: OCI's linux.seccomp with archMap in place of architectures, and rules that hold only
 * with ("includes") or without ("excludes") a capability, on some architectures, or from a kernel version on. What does not
 * depend on these is copied as it is; the OCI layer judges it.
 */
#define MAX_PROFILE_BYTES (4u << 20)

struct profile {
	const struct config_input *in;
	uint64_t caps;
	const char *arch; /* docker's name of this machine */
};

static const char *docker_arch(void)
{
	static const struct {
		const char *machine, *name;
	} rows[] = {
		{ "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" }, { "i686", "386" }, { "riscv64", "riscv64" },
		{ "s390x", "s390x" },  { "ppc64le", "ppc64le" },
	};
	struct utsname u;

	if (uname(&u) < 0)
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (str_eq(rows[i].machine, u.machine))
			return rows[i].name;
	}
	return "";
}

static bool has_cap(const struct profile *p, const char *name)
{
	for (const struct name_value *c = cap_names; c->name; c++) {
		if (str_eq(c->name, name))
			return p->caps & 1ull << c->value;
	}
	return false;
}

/* includes wants all of the capabilities and one of the architectures; excludes none of either */
static bool condition_holds(const struct profile *p, const struct json *condition, bool includes)
{
	const struct json *caps = condition ? json_get(condition, "caps") : NULL, *arches = condition ? json_get(condition, "arches") : NULL;
	const struct json *kernel = condition ? json_get(condition, "minKernel") : NULL;
	bool arch_found = false;
	unsigned major, minor;

	for (const struct json *k = caps && caps->type == JSON_ARRAY ? caps->u.kids.first : NULL; k; k = k->next) {
		if (k->type == JSON_STRING && has_cap(p, k->u.string) != includes)
			return false;
	}
	for (const struct json *k = arches && arches->type == JSON_ARRAY ? arches->u.kids.first : NULL; k; k = k->next)
		arch_found |= k->type == JSON_STRING && str_eq(k->u.string, p->arch);
	if (arches && arches->type == JSON_ARRAY && arches->u.kids.n && arch_found != includes)
		return false;
	if (kernel && kernel->type == JSON_STRING && sscanf(kernel->u.string, "%u.%u", &major, &minor) == 2)
		return (p->in->kernel >= (major << 16 | minor)) == includes;
	return true;
}

static void copy_value(struct json_writer *w, const char *key, const struct json *v)
{
	AUTO_BUF struct buf b = { 0 };

	template_json(v, false, &b);
	if (key)
		json_key(w, key);
	json_raw(w, b.p ? b.p : "null");
}

static void write_rules(const struct profile *p, const struct json *rules, struct json_writer *w)
{
	json_key(w, "syscalls");
	json_begin_array(w);
	for (const struct json *rule = rules && rules->type == JSON_ARRAY ? rules->u.kids.first : NULL; rule; rule = rule->next) {
		if (!condition_holds(p, json_get(rule, "includes"), true) || !condition_holds(p, json_get(rule, "excludes"), false))
			continue;
		json_begin_object(w);
		for (const struct json *m = rule->u.kids.first; m; m = m->next) {
			if (!str_eq(m->key, "includes") && !str_eq(m->key, "excludes") && !str_eq(m->key, "comment") && m->type != JSON_NULL)
				copy_value(w, m->key, m);
		}
		json_end_object(w);
	}
	json_end_array(w);
}

/* The native architecture's row: itself and those that it can run. */
static void write_arch_map(const struct json *map, struct json_writer *w)
{
	json_key(w, "architectures");
	json_begin_array(w);
	for (const struct json *row = map->u.kids.first; row; row = row->next) {
		const struct json *arch = row->type == JSON_OBJECT ? json_get(row, "architecture") : NULL;
		const struct json *sub = row->type == JSON_OBJECT ? json_get(row, "subArchitectures") : NULL;

		if (!arch || arch->type != JSON_STRING)
			continue;
		copy_value(w, NULL, arch);
		for (const struct json *s = sub && sub->type == JSON_ARRAY ? sub->u.kids.first : NULL; s; s = s->next)
			copy_value(w, NULL, s);
	}
	json_end_array(w);
}

static int write_profile(const struct profile *p, const char *path, struct json_writer *w, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_FREE char *text = NULL;
	struct json *root;
	size_t n;
	int r = fd_read_file(AT_FDCWD, path, MAX_PROFILE_BYTES, &text, &n);

	if (r < 0)
		return err_sys(err, r, "--security-opt seccomp=%s", path);
	r = json_parse(&a, path, text, n, &root, err);
	if (r == 0 && root->type != JSON_OBJECT)
		r = json_err(err, path, root, EINVAL, "must be an object");
	if (r < 0)
		return r;
	json_key(w, "seccomp");
	json_begin_object(w);
	for (const struct json *m = root->u.kids.first; m; m = m->next) {
		if (str_eq(m->key, "archMap") && m->type == JSON_ARRAY)
			write_arch_map(m, w);
		else if (str_eq(m->key, "syscalls"))
			write_rules(p, m, w);
		else if (!str_eq(m->key, "archMap") && !str_eq(m->key, "comment") && m->type != JSON_NULL)
			copy_value(w, m->key, m);
	}
	json_end_object(w);
	return 0;
}

static void write_default(const struct profile *p, struct json_writer *w)
{
	const char *names[65];
	size_t n = 0;

	for (const struct name_value *c = cap_names; c->name && n < ARRAY_SIZE(names) - 1; c++) {
		if (p->caps & 1ull << c->value)
			names[n++] = c->name;
	}
	names[n] = NULL;
	json_key(w, "seccomp");
	default_seccomp_json(w, names, p->in->kernel);
}

int config_seccomp(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const char *profile = config_security(in->o, "seccomp");
	struct profile p = { .in = in, .arch = docker_arch() };
	int r = config_caps(in->o, in->caps_available, &p.caps, err);

	if (r < 0)
		return r;
	if (profile && str_eq(profile, "unconfined"))
		return 0;
	if (profile && *profile && !str_eq(profile, "builtin"))
		return write_profile(&p, profile, w, err);
	if (!in->o->privileged)
		write_default(&p, w);
	return 0;
}
