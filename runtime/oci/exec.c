/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

struct exec_options {
	const char *process, *cwd, *user, *process_label, *apparmor;
	struct option_list env, caps, gids, cgroups;
	bool tty, no_new_privs;
	struct exec_opts o;
};

#define T struct exec_options
static const struct option_row rows[] = {
	OPT_STRING(T, process, "process", 'p', "FILE", "read the process from FILE (JSON), not from the command line"),
	OPT_FLAG(T, o.detach, "detach", 'd', "do not wait for the process"),
	OPT_STRING(T, o.console_socket, "console-socket", 0, "SOCKET", "send the terminal's master over this unix socket"),
	OPT_STRING(T, o.pid_file, "pid-file", 0, "FILE", "write the process id to FILE"),
	OPT_STRING(T, o.pidfd_socket, "pidfd-socket", 0, "SOCKET", "send a pidfd of the process over this unix socket"),
	OPT_STRING(T, cwd, "cwd", 'w', "DIR", "current directory in the container"),
	OPT_LIST(T, env, "env", 'e', "NAME=VALUE", "set an environment variable (may be repeated)"),
	OPT_FLAG(T, tty, "tty", 't', "give the process a terminal"),
	OPT_STRING(T, user, "user", 'u', "UID[:GID]", "user and group of the process"),
	OPT_LIST(T, gids, "additional-gids", 'g', "GID", "one more group of the process (may be repeated)"),
	OPT_LIST(T, caps, "cap", 'c', "CAPABILITY", "one more capability of the process (may be repeated)"),
	OPT_FLAG(T, no_new_privs, "no-new-privs", 0, "set no_new_privs"),
	OPT_STRING(T, process_label, "process-label", 0, "LABEL", "SELinux label of the process"),
	OPT_STRING(T, apparmor, "apparmor", 0, "PROFILE", "AppArmor profile of the process"),
	OPT_UINT(T, o.preserve_fds, "preserve-fds", 0, "N", "pass N more file descriptors, from 3 on (0)"),
	OPT_FLAG(T, o.ignore_paused, "ignore-paused", 0, "allow it in a paused container; it runs once that is resumed"),
	OPT_LIST(T, cgroups, "cgroup", 0, "[CONTROLLER[,CONTROLLER]:]PATH",
		 "run in a cgroup below the container's (with controllers, cgroup v1 only: may be repeated)"),
	OPT_END,
};
#undef T


/* Append to a list that belongs to somebody else: a new list with the same strings. */
static void append_strings(struct arena *a, struct strlist *l, const char *const *more, size_t n)
{
	char **v = arena_alloc(a, (l->n + n + 1) * sizeof(*v));

	for (size_t i = 0; i < l->n; i++)
		v[i] = l->v[i];
	for (size_t i = 0; i < n; i++)
		v[l->n + i] = arena_strdup(a, more[i]);
	l->v = v;
	l->n += n;
}

/* A uid without a gid leaves the gid as the container's configuration has it. */
static int set_user(struct spec_user *u, const char *text, struct err *err)
{
	AUTO_FREE char *uid = xstrdup(text);
	char *colon = strchr(uid, ':');
	uint32_t uid_value, gid_value = u->gid;

	if (colon)
		*colon = '\0';
	if (str_to_u32(uid, &uid_value) < 0 || uid_value == UINT32_MAX)
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --user: '%s' is not a user id", text, uid);
	if (colon && (str_to_u32(colon + 1, &gid_value) < 0 || gid_value == UINT32_MAX))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --user: '%s' is not a group id", text, colon + 1);
	u->uid = uid_value;
	u->gid = gid_value;
	return 0;
}

static int add_groups(struct arena *a, struct spec_user *u, const struct option_list *gids, struct err *err)
{
	uint32_t *v = arena_alloc(a, (u->n_additional_gids + gids->n) * sizeof(*v) + 1);

	for (size_t i = 0; i < u->n_additional_gids; i++)
		v[i] = u->additional_gids[i];
	for (size_t i = 0; i < gids->n; i++) {
		if (str_to_u32(gids->v[i], &v[u->n_additional_gids + i]) < 0)
			return err_set(err, EINVAL, "invalid value \"%s\" for flag --additional-gids: must be a group id", gids->v[i]);
	}
	u->additional_gids = v;
	u->n_additional_gids += gids->n;
	return 0;
}

