/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <seccomp.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"
#include "runtime/version.h"

const struct oci_command *const oci_commands[] = {
	&cmd_checkpoint, &cmd_create, &cmd_delete,  &cmd_events, &cmd_exec, &cmd_features, &cmd_kill,  &cmd_list,   &cmd_pause,
	&cmd_ps,	 &cmd_restore, &cmd_resume, &cmd_run,	 &cmd_spec, &cmd_start,	   &cmd_state, &cmd_update, NULL,
};

#define G struct global_options
const struct option_row global_option_rows[] = {
	OPT_STRING(G, root, "root", 0, "DIR", "directory of the containers' state (/run/brig; rootless: $XDG_RUNTIME_DIR/brig)"),
	OPT_STRING(G, log, "log", 0, "FILE", "write log lines to FILE, file:FILE, journald:NAME or syslog:NAME, not to stderr"),
	OPT_STRING(G, log_format, "log-format", 0, "FORMAT", "text or json (text)"),
	OPT_STRING(G, log_level, "log-level", 0, "LEVEL", "error, warning, info or debug (warning)"),
	OPT_FLAG(G, debug, "debug", 0, "the same as --log-level debug"),
	OPT_FLAG(G, systemd_cgroup, "systemd-cgroup", 0, "the same as --cgroup-manager systemd"),
	OPT_STRING(G, cgroup_manager, "cgroup-manager", 0, "NAME", "cgroupfs, systemd or disabled (cgroupfs)"),
	OPT_STRING(G, rootless, "rootless", 0, "MODE", "auto, true or false: whether cgroups and limits may be missing (auto)"),
	OPT_FLAG(G, strict, "strict", 0, "unknown fields in config.json are errors"),
	OPT_STRING(G, vm_accel, "vm-accel", 0, "NAME", "brig-vm: auto, kvm or emulate (auto)"),
	OPT_IGNORE("criu", "FILE", "accepted and ignored: criu is found by PATH"),
	OPT_FLAG(G, version, "version", 'v', "show versions"),
	OPT_END,
};
#undef G

const struct oci_command *oci_command_find(const char *name)
{
	for (const struct oci_command *const *c = oci_commands; *c; c++) {
		if (str_eq((*c)->name, name))
			return *c;
	}
	return NULL;
}

static void help_of_program(const char *program, FILE *out)
{
	fprintf(out, "%s runs containers that are described by OCI bundles\n\nUsage:\n", program);
	fprintf(out, "   %s [GLOBAL OPTIONS] COMMAND [OPTIONS] [ID] [ARGUMENTS]\n\nCommands:\n", program);
	for (const struct oci_command *const *c = oci_commands; *c; c++)
		fprintf(out, "   %-11s %s\n", (*c)->name, (*c)->help);
	fprintf(out, "   %-11s %s\n\nGlobal options:\n", "help", "show this help, or that of a command");
	options_help(global_option_rows, out);
}

void oci_help(const char *program, const struct oci_command *command, FILE *out)
{
	if (!command) {
		help_of_program(program, out);
		return;
	}
	fprintf(out, "%s %s: %s\n\nUsage:\n   %s [GLOBAL OPTIONS] %s [OPTIONS]%s%s\n\nOptions:\n", program, command->name,
		command->help, program, command->name, *command->operands ? " " : "", command->operands);
	options_help(command->options, out);
}

void oci_version(const char *program, FILE *out)
{
	const struct scmp_version *seccomp = seccomp_version();

	fprintf(out, "%s version %s\ncommit: %s\nspec: %s\n", program, brig_version, brig_commit, BRIG_SPEC_VERSION);
	if (seccomp)
		fprintf(out, "libseccomp: %u.%u.%u\n", seccomp->major, seccomp->minor, seccomp->micro);
}

