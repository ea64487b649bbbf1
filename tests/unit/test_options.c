/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/oci/commands.h"
#include "tests/unit/tap.h"

struct target {
	bool force, detach, all;
	const char *bundle;
	struct option_list env;
	unsigned fds;
	struct opt_i64 quota, memory;
	struct opt_u64 shares;
	struct opt_u32 weight;
};
#define T struct target
static const struct option_row rows[] = {
	OPT_FLAG(T, force, "force", 'f', "x"),
	OPT_FLAG(T, detach, "detach", 'd', "x"),
	OPT_FLAG(T, all, "no-subreaper", 0, "x"),
	OPT_STRING(T, bundle, "bundle", 'b', "DIR", "x"),
	OPT_LIST(T, env, "env", 'e', "X", "x"),
	OPT_UINT(T, fds, "preserve-fds", 0, "N", "x"),
	OPT_I64(T, quota, "cpu-quota", 0, "N", "x"),
	OPT_SIZE(T, memory, "memory", 0, "N", "x"),
	OPT_U64(T, shares, "cpu-share", 0, "N", "x"),
	OPT_U32(T, weight, "weight", 0, "N", "x"),
	OPT_IGNORE("criu", "FILE", "x"),
	OPT_END,
};

static struct target t;
static struct option_result res;
static struct err err;

static int parse_in(enum option_order order, const char *line)
{
	static char text[512];
	static char *argv[64];
	char *save = text;
	size_t n = 0;

	option_result_done(&res);
	options_release(rows, &t);
	t = (struct target){ 0 };
	err = (struct err){ 0 };
	snprintf(text, sizeof(text), "%s", line);
	while (*line && (argv[n] = strsep(&save, " ")))
		n++;
	argv[n] = NULL;
	return options_parse(rows, order, argv, &t, &res, &err);
}

static int parse_posix(const char *line)
{
	static char text[512];
	static char *argv[64];
	char *save = text;
	size_t n = 0;

	option_result_done(&res);
	options_release(rows, &t);
	t = (struct target){ 0 };
	err = (struct err){ 0 };
	snprintf(text, sizeof(text), "%s", line);
	while (*line && (argv[n] = strsep(&save, " ")))
		n++;
	argv[n] = NULL;
	return options_parse_posix(rows, true, argv, &t, &res, &err);
}

static void test_posix(void)
{
	ok(parse_posix("-fdb DIR -eA=1 -e=B=2 --env C=3 img -f --env=x") == 0, "options: posix letters combine, the last takes a value");
	ok(t.force && t.detach && str_eq(t.bundle, "DIR"), "options: posix letters are set");
	ok(t.env.n == 3 && str_eq(t.env.v[0], "A=1") && str_eq(t.env.v[1], "B=2") && str_eq(t.env.v[2], "C=3"),
	   "options: a posix value sticks to its letter, with or without =");
	ok(res.n_operands == 3 && str_eq(res.operands[1], "-f"), "options: what is behind the first operand is left alone");
	ok(parse_posix("-fbDIR x") == 0 && t.force && str_eq(t.bundle, "DIR"), "options: the rest of a posix word is the last letter's value");
	ok(parse_posix("-f=false x") == 0 && !t.force && res.n_operands == 1, "options: a posix flag letter takes =false");
	ok(parse_posix("-force x") < 0, "options: one dash begins letters only");
	is_str(err.msg, "unknown shorthand flag: 'o' in -force", "options: the unknown letter is named");
	ok(parse_posix("--nope=1 x") < 0, "options: unknown long option");
	is_str(err.msg, "unknown flag: --nope", "options: the unknown option is named");
	ok(parse_posix("--memory 12q x") < 0, "options: bad posix value");
	is_str(err.msg, "invalid argument \"12q\" for \"--memory\" flag: must be a size such as 512m, or -1", "options: the bad value is named");
	ok(parse_posix("--bundle") < 0, "options: a posix value is missing");
	is_str(err.msg, "flag needs an argument: --bundle", "options: who lacks the value is named");
	ok(parse_posix("-h") == 0 && res.help, "options: -h is help where no row has it");
	ok(parse_posix("-- -f y") == 0 && res.n_operands == 2 && !t.force, "options: -- ends posix options");
}

