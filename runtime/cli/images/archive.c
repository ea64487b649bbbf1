/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "images/archive.h"
#include "images/commit.h"
#include "images/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- load ---- */

struct load_options {
	const char *input, *platform;
	bool quiet;
};

#define T struct load_options
static const struct option_row load_rows[] = {
	OPT_STRING(T, input, "input", 'i', "FILE", "archive or directory (standard input)"),
	OPT_STRING(T, platform, "platform", 0, "OS[/ARCH[/VARIANT]]", "which image of an index (the host's)"),
	OPT_FLAG(T, quiet, "quiet", 'q', "print no progress"),
	OPT_END,
};
#undef T

/* A name in an archive: full ones as they are; short ones are docker.io's where docker wrote them, else local. */
static char *load_name(void *ctx UNUSED, const char *raw, bool docker)
{
	AUTO_REFERENCE struct reference ref = { 0 }, full = { 0 };
	struct err err = { 0 };

	if (reference_parse(raw, &ref, &err) == 0) {
		reference_qualify(&ref, docker ? REFERENCE_DEFAULT_HOST : REFERENCE_LOCAL_HOST, &full);
		return reference_text(&full);
	}
	fprintf(stderr, "Warning: name in archive left out: %s\n", err.msg);
	return NULL;
}

static void print_loaded(void *ctx, const struct store_image *image, const char *const *names, size_t n)
{
	char text[DIGEST_TEXT_LEN];

	image_event(ctx, "load", image, n ? names[0] : NULL);
	for (size_t i = 0; i < n; i++)
		printf("Loaded image: %s\n", names[i]);
	if (!n)
		printf("Loaded image: %s\n", digest_text(&image->config, text));
}

static int run_load(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct load_options *l = target;
	struct archive_load_options o = { .platform = l->platform, .name = load_name, .loaded = print_loaded, .ctx = cli };
	const char *input = l->input ? l->input : "-";
	AUTO_LOCATION struct location at = { 0 };
	int r = location_parse(operands[0] ? operands[0] : input, &at, err);

	if (r < 0)
		return r;
	if (operands[0] && l->input)
		return err_set(err, EINVAL, "--input and the argument '%s' exclude each other", operands[0]);
	if (str_eq(at.path, "-") && isatty(STDIN_FILENO))
		return err_set(err, EINVAL, "cannot read an archive from a terminal: use --input or a redirection");
	o.ref = at.name;
	return archive_load(&cli->store, at.transport == TRANSPORT_NONE && !operands[0] ? input : at.path, &o, err);
}

const struct image_command image_cmd_load = {
	.names = { "load" },
	.image_names = { "load" },
	.operands = "[PATH]",
	.help = "load images from an archive or an OCI layout",
	.options = load_rows,
	.target_size = sizeof(struct load_options),
	.max_operands = 1,
	.run = run_load,
};

/* ---- import ---- */

struct import_options {
	struct option_list changes;
	const char *message, *arch, *platform, *os;
	bool quiet;
};

#define T struct import_options
static const struct option_row import_rows[] = {
	OPT_STRING(T, arch, "arch", 0, "ARCH", "architecture of the image (the host's)"),
	OPT_LIST(T, changes, "change", 'c', "INSTRUCTION", "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR, as in a Dockerfile"),
	OPT_STRING(T, message, "message", 'm', "TEXT", "comment in the image's history"),
	OPT_STRING(T, os, "os", 0, "OS", "accepted: only linux"),
	OPT_STRING(T, platform, "platform", 0, "OS/ARCH", "the same as --arch"),
	OPT_FLAG(T, quiet, "quiet", 'q', "print no progress"),
	OPT_END,
};
#undef T

/* Lists that grow while the changes are read; all strings live in the arena. */
struct words {
	const char **v;
	size_t n;
};

static void words_add(struct words *w, const char *s)
{
	w->v = xreallocarray(w->v, w->n + 2, sizeof(char *));
	w->v[w->n++] = s;
	w->v[w->n] = NULL;
}

struct import {
	struct arena arena;
	struct words env, cmd, entrypoint, volumes, ports, labels;
	struct archive_import_options o;
};

