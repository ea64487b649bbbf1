/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"

#include "runtime/base/mem.h"
#include "runtime/cli/record.h"
#include "runtime/version.h"

#include <errno.h>

void config_strings(struct json_writer *w, const char *key, const char *const *v)
{
	json_key(w, key);
	json_begin_array(w);
	for (; v && *v; v++)
		json_string(w, *v);
	json_end_array(w);
}

const char *config_security(const struct run_options *o, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = o->security_opt.n; i-- > 0;) {
		const char *s = o->security_opt.v[i];

		if (strncmp(s, key, n) != 0)
			continue;
		if (s[n] == '=' || s[n] == ':')
			return s + n + 1;
		if (!s[n])
			return "";
	}
	return NULL;
}

bool config_has_mount(const struct config_input *in, const char *target)
{
	for (size_t i = 0; i < in->volumes->n; i++) {
		if (str_eq(in->volumes->v[i].target, target))
			return true;
	}
	return false;
}

static void add_all(struct arena *a, struct strlist *ret, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strlist_add(a, ret, v[i]);
}

/* --entrypoint '["sh","-c"]' is a list, anything else one program. */
static int add_entrypoint(const char *text, struct arena *a, struct strlist *ret, struct err *err)
{
	struct json *root;
	int r;

	if (text[0] != '[') {
		if (*text)
			strlist_add(a, ret, text);
		return 0;
	}
	r = json_parse(a, "--entrypoint", text, strlen(text), &root, err);
	for (const struct json *k = r == 0 ? root->u.kids.first : NULL; k && r == 0; k = k->next) {
		if (k->type == JSON_STRING)
			strlist_add(a, ret, k->u.string);
		else
			r = json_err(err, "--entrypoint", k, EINVAL, "must be a string");
	}
	return r;
}

int config_args(const struct run_options *o, const struct image_config *image, const struct strlist *command, struct arena *a,
		struct strlist *ret, struct err *err)
{
	struct strlist args = { 0 };
	int r = 0;

	if (o->entrypoint)
		r = add_entrypoint(o->entrypoint, a, &args, err);
	else
		add_all(a, &args, image->entrypoint.v, image->entrypoint.n);
	if (r < 0)
		return r;
	if (command->n)
		add_all(a, &args, (const char *const *)command->v, command->n);
	else if (!o->entrypoint) /* another entry point has another idea of its arguments */
		add_all(a, &args, image->cmd.v, image->cmd.n);
	if (!args.n)
		return err_set(err, EINVAL, "no command or entrypoint provided, and no CMD or ENTRYPOINT from image");
	*ret = args;
	return 0;
}

/* ---- annotations ---- */

/* Annotations that change what an OCI runtime does are the user's to give, not the image's. */
static bool is_for_runtimes(const char *key)
{
	static const char *const prefixes[] = { "run.oci.", "io.kubernetes.", "org.criu.", "brig.", "org.systemd." };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (str_starts(key, prefixes[i]))
			return true;
	}
	return false;
}

static void image_annotations(const struct image_config *image, struct arena *a, struct kvlist *ret)
{
	const struct {
		const char *key, *value;
	} implicit[] = {
		{ "org.opencontainers.image.os", image->os },
		{ "org.opencontainers.image.architecture", image->architecture },
		{ "org.opencontainers.image.variant", image->variant },
		{ "org.opencontainers.image.author", image->author },
		{ "org.opencontainers.image.created", image->created },
		{ "org.opencontainers.image.stopSignal", image->stop_signal },
	};
	AUTO_BUF struct buf ports = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(implicit); i++) {
		if (*implicit[i].value)
			kvlist_set(a, ret, implicit[i].key, implicit[i].value);
	}
	for (size_t i = 0; i < image->exposed_ports.n; i++)
		buf_addf(&ports, "%s%s", i ? "," : "", image->exposed_ports.v[i]);
	if (ports.len)
		kvlist_set(a, ret, "org.opencontainers.image.exposedPorts", ports.p);
	for (size_t i = 0; i < image->n_labels; i++) {
		if (!is_for_runtimes(image->labels[i].key))
			kvlist_set(a, ret, image->labels[i].key, image->labels[i].value);
	}
}

static int write_annotations(const struct config_input *in, struct json_writer *w, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct kvlist list = { 0 };

	image_annotations(in->image, &a, &list);
	for (size_t i = 0; i < in->o->annotation.n; i++) {
		AUTO_FREE char *key = xstrdup(in->o->annotation.v[i]);
		char *equals = strchr(key, '=');

		if (!equals || equals == key)
			return err_set(err, EINVAL, "--annotation '%s': must be KEY=VALUE", in->o->annotation.v[i]);
		*equals = '\0';
		kvlist_set(&a, &list, key, equals + 1);
	}
	json_key(w, "annotations");
	json_begin_object(w);
	for (size_t i = 0; i < list.n; i++)
		json_kv_string(w, list.v[i].key, list.v[i].value);
	json_end_object(w);
	return 0;
}

bool config_for_systemd(const struct run_options *o, const struct strlist *args)
{
	static const char *const inits[] = { "/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init", "init", NULL };
	const char *program = args->n ? args->v[0] : "", *slash = strrchr(program, '/');
	bool hit = str_eq(slash ? slash + 1 : program, "systemd");

	if (o->systemd && !str_eq(o->systemd, "true"))
		return str_eq(o->systemd, "always");
	for (const char *const *i = inits; *i; i++)
		hit |= str_eq(*i, program);
	return hit;
}

int config_write(const struct config_input *in, struct json_writer *w, struct err *err)
{
	int r;

	json_begin_object(w);
	json_kv_string(w, "ociVersion", BRIG_SPEC_VERSION);
	r = config_process(in, w, err);
	if (r < 0)
		return r;
	json_key(w, "root");
	json_begin_object(w);
	json_kv_string(w, "path", "rootfs");
	json_kv_bool(w, "readonly", in->o->read_only);
	json_end_object(w);
	if (in->hostname)
		json_kv_string(w, "hostname", in->hostname);
	if (in->o->domainname && *in->o->domainname)
		json_kv_string(w, "domainname", in->o->domainname);
	r = config_mounts(in, w, err);
	if (r == 0)
		r = config_linux(in, w, err);
	if (r == 0)
		r = write_annotations(in, w, err);
	json_end_object(w);
	return r;
}
