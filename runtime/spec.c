/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/spec.h"

#include "runtime/base/log.h"
#include "runtime/spec_fields.h"

#include <errno.h>

/* config.md, config-vm.md: the root object, hooks, vm, and the functions of spec.h. */
#define SPEC(member) offsetof(struct spec, member)
#define HOOK(member) offsetof(struct spec_hook, member)

static bool skip_number(const char **s)
{
	size_t n = strspn(*s, "0123456789");

	if (!n || n > 9 || (n > 1 && (*s)[0] == '0'))
		return false;
	*s += n;
	return true;
}

/* SemVer 2.0.0: MAJOR.MINOR.PATCH[-PRE][+BUILD] */
static bool is_semver(const char *s)
{
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

	for (int i = 0; i < 3; i++) {
		if (i && *s++ != '.')
			return false;
		if (!skip_number(&s))
			return false;
	}
	for (const char *mark = "-+"; *mark; mark++) {
		size_t n;

		if (*s != *mark)
			continue;
		n = strspn(++s, rest);
		if (!n)
			return false;
		s += n;
	}
	return !*s;
}

/* Newer minor versions are compatible by the specification's promise, so they pass. */
static int read_version(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	int result = read_string(r, f, node, at);

	if (result < 0)
		return result;
	if (!is_semver(node->u.string))
		return spec_fail(r, node, "'%s' is not a version such as 1.3.0", node->u.string);
	if (!str_starts(node->u.string, "1."))
		return spec_fail(r, node, "version %s of the specification is not supported, only 1.x", node->u.string);
	return 0;
}

static const struct field root_fs_fields[] = {
	FIELD("path", JSON_STRING, true, FIELD_BOTH, SPEC(root_path), read_string),
	FIELD("readonly", JSON_BOOL, false, FIELD_BOTH, SPEC(root_readonly), read_bool),
	FIELD_END,
};
static const struct object_type root_fs_type = { "config.md#root", root_fs_fields, NULL };

static const struct field hook_fields[] = {
	FIELD("path", JSON_STRING, true, FIELD_BOTH, HOOK(path), read_abs_path),
	FIELD("args", JSON_ARRAY, false, FIELD_BOTH, HOOK(args), read_strlist),
	FIELD("env", JSON_ARRAY, false, FIELD_BOTH, HOOK(env), read_strlist),
	FIELD("timeout", JSON_NUMBER, false, FIELD_BOTH, HOOK(timeout_s), read_opt_i64, .min = 1, .max = INT32_MAX),
	FIELD_END,
};
static const struct object_type hook_type = { "config.md#posix-platform-hooks", hook_fields, NULL };