static void import_done(struct import *i)
{
	free(i->env.v);
	free(i->cmd.v);
	free(i->entrypoint.v);
	free(i->volumes.v);
	free(i->ports.v);
	free(i->labels.v);
	arena_done(&i->arena);
}

/* JSON's form, else the shell's: /bin/sh -c TEXT */
static int read_command(struct import *i, const char *text, struct words *ret, struct err *err)
{
	struct json *v = NULL;

	ret->n = 0;
	if (*text != '[') {
		words_add(ret, "/bin/sh");
		words_add(ret, "-c");
		words_add(ret, text);
		return 0;
	}
	if (json_parse(&i->arena, "--change", text, strlen(text), &v, err) < 0)
		return -EINVAL;
	for (const struct json *k = v->u.kids.first; k; k = k->next) {
		if (k->type != JSON_STRING)
			return json_err(err, "--change", k, EINVAL, "must be a string");
		words_add(ret, k->u.string);
	}
	return 0;
}

/* A list of JSON strings or of words. */
static int read_words(struct import *i, const char *text, struct words *ret, struct err *err)
{
	if (*text == '[')
		return read_command(i, text, ret, err);
	while (*text) {
		size_t n = strcspn(text, " \t");

		if (n)
			words_add(ret, arena_strndup(&i->arena, text, n));
		text += n + strspn(text + n, " \t");
	}
	return 0;
}

/* "K=V K2=V2", each value perhaps in double quotes, or the old "K V". */
static int read_pairs(struct import *i, const char *text, struct words *ret, struct err *err)
{
	const char *eq = strchr(text, '='), *blank = strpbrk(text, " \t");

	if (!eq || (blank && blank < eq)) {
		if (!blank)
			return err_set(err, EINVAL, "--change: '%s' is not KEY=VALUE", text);
		words_add(ret, arena_printf(&i->arena, "%.*s=%s", (int)(blank - text), text, blank + strspn(blank, " \t")));
		return 0;
	}
	while (*text) {
		AUTO_BUF struct buf b = { 0 };
		bool quoted = false;

		for (; *text && (quoted || (*text != ' ' && *text != '\t')); text++) {
			if (*text == '"')
				quoted = !quoted;
			else
				buf_add_n(&b, text[0] == '\\' && text[1] ? ++text : text, 1);
		}
		if (b.p && strchr(b.p, '='))
			words_add(ret, arena_strdup(&i->arena, b.p));
		else
			return err_set(err, EINVAL, "--change: '%s' is not KEY=VALUE", b.p ? b.p : "");
		text += strspn(text, " \t");
	}
	return 0;
}

static int read_change(struct import *i, const char *change, struct err *err)
{
	size_t n = strcspn(change, " \t=");
	AUTO_FREE char *name = xstrndup(change, n);
	const char *text = change + n + strspn(change + n, change[n] == '=' ? "=" : " \t");

	if (!*text)
		return err_set(err, EINVAL, "--change '%s': nothing behind the instruction", change);
	for (char *s = name; *s; s++)
		if (*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 'a' + 'A');
	if (str_eq(name, "CMD"))
		return read_command(i, text, &i->cmd, err);
	if (str_eq(name, "ENTRYPOINT"))
		return read_command(i, text, &i->entrypoint, err);
	if (str_eq(name, "ENV"))
		return read_pairs(i, text, &i->env, err);
	if (str_eq(name, "LABEL"))
		return read_pairs(i, text, &i->labels, err);
	if (str_eq(name, "VOLUME"))
		return read_words(i, text, &i->volumes, err);
	if (str_eq(name, "EXPOSE"))
		return read_words(i, text, &i->ports, err);
	if (str_eq(name, "USER"))
		i->o.user = text;
	else if (str_eq(name, "WORKDIR"))
		i->o.working_dir = text;
	else if (str_eq(name, "STOPSIGNAL"))
		i->o.stop_signal = text;
	else
		return err_set(err, EINVAL, "--change '%s': unknown instruction", change);
	return 0;
}