/* stdin may be a pipe that comes in pieces, and no name in /proc is sure to lead to it: read it by hand */
static int read_stdin(size_t max, char **ret, size_t *ret_len)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0, size = 4096;

	for (;;) {
		ssize_t n;

		text = xreallocarray(text, size + 1, 1);
		n = fd_read_all(STDIN_FILENO, text + len, size - len);
		if (n < 0)
			return (int)n;
		len += (size_t)n;
		if (len < size)
			break;
		if (size > max)
			return -EFBIG;
		size *= 2;
	}
	text[len] = '\0';
	*ret_len = len;
	*ret = TAKE_PTR(text);
	return 0;
}

int oci_read_input(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err)
{
	bool is_stdin = str_eq(path, "-");
	int r = is_stdin ? read_stdin(max, ret, ret_len) : fd_read_file(AT_FDCWD, path, max, ret, ret_len);

	if (r < 0)
		return err_sys(err, r, "read '%s'", is_stdin ? "stdin" : path);
	return 0;
}

int oci_print(const struct buf *b, struct err *err)
{
	int r = b->len ? fd_write_all(STDOUT_FILENO, b->p, b->len) : 0;

	return r < 0 ? err_sys(err, r, "write to stdout") : 0;
}

/* ---- tables ---- */

void oci_table_add(struct oci_table *t, size_t n, const char *const *cells)
{
	struct strlist *row;

	t->rows = xreallocarray(t->rows, t->n + 1, sizeof(*t->rows));
	row = &t->rows[t->n++];
	row->v = xcalloc(n + 1, sizeof(*row->v));
	row->n = n;
	for (size_t i = 0; i < n; i++)
		row->v[i] = xstrdup(cells[i]);
}

static int column_width(const struct oci_table *t, size_t column)
{
	size_t width = 9;

	for (size_t i = 0; i < t->n; i++) {
		size_t n = column < t->rows[i].n ? strlen(t->rows[i].v[column]) : 0;

		width = n > width ? n : width;
	}
	return (int)width + 3;
}

void oci_table_print(const struct oci_table *t, struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct strlist *row = &t->rows[i];

		for (size_t k = 0; k < row->n; k++)
			buf_addf(out, "%-*s", k + 1 < row->n ? column_width(t, k) : 0, row->v[k]);
		buf_add(out, "\n");
	}
}

void oci_table_done(struct oci_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		for (size_t k = 0; k < t->rows[i].n; k++)
			free(t->rows[i].v[k]);
		free(t->rows[i].v);
	}
	free(t->rows);
	*t = (struct oci_table){ 0 };
}

/* ---- --regex ---- */

struct matches {
	regex_t regex;
	bool compiled;
	char **ids;
	size_t n;
};

static void matches_done(struct matches *m)
{
	if (m->compiled)
		regfree(&m->regex);
	for (size_t i = 0; i < m->n; i++)
		free(m->ids[i]);
	free(m->ids);
}

int oci_for_each_match(const struct runtime_opts *global, const char *regex,
		       int (*f)(struct container *c, void *arg, struct err *err), void *arg, struct err *err)
{
	CLEANUP(matches_done) struct matches m = { 0 };
	int last = 0, r;

	r = regcomp(&m.regex, regex, REG_EXTENDED | REG_NOSUB);
	if (r != 0) { /* positive, and not an errno */
		char why[128];

		regerror(r, &m.regex, why, sizeof(why));
		return err_set(err, EINVAL, "invalid regular expression '%s': %s", regex, why);
	}
	m.compiled = true;
	r = container_list_ids(global->root, &m.ids, &m.n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m.n; i++) {
		AUTO_CONTAINER struct container *c = NULL;

		if (regexec(&m.regex, m.ids[i], 0, NULL, 0) != 0)
			continue;
		r = container_load(&c, global, m.ids[i], true, err);
		if (r == 0)
			r = f(c, arg, err);
		if (r < 0) {
			log_warn("container '%s': %s", m.ids[i], err->msg);
			last = r;
		}
	}
	return last;
}
