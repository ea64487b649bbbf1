/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/config.h"

#include "runtime/base/mem.h"
#include "runtime/cli/record.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <sys/resource.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- environment ---- */

/* NAME=VALUE replaces an earlier one of that name. */
static void set_env(struct arena *a, struct strlist *env, const char *word)
{
	size_t n = strcspn(word, "=") + 1;

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], word, n) == 0) {
			env->v[i] = arena_strdup(a, word);
			return;
		}
	}
	strlist_add(a, env, word);
}

static bool has_env(const struct strlist *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
			return true;
	}
	return false;
}

static void unset_env(struct strlist *env, const char *name)
{
	size_t n = strlen(name), kept = 0;

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], name, n) != 0 || env->v[i][n] != '=')
			env->v[kept++] = env->v[i];
	}
	env->n = kept;
}

static void add_default(struct arena *a, struct strlist *env, const char *name, const char *value)
{
	if (!has_env(env, name))
		strlist_add(a, env, arena_printf(a, "%s=%s", name, value));
}

static void make_env(const struct config_input *in, struct arena *a, struct strlist *env)
{
	const struct run_options *o = in->o;

	strlist_add(a, env, DEFAULT_PATH);
	if (o->tty)
		strlist_add(a, env, "TERM=xterm");
	strlist_add(a, env, "container=brig");
	for (size_t i = 0; i < in->image->env.n && !o->unsetenv_all; i++) {
		if (strchr(in->image->env.v[i], '='))
			set_env(a, env, in->image->env.v[i]);
	}
	for (size_t i = 0; i < o->unsetenv.n; i++)
		unset_env(env, o->unsetenv.v[i]);
	for (size_t i = 0; i < o->env.n; i++) {
		if (strchr(o->env.v[i], '='))
			set_env(a, env, o->env.v[i]);
	}
	for (size_t i = 0; in->secrets && i < in->secrets->n; i++) {
		const struct secret_use *s = &in->secrets->v[i];

		if (s->env)
			set_env(a, env, arena_printf(a, "%s=%s", s->target, s->value ? s->value : ""));
	}
	add_default(a, env, "HOSTNAME", in->hostname ? in->hostname : "");
	if (!in->hostname)
		unset_env(env, "HOSTNAME");
	add_default(a, env, "HOME", *in->user->home ? in->user->home : "/");
}

/* ---- capabilities ---- */

#define CAP(n) (1ull << (n))
/* docker's default set: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD
 * AUDIT_WRITE SETFCAP */
#define DEFAULT_CAPS                                                                                                 \
	(CAP(0) | CAP(1) | CAP(3) | CAP(4) | CAP(5) | CAP(6) | CAP(7) | CAP(8) | CAP(10) | CAP(13) | CAP(18) | CAP(27) | \
	 CAP(29) | CAP(31))

static int cap_bit(const char *flag, const char *name, uint64_t all, uint64_t *ret, struct err *err)
{
	char full[64];

	if (strcasecmp(name, "all") == 0) {
		*ret = all;
		return 0;
	}
	snprintf(full, sizeof(full), "%s%s", strncasecmp(name, "CAP_", 4) == 0 ? "" : "CAP_", name);
	for (const struct name_value *c = cap_names; c->name; c++) {
		if (strcasecmp(full, c->name) == 0) {
			*ret = 1ull << c->value;
			return 0;
		}
	}
	return err_set(err, EINVAL, "--%s '%s': unknown capability", flag, name);
}

static int cap_list(const char *flag, const struct option_list *l, uint64_t all, uint64_t *ret, struct err *err)
{
	*ret = 0;
	for (size_t i = 0; i < l->n; i++) {
		AUTO_FREE char *copy = xstrdup(l->v[i]);
		char *rest = copy, *name;

		while ((name = strsep(&rest, ","))) {
			uint64_t bit = 0;
			int r = cap_bit(flag, name, all, &bit, err);

			if (r < 0)
				return r;
			*ret |= bit;
		}
	}
	return 0;
}

