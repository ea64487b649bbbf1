/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/cli/image_user.h"
#include "runtime/cli/relay.h"
#include "runtime/cli/select.h"
#include "runtime/console.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

struct exec_flags {
	bool detach, interactive, tty, privileged, latest;
	struct option_list env, env_file, group_add;
	const char *workdir, *user, *detach_keys, *cidfile;
	unsigned preserve_fds;
};
#define T struct exec_flags
static const struct option_row rows[] = {
	OPT_STRING(T, cidfile, "cidfile", 0, "FILE", "read the container's ID from FILE"),
	OPT_FLAG(T, detach, "detach", 'd', "run it in the background"),
	OPT_STRING(T, detach_keys, "detach-keys", 0, "KEYS", "accepted; a process in the foreground cannot be left alone"),
	OPT_LIST(T, env, "env", 'e', "NAME[=VALUE]", "environment variable (may be repeated)"),
	OPT_LIST(T, env_file, "env-file", 0, "FILE", "environment variables from a file"),
	OPT_FLAG(T, interactive, "interactive", 'i', "keep stdin open"),
	OPT_FLAG(T, latest, "latest", 'l', "in the newest container"),
	OPT_UINT(T, preserve_fds, "preserve-fds", 0, "N", "pass N more file descriptors, from 3 on"),
	OPT_FLAG(T, privileged, "privileged", 0, "with all capabilities"),
	OPT_FLAG(T, tty, "tty", 't', "give the process a terminal"),
	OPT_STRING(T, user, "user", 'u', "USER[:GROUP]", "user of the process (the container's)"),
	OPT_STRING(T, workdir, "workdir", 'w', "DIR", "working directory (the container's)"),
	OPT_END,
};
#undef T

static void set_variable(struct arena *a, struct strlist *env, const char *word)
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

/* The container's environment, with a terminal's and the user's, and what the flags say. */
static int make_env(struct arena *a, const struct exec_flags *f, const struct strlist *old, const char *home, struct strlist *ret,
		    struct err *err)
{
	struct strlist words = { 0 };
	int r = 0;

	for (size_t i = 0; i < old->n; i++)
		strlist_add(a, ret, old->v[i]);
	if (home)
		set_variable(a, ret, arena_printf(a, "HOME=%s", home));
	if (f->tty)
		set_variable(a, ret, "TERM=xterm");
	for (size_t i = 0; i < f->env_file.n && r == 0; i++)
		r = read_env_file(f->env_file.v[i], a, &words, err);
	for (size_t i = 0; i < f->env.n; i++)
		strlist_add(a, &words, f->env.v[i]);
	for (size_t i = 0; i < words.n && r == 0; i++) {
		const char *value = strchr(words.v[i], '=') ? "" : getenv(words.v[i]);

		if (words.v[i][0] == '=' || !words.v[i][0])
			r = err_set(err, EINVAL, "--env '%s': the name of the variable is missing", words.v[i]);
		else if (value)
			set_variable(a, ret, *value || !strchr(words.v[i], '=') ? arena_printf(a, "%s=%s", words.v[i], value) : words.v[i]);
	}
	return r;
}

/* Names are those of the container's own files. */
static int set_user(struct arena *a, const struct container *c, const char *user, struct spec_process *p, char **home, struct err *err)
{
	AUTO_IMAGE_USER struct image_user u = { 0 };
	AUTO_CLOSE int root_fd = container_open_root(c, err);
	int r;

	if (root_fd < 0)
		return root_fd;
	r = image_user_resolve(root_fd, user, NULL, 0, &u, err);
	if (r < 0)
		return r;
	p->user.uid = u.uid;
	p->user.gid = u.gid;
	p->user.n_additional_gids = u.n_groups;
	p->user.additional_gids = arena_alloc(a, u.n_groups * sizeof(uint32_t) + 1);
	if (u.n_groups)
		memcpy(p->user.additional_gids, u.groups, u.n_groups * sizeof(uint32_t));
	*home = arena_strdup(a, *u.home ? u.home : "/");
	return 0;
}

static void set_caps(const struct exec_flags *f, struct spec_process *p)
{
	struct spec_caps *caps = &p->caps;

	if (f->privileged) {
		for (const struct name_value *n = cap_names; n->name; n++) {
			if (prctl(PR_CAPBSET_READ, n->value, 0, 0, 0) == 1)
				caps->bounding |= 1ull << n->value;
		}
		caps->effective = caps->permitted = caps->bounding;
		p->no_new_privileges = false;
	} else if (f->user && p->user.uid == 0) {
		caps->effective = caps->permitted = caps->bounding;
		caps->inheritable = caps->ambient = 0;
	} else if (f->user) {
		caps->effective = caps->permitted = caps->inheritable = caps->ambient = 0;
	}
}

static int make_process(struct arena *a, struct container *c, const struct exec_flags *f, char **args, struct spec_process *p, struct err *err)
{
	struct strlist env = { 0 };
	char *home = NULL;
	int r;

	*p = c->spec->process;
	p->args = (struct strlist){ .v = args };
	while (args[p->args.n])
		p->args.n++;
	p->terminal = f->tty;
	p->has_console_size = false;
	if (f->workdir)
		p->cwd = arena_strdup(a, f->workdir);
	r = f->user ? set_user(a, c, f->user, p, &home, err) : 0;
	if (r == 0)
		r = make_env(a, f, &c->spec->process.env, home, &env, err);
	p->env = env;
	set_caps(f, p);
	return r;
}