static int read_changes(struct import *i, const struct import_options *io, struct err *err)
{
	const char *slash = io->platform ? strchr(io->platform, '/') : NULL;

	for (size_t k = 0; k < io->changes.n; k++) {
		int r = read_change(i, io->changes.v[k], err);

		if (r < 0)
			return r;
	}
	i->o.env = i->env.v;
	i->o.cmd = i->cmd.v;
	i->o.entrypoint = i->entrypoint.v;
	i->o.volumes = i->volumes.v;
	i->o.exposed_ports = i->ports.v;
	i->o.labels = i->labels.v;
	i->o.comment = io->message;
	i->o.architecture = io->arch ? io->arch : slash ? slash + 1 : NULL;
	return 0;
}

static int open_input(const char *path, struct err *err)
{
	int fd;

	if (str_eq(path, "-") && isatty(STDIN_FILENO))
		return err_set(err, EINVAL, "cannot read a tar from a terminal");
	fd = str_eq(path, "-") ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, -errno, "open '%s'", path) : fd;
}

static int run_import(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	CLEANUP(import_done) struct import i = { 0 };
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int fd = -1;
	char id[DIGEST_TEXT_LEN], now[STR_TIME_LEN];
	const char *names[1];
	int r = read_changes(&i, target, err);

	if (r == 0 && operands[1])
		r = reference_local_name(operands[1], &name, err);
	if (r == 0)
		fd = r = open_input(operands[0], err);
	if (r < 0)
		return r;
	str_time_now(now);
	i.o.created = now;
	names[0] = name;
	r = archive_import(&cli->store, fd, &i.o, names, name ? 1 : 0, &image, err);
	if (r < 0)
		return r;
	image_event(cli, "import", &image, name);
	printf("%s\n", digest_text(&image.config, id));
	return 0;
}

const struct image_command image_cmd_import = {
	.names = { "import" },
	.image_names = { "import" },
	.operands = "FILE|- [NAME[:TAG]]",
	.help = "make an image of a tar of a root file system",
	.options = import_rows,
	.target_size = sizeof(struct import_options),
	.min_operands = 1,
	.max_operands = 2,
	.run = run_import,
};

/* ---- commit: called by `brig commit`, which knows containers ---- */

struct commit_options {
	struct import_options changes;
	const char *author, *created_by;
};
#define T struct commit_options
static const struct option_row commit_rows[] = {
	OPT_STRING(T, author, "author", 'a', "NAME", "author in the image's history"),
	OPT_LIST(T, changes.changes, "change", 'c', "INSTRUCTION", "as for import"),
	OPT_STRING(T, created_by, "created-by", 0, "TEXT", "command in the image's history"),
	OPT_STRING(T, changes.message, "message", 'm', "TEXT", "comment in the image's history"),
	OPT_END,
};
#undef T

static int run_commit(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct commit_options *o = target;
	CLEANUP(import_done) struct import i = { 0 };
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_FREE char *name = NULL;
	char hex[DIGEST_HEX_LEN], now[STR_TIME_LEN];
	const char *names[1];
	struct digest base;
	int fd, r = read_changes(&i, &o->changes, err);

	if (r == 0 && str_to_int(operands[0], &fd) < 0)
		r = err_set(err, EINVAL, "'%s' is no descriptor", operands[0]);
	if (r == 0)
		r = digest_parse(operands[1], &base, err);
	if (r == 0 && operands[2])
		r = reference_local_name(operands[2], &name, err);
	if (r < 0)
		return r;
	str_time_now(now);
	i.o.created = now;
	names[0] = name;
	r = image_commit(&cli->store, &base, fd, &i.o, o->author, o->created_by, names, name ? 1 : 0, &image, err);
	if (r == 0)
		printf("%s\n", digest_hex(&image.config, hex));
	return r;
}

const struct image_command image_cmd_commit = {
	.names = { "commit-upper" },
	.operands = "FD DIGEST [NAME[:TAG]]",
	.help = "add what an overlay's upper directory has to an image; what `brig commit` calls",
	.options = commit_rows,
	.target_size = sizeof(struct commit_options),
	.min_operands = 2,
	.max_operands = 3,
	.run = run_commit,
};