int config_caps(const struct run_options *o, uint64_t available, uint64_t *ret, struct err *err)
{
	uint64_t add, drop;
	int r = cap_list("cap-add", &o->cap_add, available, &add, err);

	if (r == 0)
		r = cap_list("cap-drop", &o->cap_drop, ~0ull, &drop, err);
	if (r < 0)
		return r;
	if (add & ~available)
		for (const struct name_value *c = cap_names; c->name; c++) {
			if (add & ~available & 1ull << c->value)
				return err_set(err, EPERM, "--cap-add %s: brig itself does not have this capability", c->name);
		}
	*ret = o->privileged ? available : DEFAULT_CAPS & available;
	/* what is added by name is stronger than "drop all", what is dropped by name stronger than "add all" */
	if (drop == ~0ull)
		*ret = add;
	else
		*ret = (*ret | add) & ~drop;
	return 0;
}

static void write_caps(struct json_writer *w, const char *key, uint64_t mask)
{
	json_key(w, key);
	json_begin_array(w);
	for (const struct name_value *c = cap_names; c->name; c++) {
		if (mask & 1ull << c->value)
			json_string(w, c->name);
	}
	json_end_array(w);
}

/* A user other than root has capabilities only as far as the flags give them by name; then they are ambient, or execve would take
 * them away again. */
static int write_capabilities(const struct config_input *in, struct json_writer *w, struct err *err)
{
	uint64_t caps = 0, added = 0, own;
	int r = config_caps(in->o, in->caps_available, &caps, err);

	if (r == 0)
		r = cap_list("cap-add", &in->o->cap_add, in->caps_available, &added, err);
	if (r < 0)
		return r;
	own = in->user->uid == 0 ? caps : added & caps;
	json_key(w, "capabilities");
	json_begin_object(w);
	write_caps(w, "bounding", caps);
	write_caps(w, "effective", own);
	write_caps(w, "permitted", own);
	write_caps(w, "inheritable", in->user->uid == 0 ? 0 : own);
	write_caps(w, "ambient", in->user->uid == 0 ? 0 : own);
	json_end_object(w);
	return 0;
}

/* ---- limits ---- */

static const struct {
	const char *name;
	int resource;
} limit_names[] = {
	{ "as", RLIMIT_AS },	       { "core", RLIMIT_CORE },	    { "cpu", RLIMIT_CPU },	   { "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },     { "locks", RLIMIT_LOCKS },   { "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },       { "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC },	   { "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },   { "rttime", RLIMIT_RTTIME }, { "sigpending", RLIMIT_SIGPENDING }, { "stack", RLIMIT_STACK },
};

static void write_limit(struct json_writer *w, const char *name, uint64_t soft, uint64_t hard)
{
	char type[32] = "RLIMIT_";

	for (size_t i = 0; i < sizeof(type) - 8 && name[i]; i++)
		type[7 + i] = (char)toupper((unsigned char)name[i]);
	json_begin_object(w);
	json_kv_string(w, "type", type);
	json_kv_u64(w, "hard", hard);
	json_kv_u64(w, "soft", soft);
	json_end_object(w);
}

static int limit_value(const char *text, uint64_t *ret)
{
	if (str_eq(text, "-1") || str_eq(text, "unlimited")) {
		*ret = RLIM_INFINITY;
		return 0;
	}
	return str_to_u64(text, ret);
}

/* name=soft[:hard] */
static int write_ulimit(const char *text, struct json_writer *w, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *soft = strchr(copy, '='), *hard;
	uint64_t s, h;

	if (!soft)
		return err_set(err, EINVAL, "--ulimit '%s': must be NAME=SOFT[:HARD]", text);
	*soft++ = '\0';
	hard = strchr(soft, ':');
	if (hard)
		*hard++ = '\0';
	if (limit_value(soft, &s) < 0 || limit_value(hard ? hard : soft, &h) < 0)
		return err_set(err, EINVAL, "--ulimit '%s': limits are numbers, or -1 for none", text);
	if (s > h)
		return err_set(err, EINVAL, "--ulimit '%s': the soft limit is above the hard limit", text);
	for (size_t i = 0; i < ARRAY_SIZE(limit_names); i++) {
		if (str_eq(limit_names[i].name, copy)) {
			write_limit(w, copy, s, h);
			return 0;
		}
	}
	return err_set(err, EINVAL, "--ulimit '%s': unknown limit '%s'", text, copy);
}