/* In the background: nothing of our streams goes with it. */
static int exec_detached(struct container *c, struct exec_opts *o, struct err *err)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return err_sys(err, -errno, "open '/dev/null'");
	/* errors are told by the caller, to our own stderr */
	AUTO_CLOSE int stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	for (int fd = 0; fd <= 2; fd++)
		(void)dup2(null_fd, fd);
	fd_close(&null_fd);
	o->detach = true;
	int r = container_exec(c, o, err);
	(void)dup2(stderr_fd, STDERR_FILENO);
	return r;
}

/* What keeps a terminal that nobody sits at: a process that takes what is written to it, until its last user is gone. */
static int drain(int console_fd, struct err *err)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = null_fd < 0 ? -1 : fork();
	char chunk[4096];

	if (pid != 0) {
		fd_close(&null_fd);
		return pid < 0 ? err_sys(err, -errno, "leave a process with the terminal") : 0;
	}
	(void)setsid();
	(void)signal(SIGHUP, SIG_IGN);
	for (int fd = 0; fd <= 2; fd++)
		(void)dup2(null_fd, fd);
	while (read(console_fd, chunk, sizeof(chunk)) > 0)
		;
	_exit(0);
}

static int exec_detached_tty(struct container *c, const struct exec_opts *o, struct err *err)
{
	AUTO_CLOSE int pidfd = -1, socket_fd = -1, console_fd = -1;
	pid_t pid = 0;
	int r = c->backend->exec(c, o, &pid, &pidfd, &socket_fd, err);

	container_unlock(c);
	if (r == 0)
		r = console_fd = console_receive_master(socket_fd, err);
	return r < 0 ? r : drain(console_fd, err);
}

static int exec_streams(struct container *c, const struct exec_flags *f, const struct exec_opts *o, struct err *err)
{
	struct relay_wants w = { .interactive = f->interactive, .attach_out = true, .attach_err = true, .log_fd = -1 };
	AUTO_CLOSE int pidfd = -1, console_fd = -1;
	struct relay relay;
	pid_t pid = 0;
	int r = relay_open(&relay, &w, err);

	if (r < 0)
		return r;
	r = relay_enter(&relay, err);
	if (r == 0) {
		r = c->backend->exec(c, o, &pid, &pidfd, &console_fd, err);
		relay_leave(&relay);
	}
	container_unlock(c);
	if (r == 0)
		r = relay_run(&relay, pid, pidfd, true, 0, err);
	relay_close(&relay);
	return r;
}

static int load(struct cli *cli, const char *what, struct container **ret, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	int x = record_load(cli, what, false, &r, err);
	enum record_state s;

	if (x < 0)
		return x;
	s = record_state(r, NULL);
	if (s == RECORD_PAUSED)
		return err_set(err, EBUSY, "container %s is paused: unpause it first", r->name);
	if (s != RECORD_RUNNING)
		return err_set(err, ESRCH, "can only create exec sessions on running containers: container state improper (%s is %s)", r->name,
			       record_state_name(s));
	x = container_load(ret, &cli->oci, r->id, true, err);
	return x < 0 ? x : container_load_spec(*ret, err);
}

/* The container and the words behind it, however it is given. */
static int choose(struct cli *cli, const struct exec_flags *f, char ***operands, char **ret, struct err *err)
{
	int r = 0;

	if (f->latest) {
		r = newest_container(cli, ret, err);
	} else if (f->cidfile) {
		r = cidfile_read(f->cidfile, ret, err);
	} else {
		*ret = xstrdup(*(*operands)++);
	}
	if (r == 0 && !**operands)
		return err_set(err, EINVAL, "must provide a non-empty command to start an exec session");
	return r;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct exec_flags *f = target;
	CLEANUP(arena_done) struct arena arena = { 0 };
	CLEANUP(cleanup_container) struct container *c = NULL;
	AUTO_FREE char *what = NULL;
	struct spec_process process;
	struct exec_opts o = { .process = &process, .preserve_fds = f->preserve_fds };
	int r = choose(cli, f, &operands, &what, err);

	if (r == 0)
		r = load(cli, what, &c, err);
	if (r == 0)
		r = make_process(&arena, c, f, operands, &process, err);
	if (r)
		return r;
	if (f->detach && f->tty)
		r = exec_detached_tty(c, &o, err);
	else if (f->detach)
		r = exec_detached(c, &o, err);
	else if (f->tty)
		r = container_exec(c, &o, err);
	else
		r = exec_streams(c, f, &o, err);
	if (r >= 0)
		return r;
	fprintf(stderr, "Error: %s\n", err->msg);
	return launch_exit_code(err);
}

const struct cli_command cli_exec_verb = {
	.name = "exec",
	.operands = "[OPTIONS] CONTAINER COMMAND [ARGUMENT...]",
	.help = "run one more process in a running container",
	.options = rows,
	.target_size = sizeof(struct exec_flags),
	.min_operands = 1,
	.max_operands = -1,
	.stop_at_operand = true,
	.enters = CLI_ENTERS_RUNNING,
	.container = true,
	.run = run,
};
