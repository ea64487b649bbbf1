/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"

struct ps_options {
	const char *format;
};

static const struct option_row rows[] = {
	OPT_STRING(struct ps_options, format, "format", 'f', "FORMAT", "table or json (table)"),
	OPT_END,
};

struct pid_list {
	pid_t *v;
	size_t n;
};

static bool has_pid(const struct pid_list *l, uint64_t pid)
{
	for (size_t i = 0; i < l->n; i++) {
		if ((uint64_t)l->v[i] == pid)
			return true;
	}
	return false;
}

/* Run ps(1) of the host and take what it prints. */
static int run_ps(char **args, char **ret, struct err *err)
{
	static char ps[] = "ps", all[] = "-ef";
	AUTO_FREE char **argv = NULL;
	AUTO_CLOSE int in = -1;
	AUTO_CLOSE int out = -1;
	size_t n = 0, len = 0;
	int fds[2], status = 0;
	pid_t pid;

	while (args[n])
		n++;
	argv = xcalloc(n + 3, sizeof(*argv));
	argv[0] = ps;
	argv[1] = all;
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = args[i];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return err_sys(err, -errno, "fork");
	if (pid == 0) {
		if (dup2(out, STDOUT_FILENO) >= 0)
			execvp(ps, argv);
		_exit(127);
	}
	fd_close(&out);
	for (;;) {
		ssize_t got;

		*ret = xreallocarray(*ret, len + 65536 + 1, 1);
		got = fd_read_all(in, *ret + len, 65536);
		if (got > 0)
			len += (size_t)got;
		if (got < 65536)
			break;
	}
	(*ret)[len] = '\0';
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(err, ENOENT, "exec: \"ps\": executable file not found in $PATH");
	return err_set(err, EINVAL, "ps failed with status %d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Field number of the column PID in the head line, or -1. */
static int find_pid_column(const char *line)
{
	int column = 0;

	for (;;) {
		size_t n;

		line += strspn(line, " \t");
		n = strcspn(line, " \t");
		if (n == 0)
			return -1;
		if (n == 3 && strncmp(line, "PID", 3) == 0)
			return column;
		line += n;
		column++;
	}
}

static bool line_is_ours(const char *line, int column, const struct pid_list *pids)
{
	char number[24];
	uint64_t pid;
	size_t n;

	for (;; column--) {
		line += strspn(line, " \t");
		n = strcspn(line, " \t");
		if (column == 0)
			break;
		line += n;
	}
	snprintf(number, sizeof(number), "%.*s", (int)n, line);
	return str_to_u64(number, &pid) == 0 && has_pid(pids, pid);
}

static int filter_table(char *text, const struct pid_list *pids, struct buf *out, struct err *err)
{
	char *save = text, *line = strsep(&save, "\n");
	int column = line ? find_pid_column(line) : -1;

	if (column < 0)
		return err_set(err, EINVAL, "ps: no column PID in its output: the ps options have to show it");
	buf_addf(out, "%s\n", line);
	while ((line = strsep(&save, "\n"))) {
		if (line_is_ours(line, column, pids))
			buf_addf(out, "%s\n", line);
	}
	return 0;
}

static void print_json(const struct pid_list *pids, struct buf *out)
{
	struct json_writer w = { .out = out };

	json_begin_array(&w);
	for (size_t i = 0; i < pids->n; i++)
		json_i64(&w, pids->v[i]);
	json_end_array(&w);
	buf_add(out, "\n");
}

static void pid_list_done(struct pid_list *l)
{
	free(l->v);
}

static int run(const struct runtime_opts *global, void *target, char **operands, struct err *err)
{
	AUTO_CONTAINER struct container *c = NULL;
	CLEANUP(pid_list_done) struct pid_list pids = { 0 };
	const struct ps_options *o = target;
	AUTO_FREE char *text = NULL;
	AUTO_BUF struct buf out = { 0 };
	bool json = str_eq(o->format, "json");
	int r;

	if (!json && !str_eq(o->format, "table"))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --format: must be table or json", o->format);
	r = container_load(&c, global, operands[0], false, err);
	if (r == 0 && !json && c->backend->ps_table) {
		r = c->backend->ps_table(c, &out, err);
		return r < 0 ? r : oci_print(&out, err);
	}
	if (r == 0)
		r = container_pids(c, &pids.v, &pids.n, err);
	if (r < 0)
		return r;
	if (json) {
		print_json(&pids, &out);
		return oci_print(&out, err);
	}
	r = run_ps(operands + 1, &text, err);
	if (r == 0)
		r = filter_table(text, &pids, &out, err);
	return r < 0 ? r : oci_print(&out, err);
}

const struct oci_command cmd_ps = {
	.name = "ps",
	.operands = "ID [PS-OPTION...]",
	.help = "show the processes of a container",
	.options = rows,
	.target_size = sizeof(struct ps_options),
	.defaults = &(const struct ps_options){ .format = "table" },
	.min_operands = 1,
	.max_operands = -1,
	.order = OPTION_ORDER_STOP_AFTER_1ST,
	.run = run,
};