static int write_rlimits(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const struct option_list *l = &in->o->ulimit;
	int r = 0;

	json_key(w, "rlimits");
	json_begin_array(w);
	for (size_t i = 0; i < l->n && r == 0; i++) {
		/* the caller's limits are what a container gets without any --ulimit, too */
		if (!str_eq(l->v[i], "host"))
			r = write_ulimit(l->v[i], w, err);
	}
	json_end_array(w);
	return r;
}

/* ---- the rest ---- */

static int write_user(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const struct image_user *u = in->user;
	char *end = NULL;
	unsigned long umask = in->o->umask ? strtoul(in->o->umask, &end, 8) : 0;

	if (in->o->umask && (!*in->o->umask || *end || umask > 0777))
		return err_set(err, EINVAL, "--umask '%s': must be an octal number up to 0777", in->o->umask);
	json_key(w, "user");
	json_begin_object(w);
	json_kv_u64(w, "uid", u->uid);
	json_kv_u64(w, "gid", u->gid);
	json_kv_u64(w, "umask", in->o->umask ? umask : 022);
	if (u->n_groups) {
		json_key(w, "additionalGids");
		json_begin_array(w);
		for (size_t i = 0; i < u->n_groups; i++)
			json_u64(w, u->groups[i]);
		json_end_array(w);
	}
	json_end_object(w);
	return 0;
}

static void write_args(const struct config_input *in, struct json_writer *w)
{
	json_key(w, "args");
	json_begin_array(w);
	if (in->init) {
		json_string(w, "/dev/init");
		json_string(w, "--");
	}
	for (size_t i = 0; i < in->args->n; i++)
		json_string(w, in->args->v[i]);
	json_end_array(w);
}

static int write_security(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const char *nnp = config_security(in->o, "no-new-privileges"), *apparmor = config_security(in->o, "apparmor");
	bool value = nnp != NULL;

	if (nnp && *nnp && option_bool(nnp, &value) < 0)
		return err_set(err, EINVAL, "--security-opt no-new-privileges=%s: must be true or false", nnp);
	json_kv_bool(w, "noNewPrivileges", value);
	if (apparmor && *apparmor && !str_eq(apparmor, "unconfined"))
		json_kv_string(w, "apparmorProfile", apparmor);
	if (in->o->oom_score_adj.set) {
		if (in->o->oom_score_adj.v < -1000 || in->o->oom_score_adj.v > 1000)
			return err_set(err, EINVAL, "--oom-score-adj %lld: must be from -1000 to 1000", (long long)in->o->oom_score_adj.v);
		json_kv_i64(w, "oomScoreAdj", in->o->oom_score_adj.v);
	}
	return 0;
}

static void write_env(const struct config_input *in, struct json_writer *w)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct strlist env = { 0 };

	make_env(in, &a, &env);
	json_key(w, "env");
	json_begin_array(w);
	for (size_t i = 0; i < env.n; i++)
		json_string(w, env.v[i]);
	json_end_array(w);
}

int config_process(const struct config_input *in, struct json_writer *w, struct err *err)
{
	const char *cwd = in->o->workdir ? in->o->workdir : in->image->working_dir;
	int r;

	json_key(w, "process");
	json_begin_object(w);
	json_kv_bool(w, "terminal", in->o->tty);
	r = write_user(in, w, err);
	if (r < 0)
		return r;
	write_args(in, w);
	write_env(in, w);
	if (*cwd && *cwd != '/') {
		AUTO_FREE char *absolute = xasprintf("/%s", cwd); /* old builders left the slash out */

		json_kv_string(w, "cwd", absolute);
	} else {
		json_kv_string(w, "cwd", *cwd ? cwd : "/");
	}
	r = write_capabilities(in, w, err);
	if (r == 0)
		r = write_rlimits(in, w, err);
	if (r == 0)
		r = write_security(in, w, err);
	json_end_object(w);
	return r;
}