#define HOOKS(kind, name, ...)                                                                                           \
	FIELD(name, JSON_ARRAY, false, FIELD_BOTH, SPEC(hooks) + (kind) * sizeof(struct spec_hooks), read_list, \
	      .object = &hook_type, .size = sizeof(struct spec_hook), ##__VA_ARGS__)
static const struct field hooks_fields[] = {
	HOOKS(HOOK_PRESTART, "prestart", .note = "deprecated"),
	HOOKS(HOOK_CREATE_RUNTIME, "createRuntime"),
	HOOKS(HOOK_CREATE_CONTAINER, "createContainer"),
	HOOKS(HOOK_START_CONTAINER, "startContainer"),
	HOOKS(HOOK_POSTSTART, "poststart"),
	HOOKS(HOOK_POSTSTOP, "poststop"),
	FIELD_END,
};
static const struct object_type hooks_type = { "config.md#posix-platform-hooks", hooks_fields, NULL };

/* config-vm.md. Only vm-mode acts on it. */
static const struct field hypervisor_fields[] = {
	FIELD("path", JSON_STRING, true, FIELD_NONE, SPEC(vm.hypervisor_path), read_abs_path, .note = "brig is its own hypervisor"),
	FIELD("parameters", JSON_ARRAY, false, FIELD_NONE, SPEC(vm.hypervisor_parameters), read_strlist),
	FIELD_END,
};
static const struct object_type hypervisor_type = { "config-vm.md#hypervisor-object", hypervisor_fields, NULL };

static const struct field kernel_fields[] = {
	FIELD("path", JSON_STRING, true, FIELD_VM, SPEC(vm.kernel_path), read_abs_path),
	FIELD("parameters", JSON_ARRAY, false, FIELD_VM, SPEC(vm.kernel_parameters), read_strlist),
	FIELD("initrd", JSON_STRING, false, FIELD_VM, SPEC(vm.initrd_path), read_abs_path),
	FIELD_END,
};
static const struct object_type kernel_type = { "config-vm.md#kernel-object", kernel_fields, NULL };

static const struct name_value image_formats[] = { { "raw", 0 },  { "qcow2", 0 }, { "vdi", 0 },
						   { "vmdk", 0 }, { "vhd", 0 },	  { NULL, 0 } };

static int read_image_format(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	if (node->u.string[0] && !name_find(image_formats, node->u.string))
		return spec_fail(r, node, "'%s' is not an image format (raw, qcow2, vdi, vmdk, vhd)", node->u.string);
	return read_string(r, f, node, at);
}

static const struct field image_fields[] = {
	FIELD("path", JSON_STRING, true, FIELD_NONE, SPEC(vm.image_path), read_abs_path),
	FIELD("format", JSON_STRING, false, FIELD_NONE, SPEC(vm.image_format), read_image_format),
	FIELD_END,
};
static const struct object_type image_type = { "config-vm.md#image-object", image_fields, NULL };

#define NO_PASSTHROUGH .note = "host hardware is not passed through"
static const struct field hw_fields[] = {
	FIELD("deviceTree", JSON_STRING, false, FIELD_NONE, 0, read_refused, NO_PASSTHROUGH),
	FIELD("vcpus", JSON_NUMBER, false, FIELD_VM, SPEC(vm.vcpus), read_opt_u32, .max = 4096),
	FIELD("memory", JSON_NUMBER, false, FIELD_VM, SPEC(vm.memory_bytes), read_opt_u64, .max = INT64_MAX),
	FIELD("dtdevs", JSON_ARRAY, false, FIELD_NONE, 0, read_refused, NO_PASSTHROUGH),
	FIELD("iomems", JSON_ARRAY, false, FIELD_NONE, 0, read_refused, NO_PASSTHROUGH),
	FIELD("irqs", JSON_ARRAY, false, FIELD_NONE, 0, read_refused, NO_PASSTHROUGH),
	FIELD_END,
};
static const struct object_type hw_type = { "config-vm.md#hwconfig-object", hw_fields, NULL };

static int check_vm(struct spec_reader *r UNUSED, const struct json *node UNUSED, void *base)
{
	struct spec *s = base;

	s->vm.set = true;
	return 0;
}

static const struct field vm_fields[] = {
	FIELD("hypervisor", JSON_OBJECT, false, FIELD_NONE, 0, read_object, .object = &hypervisor_type),
	FIELD("kernel", JSON_OBJECT, false, FIELD_VM, 0, read_object, .object = &kernel_type),
	FIELD("image", JSON_OBJECT, false, FIELD_NONE, 0, read_object, .object = &image_type,
	      .note = "the guest boots from an initramfs of its own"),
	FIELD("hwConfig", JSON_OBJECT, false, FIELD_VM, 0, read_object, .object = &hw_type),
	FIELD("hwconfig", JSON_OBJECT, false, FIELD_VM, 0, read_object, .object = &hw_type,
	      .note = "the spelling of the Go bindings"),
	FIELD_END,
};
static const struct object_type vm_type = { "config-vm.md", vm_fields, check_vm };

static int read_process(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	r->spec->has_process = true;
	return read_object(r, f, node, at);
}

/* uts names: sethostname(2) takes 64 bytes. */
static int read_uts_name(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	if (strlen(node->u.string) > 64)
		return spec_fail(r, node, "longer than 64 bytes");
	return read_string(r, f, node, at);
}

static const struct field root_fields[] = {
	FIELD("ociVersion", JSON_STRING, true, FIELD_BOTH, SPEC(oci_version), read_version, .note = "any 1.x"),
	FIELD("root", JSON_OBJECT, true, FIELD_BOTH, 0, read_object, .object = &root_fs_type),
	FIELD("mounts", JSON_ARRAY, false, FIELD_BOTH, SPEC(mounts), read_list, .object = &spec_type_mount,
	      .size = sizeof(struct spec_mount)),
	FIELD("process", JSON_OBJECT, false, FIELD_BOTH, SPEC(process), read_process, .object = &spec_type_process),
	FIELD("hostname", JSON_STRING, false, FIELD_BOTH, SPEC(hostname), read_uts_name),
	FIELD("domainname", JSON_STRING, false, FIELD_BOTH, SPEC(domainname), read_uts_name),
	FIELD("hooks", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &hooks_type),
	FIELD("annotations", JSON_OBJECT, false, FIELD_BOTH, SPEC(annotations), read_kvlist),
	FIELD("linux", JSON_OBJECT, false, FIELD_BOTH, 0, read_object, .object = &spec_type_linux),
	FIELD("vm", JSON_OBJECT, false, FIELD_VM, 0, read_object, .object = &vm_type),
	FIELD("freebsd", JSON_OBJECT, false, FIELD_NONE, 0, read_other_platform, .note = "ignored with a warning"),
	FIELD("solaris", JSON_OBJECT, false, FIELD_NONE, 0, read_other_platform, .note = "ignored with a warning"),
	FIELD("windows", JSON_OBJECT, false, FIELD_NONE, 0, read_other_platform, .note = "ignored with a warning"),
	FIELD("zos", JSON_OBJECT, false, FIELD_NONE, 0, read_other_platform, .note = "ignored with a warning"),
	FIELD_END,
};

/* crun's "idmap=" text brings its own maps. */
static int check_idmap(struct spec_reader *r, const struct json *node, const struct spec *s)
{
	const struct json *k = s->n_mounts ? json_get(node, "mounts")->u.kids.first : NULL;

	for (size_t i = 0; i < s->n_mounts && k; i++, k = k->next) {
		const struct spec_mount *m = &s->mounts[i];

		if (m->idmap && !m->uid_maps.n && !m->idmap_option && !s->ns[NS_USER].present)
			return spec_fail(r, spec_blame(k, "options"),
					 "an id-mapped mount needs 'uidMappings' and 'gidMappings', or a user namespace");
	}
	return 0;
}

static int check_root(struct spec_reader *r, const struct json *node, void *base)
{
	const struct spec *s = base;

	if (s->hostname && !s->ns[NS_UTS].present)
		return spec_fail(r, spec_blame(node, "hostname"), "there is no uts namespace in 'linux.namespaces'");
	if (s->domainname && !s->ns[NS_UTS].present)
		return spec_fail(r, spec_blame(node, "domainname"), "there is no uts namespace in 'linux.namespaces'");
	return check_idmap(r, node, s);
}

const struct object_type spec_type_root = { "config.md", root_fields, check_root };

static int parse(struct spec_reader *r, const struct object_type *t, const char *text, size_t n, void *base)
{
	struct json *root = NULL;
	int result = json_parse(r->arena, r->name, text, n, &root, r->err);

	return result < 0 ? result : spec_read_members(r, t, root, base);
}

int spec_parse(struct spec *ret, const char *name, const char *text, size_t n, bool strict, struct err *err)
{
	struct spec s = { 0 };
	struct spec_reader r = { .arena = &s.arena, .name = name, .strict = strict, .spec = &s, .err = err };
	int result = parse(&r, &spec_type_root, text, n, &s);

	if (result < 0) {
		spec_done(&s);
		return result;
	}
	*ret = s;
	return 0;
}

int spec_parse_process(struct arena *arena, struct spec_process *ret, const char *name, const char *text, size_t n,
		       struct err *err)
{
	struct spec_process p = { 0 };
	struct spec_reader r = { .arena = arena, .name = name, .err = err };
	int result = parse(&r, &spec_type_process, text, n, &p);

	if (result >= 0)
		*ret = p;
	return result;
}

int spec_parse_resources(struct arena *arena, struct spec_resources *ret, const char *name, const char *text, size_t n,
			 struct err *err)
{
	struct spec_resources res = { 0 };
	struct spec_reader r = { .arena = arena, .name = name, .err = err };
	int result = parse(&r, &spec_type_resources, text, n, &res);

	if (result >= 0)
		*ret = res;
	return result;
}

int spec_check_backend(const struct spec *spec, bool vm, struct err *err)
{
	for (const struct spec_note *note = spec->notes; note; note = note->next) {
		if (vm && !note->vm && !note->label)
			return err_set(err, ENOTSUP, "%s: not supported in vm-mode", note->place);
		if (vm ? !note->vm : !note->namespaces)
			log_warn("%s: ignored in %s mode", note->place, vm ? "vm" : "namespaces");
	}
	return 0;
}

void spec_done(struct spec *spec)
{
	arena_done(&spec->arena);
	*spec = (struct spec){ 0 };
}

const char *spec_annotation(const struct spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->annotations.n; i++)
		if (strcmp(spec->annotations.v[i].key, key) == 0)
			return spec->annotations.v[i].value;
	return NULL;
}