static int find_capability(const char *name, uint64_t *ret)
{
	char full[64];

	for (const struct name_value *c = cap_names; c->name; c++) {
		snprintf(full, sizeof(full), "%s%s", strncasecmp(name, "CAP_", 4) == 0 ? "" : "CAP_", name);
		if (strcasecmp(full, c->name) == 0) {
			*ret = 1ull << c->value;
			return 0;
		}
	}
	return -EINVAL;
}

/* Never the inheritable set: a program with file capabilities would hand them on (CVE-2022-29162). Ambient ones exist only
 * where the configuration itself has inheritable ones. An unknown name is a warning, as it is in config.json. */
static void add_caps(struct spec_caps *caps, const struct option_list *names)
{
	for (size_t i = 0; i < names->n; i++) {
		uint64_t bit;

		if (find_capability(names->v[i], &bit) < 0) {
			log_warn("--cap: '%s' is not a known capability: ignored", names->v[i]);
			continue;
		}
		caps->set = true;
		caps->bounding |= bit;
		caps->effective |= bit;
		caps->permitted |= bit;
		caps->ambient |= caps->inheritable & bit;
	}
}

/* The container's own process with what the command line changes. */
static int process_from_options(struct arena *a, const struct exec_options *x, const struct spec *spec, char **args,
				struct spec_process *p, struct err *err)
{
	int r;

	if (!spec->has_process)
		return err_set(err, EINVAL, "the container's configuration has no process: --process is needed");
	*p = spec->process;
	p->args = (struct strlist){ 0 };
	while (args[p->args.n])
		p->args.n++;
	p->args.v = args;
	p->terminal = x->tty;
	p->has_console_size = false;
	if (x->cwd)
		p->cwd = arena_strdup(a, x->cwd);
	if (x->process_label)
		p->selinux_label = arena_strdup(a, x->process_label);
	if (x->apparmor)
		p->apparmor_profile = arena_strdup(a, x->apparmor);
	if (x->no_new_privs)
		p->no_new_privileges = true;
	for (size_t i = 0; i < x->env.n; i++) {
		if (!strchr(x->env.v[i], '='))
			return err_set(err, EINVAL, "invalid value \"%s\" for flag --env: must be NAME=VALUE", x->env.v[i]);
	}
	append_strings(a, &p->env, x->env.v, x->env.n);
	r = x->user ? set_user(&p->user, x->user, err) : 0;
	if (r == 0)
		r = add_groups(a, &p->user, &x->gids, err);
	add_caps(&p->caps, &x->caps);
	return r;
}

static int process_from_file(struct arena *a, const char *path, struct spec_process *p, struct err *err)
{
	AUTO_FREE char *text = NULL;
	size_t n;
	int r = oci_read_input(path, SPEC_MAX_BYTES, &text, &n, err);

	return r < 0 ? r : spec_parse_process(a, p, path, text, n, err);
}

static int check_options(const struct exec_options *x, char **operands, struct err *err)
{
	if (!x->process && !operands[1])
		return err_set(err, EINVAL, "\"exec\" requires a minimum of 2 argument(s): exec ID PROGRAM [ARGUMENT...], or --process FILE");
	if (x->cwd && x->cwd[0] != '/')
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --cwd: must be an absolute path", x->cwd);
	return 0;
}

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	AUTO_CONTAINER struct container *c = NULL;
	struct exec_options *x = target;
	struct spec_process process = { 0 };
	int r = check_options(x, operands, err);

	if (r == 0)
		r = container_load(&c, global, operands[0], true, err);
	if (r == 0)
		r = container_load_spec(c, err);
	if (r < 0 || !c)
		return r;
	r = x->process ? process_from_file(&arena, x->process, &process, err) :
			 process_from_options(&arena, x, c->spec, operands + 1, &process, err);
	if (r < 0)
		return r;
	if (x->process && x->tty)
		process.terminal = true;
	x->o.process = &process;
	append_strings(&arena, &x->o.cgroups, x->cgroups.v, x->cgroups.n);
	return container_exec(c, &x->o, err);
}

const struct oci_command cmd_exec = {
	.name = "exec",
	.operands = "ID [COMMAND [ARGUMENT...]]",
	.help = "run one more process in a running container",
	.options = rows,
	.target_size = sizeof(struct exec_options),
	.min_operands = 1,
	.max_operands = -1,
	.order = OPTION_ORDER_STOP_AFTER_1ST,
	.enters = OCI_ENTERS,
	.failure_code = 255,
	.failure_text = "exec failed",
	.run = run,
};
