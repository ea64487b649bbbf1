/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

/* ---- brig monitor create --bundle DIR --pid-file FILE [--console-socket SOCKET] ID: what conmon calls as its runtime ---- */

struct monitor_options {
	const char *pid_file, *console_socket, *bundle;
};
#define T struct monitor_options
static const struct option_row monitor_rows[] = {
	OPT_STRING(T, bundle, "bundle", 'b', "DIR", "the container's directory"),
	OPT_STRING(T, pid_file, "pid-file", 0, "FILE", "write the process id to FILE"),
	OPT_STRING(T, console_socket, "console-socket", 0, "SOCKET", "send the terminal's master over this unix socket"),
	OPT_END,
};
#undef T

static int create(struct cli *cli, const struct monitor_options *m, const char *id, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	AUTO_RUN_OPTIONS struct run_options o = { 0 };
	CLEANUP(cleanup_container) struct container *c = NULL;
	struct launch l = { .o = &o, .pid_file = m->pid_file, .console_socket = m->console_socket };
	/* unlocked: who called conmon holds the lock until it hears from us */
	int x = record_load(cli, id, false, &r, err);

	if (x == 0)
		x = run_options_thaw(&r->flags, &o, err);
	if (x < 0)
		return x;
	l.record = r;
	return launch_create(&l, &c, err);
}

static int run_monitor(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct monitor_options *m = target;
	AUTO_FREE char *path = xasprintf("%s/create-error", m->bundle ? m->bundle : ".");
	int r;

	if (!str_eq(operands[0], "create"))
		return err_set(err, EINVAL, "brig monitor is conmon's, and knows create only");
	r = create(cli, m, operands[1], err);
	if (r < 0)
		(void)!fd_write_file_atomic(AT_FDCWD, path, err, sizeof(*err), 0600, false); /* then the error stays short */
	return r;
}

const struct cli_command cli_monitor = {
	.name = "monitor",
	.operands = "create ID",
	.help = "what conmon calls",
	.options = monitor_rows,
	.target_size = sizeof(struct monitor_options),
	.min_operands = 2,
	.max_operands = 2,
	.enters = CLI_ENTERS_NEW,
	.hidden = true,
	.run = run_monitor,
};

/* ---- brig cleanup ID: what conmon calls in the end ---- */

#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 60000

static bool wants_restart(const struct record *r, int code)
{
	const char *p = r->restart_policy;
	uint32_t max;

	if (!p || r->stopped || !r->started)
		return false;
	if (str_eq(p, "always") || str_eq(p, "unless-stopped"))
		return true;
	if (code == 0 || !str_starts(p, "on-failure"))
		return false;
	return p[10] != ':' || (str_to_u32(p + 11, &max) == 0 && r->restarts < (int64_t)max);
}

/* Twice as long each time, as docker does. A stop meanwhile ends it. */
static int restart(struct cli *cli, const char *id, int64_t times, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	AUTO_RUN_OPTIONS struct run_options o = { 0 };
	int64_t ms = times > 9 ? RESTART_MAX_MS : RESTART_MIN_MS << times;
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	int x;

	if (ms > RESTART_MAX_MS)
		pause = (struct timespec){ .tv_sec = RESTART_MAX_MS / 1000 };
	(void)nanosleep(&pause, NULL);
	x = record_load(cli, id, true, &r, err);
	if (x < 0)
		return x == -ENOENT ? 0 : x;
	if (r->stopped || record_state(r, NULL) != RECORD_EXITED)
		return 0;
	r->restarts = times + 1;
	x = run_options_thaw(&r->flags, &o, err);
	return x < 0 ? x : start_detached(r, &o, err);
}

static int run_cleanup(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;
	AUTO_FREE char *id = NULL;
	int code = -1, x = record_load(cli, operands[0], true, &r, err);
	bool again;

	if (x < 0)
		return x == -ENOENT ? 0 : x;
	(void)!exit_file_read(cli, r->id, &code); /* conmon wrote it; without, the code is not known */
	/* Somebody started it again meanwhile, or it never began. */
	if (r->finished || record_state(r, NULL) == RECORD_RUNNING || record_state(r, NULL) == RECORD_PAUSED)
		return 0;
	again = wants_restart(r, code);
	id = xstrdup(r->id);
	x = finish_container(r, code, err);
	if (x < 0 || !again)
		return x;
	record_unlock(r);
	return restart(cli, id, r->restarts, err);
}

static const struct option_row no_rows[] = { OPT_END };

const struct cli_command cli_cleanup = {
	.name = "cleanup",
	.operands = "CONTAINER",
	.help = "finish a container that has ended; what conmon calls",
	.options = no_rows,
	.min_operands = 1,
	.max_operands = 1,
	.enters = CLI_ENTERS_NEW,
	.hidden = true,
	.run = run_cleanup,
};
