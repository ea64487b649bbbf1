/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the flags of `brig run` before anything is made: words of the record, users, names, keys. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/attach.h"
#include "runtime/cli/image_user.h"
#include "runtime/cli/record.h"
#include "runtime/cli/run_options.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/brig-test-cli-XXXXXX";

static void write_file(const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);

	if (fd_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644, false) < 0)
		exit(1);
}

/* Parse a command line, freeze it, and join the words of the record. */
static char *frozen(char **argv, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct run_options o = run_option_defaults;
	struct option_result res = { 0 };
	struct strlist words = { 0 };
	AUTO_BUF struct buf b = { 0 };
	int r = options_parse_posix(run_option_rows, true, argv, &o, &res, err);

	if (r == 0)
		r = run_options_check(&o, err);
	if (r == 0)
		r = run_options_freeze(&o, &a, &words, err);
	for (size_t i = 0; i < words.n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", words.v[i]);
	option_result_done(&res);
	run_options_done(&o);
	return r < 0 ? xstrdup(err->msg) : buf_take(&b);
}
#define FROZEN(...) frozen((char *[]){ __VA_ARGS__, NULL }, &(struct err){ 0 })
#define W(s) ((char[]){ s })

static void test_words(void)
{
	AUTO_FREE char *env = xasprintf("--env-file=%s/env", dir), *s = NULL;

	s = FROZEN(W("-itdp"), W("80:80"), W("-m"), W("1g"), W("--stop-timeout=0"), W("--sig-proxy=false"), W("--entrypoint="), W("img"), W("-x"));
	is_str(s, "--detach=true --sig-proxy=false --entrypoint= --interactive=true --memory=1073741824 --publish=80:80 --stop-timeout=0 --tty=true",
	       "run: words have one form, numbers are bytes, and what is not given is not there");
	free(s);
	write_file("env", "# none\n\n  A=1\nB=two words\nBRIG_TEST_UNSET\nBRIG_TEST_SET\r\n");
	setenv("BRIG_TEST_SET", "here", 1);
	s = FROZEN(env, W("-eA=2"), W("--net"), W("none"), W("img"));
	is_str(s, "--env=A=1 --env=B=two words --env=BRIG_TEST_SET=here --env=A=2 --network=none",
	       "run: files of variables are read, variables of the caller have their value, aliases are the same");
	free(s);
	s = FROZEN(W("--rm"), W("--restart"), W("always"), W("img"));
	like(s, "--rm and --restart always", "run: --rm and --restart contradict each other");
	free(s);
	s = FROZEN(W("--pull"), W("sometimes"), W("img"));
	like(s, "invalid argument \"sometimes\" for \"--pull\" flag: must be one of missing, always", "run: a word out of a list");
	free(s);
	s = FROZEN(W("--name"), W("../x"), W("img"));
	like(s, "invalid container name '../x'", "run: a name that is a path");
	free(s);
	s = FROZEN(W("-e"), W("=x"), W("img"));
	like(s, "--env '=x'", "run: a variable without a name");
}

static void test_thaw(void)
{
	char *v[] = { W("--memory=1073741824"), W("--env=A=b"), W("--tty=true"), NULL };
	struct strlist words = { .v = v, .n = 3 };
	struct run_options o;
	struct err err = { 0 };

	ok(run_options_thaw(&words, &o, &err) == 0 && o.memory.v == 1073741824 && o.tty && o.env.n == 1 && o.sig_proxy,
	   "run: words of the record are read again");
	run_options_done(&o);
	v[0] = W("--no-such=1");
	ok(run_options_thaw(&words, &o, &err) < 0, "run: a word of a newer brig is an error");
}

static void test_rows(void)
{
	bool good = true;

	for (const struct option_row *r = run_option_rows; r->kind != OPTION_END; r++) {
		good = good && (r->kind == OPTION_FLAG) == !r->value && r->offset < sizeof(struct run_options);
		for (const struct option_row *o = r + 1; o->kind != OPTION_END; o++)
			good = good && strcmp(r->name, o->name) != 0 && (!r->letter || r->letter != o->letter);
	}
	ok(good, "run: rows are whole and without doubles");
}

static int resolve(const char *user, struct image_user *u, struct err *err)
{
	AUTO_CLOSE int root_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	*err = (struct err){ 0 };
	return image_user_resolve(root_fd, user, NULL, 0, u, err);
}

static void test_users(void)
{
	AUTO_FREE char *etc = xasprintf("%s/etc", dir);
	struct image_user u;
	struct err err;

	(void)mkdir(etc, 0755);
	ok(resolve("", &u, &err) == 0 && u.uid == 0 && u.gid == 0 && u.n_groups == 0, "user: none, without a passwd file");
	image_user_done(&u);
	ok(resolve("1000:1001", &u, &err) == 0 && u.uid == 1000 && u.gid == 1001, "user: numbers need no file");
	image_user_done(&u);
	ok(resolve("www", &u, &err) < 0, "user: a name needs one");
	like(err.msg, "unable to find user www", "user: and is named");
	write_file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbroken\nwww:x:33:34:w:/var/www:/bin/sh\n123:x:77:78::/h:\n");
	write_file("etc/group", "root:x:0:\nw:x:34:\nextra:x:40:a,www\nmore:x:41:www\nnot:x:42:wwww\n");
	ok(resolve("www", &u, &err) == 0 && u.uid == 33 && u.gid == 34 && u.n_groups == 2 && u.groups[0] == 40 && u.groups[1] == 41,
	   "user: a name has its group and its memberships");
	is_str(u.home, "/var/www", "user: and its home");
	image_user_done(&u);
	ok(resolve("33", &u, &err) == 0 && u.gid == 34 && u.n_groups == 2, "user: a number is looked up, too");
	image_user_done(&u);
	ok(resolve("www:extra", &u, &err) == 0 && u.gid == 40 && u.n_groups == 0, "user: a group of one's own leaves out the memberships");
	image_user_done(&u);
	ok(resolve("123", &u, &err) == 0 && u.uid == 77, "user: a name of digits is a name first");
	image_user_done(&u);
	ok(resolve("www:nope", &u, &err) < 0, "user: unknown group");
	like(err.msg, "unable to find group nope", "user: and it is named");
	ok(resolve("4294967295", &u, &err) < 0, "user: the id that means none");
}

static void test_names(void)
{
	char a[64], b[64];
	struct err err;

	record_random_name(1, a, sizeof(a));
	record_random_name(2, b, sizeof(b));
	ok(strchr(a, '_') && strcmp(a, b) != 0 && record_check_name(a, &err) == 0, "names: two words (%s, %s)", a, b);
	ok(record_check_name("", &err) < 0 && record_check_name(".x", &err) < 0 && record_check_name("a/b", &err) < 0 &&
		   record_check_name("-x", &err) < 0 && record_check_name("web-1.a_b", &err) == 0,
	   "names: letters, digits and _.- but not at the beginning");
}

static void test_keys(void)
{
	unsigned char k[16];
	struct err err;

	ok(attach_parse_keys("ctrl-p,ctrl-q", k, &err) == 2 && k[0] == 16 && k[1] == 17, "keys: ctrl-p,ctrl-q");
	ok(attach_parse_keys("a,ctrl-[,ctrl-@", k, &err) == 3 && k[0] == 'a' && k[1] == 27 && k[2] == 0, "keys: letters and signs");
	ok(attach_parse_keys("", k, &err) == 0, "keys: none");
	ok(attach_parse_keys("ctrl-", k, &err) < 0 && attach_parse_keys("ab", k, &err) < 0 && attach_parse_keys("a,,b", k, &err) < 0,
	   "keys: what is none");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_words();
	test_thaw();
	test_rows();
	test_users();
	test_names();
	test_keys();
	(void)remove_tree(AT_FDCWD, dir);
	return done();
}
