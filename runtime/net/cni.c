/* SPDX-License-Identifier: Apache-2.0 */
/* Runs CNI plugins (CNI spec 1.0, "Execution protocol"). */
#include "runtime/base/log.h"
#include "runtime/net/drivers.h"
#include "runtime/net/helper.h"

#include <errno.h>
#include <unistd.h>

#define RESULT_MAX (1u << 20)
#define TIMEOUT_MS 120000

static char *find_plugin(const char *dirs, const char *type)
{
	AUTO_FREE char *copy = xstrdup(dirs);

	for (char *save = NULL, *d = strtok_r(copy, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		char *path = xasprintf("%s/%s", d, type);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* {"code":7,"msg":"...","details":"..."} on standard output, or whatever it said. */
static int plugin_failed(const char *type, int status, struct helper_io *io, struct err *err)
{
	struct arena arena = { 0 };
	struct json *root;
	const char *msg = NULL, *details = NULL;

	if (io->out.len && json_parse(&arena, type, io->out.p, io->out.len, &root, NULL) == 0) {
		msg = json_text(root, "msg");
		details = json_text(root, "details");
	}
	if (msg)
		(void)err_set(err, EIO, "plugin '%s': %s%s%s", type, msg, details && *details ? ": " : "", details ? details : "");
	else
		(void)err_set(err, EIO, "plugin '%s' ended with status %d: %s", type, status, helper_words(io->err.p));
	arena_done(&arena);
	err_sanitize(err);
	return -err->code;
}

static void add_env(char ***env, const char *key, const char *value)
{
	AUTO_FREE char *pair = xasprintf("%s=%s", key, value);

	strings_add(env, pair);
}

static char **plugin_env(const struct net_env *e, const struct cni_call *c, const char *name, const char *command)
{
	static const char *const args_keys[] = { "IP", "MAC" };
	const char *const args_values[] = { c->ip ? c->ip : c->ip6, c->mac };
	AUTO_BUF struct buf args = { 0 };
	const char *path = getenv("PATH");
	char **env = NULL;

	buf_addf(&args, "IgnoreUnknown=1;K8S_POD_NAME=%s", name);
	for (size_t i = 0; i < ARRAY_SIZE(args_keys); i++)
		if (args_values[i])
			buf_addf(&args, ";%s=%s", args_keys[i], args_values[i]);
	add_env(&env, "PATH", path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	add_env(&env, "CNI_COMMAND", command);
	add_env(&env, "CNI_CONTAINERID", c->id);
	add_env(&env, "CNI_NETNS", c->ns_path);
	add_env(&env, "CNI_IFNAME", c->ifname);
	add_env(&env, "CNI_ARGS", args.p);
	add_env(&env, "CNI_PATH", e->cni_path);
	return env;
}

static int run_plugin(const struct net_env *e, const struct cni_plugin *plugin, const char *prev, char *const *env, char **ret_result,
		      struct err *err)
{
	AUTO_FREE char *path = find_plugin(e->cni_path, plugin->type);
	AUTO_FREE char *input = cni_with_result(plugin->config, prev);
	const char *argv[] = { path, NULL };
	struct helper_io io = { .argv = argv, .env = (const char *const *)(uintptr_t)env, .input = input, .input_len = strlen(input),
				.max = RESULT_MAX, .extra_fd = -1, .timeout_ms = TIMEOUT_MS };
	int r;

	if (!path || strchr(plugin->type, '/'))
		return err_set(err, ENOENT, "plugin '%s' is not in '%s': install the package containernetworking-plugins, or set CNI_PATH",
			       plugin->type, e->cni_path);
	log_debug("cni: %s reads %s", path, input);
	r = helper_talk(path, &io);
	if (r < 0)
		(void)err_sys(err, r, "run '%s'", path);
	else if (r > 0)
		r = plugin_failed(plugin->type, r, &io, err);
	if (r == 0 && ret_result)
		*ret_result = io.out.len ? xstrndup(io.out.p, io.out.len) : NULL;
	buf_done(&io.out);
	buf_done(&io.err);
	return r;
}

/* Each plugin gets the one before's result; the last one's is the network's. */
static int add_all(const struct net_env *e, const struct cni_call *c, const char *name, const char *network, char **ret_result, struct err *err)
{
	struct cni_plugin *v;
	size_t n;
	char **env;
	int r = cni_plugins(c, network, &v, &n, err);

	if (r < 0)
		return r;
	env = plugin_env(e, c, name, "ADD");
	for (size_t i = 0; r == 0 && i < n; i++) {
		char *result = NULL;

		r = run_plugin(e, &v[i], *ret_result, env, &result, err);
		if (r == 0 && result) {
			free(*ret_result);
			*ret_result = result;
		}
	}
	strings_free(env);
	cni_plugins_free(v, n);
	return r < 0 ? err_wrap(err, "network '%s'", network) : 0;
}

static struct cni_call make_call(const struct netrec_if *i, const char *id, const char *ns_path)
{
	return (struct cni_call){ .conflist = i->conflist, .ifname = i->pub.ifname, .id = id, .ns_path = ns_path,
				  .aliases = i->pub.aliases, .n_aliases = i->pub.n_aliases };
}

int cni_wire(const struct net_place *p, const struct network *n, const struct net_attach *a, struct netrec *r, size_t index, bool with_ports,
	     struct err *err)
{
	struct netrec_if *i = &r->ifs[index];
	struct cni_call c = make_call(i, p->id, p->ns_path);
	int result;

	c.ip = a->ip;
	c.ip6 = a->ip6;
	c.mac = a->mac;
	c.ports = r->ports;
	c.n_ports = with_ports ? r->n_ports : 0;
	result = add_all(p->env, &c, p->name, n->name, &i->result, err);
	return result < 0 || !i->result ? result : cni_read_result(i->result, n->name, i, &r->dns, err);
}

/* In reverse order, all of them with the last result; an error does not keep the others from being asked. */
int cni_undo(const struct net_env *env, const struct netrec *r, const struct netrec_if *i, const char *ns_path, struct err *err)
{
	struct cni_call c = make_call(i, r->id, ns_path);
	struct cni_plugin *v;
	size_t n;
	char **vars;
	int result;

	c.ports = r->ports;
	c.n_ports = r->n_ports;
	result = cni_plugins(&c, i->pub.network, &v, &n, err);
	if (result < 0)
		return result;
	vars = plugin_env(env, &c, r->name, "DEL");
	while (n > 0) {
		struct err this;

		n--;
		if (run_plugin(env, &v[n], i->result, vars, NULL, &this) < 0 && result == 0) {
			result = -this.code;
			*err = this;
		}
		free(v[n].type);
		free(v[n].config);
	}
	free(v);
	strings_free(vars);
	return result < 0 ? err_wrap(err, "network '%s'", i->pub.network) : 0;
}
