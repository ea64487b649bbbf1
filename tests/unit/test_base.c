/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/dir.h"
#include "runtime/base/err.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_err(void)
{
	struct err err;
	char big[600];

	is_int(err_set(&err, ENOENT, "no '%s'", "x"), -ENOENT, "err: set returns the negative code");
	is_str(err.msg, "no 'x'", "err: set formats");
	is_int(err_sys(&err, -EPERM, "mount '%s'", "/proc"), -EPERM, "err: sys returns the result");
	is_str(err.msg, "mount '/proc': Operation not permitted", "err: sys adds the reason");
	is_int(err_wrap(&err, "phase %s", "mounts"), -EPERM, "err: wrap keeps the code");
	is_str(err.msg, "phase mounts: mount '/proc': Operation not permitted", "err: wrap puts the context in front");
	is_int(err_set(&err, 0, "x"), -EINVAL, "err: a code of 0 becomes EINVAL");
	is_int(err_set(NULL, EIO, "x"), -EIO, "err: a NULL err is allowed");
	memset(big, 'c', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)err_set(&err, EIO, "cause");
	(void)err_wrap(&err, "%s", big);
	ok(str_ends(err.msg, ": cause") && strlen(err.msg) == sizeof(err.msg) - 1, "err: a long context is cut, the cause stays");
	memset(&err, 'A', sizeof(err));
	err.msg[3] = '\n';
	err_sanitize(&err);
	ok(err.code == EINVAL && err.msg[3] == '?' && strlen(err.msg) == sizeof(err.msg) - 1, "err: sanitize bounds code and text");
}

static void test_numbers(void)
{
	uint64_t u;
	int64_t i;
	uint32_t u32;
	static const char *const bad[] = { "", "-1", " 1", "1 ", "0x10", "1e3", "+1", "18446744073709551616" };

	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		ok(str_to_u64(bad[k], &u) < 0, "str: '%s' is no unsigned number", bad[k]);
	ok(str_to_u64("18446744073709551615", &u) == 0 && u == UINT64_MAX, "str: the largest u64");
	ok(str_to_i64("-9223372036854775808", &i) == 0 && i == INT64_MIN, "str: the smallest i64");
	is_int(str_to_i64("-9223372036854775809", &i), -ERANGE, "str: below the smallest i64");
	is_int(str_to_u32("4294967296", &u32), -ERANGE, "str: above the largest u32");
}

static void test_bitset(void)
{
	uint64_t bits[2];

	ok(str_to_bitset("0-3,7,64", bits, 128) == 0 && bits[0] == 0x8f && bits[1] == 1, "str: a cpu list");
	is_int(str_to_bitset("128", bits, 128), -ERANGE, "str: a cpu out of range");
	static const char *const bad[] = { "", "1-", "-1", "3-1", "1,,2", "1,", "a", "1 " };
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		ok(str_to_bitset(bad[k], bits, 128) < 0, "str: '%s' is no cpu list", bad[k]);
}

/* Every 12 hours and a bit of five centuries, against libc. */
static void times(void)
{
	char ours[STR_TIME_LEN], libcs[STR_TIME_LEN];
	bool same = true;

	for (time_t t = -6000000000; t < 10000000000 && same; t += 43211) {
		struct tm tm;

		(void)gmtime_r(&t, &tm);
		(void)strftime(libcs, sizeof(libcs), "%Y-%m-%dT%H:%M:%SZ", &tm);
		str_time_utc(t, ours);
		same = strcmp(ours, libcs) == 0;
	}
	ok(same, "time: the same as libc's (%s, %s)", ours, libcs);
	str_time_utc(951782399, ours);
	is_str(ours, "2000-02-28T23:59:59Z", "time: the second before a leap day");
}

static void random_digits(void)
{
	char one[65], other[65], odd[26];

	str_random_hex(one, 64);
	str_random_hex(other, 64);
	str_random_hex(odd, 25);
	ok(strlen(one) == 64 && strspn(one, "0123456789abcdef") == 64, "random: 64 digits (%s)", one);
	ok(strlen(odd) == 25 && strspn(odd, "0123456789abcdef") == 25, "random: an odd number of digits (%s)", odd);
	ok(strcmp(one, other) != 0, "random: never the same");
}

static void test_signals(void)
{
	is_int(str_to_signal("KILL"), SIGKILL, "signal: by name");
	is_int(str_to_signal("SIGTERM"), SIGTERM, "signal: with SIG");
	is_int(str_to_signal("sighup"), SIGHUP, "signal: in small letters");
	is_int(str_to_signal("9"), 9, "signal: by number");
	is_int(str_to_signal("0"), 0, "signal: 0 only asks");
	is_int(str_to_signal("RTMIN+3"), 37, "signal: real-time from the lowest");
	is_int(str_to_signal("SIGRTMAX-1"), 63, "signal: real-time from the highest");
	times();
	random_digits();
	static const char *const bad[] = { "", "65", "-1", "NOPE", "RTMIN+31", "RTMIN-1", "SIG", "9x" };
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		is_int(str_to_signal(bad[k]), -EINVAL, "signal: '%s' is none", bad[k]);
}

