/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/secret.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_flag(void)
{
	static const struct {
		const char *text, *want; /* name type target uid gid mode, or a part of the error */
	} rows[] = {
		{ "pw", "pw mount /run/secrets/pw 0 0 444" },
		{ "pw,target=db/key,uid=5,gid=6,mode=400", "pw mount /run/secrets/db/key 5 6 400" },
		{ "source=pw,type=mount,target=/etc/../k,UID=7", "pw mount /k 7 0 444" },
		{ "pw,type=env", "pw env pw 0 0 444" },
		{ "pw,type=env,target=X", "pw env X 0 0 444" },
		{ "pw,type=file", "'type=file' is none of" },
		{ "pw,mode=888", "'mode=888' is none of" },
		{ "pw,uid=-1", "'uid=-1' is none of" },
		{ "pw,more", "'more' is none of" },
		{ "pw,target=", "'target=' is none of" },
		{ "type=env", "name is missing" },
		{ "pw,type=env,mode=400", "go with type=mount" },
		{ "pw,type=env,target=A=B", "no name of a variable" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *word = rows[i].text;
		struct option_list flags = { .v = &word, .n = 1 };
		AUTO_SECRETS struct secret_uses l = { 0 };
		struct err err = { 0 };
		int r = secret_uses_parse(&flags, &l, &err);
		AUTO_FREE char *text = r < 0 ? NULL : xasprintf("%s %s %s %u %u %o", l.v[0].name, l.v[0].env ? "env" : "mount", l.v[0].target,
								l.v[0].uid, l.v[0].gid, l.v[0].mode);

		if (text)
			is_str(text, rows[i].want, "secret: %s", rows[i].text);
		else
			ok(strstr(err.msg, rows[i].want) != NULL, "secret: %s is refused: %s", rows[i].text, err.msg);
	}
}

static void test_two(void)
{
	const char *words[] = { "a,target=/k", "b,target=/x/../k" };
	struct option_list flags = { .v = words, .n = 2 };
	AUTO_SECRETS struct secret_uses l = { 0 };
	struct err err = { 0 };

	ok(secret_uses_parse(&flags, &l, &err) < 0 && strstr(err.msg, "'/k' is taken"), "secret: two at one place are refused");
}

static void test_store(void)
{
	char dir[] = "/tmp/brig-secret.XXXXXX";
	struct err err = { 0 };
	AUTO_FREE char *at = NULL, *data = NULL;
	size_t n = 0;

	if (!mkdtemp(dir))
		abort();
	at = xasprintf("%s/secrets", dir);
	{
		AUTO_SECRET struct secret s = { 0 }, found = { 0 }, again = { 0 }, replaced = { 0 };

		is_int(secret_create(at, "a", "x\0y", 3, NULL, false, &s, &err), 0, "secret: create");
		is_int(secret_create(at, "a", "z", 1, NULL, false, &again, &err), -EEXIST, "secret: a name is taken");
		is_int(secret_load(at, s.id, &found, &err), 0, "secret: found by its id");
		is_int(secret_read(at, &found, &data, &n, &err), 0, "secret: read");
		ok(n == 3 && memcmp(data, "x\0y", 3) == 0, "secret: the bytes are those that were given");
		is_int(secret_create(at, "a", "z", 1, NULL, true, &replaced, &err), 0, "secret: replaced");
		is_str(replaced.created, s.created, "secret: one that was replaced is as old as before");
		is_int(secret_remove(at, &replaced, &err), 0, "secret: removed");
	}
	{
		AUTO_SECRET struct secret gone = { 0 };

		is_int(secret_load(at, "a", &gone, &err), -ENOENT, "secret: gone");
	}
	{
		AUTO_FREE char *lock = xasprintf("%s/lock", at);

		ok(unlink(lock) == 0 && rmdir(at) == 0 && rmdir(dir) == 0, "secret: nothing is left of it");
	}
}

int main(void)
{
	test_flag();
	test_two();
	test_store();
	return done();
}