static int parse(const char *line)
{
	return parse_in(OPTION_ORDER_ANY, line);
}

static void forms(void)
{
	static const char *const lines[] = {
		"--bundle /b -d id", "--bundle=/b --detach id", "-bundle /b -detach id", "-bundle=/b -d=true id",
		"-b /b --detach=1 id", "-b=/b -d id",		"id --bundle /b -d",	 "-db /b id", "-d id -db=/b",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int r = parse(lines[i]);

		ok(r == 0 && str_eq(t.bundle, "/b") && t.detach && res.n_operands == 1 && str_eq(res.operands[0], "id"),
		   "options: '%s' means the same as all its spellings", lines[i]);
	}
	ok(parse("-no-subreaper id") == 0 && t.all, "options: a long flag with one dash, as go-runc sends it");
	ok(parse("--detach=false --force id") == 0 && !t.detach && t.force, "options: --flag=false");
	ok(parse("-e A=1 --env=B=2 -e=C=3 id") == 0 && t.env.n == 3, "options: a list option may be repeated");
	is_str(t.env.v[1], "B=2", "options: a value keeps its own equals sign");
	ok(parse("--cpu-quota -1 id") == 0 && t.quota.set && t.quota.v == -1, "options: a value may begin with a dash");
	ok(parse("-- --bundle x") == 0 && res.n_operands == 2 && !t.bundle, "options: -- ends the options");
	ok(parse("- id") == 0 && str_eq(res.operands[0], "-"), "options: a lone dash is an operand");
	ok(parse("--criu /sbin/criu id") == 0 && res.n_operands == 1, "options: --criu and its value are dropped");
	ok(parse("--bundle= id") == 0 && str_eq(t.bundle, ""), "options: an empty value is a value");
	ok(parse("") == 0 && res.n_operands == 0, "options: nothing at all");
	ok(parse("id --help --bad") == 0 && res.help, "options: --help wins over what stands behind it");
	ok(parse("-h") == 0 && res.help, "options: -h");
}

static void order(void)
{
	ok(parse_in(OPTION_ORDER_STOP_AT_1ST, "-d create --bundle x") == 0 && t.detach && res.n_operands == 3 && !t.bundle,
	   "options: words behind the verb are the verb's");
	ok(parse_in(OPTION_ORDER_STOP_AFTER_1ST, "-d id sh -c -d --bundle") == 0 && res.n_operands == 5 && !t.bundle,
	   "options: words behind the id belong to the program");
	ok(parse_in(OPTION_ORDER_STOP_AFTER_1ST, "id -- ls") == 0 && res.n_operands == 2 && str_eq(res.operands[1], "ls"),
	   "options: one -- behind the id is dropped");
	ok(parse_in(OPTION_ORDER_STOP_AFTER_1ST, "id -- -- ls") == 0 && res.n_operands == 3, "options: but only one");
}