static void test_files(void)
{
	char dir[] = "/tmp/brig-base-XXXXXX";
	AUTO_FREE char *text = NULL;
	struct stat st;
	size_t n;

	if (!ok(mkdtemp(dir) != NULL, "fd: a directory to play in"))
		return;
	AUTO_CLOSE int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_int(fd_write_file_atomic(d, "f", "hello", 5, 0600, true), 0, "fd: atomic write");
	is_int(fd_write_file_atomic(d, "f", "again", 5, 0600, false), 0, "fd: atomic write replaces");
	ok(fd_read_file(d, "f", 100, &text, &n) == 0 && n == 5 && strcmp(text, "again") == 0, "fd: read it back");
	is_int(fd_read_file(d, "f", 4, &text, &n), -EFBIG, "fd: a file over the limit is refused");
	is_int(fd_write_file_atomic(d, "no/f", "x", 1, 0600, false), -ENOENT, "fd: a missing directory is an error");
	ok(mkdirat(d, "dir", 0700) == 0 && fd_write_file_atomic(d, "dir", "x", 1, 0600, false) < 0, "fd: a directory is not replaced");
	is_int(dir_remove_files(d), 0, "fd: remove files");
	ok(fstatat(d, "dir", &st, 0) == 0 && fstatat(d, "f", &st, 0) < 0, "fd: files are gone, also temporary ones; directories stay");
	(void)!unlinkat(d, "dir", AT_REMOVEDIR);
	is_int(rmdir(dir), 0, "fd: nothing was left behind");
}

static void test_passing(void)
{
	int pair[2], got[2], fds[3];
	char data[8];
	size_t n = 9;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	for (int i = 0; i < 3; i++)
		fds[i] = pair[0];
	is_int(fd_send(pair[0], "x", 1, fds, 1), 0, "fd: send one");
	ok(fd_recv(pair[1], data, sizeof(data), got, 2, &n) == 1 && n == 1 && (fcntl(got[0], F_GETFD) & FD_CLOEXEC),
	   "fd: receive one, close-on-exec");
	close(got[0]);
	is_int(fd_send(pair[0], "x", 1, fds, 3), 0, "fd: send three");
	is_int(fd_recv(pair[1], data, sizeof(data), got, 2, &n), -EPROTO, "fd: more than wanted is refused");
	is_int(fd_send(pair[0], "", 0, fds, 1), -EINVAL, "fd: an empty message is refused");
	close(pair[0]);
	close(pair[1]);
}

static void test_log(void)
{
	int fds[2];
	char line[512] = "";

	if (pipe(fds) < 0)
		abort();
	log_setup(fds[1], LOG_FORMAT_JSON, LOG_LEVEL_WARNING);
	log_info("not shown");
	log_error("bad \"%s\"\n", "thing");
	(void)!read(fds[0], line, sizeof(line) - 1);
	like(line, "{\"level\":\"error\",\"msg\":\"bad \\\"thing\\\"\\n\",\"time\":\"20", "log: one JSON line as runc writes it");
	ok(str_ends(line, "Z\"}\n"), "log: the time is UTC and ends the line");
	log_setup(fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG);
	log_debug("here");
	memset(line, 0, sizeof(line));
	(void)!read(fds[0], line, sizeof(line) - 1);
	like(line, "level=debug msg=\"here\"\n", "log: a text line");
	log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
}

static void test_memory(void)
{
	struct arena a = { 0 };
	char *p = arena_strdup(&a, "abc"), *q = arena_alloc(&a, 100000), *r = arena_printf(&a, "%d-%s", 7, "x");
	struct buf b = { 0 };

	is_str(p, "abc", "arena: strdup");
	ok(q[0] == 0 && q[99999] == 0, "arena: large and zeroed");
	is_str(r, "7-x", "arena: printf");
	ok((uintptr_t)arena_alloc(&a, 1) % _Alignof(max_align_t) == 0, "arena: aligned");
	arena_done(&a);
	arena_done(&a);
	ok(a.head == NULL, "arena: done twice");
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%d,", i);
	ok(b.len == 3890 && str_starts(b.p, "0,1,"), "buf: grows");
	char *taken = buf_take(&b);
	ok(taken && !b.p && !b.len, "buf: take empties it");
	free(taken);
	taken = buf_take(&b);
	is_str(taken, "", "buf: take of an empty one");
	free(taken);
}

int main(void)
{
	test_err();
	test_numbers();
	test_bitset();
	test_signals();
	test_files();
	test_passing();
	test_log();
	test_memory();
	return done();
}