static void errors(void)
{
	static const struct {
		const char *line, *text;
	} bad[] = {
		{ "--foo id", "flag provided but not defined: --foo" },
		{ "-foo id", "flag provided but not defined: -foo" },
		{ "--foo=3 id", "flag provided but not defined: --foo" },
		{ "-x", "flag provided but not defined: -x" },
		{ "-dx", "flag provided but not defined: -dx" },
		{ "-bd x", "flag provided but not defined: -bd" },
		{ "---detach", "flag provided but not defined: ---detach" },
		{ "--=x", "flag provided but not defined: --" },
		{ "id --bundle", "flag needs an argument: --bundle" },
		{ "id -b", "flag needs an argument: -b" },
		{ "-bundle", "flag needs an argument: -bundle" },
		{ "--detach=maybe", "invalid value \"maybe\" for flag --detach: must be true or false" },
		{ "--preserve-fds -1", "invalid value \"-1\" for flag --preserve-fds" },
		{ "--preserve-fds 4294967296", "invalid value \"4294967296\" for flag --preserve-fds" },
		{ "--cpu-share 1x", "invalid value \"1x\" for flag --cpu-share" },
		{ "--cpu-quota 9223372036854775808", "invalid value" },
		{ "--memory 12q", "invalid value \"12q\" for flag --memory: must be a size" },
		{ "--weight=", "invalid value \"\" for flag --weight" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int r = parse(bad[i].line);

		ok(r < 0 && strncmp(err.msg, bad[i].text, strlen(bad[i].text)) == 0, "options: '%s' is refused: %s", bad[i].line,
		   r < 0 ? err.msg : "(accepted)");
	}
}

static void numbers(void)
{
	static const struct {
		const char *text;
		int r;
		int64_t v;
	} sizes[] = {
		{ "0", 0, 0 },		{ "512", 0, 512 },	     { "1k", 0, 1024 },	      { "1K", 0, 1024 },
		{ "2mb", 0, 2 << 20 },	{ "2MiB", 0, 2 << 20 },	     { "1.5g", 0, 1610612736 }, { "10b", 0, 10 },
		{ "-1", 0, -1 },	{ "-2", -EINVAL, 0 },	     { "", -EINVAL, 0 },      { "k", -EINVAL, 0 },
		{ "1 m", 0, 1 << 20 },	{ "1kk", -EINVAL, 0 },	     { "1.2.3", -EINVAL, 0 }, { "8388608t", -ERANGE, 0 },
		{ "8388607t", 0, 9223370937343148032 }, { "99999999999999999999", -ERANGE, 0 }, { "0x10", -EINVAL, 0 },
	};
	static const struct {
		const char *text;
		int r;
		uint64_t ns;
	} durations[] = {
		{ "5s", 0, 5000000000 }, { "1m30s", 0, 90000000000 }, { "250ms", 0, 250000000 }, { "1.5h", 0, 5400000000000 },
		{ "0", 0, 0 },		 { "10us", 0, 10000 },	      { "3ns", 0, 3 },		 { "5", -EINVAL, 0 },
		{ "", -EINVAL, 0 },	 { "s", -EINVAL, 0 },	      { "-1s", -EINVAL, 0 },	 { "1d", -EINVAL, 0 },
		{ "5s ", -EINVAL, 0 },	 { "9999999h", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int64_t v = 0;
		int r = option_size(sizes[i].text, &v);

		ok(r == sizes[i].r && v == sizes[i].v, "options: size '%s' (%d, %lld)", sizes[i].text, r, (long long)v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		uint64_t v = 0;
		int r = option_duration(durations[i].text, &v);

		ok(r == durations[i].r && v == durations[i].ns, "options: duration '%s' (%d, %llu)", durations[i].text, r,
		   (unsigned long long)v);
	}
}

/* Every command line that was seen coming from an engine: G stands for the global options. */
static const char *const engine_lines[] = {
	"create --bundle B --pid-file P ID",
	"create --bundle B --pid-file P --no-pivot --no-new-keyring --preserve-fds 2 --console-socket S ID",
	"create --bundle B --pid-file B/pid CTR",
	"exec --pid-file P --process F --detach ID",
	"exec --pid-file P --process F --detach --tty --console-socket S --preserve-fds 1 ID",
	"exec --process F --console-socket S --detach --pid-file P ID",
	"exec --process F ID",
	"restore --bundle B --pid-file P --detach --image-path I --work-path W ID",
	"restore --bundle B --pid-file P --detach --image-path I --work-path W --tcp-established --file-locks --lsm-profile=apparmor:x "
	"--lsm-mount-context=y ID",
	"restore --image-path I --work-path W --detach --pid-file P -no-subreaper --bundle B ID",
	"restore --image-path I --work-path W --detach --pid-file P --console-socket S --no-pivot -no-subreaper --bundle B ID",
	"start ID",
	"kill ID 15",
	"kill --all ID 9",
	"kill -a ID 9",
	"kill ID SIGTERM",
	"pause ID",
	"resume ID",
	"state CTR",
	"delete CTR",
	"delete --force ID",
	"update --resources=/var/tmp/podman1 ID",
	"update --resources - ID",
	"update --resources=- ID",
	"ps --format json ID",
	"ps --format table ID -ef",
	"events --stats ID",
	"list --format=json",
	"features",
	"checkpoint --image-path I --work-path W --leave-running ID",
	"checkpoint --image-path I --work-path W --tcp-established --file-locks --pre-dump --parent-path ../pre-checkpoint ID",
	"checkpoint --image-path I --work-path W --tcp-established --ext-unix-sk --shell-job --page-server A:1 --file-locks "
	"--manage-cgroups-mode soft --empty-ns network --lazy-pages --status-fd 3 --leave-running --pre-dump ID",
	"run --bundle B --pid-file P --no-pivot ID",
};
static const char *const engine_globals[] = {
	"",
	"--log-format=json --log L ",
	"--root R --log L --log-format json ",
	"--root R --log L --log-format json --debug --systemd-cgroup ",
	"--root=R --rootless=true --criu /usr/sbin/criu ",
	"--systemd-cgroup ",
	"--cgroup-manager disabled ",
};

static bool line_parses(const char *globals, const char *line, struct err *why)
{
	CLEANUP(option_result_done) struct option_result g = { 0 };
	CLEANUP(option_result_done) struct option_result v = { 0 };
	AUTO_FREE char *text = xasprintf("%s%s", globals, line);
	AUTO_FREE void *target = NULL;
	struct global_options opts = { 0 };
	const struct oci_command *c;
	char *argv[64], *save = text;
	size_t n = 0;
	bool good;

	while ((argv[n] = strsep(&save, " ")))
		n++;
	if (options_parse(global_option_rows, OPTION_ORDER_STOP_AT_1ST, argv, &opts, &g, why) < 0)
		return false;
	c = oci_command_find(g.operands[0]);
	if (!c)
		return false;
	target = xcalloc(1, c->target_size + 1);
	good = options_parse(c->options, c->order, g.operands + 1, target, &v, why) == 0 && v.n_operands >= c->min_operands &&
	       (c->max_operands < 0 || v.n_operands <= c->max_operands);
	options_release(c->options, target);
	return good;
}

static void engines(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(engine_lines); i++) {
		struct err why = { 0 };
		bool good = true;

		for (size_t k = 0; k < ARRAY_SIZE(engine_globals); k++)
			good = line_parses(engine_globals[k], engine_lines[i], &why) && good;
		ok(good, "options: engines may say '%s' %s", engine_lines[i], why.msg);
	}
}

static void tables(void)
{
	for (const struct oci_command *const *c = oci_commands; *c; c++) {
		bool good = (*c)->help && (*c)->operands && (*c)->run && (*c)->options;

		ok(!c[1] || strcmp((*c)->name, c[1]->name) < 0, "commands: '%s' is in alphabetical order", (*c)->name);
		for (const struct option_row *r = (*c)->options; r->kind != OPTION_END; r++) {
			good = good && r->name && r->help && (r->kind == OPTION_FLAG) == !r->value && r->offset <= (*c)->target_size;
			for (const struct option_row *o = r + 1; o->kind != OPTION_END; o++)
				good = good && strcmp(r->name, o->name) != 0 && (!r->letter || r->letter != o->letter);
		}
		ok(good, "commands: '%s' has whole rows without doubles", (*c)->name);
	}
	ok(!oci_command_find("nothing"), "commands: an unknown one is not found");
}

int main(void)
{
	test_posix();
	forms();
	order();
	errors();
	numbers();
	engines();
	tables();
	option_result_done(&res);
	options_release(rows, &t);
	return done();
}
